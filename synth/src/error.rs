//! What can go wrong while a population is made.

use std::path::PathBuf;

use arrow::error::ArrowError;
use parquet::errors::ParquetError;

/// What can go wrong while a population is made. Nothing in it is a patient's, so messages may say all they know.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// A setting of the [`Population`](crate::Population) that makes no sense
    #[error("{setting} is {given}, but must be {must}")]
    Setting {
        /// The setting's name
        setting: &'static str,
        /// What it was
        given: String,
        /// What it may be
        must: &'static str,
    },
    /// A file or folder could not be written
    #[error("cannot write {}", path.display())]
    File {
        /// Which
        path: PathBuf,
        /// Why
        source: std::io::Error,
    },
    /// A Parquet file could not be written
    #[error("cannot write {}", path.display())]
    Parquet {
        /// Which
        path: PathBuf,
        /// Why
        source: ParquetError,
    },
    /// A batch of rows could not be put together or written as CSV
    #[error("cannot make the rows of {table}")]
    Rows {
        /// The table's name
        table: &'static str,
        /// Why
        source: ArrowError,
    },
    /// A thread of the generator ended early
    #[error("a thread that made {table} ended early; this is a bug")]
    Thread {
        /// The table's name
        table: &'static str,
    },
}
