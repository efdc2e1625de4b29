//! Tables of a few rows, written in any format, and scans of them as text.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::writer::FileWriter;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::physical_plan::{ExecutionPlan, displayable};
use datafusion::prelude::Expr;
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::WriterProperties;

use crate::{
    Categories, ColumnRequest, ColumnType, Enclave, EnclaveOptions, FileFormat, IfMissing, Location, PatientKeyColumn,
    SourceError, StudyFiles, TableActivation, TableRequest, VerifiedPolicy,
};

/// A directory of tables that lasts as long as the test.
pub(super) struct Tables {
    pub(super) directory: tempfile::TempDir,
}

/// How a file is written.
#[derive(Clone, Copy, Default)]
pub(super) struct Written {
    /// Promise the order by our own key
    pub(super) by_key: bool,
    /// Promise it by `sorting_columns` (Parquet)
    pub(super) by_sorting_columns: bool,
    /// Rows in a row group or record batch
    pub(super) group_rows: Option<usize>,
    /// Without statistics (Parquet)
    pub(super) no_statistics: bool,
}

impl Tables {
    pub(super) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Puts bytes as they are.
    pub(super) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    /// Puts rows, in the format that the name ends in, and their digest beside them.
    pub(super) fn put_rows(&self, name: &str, rows: &RecordBatch, how: Written) -> &Self {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match FileFormat::of_path(&path).unwrap() {
            FileFormat::Parquet => write_parquet(&path, rows, how),
            FileFormat::Arrow => write_arrow(&path, rows, how),
            FileFormat::Csv => fs::write(&path, csv_of(rows)).unwrap(),
            FileFormat::CsvGz => fs::write(&path, gzip(csv_of(rows).as_bytes())).unwrap(),
        }
        super::policy::seal(&path);
        self
    }

    pub(super) fn enclave(&self) -> Enclave {
        self.enclave_with(VerifiedPolicy::dummy_tables(), self.options())
    }

    /// Options by which files that a definition names are in this folder.
    pub(super) fn options(&self) -> EnclaveOptions {
        let study = StudyFiles { root: Some(self.path().to_path_buf()), kept: Vec::new() };
        EnclaveOptions { study, ..options() }
    }

    pub(super) fn enclave_with(&self, policy: VerifiedPolicy, options: EnclaveOptions) -> Enclave {
        Enclave::open_tables(self.path(), policy, options).unwrap()
    }

    /// Rows of a scan, or the error's text.
    pub(super) fn scan(&self, request: &TableRequest) -> Result<Vec<String>, String> {
        run(&self.enclave(), request, None)
    }

    /// The error's text, without the directory's name.
    pub(super) fn error(&self, request: &TableRequest) -> String {
        let error = self.scan(request).expect_err("the scan should fail");
        error.replace(self.path().to_str().unwrap(), "TABLES")
    }
}

pub(super) fn options() -> EnclaveOptions {
    EnclaveOptions { threads: 2, batch_rows: 4, ..EnclaveOptions::default() }
}

/// Two threads, as the engine has, for plans that block.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(future)
}

pub(super) fn plan(enclave: &Enclave, request: &TableRequest, predicate: Option<Expr>) -> Arc<dyn ExecutionPlan> {
    block_on(enclave.ordered_scan(request, predicate)).unwrap()
}

pub(super) fn plan_text(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(false).to_string()
}

/// Runs a scan: each row as text, or the error's text.
pub(super) fn run(enclave: &Enclave, request: &TableRequest, predicate: Option<Expr>) -> Result<Vec<String>, String> {
    let batches = batches(enclave, request, predicate)?;
    for batch in &batches {
        assert_eq!(batch.schema(), request.schema());
    }
    Ok(batches.iter().flat_map(rows_of).collect())
}

/// The same of a view, in order of its rows' texts. It may know of a column that it is never NULL.
pub(super) fn run_view(
    enclave: &Enclave,
    request: &TableRequest,
    predicate: Option<Expr>,
) -> Result<Vec<String>, String> {
    let mut rows: Vec<String> = batches(enclave, request, predicate)?.iter().flat_map(rows_of).collect();
    rows.sort();
    Ok(rows)
}

fn batches(enclave: &Enclave, request: &TableRequest, predicate: Option<Expr>) -> Result<Vec<RecordBatch>, String> {
    let outcome: Result<Vec<RecordBatch>, SourceError> = block_on(async {
        let plan = enclave.ordered_scan(request, predicate).await?;
        let stream = plan.execute(0, enclave.task_context());
        let batches = match stream {
            Ok(stream) => stream.try_collect().await,
            Err(error) => Err(error),
        };
        batches.map_err(|error| SourceError::find(&error).cloned().unwrap_or_else(|| panic!("{error}")))
    });
    outcome.map_err(|error| error.to_string())
}

fn rows_of(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default();
    let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join(" "))
        .collect()
}

/// A request for `patients` with columns written `name:type`, `name:type!` if required.
pub(crate) fn request(columns: &str) -> TableRequest {
    TableRequest {
        name: "ehrql.tables.core.patients".into(),
        location: Location::Table("patients".into()),
        patient_key: Some(PatientKeyColumn::patient_id()),
        activation: TableActivation::NotApplied,
        one_row_per_patient: false,
        columns: columns.split_whitespace().map(column).collect(),
    }
}

pub(super) fn one_row(columns: &str) -> TableRequest {
    TableRequest { one_row_per_patient: true, ..request(columns) }
}

fn column(written: &str) -> ColumnRequest {
    let (name, kind) = written.split_once(':').unwrap();
    let if_missing = if kind.ends_with('!') { IfMissing::Refuse } else { IfMissing::Null };
    ColumnRequest { if_missing, ..ColumnRequest::of(name.into(), column_type(kind.trim_end_matches('!'))) }
}

