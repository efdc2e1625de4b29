//! Why an answer could not be written. No variant holds a value of a patient's record.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why an output was refused or failed. Each message names the thing at fault and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The output's name says nothing of the format.
    #[error(
        "output `{given}` does not say its format: for one file, end the name in {files}; for one file a table, name a \
         directory and a format, as in `DIR/:arrow`",
        files = crate::target::OutputFormat::list("`.", "`")
    )]
    NoFormat {
        /// The output as it was given
        given: String,
    },
    /// The output's name asks for a format that is not known.
    #[error(
        "output `{given}`: `{format}` is not a format that can be written; use one of {known}",
        known = crate::target::OutputFormat::list(if format.starts_with(':') { "`:" } else { "`." }, "`")
    )]
    UnknownFormat {
        /// The output as it was given
        given: String,
        /// The part that is not known, with its `:` or `.`
        format: String,
    },
    /// Several tables were to go to one file.
    #[error(
        "there are {tables} tables to write, and output `{}` holds only one: use `{instead}`, which writes one file a \
         table",
        path.display()
    )]
    ManyTablesOneFile {
        /// Number of tables
        tables: usize,
        /// The output
        path: PathBuf,
        /// An output that will do
        instead: String,
    },
    /// Two tables would go to one file.
    #[error("two tables would both be written as `{}`: rename one of them in the definition", path.display())]
    SameFile {
        /// That file
        path: PathBuf,
    },
    /// The output is a directory.
    #[error("output `{}` is a directory: give the name of a file in it, or remove the directory", path.display())]
    IsDirectory {
        /// The output
        path: PathBuf,
    },
    /// The output is something else than a regular file.
    #[error(
        "output `{}` is {kind}, and an answer can only replace a regular file: give another name",
        path.display()
    )]
    NotAFile {
        /// The output
        path: PathBuf,
        /// What it is
        kind: &'static str,
    },
    /// The output is a symbolic link to something that is not there.
    #[error(
        "output `{}` is a symbolic link that leads to no file: remove the link, or give the name of the file that is meant",
        path.display()
    )]
    LinkToNowhere {
        /// The output
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {doing} `{}`: {reason}. {advice}", path.display(), advice = advice(reason))]
    File {
        /// What was tried, as a verb
        doing: &'static str,
        /// On which file or directory
        path: PathBuf,
        /// What the operating system said
        reason: io::Error,
    },
    /// Whoever reads the console has stopped reading.
    #[error("the reader of the console closed it before the answer was written")]
    ConsoleClosed,
    /// The console cannot be written to.
    #[error("cannot write to the console: {reason}. Use --output to write to a file")]
    Console {
        /// What the operating system said
        reason: io::Error,
    },
    /// A value that the column of the output must not have.
    #[error(
        "table `{table}`, column `{column}`: {fault}; check the variable's definition and the source that it reads from"
    )]
    Value {
        /// The output table
        table: Arc<str>,
        /// Its column
        column: Arc<str>,
        /// What is wrong with the value
        fault: ValueFault,
    },
    /// Rows of a dataset table came out of order.
    #[error("table `{table}`: rows are not in ascending order of patient_id; this is a fault of the engine, report it")]
    OutOfOrder {
        /// The output table
        table: Arc<str>,
    },
    /// A batch does not have the columns of its table.
    #[error("table `{table}`: {what}; this is a fault of the engine, report it")]
    Mismatch {
        /// The output table
        table: Arc<str>,
        /// What does not match, in terms of columns and types
        what: String,
    },
    /// The encoder of the format gave up.
    #[error("table `{table}` cannot be encoded as {format}; this is a fault of the engine, report it")]
    Encoding {
        /// The output table
        table: Arc<str>,
        /// The format
        format: &'static str,
    },
    /// A table was written to, or finished, after it had failed.
    #[error("the output is incomplete, since writing it failed before: nothing was put in place; run the study again")]
    Incomplete,
}

/// What is wrong with a value, without the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueFault {
    /// NULL where the column has none
    Null,
    /// A whole number outside the range that the definition or the catalogue states
    OutsideRange {
        /// Smallest value that is allowed
        minimum: i64,
        /// Largest value that is allowed
        maximum: i64,
    },
    /// A string that is none of the categories
    NotACategory,
    /// A date outside the years 1 to 9999
    DateRange,
    /// More than 2 GiB of text in 64,000 rows
    TextTooLong,
    /// A count below zero
    NegativeCount,
}

impl fmt::Display for ValueFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueFault::Null => f.write_str("a row has no value, and this column must have one"),
            ValueFault::OutsideRange { minimum, maximum } => {
                write!(f, "a value is outside the range {minimum} to {maximum} that is stated for it")
            }
            ValueFault::NotACategory => f.write_str("a value is none of the categories that are stated for it"),
            ValueFault::DateRange => f.write_str("a date is outside the years 1 to 9999"),
            ValueFault::TextTooLong => f.write_str("the texts of 64,000 rows take more than 2 GiB"),
            ValueFault::NegativeCount => f.write_str("a denominator is below zero"),
        }
    }
}

fn advice(reason: &io::Error) -> &'static str {
    use io::ErrorKind;
    match reason.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "Choose a directory that you may write to, or have its permissions changed"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "Make room, or write to another disk; no file was replaced"
        }
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "A part of the path is a file: choose another path",
        ErrorKind::NotFound => "Create the directory, or choose another path",
        ErrorKind::InvalidFilename => "Choose a shorter name",
        ErrorKind::Unsupported => "Write to another file system",
        _ => "Check the path and the disk; no file was left half-written",
    }
}
