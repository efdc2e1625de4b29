//! What can go wrong with a source, in words of our own and without a value of anyone's record.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::error::DataFusionError;
use peristyle_policy::patients::TextKeyProblem;

use crate::problem::ReadProblem;
use crate::request::{ColumnType, FileFormat};

/// Where the rows at fault came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file
    File(Arc<Path>),
    /// Rows that came with the request
    Given,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => write!(f, "file `{}`", path.display()),
            Place::Given => f.write_str("the rows given for it"),
        }
    }
}

/// What is wrong with a cell, without the cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the texts below say it")]
pub enum ValueProblem {
    PatientMissing,
    NotAnInteger,
    IntegerTooLarge,
    NotAFloat,
    NotFinite,
    NotABool,
    NotADate,
    DateOutOfRange,
    DateWithTime,
    NotUtf8,
    NotACategory,
    NotAMoment,
    NotSixteenBytes,
    TextKey(TextKeyProblem),
    NearlyTheValue,
}

impl fmt::Display for ValueProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PatientMissing => "is empty: every row must say whose it is",
            Self::NotAnInteger => "is not a whole number (an optional sign, then digits)",
            Self::IntegerTooLarge => "does not fit into a 64-bit integer",
            Self::NotAFloat => "is not a number (digits, with an optional sign, point and exponent)",
            Self::NotFinite => "is infinite or not a number: leave it empty",
            Self::NotABool => "is neither T nor F",
            Self::NotADate => "is not a date that exists, written YYYY-MM-DD",
            Self::DateOutOfRange => "is a date outside the years 1 to 9999",
            Self::DateWithTime => "is not a whole day",
            Self::NotUtf8 => "is not valid UTF-8",
            Self::NotAMoment => "is not a moment, written YYYY-MM-DD HH:MM:SS",
            Self::NotSixteenBytes => "is not of 16 bytes (in text: 32 hexadecimal digits)",
            Self::NotACategory => "is not one of the values that the column may have",
            Self::NearlyTheValue => {
                "differs from the value that the policy looks for (`only_where`) in capitals or outer white space alone: \
                 write both the same"
            }
            Self::TextKey(problem) => return problem.fmt(f),
        })
    }
}

/// A source that cannot be read. No variant holds a cell's value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the names, and the messages say the rest")]
pub enum SourceError {
    /// The directory of tables is not there, or not ours to read
    #[error("the directory of tables `{}` cannot be read ({kind}){}", directory.display(), if_local(kind))]
    DirectoryUnreadable { directory: PathBuf, kind: ReadProblem },

    /// A store that cannot be asked
    #[error("the tables at `{location}` cannot be opened: {reason}")]
    StoreUnusable { location: String, reason: String },

