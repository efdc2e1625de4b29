//! Tables that a definition brings along: their columns, and rows given in the document or in a file of the study.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::constant::{constant_of, value_type};
use super::place::Place;
use super::reader::Reader;
use super::record::{Read, boolean, dict, fields, optional, string, tagged, tuple, untag};
use super::schema::read_columns;
use crate::catalogue::{
    ActivationFilter, Column, Constraint, RowsColumn, RowsFile, RowsFormat, TableName, TableSchema,
};
use crate::graph::{Constant, GivenRow, InlineRows, InlineTable, NodeId};
use crate::json::Json;
use crate::limits::Limits;
use crate::text::quoted;
use crate::types::{Physical, ValueType};

/// The values that a column may have, if they are restricted.
type Categories<'c> = Option<HashSet<&'c Constant>>;

impl Reader<'_> {
    /// An `InlinePatientTable`.
    pub(super) fn inline_table(&mut self, payload: &Json, place: &Place<'_>) -> Read<NodeId> {
        let [rows, schema] = fields(payload, place, ["rows", "schema"])?;
        let columns = read_columns(schema, &place.field("schema"), self.limits)?;
        let rows = read_rows(rows, &columns, &place.field("rows"), self.limits)?;
        // Made up: nobody looks it up by its name.
        let number = self.builder.graph().inline_tables().len() + 1;
        let name: Arc<str> = format!("inline_table_{number}").into();
        let schema = Arc::new(TableSchema {
            name: TableName { module: Arc::from("definition"), name: Arc::clone(&name) },
            table: name,
            one_row_per_patient: true,
            required_permission: None,
            activation: ActivationFilter::NotApplied,
            columns,
        });
        self.builder.inline_table(InlineTable { schema, rows }).map_err(|error| place.broken(error))
    }
}

fn read_rows(json: &Json, columns: &[Column], place: &Place<'_>, limits: &Limits) -> Read<InlineRows> {
    let format = match json {
        Json::Object(members) if members.len() == 1 => match &*members[0].0 {
            "CSVRowsReader" => Some(RowsFormat::Csv),
            "CSVGZRowsReader" => Some(RowsFormat::CsvGz),
            "ArrowRowsReader" => Some(RowsFormat::Arrow),
            _ => None,
        },
        _ => None,
    };
    match format {
        Some(format) => {
            let (name, payload) = tagged(json, place, "rows")?;
            read_file(payload, format, columns, &place.inside(name), limits).map(InlineRows::File)
        }
        None => read_given_rows(tuple(json, place)?, columns, place, limits).map(InlineRows::Given),
    }
}

fn read_given_rows(rows: &[Json], columns: &[Column], place: &Place<'_>, limits: &Limits) -> Read<Arc<[GivenRow]>> {
    let categories: Vec<Categories<'_>> =
        columns.iter().map(|column| column.categories().map(|known| known.iter().collect())).collect();
    let mut patients = HashSet::with_capacity(rows.len());
    let mut read = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let place = place.item(index);
        let values = tuple(row, &place)?;
        let Some((patient, values)) = values.split_first().filter(|(_, values)| values.len() == columns.len()) else {
            let wanted = columns.len() + 1;
            return Err(place.error(format!("has {} values; patient and columns make {wanted}", values.len())));
        };
        let Json::Int(patient) = *patient else {
            return Err(place.named("column", "patient_id").error("wants a whole number"));
        };
        if !patients.insert(patient) {
            return Err(place.error("is the second row of its patient: an inline table has one row per patient"));
        }
        let value = |(value, (column, known)): (&Json, (&Column, &Categories<'_>))| {
            read_given_value(value, column, known.as_ref(), &place, limits)
        };
        let values = values.iter().zip(columns.iter().zip(&categories)).map(value).collect::<Read<Box<[_]>>>()?;
        read.push((patient, values));
    }
    Ok(read.into())
}

fn read_given_value(
    json: &Json,
    column: &Column,
    categories: Option<&HashSet<&Constant>>,
    place: &Place<'_>,
    limits: &Limits,
) -> Read<Option<Constant>> {
    let place = place.named("column", &column.name);
    // Rows may be of patients: no message quotes a value, though it stands in the definition.
    let wanted = column.value_type;
    let value = optional(json, |json| constant_of(json, wanted, &place, limits))
        .map_err(|_| place.error(format!("wants a value of type {wanted}, or null")))?;
    // What the output's type is taken from must hold; the other constraints describe real data only.
    let broken = column.constraints.iter().any(|constraint| match (constraint, &value) {
        (Constraint::NotNull, value) => value.is_none(),
        (Constraint::Categorical(_), Some(value)) => categories.is_some_and(|known| !known.contains(value)),
        (Constraint::ClosedRange { minimum, maximum, .. }, Some(Constant::Int(value))) => {
            !(*minimum..=*maximum).contains(value)
        }
        _ => false,
    });
    if broken { Err(place.error("has a value that the constraints of its column rule out")) } else { Ok(value) }
}

