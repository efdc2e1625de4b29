//! What the program asks of the enclave: for each table which columns, of which types, and which rows can matter.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use datafusion::common::ScalarValue;
use datafusion::prelude::{Expr, ident, lit};
use peristyle_model::Graph;
use peristyle_model::catalogue::{ActivationFilter, Column, RowsFile, RowsFormat, TableSchema};
use peristyle_model::graph::{Constant, InlineRows, InlineTable};
use peristyle_model::types::Physical;
use peristyle_opt_out::{
    Categories, ColumnRequest, ColumnType, FileFormat, IfMissing, KeyType, Location, PATIENT_ID, PatientKeyColumn,
    TableActivation, TableRequest,
};

use crate::error::ExecutionError;
use crate::program::{ColumnNeed, RowNeeds, TableSource, TableUse};

/// The request for a table of the program.
///
/// Patients are known by keys of `key_type`; in rows that a definition gives, by integers, whatever it is elsewhere.
pub(crate) fn request(graph: &Graph, table: &TableUse, key_type: KeyType) -> Result<TableRequest, ExecutionError> {
    let (schema, location) = match table.source {
        TableSource::Catalogue(id) => {
            let schema = graph.table(id);
            (schema, Location::Table(schema.table.clone()))
        }
        TableSource::Inline(id) => {
            let inline = &graph.inline_tables()[id.index()];
            (&inline.schema, inline_location(inline, table)?)
        }
    };
    let columns = table.columns.iter().map(|column| &schema.columns[*column]);
    let columns = match (&location, inline_file(graph, table)) {
        (Location::File { .. }, Some(file)) => columns.map(|column| file_column(file, column)).collect(),
        _ => columns.map(column_request).collect(),
    };
    let name = match table.source {
        TableSource::Catalogue(_) => format!("{}.{}", schema.name.module, schema.name.name).into(),
        TableSource::Inline(_) => Arc::from("inline table of the definition"),
    };
    let activation = activation(schema);
    let key_type = if matches!(location, Location::Given(_)) { KeyType::Int } else { key_type };
    let patient_key = Some(PatientKeyColumn::of(PATIENT_ID.into(), key_type));
    let one_row_per_patient = table.one_row_per_patient;
    Ok(TableRequest { name, location, patient_key, activation, one_row_per_patient, columns })
}

/// The request for all columns of a table of the catalogue.
pub fn whole_table(schema: &TableSchema, key_type: KeyType) -> TableRequest {
    TableRequest {
        name: format!("{}.{}", schema.name.module, schema.name.name).into(),
        location: Location::Table(schema.table.clone()),
        patient_key: Some(PatientKeyColumn::of(PATIENT_ID.into(), key_type)),
        activation: activation(schema),
        one_row_per_patient: schema.one_row_per_patient,
        columns: schema.columns.iter().map(column_request).collect(),
    }
}

fn activation(schema: &TableSchema) -> TableActivation {
    match &schema.activation {
        ActivationFilter::NotApplied => TableActivation::NotApplied,
        ActivationFilter::ByColumn(column) => TableActivation::ByColumn(column.clone()),
        ActivationFilter::Unstated => TableActivation::Unstated,
    }
}

fn column_type(physical: Physical) -> ColumnType {
    match physical {
        Physical::Bool => ColumnType::Bool,
        Physical::Int => ColumnType::Int,
        Physical::Float => ColumnType::Float,
        Physical::Date => ColumnType::Date,
        Physical::Str => ColumnType::Str,
    }
}

fn categories(values: Option<&Arc<[Constant]>>) -> Option<Categories> {
    let values = values?;
    let texts = values.iter().map(|value| if let Constant::Str(text) = value { Some(text.clone()) } else { None });
    if let Some(texts) = texts.collect::<Option<Arc<[_]>>>() {
        return Some(Categories::Str(texts));
    }
    let ints = values.iter().map(|value| if let Constant::Int(int) = value { Some(*int) } else { None });
    ints.collect::<Option<Arc<[_]>>>().map(Categories::Int)
}

fn column_request(column: &Column) -> ColumnRequest {
    ColumnRequest {
        categories: categories(column.categories()),
        if_missing: if column.is_not_null() { IfMissing::Refuse } else { IfMissing::Null },
        ..ColumnRequest::of(column.name.clone(), column_type(column.value_type.physical()))
    }
}

