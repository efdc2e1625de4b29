//! What a caller asks of the enclave: which table, which columns, of which types.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use peristyle_policy::patients::{KeyType, TextComparison};

use crate::absences::Absences;
use crate::connector::NullValue;
use crate::error::{Place, SourceError};
use crate::patient_ids::patient_id_type;
use crate::source::StudyFiles;

/// The name of the column that every table has: whose row it is.
pub const PATIENT_ID: &str = "patient_id";

/// The type of a column's values as they leave the enclave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named like the value types they hold")]
pub enum ColumnType {
    Bool,
    Int,
    Float,
    /// Days since 1970-01-01, years 1 to 9999
    Date,
    Str,
    /// Days, as `Date`, of a column that may hold moments: their time of day is cut off as it is read
    Day,
    /// Moments, in microseconds since 1970-01-01T00:00, years 1 to 9999; a date is the moment at which it begins
    Moment,
    /// 16 bytes: keys
    Bytes16,
}

impl ColumnType {
    /// The Arrow type of the column: Boolean, Int64, Float64, Date32, Dictionary(Int32, Utf8), Timestamp(µs) or
    /// FixedSizeBinary(16).
    ///
    /// The entries of a dictionary are never NULL, need not be distinct, and may differ from batch to batch.
    pub fn arrow_type(self) -> DataType {
        match self {
            ColumnType::Bool => DataType::Boolean,
            ColumnType::Int => DataType::Int64,
            ColumnType::Float => DataType::Float64,
            ColumnType::Date | ColumnType::Day => DataType::Date32,
            ColumnType::Moment => DataType::Timestamp(TimeUnit::Microsecond, None),
            ColumnType::Bytes16 => patient_id_type(KeyType::Bytes16),
            ColumnType::Str => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ColumnType::Bool => "bool",
            ColumnType::Int => "int",
            ColumnType::Float => "float",
            ColumnType::Date => "date",
            ColumnType::Str => "str",
            ColumnType::Day => "day",
            ColumnType::Moment => "moment",
            ColumnType::Bytes16 => "bytes16",
        })
    }
}

/// The values that a column may have, where they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Categories {
    /// Of a `str` column
    Str(Arc<[Arc<str>]>),
    /// Of an `int` column
    Int(Arc<[i64]>),
}

/// What becomes of a file that lacks a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// It is an error
    Refuse,
    /// It is an error, unless it is stated of the source that it has the column not: see [`Absences`](crate::Absences)
    RefuseUnlessStated,
    /// Its rows read as NULL
    Null,
}

/// A column that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnRequest {
    /// Its name in the files
    pub name: Arc<str>,
    /// The type that its values must have
    pub column_type: ColumnType,
    /// The values that it may have: another one is an error
    pub categories: Option<Categories>,
    /// What becomes of a file that lacks it
    pub if_missing: IfMissing,
    /// Of a supplier's raw column: how its values become those of the column. `None`: the file has them as they are
    pub raw: Option<RawConversion>,
    /// Of a `str` column whose values are keys of practices, or of a link: how they are compared. They arrive in the form
    /// in which they are
    pub key_texts: Option<TextComparison>,
}

impl ColumnRequest {
    /// What is said of a file that lacks the column; `None` where its rows read as NULL.
    pub(crate) fn missing(&self, table: &Arc<str>, place: &Place) -> Option<SourceError> {
        let (table, place, column) = (Arc::clone(table), place.clone(), Arc::clone(&self.name));
        match self.if_missing {
            IfMissing::Refuse => Some(SourceError::ColumnMissing { table, place, column }),
            IfMissing::RefuseUnlessStated => Some(SourceError::ColumnLost { table, place, column }),
            IfMissing::Null => None,
        }
    }

    /// A column that every file must have, with its values as they are.
    pub fn of(name: Arc<str>, column_type: ColumnType) -> Self {
        Self { name, column_type, categories: None, if_missing: IfMissing::Refuse, raw: None, key_texts: None }
    }
}

/// How a supplier's raw column is read. Its type need not be the wanted one: integers and bytes make texts, texts make
/// numbers and dates, moments make days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawConversion {
    /// Values that stand for NULL
    pub null_values: Arc<[NullValue]>,
}

/// The column of the patient's key, as a table's files have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatientKeyColumn {
    /// Its name in the files
    pub name: Arc<str>,
    /// What patients are known by
    pub key_type: KeyType,
    /// The name under which it leaves the scan: [`PATIENT_ID`] for whoever asks the enclave
    pub delivered_as: Arc<str>,
    /// Whether the rows of each file are said to ascend by it, whatever the file says itself. The scan holds them to it
    pub rows_ascend: bool,
}

impl PatientKeyColumn {
    /// `patient_id`, an integer: as user-facing tables have it.
    pub fn patient_id() -> Self {
        Self::of(PATIENT_ID.into(), KeyType::Int)
    }

    /// A column of that name, which leaves as [`PATIENT_ID`].
    pub fn of(name: Arc<str>, key_type: KeyType) -> Self {
        Self { name, key_type, delivered_as: PATIENT_ID.into(), rows_ascend: false }
    }

