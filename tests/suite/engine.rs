//! The engine under test, from tables in files and a document to rows and output files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type};
use chrono::NaiveDate;
use futures::StreamExt;
use peristyle_execution::{ExecutionError, ExecutionOptions, MeasureTotals, dataset_plan, measures_plan};
use peristyle_model::catalogue::{ActivationFilter, Column, Constraint, TableName, TableSchema};
use peristyle_model::graph::Constant;
use peristyle_model::types::ValueType;
use peristyle_model::{Catalogue, Definition, Limits};
use peristyle_opt_out::{Enclave, EnclaveOptions, StudyFiles, VerifiedPolicy};
use peristyle_outputs::{DisclosureControl, OutputTarget, PatientKeys, TableSpec, TablesWriter, dataset, measures};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

use crate::cells::Cell;
use crate::files::{Format, Layout, RowOrder, write_table, write_tables};
use crate::tables::{Answer, Table};

/// One of the ways to run that must not matter.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) layout: Layout,
    pub(crate) execution: ExecutionOptions,
    /// Rows that the scan hands over at a time
    pub(crate) batch_rows: usize,
}

impl Default for Setup {
    fn default() -> Self {
        let execution = ExecutionOptions { threads: 1, ..ExecutionOptions::default() };
        Setup { layout: Layout::default(), execution, batch_rows: 8192 }
    }
}

impl Setup {
    /// Everything in one block, and everything cut as small as it can be.
    pub(crate) fn both_extremes() -> [Setup; 2] {
        let small = Setup {
            layout: Layout {
                format: Format::Parquet,
                files: 2,
                order: RowOrder::Shuffled(7),
                dictionaries: true,
                batch_rows: 2,
            },
            execution: ExecutionOptions { threads: 2, block_rows_max: 1, block_patients_max: 1 },
            batch_rows: 1,
        };
        [Setup::default(), small]
    }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
    })
}

/// A catalogue of these tables and no others.
pub(crate) fn catalogue(tables: &[Table]) -> Catalogue {
    Catalogue::from_tables(tables.iter().map(|table| {
        let columns = table.columns.iter().map(|column| {
            let categories = column.categories.iter().map(|categories| {
                Constraint::Categorical(categories.iter().map(|text| Constant::Str(text.as_str().into())).collect())
            });
            Column {
                name: column.name.as_str().into(),
                value_type: ValueType::from_name(&column.type_name).expect("a type"),
                constraints: categories.collect(),
            }
        });
        TableSchema {
            name: TableName { module: table.module.as_str().into(), name: table.name.as_str().into() },
            table: table.name.as_str().into(),
            one_row_per_patient: table.one_row_per_patient,
            required_permission: None,
            activation: ActivationFilter::NotApplied,
            columns: columns.collect(),
        }
    }))
}

/// A parsed document.
pub(crate) fn parse(document: &Json, tables: &[Table]) -> Result<Definition, String> {
    Definition::parse(document.to_string().as_bytes(), &catalogue(tables), &Limits::default())
        .map_err(|error| error.to_string())
}

/// The tables of an answer, as the engine hands them to the outputs.
pub(crate) struct Outcome {
    specs: Vec<TableSpec>,
    /// For each table its rows
    batches: Vec<Vec<RecordBatch>>,
}

impl Outcome {
    pub(crate) fn answers(&self) -> Vec<Answer> {
        self.specs.iter().zip(&self.batches).map(|(spec, batches)| answer(spec, batches)).collect()
    }

    /// The bytes of every output file, by name.
    pub(crate) fn files(&self, extension: &str) -> Result<BTreeMap<String, Vec<u8>>, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let target = format!("{}/:{extension}", directory.path().display());
        let target = OutputTarget::parse(Some(&target)).map_err(|error| error.to_string())?;
        let writer = TablesWriter::create(target, self.specs.clone(), BTreeMap::new(), None);
        let mut writer = writer.map_err(|error| error.to_string())?;
        for (index, batches) in self.batches.iter().enumerate() {
            for batch in batches {
                writer.write(index, batch).map_err(|error| error.to_string())?;
            }
        }
        let written = writer.finish().map_err(|error| error.to_string())?;
        let bytes = written.into_iter().map(|table| {
            (table.name.to_string(), fs::read(table.path.expect("a file")).expect("a file that was just written"))
        });
        Ok(bytes.collect())
    }
}

/// Runs a parsed document over the tables that lie in `directory`.
pub(crate) fn outcome(
    definition: &Definition,
    directory: &Path,
    root: &Path,
    setup: &Setup,
    disclosure_control: DisclosureControl,
) -> Result<Outcome, String> {
    outcome_under(VerifiedPolicy::dummy_tables(), definition, directory, root, setup, disclosure_control)
}