    /// No file or folder of the table's name
    #[error(
        "table `{table}`: `{}` has neither a file {} nor a folder `{name}`; it holds {}",
        directory.display(), accepted(name), listed(found)
    )]
    TableMissing { table: Arc<str>, name: Arc<str>, directory: PathBuf, found: Vec<String> },

    /// A pattern that stands for no file
    #[error(
        "table `{table}`: no file at `{}` is one of `{pattern}`: look at `files` in the source file's part of the table",
        directory.display()
    )]
    PatternUnmatched { table: Arc<str>, pattern: String, directory: PathBuf },

    /// Two or more candidates for one table
    #[error("table `{table}`: `{}` has {}, and only one of them can be the table: remove the others", directory.display(), listed(found))]
    TableAmbiguous { table: Arc<str>, directory: PathBuf, found: Vec<String> },

    /// A folder without files of rows
    #[error("table `{table}`: folder `{}` has no file of rows; put one or more there, ending in {}", folder.display(), endings())]
    FolderEmpty { table: Arc<str>, folder: PathBuf },

    /// A folder with files of several formats
    #[error("table `{table}`: folder `{}` mixes the formats {}: keep one", folder.display(), formats(found))]
    FolderMixed { table: Arc<str>, folder: PathBuf, found: Vec<FileFormat> },

    /// A folder within a table's folder
    #[error("table `{table}`: `{}` is a folder within the table's folder, which may hold files only", path.display())]
    FolderNested { table: Arc<str>, path: PathBuf },

    /// A folder whose files do not speak for themselves
    #[error(
        "table `{table}`: folder `{}` has `{entry}`, so it is {by}; rows that were deleted or replaced may still be in its \
         files: have the table's current rows written as plain Parquet, into a folder of their own", folder.display()
    )]
    FolderManaged { table: Arc<str>, folder: PathBuf, entry: String, by: &'static str },

    /// A file that is none of the formats
    #[error("table `{table}`: `{}` is in no format that is known by its ending; accepted are {}", path.display(), endings())]
    UnknownEnding { table: Arc<str>, path: PathBuf },

    /// A table is wanted, but no directory of tables was opened
    #[error("table `{table}`: no directory of tables was given to read it from")]
    NoSource { table: Arc<str> },

    /// What is asked for makes no sense
    #[error("table `{table}`: {reason}")]
    Request { table: Arc<str>, reason: String },

    /// A file that cannot be opened or read
    #[error("table `{table}`, file `{}`: cannot be read ({kind})", file.display())]
    Unreadable { table: Arc<str>, file: Arc<Path>, kind: ReadProblem },

    /// A file that is not what its ending says
    #[error("table `{table}`, {place}{}: {problem}", at(*row))]
    Malformed { table: Arc<str>, place: Place, row: Option<u64>, problem: &'static str },

    /// No column `patient_id`
    #[error("table `{table}`, {place}: has no column `{column}`, which must say whose rows they are")]
    PatientIdMissing { table: Arc<str>, place: Place, column: Arc<str> },

    /// Two columns of one name
    #[error(
        "table `{table}`, {place}: its columns {first} and {second} have the same name: rename one (text without a header gets its names from `columns` in the source file)"
    )]
    DuplicateColumn { table: Arc<str>, place: Place, first: usize, second: usize },

    /// A required column that a file does not have
    #[error("table `{table}`, {place}: has no column `{column}`, which it must have")]
    ColumnMissing { table: Arc<str>, place: Place, column: Arc<str> },

    /// A column that a file does not have, and nothing says that it is absent
    #[error(
        "table `{table}`, {place}: has no column `{column}`; read as NULL it would say the same of everybody. Where the \
         place does not have it, the source file may say so: `absent = [{}]`",
        statement(table, column)
    )]
    ColumnLost { table: Arc<str>, place: Place, column: Arc<str> },

    /// A table that is not there, as was stated of the source
    #[error("table `{table}`: the source file says that this place does not have it (`absent`)")]
    TableAbsent { table: Arc<str> },

    /// A column of another type than wanted
    #[error("table `{table}`, {place}: column `{column}` is {found}, but {} is wanted", in_words(*wanted))]
    WrongType { table: Arc<str>, place: Place, column: Arc<str>, found: String, wanted: ColumnType },

    /// A cell that the column may not have
    #[error("table `{table}`, {place}, column `{column}`{}: {problem}", at(*row))]
    Value { table: Arc<str>, place: Place, column: Arc<str>, row: Option<u64>, problem: ValueProblem },

    /// Rows that are not in the order that their file, or the connector, promises
    #[error(
        "table `{table}`, {place}{}: out of order, though the file or the connector says that it is ordered by patient: \
         order it, or take the promise out of its metadata or out of the manifest (`sorted_by_patient`)",
        at(*row)
    )]
    OutOfOrder { table: Arc<str>, place: Place, row: Option<u64> },

    /// A second row for a patient of a table with one row per patient
    #[error("table `{table}`{}: a patient has a second row, but the table has one row per patient{}", of(place.as_ref(), *row), first_seen(*first_row))]
    DuplicatePatient { table: Arc<str>, place: Option<Place>, row: Option<u64>, first_row: Option<u64> },

    /// Rows left the sort unsorted: a fault of the engine
    #[error("table `{table}`: rows came out of order after they were put in order; this is a fault of Peristyle")]
    Unsorted { table: Arc<str> },

    /// A reader that stopped without a word: a fault of the engine or of a file that it did not foresee
    #[error("table `{table}`, {place}: reading stopped unexpectedly; the file may be damaged")]
    ReaderStopped { table: Arc<str>, place: Place },

    /// Sorting took more memory than it may
    #[error(
        "table `{table}`: its rows are not in order of patient, and sorting them takes more memory than the limit: raise it (`--memory-limit`), or order the files"
    )]
    MemoryLimit { table: Arc<str> },

    /// The disk failed, or is full, while rows were spilled
    #[error(
        "table `{table}`: rows could not be spilled to disk or read back ({kind}): look at the directory for spilled rows"
    )]
    SpillFailed { table: Arc<str>, kind: io::ErrorKind },

    /// What was to be done with the rows failed: a filter that cannot be decided for one of them, for instance
    #[error("table `{table}`: its rows could not be filtered or put in order")]
    RowsFailed { table: Arc<str> },

    /// No place for spilled rows
    #[error("the directory for spilled rows `{}` cannot be used ({kind}): give another, writable one", directory.display())]
    Spill { directory: PathBuf, kind: io::ErrorKind },

    /// The policy cannot be applied to a table
    #[error("table `{table}`: {reason}")]
    Policy { table: Arc<str>, reason: String },

    /// Extracts that do not go together
    #[error("{reason}")]
    Source { reason: String },

    /// The engine's own settings were refused
    #[error("the session could not be set up: {reason}")]
    Session { reason: String },
}