/// One of the three readers of rows from a file.
fn read_file(
    payload: &Json,
    format: RowsFormat,
    columns: &[Column],
    place: &Place<'_>,
    limits: &Limits,
) -> Read<RowsFile> {
    let [filename, specs, allow] = fields(payload, place, ["filename", "column_specs", "allow_missing_columns"])?;
    let path = read_path(filename, &place.field("filename"))?;
    let allow_missing_columns = boolean(allow, &place.field("allow_missing_columns"))?;
    let place = place.field("column_specs");
    let specs = dict(specs, &place)?;
    // ehrQL derives the one from the other; a file read by other columns than the table has would be a puzzle.
    let wanted = || {
        std::iter::once(("patient_id", Physical::Int))
            .chain(columns.iter().map(|c| (&*c.name, c.value_type.physical())))
    };
    if specs.len() != wanted().count() {
        let wanted = wanted().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
        return Err(place.error(format!(
            "has {} columns; patient_id and the schema's make {}",
            specs.len(),
            quoted(&wanted)
        )));
    }
    let mut read = Vec::with_capacity(specs.len());
    for ((name, spec), (wanted, physical)) in specs.into_iter().zip(wanted()) {
        let name = string(name, &place)?;
        if name != wanted {
            return Err(place.error(format!("has column {} where the schema has {}", quoted(name), quoted(wanted))));
        }
        let column = read_column_spec(name, spec, &place.named("column", name), limits)?;
        if column.value_type.physical() != physical {
            let found = column.value_type;
            return Err(place.named("column", name).error(format!("has type {found}, which is not the schema's")));
        }
        read.push(column);
    }
    Ok(RowsFile { path, format, columns: read, allow_missing_columns })
}

fn read_column_spec(name: &str, json: &Json, place: &Place<'_>, limits: &Limits) -> Read<RowsColumn> {
    let record = untag(json, place, "ColumnSpec")?;
    let names = ["type", "nullable", "categories", "min_value", "max_value"];
    let [type_name, nullable, categories, minimum, maximum] = fields(record, place, names)?;
    let value_type = value_type(type_name, &place.field("type"))?;
    let bound = |json, field| optional(json, |json| constant_of(json, value_type, &place.field(field), limits));
    bound(minimum, "min_value")?;
    bound(maximum, "max_value")?;
    let categories = optional(categories, |json| read_constants(json, value_type, &place.field("categories"), limits))?;
    let nullable = boolean(nullable, &place.field("nullable"))?;
    if name == "patient_id" && (nullable || value_type != ValueType::Int) {
        return Err(place.error("must be of type int and never NULL"));
    }
    Ok(RowsColumn { name: name.into(), value_type, nullable, categories })
}

/// Values of a column of that type.
pub(super) fn read_constants(
    json: &Json,
    value_type: ValueType,
    place: &Place<'_>,
    limits: &Limits,
) -> Read<Arc<[Constant]>> {
    let items = tuple(json, place)?;
    items.iter().enumerate().map(|(index, item)| constant_of(item, value_type, &place.item(index), limits)).collect()
}

/// A path as the definition writes it. Whether it stays inside the study's folder, which is not known here, is for whoever
/// opens it to say.
fn read_path(json: &Json, place: &Place<'_>) -> Read<PathBuf> {
    const LENGTH_MAX: usize = 1024;
    let text = string(untag(json, place, "Path")?, place)?;
    let refuse = |why: &str| Err(place.error(format!("{} {why}", quoted(text))));
    if text.is_empty() || text.len() > LENGTH_MAX || text.chars().any(char::is_control) {
        return refuse("is not a file path");
    }
    if text.contains('\\') {
        return refuse("has backslashes: write paths with forward slashes");
    }
    // The last part must name a file.
    let names_a_file =
        !text.ends_with('/') && matches!(Path::new(text).components().next_back(), Some(Component::Normal(_)));
    if names_a_file { Ok(PathBuf::from(text)) } else { refuse("is not a file path") }
}