fn column_type(kind: &str) -> ColumnType {
    match kind {
        "bool" => ColumnType::Bool,
        "int" => ColumnType::Int,
        "float" => ColumnType::Float,
        "date" => ColumnType::Date,
        "str" => ColumnType::Str,
        "moment" => ColumnType::Moment,
        "bytes16" => ColumnType::Bytes16,
        other => panic!("{other}"),
    }
}

pub(super) fn with_categories(mut request: TableRequest, column: &str, categories: Categories) -> TableRequest {
    request.columns.iter_mut().find(|c| *c.name == *column).unwrap().categories = Some(categories);
    request
}

pub(super) fn str_categories(values: &[&str]) -> Categories {
    Categories::Str(values.iter().map(|value| Arc::from(*value)).collect())
}

/// Rows out of lines: a first line of `name:type`, then values; `-` is NULL.
pub(super) fn rows(lines: &str) -> RecordBatch {
    let mut lines = lines.trim().lines();
    let columns: Vec<(&str, &str)> =
        lines.next().unwrap().split_whitespace().map(|c| c.split_once(':').unwrap()).collect();
    let cells: Vec<Vec<&str>> = lines.map(|line| line.split_whitespace().collect()).collect();
    let array = |(index, (name, kind)): (usize, &(&str, &str))| {
        let column: Vec<Option<&str>> = cells.iter().map(|row| Some(row[index]).filter(|cell| *cell != "-")).collect();
        let array: ArrayRef = match column_type(kind) {
            ColumnType::Bool => Arc::new(column.iter().map(|c| c.map(|c| c == "T")).collect::<BooleanArray>()),
            ColumnType::Int => Arc::new(column.iter().map(|c| c.map(|c| c.parse().unwrap())).collect::<Int64Array>()),
            ColumnType::Float => {
                Arc::new(column.iter().map(|c| c.map(|c| c.parse().unwrap())).collect::<Float64Array>())
            }
            ColumnType::Date | ColumnType::Day => {
                cast(&(Arc::new(StringArray::from(column)) as ArrayRef), &DataType::Date32).unwrap()
            }
            ColumnType::Moment => {
                let moment = ColumnType::Moment.arrow_type();
                cast(&(Arc::new(StringArray::from(column)) as ArrayRef), &moment).unwrap()
            }
            ColumnType::Str => Arc::new(StringArray::from(column)),
            ColumnType::Bytes16 => {
                let key = |cell: &str| crate::patient_ids::bytes16(cell.as_bytes());
                let keys = column.iter().map(|cell| cell.map(key));
                Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(keys, 16).unwrap())
            }
        };
        (Field::new(*name, array.data_type().clone(), *name != "patient_id"), array)
    };
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.iter().enumerate().map(array).unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// `patient_id` alone.
pub(super) fn patients(ids: impl IntoIterator<Item = i64>) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
    RecordBatch::try_from_iter([("patient_id", ids)]).unwrap()
}

fn csv_of(rows: &RecordBatch) -> String {
    let mut text = rows.schema().fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>().join(",") + "\n";
    let options = FormatOptions::default().with_null("");
    for row in 0..rows.num_rows() {
        let cell = |column: &ArrayRef| match column.as_boolean_opt() {
            Some(bools) if bools.is_null(row) => String::new(),
            Some(bools) => if bools.value(row) { "T" } else { "F" }.to_owned(),
            None => ArrayFormatter::try_new(column, &options).unwrap().value(row).to_string(),
        };
        text += &(rows.columns().iter().map(cell).collect::<Vec<_>>().join(",") + "\n");
    }
    text
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn write_parquet(path: &Path, rows: &RecordBatch, how: Written) {
    let mut properties = WriterProperties::builder().set_max_row_group_row_count(how.group_rows);
    if how.by_key {
        let pair = KeyValue::new("peristyle.ordered_by".to_owned(), "patient_id".to_owned());
        properties = properties.set_key_value_metadata(Some(vec![pair]));
    }
    if how.by_sorting_columns {
        let column = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
        properties = properties.set_sorting_columns(Some(vec![column]));
    }
    if how.no_statistics {
        properties = properties.set_statistics_enabled(parquet::file::properties::EnabledStatistics::None);
    }
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties.build())).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

/// Parquet with dictionaries and zstd.
pub(super) fn write_compressed(path: &Path, rows: &RecordBatch) {
    let properties = WriterProperties::builder().set_compression(parquet::basic::Compression::ZSTD(Default::default()));
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), rows.schema(), Some(properties.build())).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

fn write_arrow(path: &Path, rows: &RecordBatch, how: Written) {
    let mut schema = rows.schema().as_ref().clone();
    if how.by_key {
        schema.metadata.insert("peristyle.ordered_by".to_owned(), "patient_id".to_owned());
    }
    let mut writer = FileWriter::try_new(File::create(path).unwrap(), &schema).unwrap();
    let group_rows = how.group_rows.unwrap_or(1 << 20);
    let mut start = 0;
    while start < rows.num_rows() {
        let length = group_rows.min(rows.num_rows() - start);
        writer.write(&rows.slice(start, length).with_schema(Arc::new(schema.clone())).unwrap()).unwrap();
        start += length;
    }
    writer.finish().unwrap();
}

/// A request for one file.
pub(super) fn file(path: PathBuf, columns: &str) -> TableRequest {
    let format = FileFormat::of_path(&path).unwrap();
    TableRequest { location: Location::File { path, format }, ..request(columns) }
}

/// A request for rows at hand.
pub(super) fn given(rows: RecordBatch, columns: &str) -> TableRequest {
    TableRequest { location: Location::Given(rows), ..request(columns) }
}