impl SourceError {
    /// The source error inside an error of DataFusion, however it is wrapped.
    pub fn find(error: &DataFusionError) -> Option<&SourceError> {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(cause) = next {
            if let Some(found) = cause.downcast_ref::<SourceError>() {
                return Some(found);
            }
            next = cause.source();
        }
        None
    }
}

impl SourceError {
    /// What happened to a table's rows, in our words: the text of any other error may hold a value, and stays here.
    pub(crate) fn of_rows(table: &Arc<str>, error: &DataFusionError) -> Self {
        if let Some(found) = Self::find(error) {
            return found.clone();
        }
        let table = Arc::clone(table);
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => Self::MemoryLimit { table },
            DataFusionError::IoError(error) => Self::SpillFailed { table, kind: error.kind() },
            _ => Self::RowsFailed { table },
        }
    }
}

impl From<SourceError> for DataFusionError {
    fn from(error: SourceError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

/// Most names that a message lists.
const NAMES_MAX: usize = 12;

/// A column as source files state that it is absent, where a definition has named its table.
fn statement(table: &str, column: &str) -> String {
    let table = table.strip_prefix("ehrql.tables.");
    table.map_or("…".to_owned(), |table| format!("\"{table}.{column}\""))
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let shown = names.iter().take(NAMES_MAX).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMES_MAX) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

/// What to do about a folder. (Of a store, its problem says it.)
fn if_local(kind: &ReadProblem) -> &'static str {
    match kind {
        ReadProblem::System(_) => ": give a directory that exists and may be read",
        ReadProblem::Store(_) | ReadProblem::Study(_) => "",
    }
}

fn endings() -> String {
    FileFormat::ALL.map(FileFormat::ending).join(", ")
}

fn accepted(name: &str) -> String {
    FileFormat::ALL.map(|format| format!("`{name}{}`", format.ending())).join(", ")
}

fn formats(found: &[FileFormat]) -> String {
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn at(row: Option<u64>) -> String {
    row.map_or_else(String::new, |row| format!(", row {row}"))
}

fn of(place: Option<&Place>, row: Option<u64>) -> String {
    place.map_or_else(String::new, |place| format!(", {place}{}", at(row)))
}

fn first_seen(row: Option<u64>) -> String {
    row.map_or_else(String::new, |row| format!(" (its first row is {row})"))
}

fn in_words(wanted: ColumnType) -> &'static str {
    match wanted {
        ColumnType::Bool => "bool (Boolean)",
        ColumnType::Int => "int (an integer type)",
        ColumnType::Float => "float (a floating-point type)",
        ColumnType::Date => "date (Date32 or Date64)",
        ColumnType::Str => "str (strings, plain or dictionary-encoded)",
        ColumnType::Day | ColumnType::Moment => "date or moment (Date32, Date64 or Timestamp)",
        ColumnType::Bytes16 => "16 bytes (FixedSizeBinary(16) or Binary)",
    }
}