fn inline_file<'a>(graph: &'a Graph, table: &TableUse) -> Option<&'a RowsFile> {
    match table.source {
        TableSource::Inline(id) => match &graph.inline_tables()[id.index()].rows {
            InlineRows::File(file) => Some(file),
            InlineRows::Given(_) => None,
        },
        TableSource::Catalogue(_) => None,
    }
}

/// The column of a rows file, by what the file's reader was told.
fn file_column(file: &RowsFile, column: &Column) -> ColumnRequest {
    let told = file.columns.iter().find(|told| told.name == column.name);
    ColumnRequest {
        categories: categories(told.and_then(|told| told.categories.as_ref())),
        if_missing: if file.allow_missing_columns { IfMissing::Null } else { IfMissing::Refuse },
        ..column_request(column)
    }
}

fn inline_location(inline: &InlineTable, table: &TableUse) -> Result<Location, ExecutionError> {
    Ok(match &inline.rows {
        InlineRows::File(file) => Location::File {
            path: file.path.clone(),
            format: match file.format {
                RowsFormat::Csv => FileFormat::Csv,
                RowsFormat::CsvGz => FileFormat::CsvGz,
                RowsFormat::Arrow => FileFormat::Arrow,
            },
        },
        InlineRows::Given(rows) => Location::Given(given_rows(&inline.schema, rows, table)?),
    })
}

type GivenRow = (i64, Box<[Option<Constant>]>);

fn given_rows(schema: &TableSchema, rows: &[GivenRow], table: &TableUse) -> Result<RecordBatch, ExecutionError> {
    let patients: Int64Array = rows.iter().map(|(patient, _)| *patient).collect::<Vec<_>>().into();
    let mut columns: Vec<(&str, ArrayRef)> = vec![(PATIENT_ID, Arc::new(patients))];
    for index in &table.columns {
        let column = &schema.columns[*index];
        columns.push((&column.name, given_column(column, rows, *index)?));
    }
    let wrong = |_| ExecutionError::InlineTable { reason: "its columns do not fit together".into() };
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, name != PATIENT_ID)))
        .map_err(wrong)
}

fn given_column(column: &Column, rows: &[GivenRow], index: usize) -> Result<ArrayRef, ExecutionError> {
    let cells = rows.iter().map(|(_, values)| values.get(index).and_then(Option::as_ref));
    let physical = column.value_type.physical();
    Ok(match physical {
        Physical::Bool => Arc::new(
            cells.map(|c| if let Some(Constant::Bool(v)) = c { Some(*v) } else { None }).collect::<BooleanArray>(),
        ),
        Physical::Int => Arc::new(
            cells.map(|c| if let Some(Constant::Int(v)) = c { Some(*v) } else { None }).collect::<Int64Array>(),
        ),
        Physical::Float => Arc::new(
            cells.map(|c| if let Some(Constant::Float(v)) = c { Some(*v) } else { None }).collect::<Float64Array>(),
        ),
        Physical::Date => Arc::new(
            cells.map(|c| if let Some(Constant::Date(v)) = c { Some(*v) } else { None }).collect::<Date32Array>(),
        ),
        Physical::Str => {
            let texts = cells.map(|c| if let Some(Constant::Str(v)) = c { Some(v.clone()) } else { None });
            let texts: StringArray = texts.collect();
            cast(&texts, &ColumnType::Str.arrow_type())
                .map_err(|_| ExecutionError::InlineTable { reason: format!("column '{}' is too long", column.name) })?
        }
    })
}

/// The condition that rows which matter satisfy, for the scan to drop the others.
pub(crate) fn predicate(graph: &Graph, table: &TableUse, needs: &RowNeeds) -> Option<Expr> {
    let TableSource::Catalogue(id) = table.source else {
        return None;
    };
    let schema = graph.table(id);
    needs.iter().map(|(column, need)| column_condition(&schema.columns[*column].name, need)).reduce(Expr::and)
}

fn column_condition(name: &str, need: &ColumnNeed) -> Expr {
    let date = |days: &i32| lit(ScalarValue::Date32(Some(*days)));
    match need {
        ColumnNeed::OneOf(codes) => ident(name).in_list(codes.iter().map(|code| lit(code.as_ref())).collect(), false),
        ColumnNeed::Dates { from, to } => {
            let from = from.as_ref().map(|days| ident(name).gt_eq(date(days)));
            let to = to.as_ref().map(|days| ident(name).lt_eq(date(days)));
            from.into_iter().chain(to).reduce(Expr::and).unwrap_or_else(|| lit(true))
        }
    }
}