/// The same under a policy.
pub(crate) fn outcome_under(
    policy: VerifiedPolicy,
    definition: &Definition,
    directory: &Path,
    root: &Path,
    setup: &Setup,
    disclosure_control: DisclosureControl,
) -> Result<Outcome, String> {
    let options = EnclaveOptions {
        threads: setup.execution.threads,
        memory_limit_bytes: None,
        batch_rows: setup.batch_rows,
        spill_directory: None,
        study: StudyFiles { root: Some(root.to_path_buf()), kept: Vec::new() },
        ..EnclaveOptions::default()
    };
    let run = async {
        let enclave = Enclave::open_tables(directory, policy, options).map_err(|error| error.to_string())?;
        match (&definition.dataset, &definition.measures) {
            (Some(Ok(dataset)), None) => {
                let plan = dataset_plan(definition, dataset, &enclave, &setup.execution).await;
                let mut batches: Vec<Vec<RecordBatch>> = vec![vec![]; 1 + dataset.events.len()];
                for batch in collect(plan, &enclave).await? {
                    let tables = dataset::split(&batch, &dataset.events).map_err(|error| error.to_string())?;
                    batches.iter_mut().zip(tables).for_each(|(batches, batch)| batches.push(batch));
                }
                Ok(Outcome { specs: dataset::table_specs(definition, dataset, PatientKeys::Int), batches })
            }
            (None, Some(Ok(measures))) => {
                let totals = match disclosure_control {
                    DisclosureControl::ByPeople => MeasureTotals::WithGreatestAmounts,
                    DisclosureControl::BySums | DisclosureControl::Off => MeasureTotals::Sums,
                };
                let plan = measures_plan(definition, measures, &enclave, &setup.execution, totals).await;
                let finish = |batch| measures::finish(&batch, disclosure_control).map_err(|error| error.to_string());
                let batches: Result<Vec<_>, _> = collect(plan, &enclave).await?.into_iter().map(finish).collect();
                Ok(Outcome { specs: vec![measures::table_spec(definition, measures)], batches: vec![batches?] })
            }
            other => panic!("a test defines a dataset or measures, not {other:?}"),
        }
    };
    runtime().block_on(run)
}

async fn collect(
    plan: Result<Arc<dyn datafusion::physical_plan::ExecutionPlan>, ExecutionError>,
    enclave: &Enclave,
) -> Result<Vec<RecordBatch>, String> {
    let plan = plan.map_err(|error| error.to_string())?;
    let internal = |error| ExecutionError::from_stream(error).to_string();
    let mut stream = plan.execute(0, enclave.task_context()).map_err(internal)?;
    let mut batches = vec![];
    while let Some(batch) = stream.next().await {
        batches.push(batch.map_err(internal)?);
    }
    Ok(batches)
}

/// Writes the tables, runs the document over them and reads the answer.
pub(crate) fn run(
    document: &Json,
    tables: &[Table],
    root: &Path,
    setup: &Setup,
    disclosure_control: DisclosureControl,
) -> Result<Vec<Answer>, String> {
    let definition = parse(document, tables)?;
    let directory = tempfile::tempdir().expect("a directory");
    write_tables(tables, &setup.layout, directory.path());
    let outcome = outcome(&definition, directory.path(), root, setup, disclosure_control)?;
    // What cannot be written is no answer.
    outcome.files("csv")?;
    Ok(outcome.answers())
}

/// Writes one table as the file of an inline table; the format by its ending.
pub(crate) fn write_file(table: &Table, path: &Path) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let format = match path.to_str().expect("a name") {
        name if name.ends_with(".csv.gz") => Format::CsvGz,
        name if name.ends_with(".csv") => Format::Csv,
        _ => Format::Arrow,
    };
    write_table(table, &Layout { format, ..Layout::default() }, path);
}

fn answer(spec: &TableSpec, batches: &[RecordBatch]) -> Answer {
    let patient_id = spec.patients.map(|_| "patient_id".to_owned());
    let mut columns: Vec<String> =
        patient_id.into_iter().chain(spec.columns.iter().map(|(name, _)| name.to_string())).collect();
    let mut rows = vec![];
    for batch in batches {
        columns = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        let cells: Vec<Vec<Cell>> = batch.columns().iter().map(cells).collect();
        rows.extend((0..batch.num_rows()).map(|row| cells.iter().map(|column| column[row].clone()).collect()));
    }
    Answer { name: spec.name.to_string(), columns, rows }
}

fn cells(array: &Arc<dyn Array>) -> Vec<Cell> {
    let cell = |row: usize| match array.data_type() {
        _ if array.is_null(row) => Cell::Null,
        DataType::Boolean => Cell::Bool(array.as_boolean().value(row)),
        DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            Cell::Date(NaiveDate::from_epoch_days(days).expect("a date"))
        }
        DataType::Utf8 => Cell::Str(array.as_string::<i32>().value(row).to_owned()),
        other => panic!("a result of type {other}"),
    };
    if let DataType::Dictionary(..) = array.data_type() {
        return cells(&cast(array, &DataType::Utf8).expect("strings"));
    }
    (0..array.len()).map(cell).collect()
}