    /// The field under which it leaves.
    pub(crate) fn field(&self) -> Field {
        Field::new(self.delivered_as.as_ref(), patient_id_type(self.key_type), false)
    }

    /// As a column that is asked for.
    pub(crate) fn request(&self) -> ColumnRequest {
        let column_type = match self.key_type {
            KeyType::Int => ColumnType::Int,
            KeyType::Bytes16 => ColumnType::Bytes16,
            KeyType::Text => ColumnType::Str,
        };
        ColumnRequest::of(Arc::clone(&self.name), column_type)
    }
}

/// How practice activation applies to a table, as the catalogue says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableActivation {
    /// It holds no GP activity
    NotApplied,
    /// Its rows are judged by this column of dates
    ByColumn(Arc<str>),
    /// Its rows are judged by this column of practices
    ByPractice(Arc<str>),
    /// Nothing is said: only a policy that says it can open the table
    Unstated,
}

/// The format of a file of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileFormat {
    /// `.parquet`
    Parquet,
    /// `.arrow`: an Arrow IPC file
    Arrow,
    /// `.csv`
    Csv,
    /// `.csv.gz`: gzip, of one member or several
    CsvGz,
}

impl FileFormat {
    /// Every format.
    pub const ALL: [FileFormat; 4] = [FileFormat::Parquet, FileFormat::Arrow, FileFormat::Csv, FileFormat::CsvGz];

    /// The ending of its files' names, with the dot.
    pub fn ending(self) -> &'static str {
        match self {
            FileFormat::Parquet => ".parquet",
            FileFormat::Arrow => ".arrow",
            FileFormat::Csv => ".csv",
            FileFormat::CsvGz => ".csv.gz",
        }
    }

    /// The format that a file's name tells, if it is one of ours.
    pub fn of_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        Self::ALL.into_iter().find(|format| name.len() > format.ending().len() && name.ends_with(format.ending()))
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.ending().trim_start_matches('.'))
    }
}

/// Where a table's rows are.
#[derive(Clone, Debug)]
pub enum Location {
    /// The file or folder of that name (without ending) in the enclave's source
    Table(Arc<str>),
    /// One file of the study: the rows of an inline table
    File {
        /// The file, as the definition writes it: it is looked for beneath the study's folder
        path: PathBuf,
        /// Its format
        format: FileFormat,
    },
    /// Rows at hand: `patient_id` and columns by name
    Given(RecordBatch),
}

/// A table that is wanted.
#[derive(Clone, Debug)]
pub struct TableRequest {
    /// The table's name for people: `ehrql.tables.core.patients`
    pub name: Arc<str>,
    /// Where its rows are
    pub location: Location,
    /// Whose rows they are; `None` for a supplier's dictionary, which has no patients
    pub patient_key: Option<PatientKeyColumn>,
    /// How practice activation applies to it
    pub activation: TableActivation,
    /// Whether a patient with two rows is an error
    pub one_row_per_patient: bool,
    /// The columns that are wanted, besides `patient_id`
    pub columns: Vec<ColumnRequest>,
}

impl TableRequest {
    /// The schema of files that have exactly what is wanted.
    pub(crate) fn schema_of_files(&self) -> SchemaRef {
        let key = self.patient_key.as_ref().map(|key| key.field().with_name(key.name.as_ref()));
        let columns = self.columns.iter().map(|c| Field::new(c.name.as_ref(), c.column_type.arrow_type(), true));
        Arc::new(Schema::new(key.into_iter().chain(columns).collect::<Vec<_>>()))
    }

    /// The schema that the rows arrive in: `patient_id` (of the [type of its key](patient_id_type), never NULL), then the
    /// columns, nullable, in order. A table of nobody has no `patient_id`.
    pub fn schema(&self) -> SchemaRef {
        let patient_id = self.patient_key.as_ref().map(PatientKeyColumn::field);
        let columns = self.columns.iter().map(|c| Field::new(c.name.as_ref(), c.column_type.arrow_type(), true));
        Arc::new(Schema::new(patient_id.into_iter().chain(columns).collect::<Vec<_>>()))
    }
}

/// The means that an enclave may use.
#[derive(Clone, Debug)]
pub struct EnclaveOptions {
    /// Threads that decode, and partitions that sort; at least 1
    pub threads: usize,
    /// Bytes that sorting may hold before it spills to files; None for no limit
    pub memory_limit_bytes: Option<usize>,
    /// Most rows in a batch; at least 1
    pub batch_rows: usize,
    /// Directory in which the enclave makes its own, private, directory for spilled rows: give an encrypted one or
    /// tmpfs. None for the system's directory for temporary files
    pub spill_directory: Option<PathBuf>,
    /// Where the files are that a definition names
    pub study: StudyFiles,
    /// What is stated of user-facing tables under a policy; over dummy tables any column may be missing that may be NULL
    pub absent: Absences,
}

impl Default for EnclaveOptions {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_limit_bytes: None,
            batch_rows: 8192,
            spill_directory: None,
            study: StudyFiles::default(),
            absent: Absences::default(),
        }
    }
}
