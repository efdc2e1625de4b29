//! Tables to files: chunks are made and encoded on several threads and appended in order.

mod csv;
mod digest;
mod parquet;
mod run;

use std::path::{Path, PathBuf};

use ::arrow::array::RecordBatch;
use ::arrow::error::ArrowError;

use crate::error::SynthError;
use crate::population::Population;
use crate::tables::{Layout, Table};
use crate::world::World;
use run::TableRun;

/// The format of a table's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named by their file endings")]
pub enum FileFormat {
    Parquet,
    Csv,
}

impl FileFormat {
    /// The ending of its files, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            FileFormat::Parquet => "parquet",
            FileFormat::Csv => "csv",
        }
    }
}

/// How far a table is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Which table
    pub table: Table,
    /// Rows written
    pub rows: u64,
    /// Chunks written
    pub chunks: u64,
    /// Chunks the table has
    pub chunks_total: u64,
}

/// A table's file.
#[derive(Clone, Debug)]
pub struct WrittenTable {
    /// Which table
    pub table: Table,
    /// Where
    pub path: PathBuf,
    /// How many rows
    pub rows: u64,
    /// How large the file is
    pub bytes: u64,
}

/// Encodes chunks on any thread; see [`Sink`] for what becomes of them.
trait Format: Sync {
    /// An encoded chunk
    type Encoded: Send;
    /// Encodes the batches of a chunk, one by one.
    fn encode(
        &self,
        chunk: u64,
        batches: &mut dyn Iterator<Item = Result<RecordBatch, ArrowError>>,
    ) -> Result<Self::Encoded, SynthError>;
}

/// Appends encoded chunks, in order.
trait Sink<E>: Send {
    fn append(&mut self, encoded: E) -> Result<(), SynthError>;
}

impl Population {
    /// Writes tables as files `<table>.parquet` or `<table>.csv` into a folder, which is made if it is missing. A file
    /// has its name only when it is whole; one of that name is replaced.
    ///
    /// CSV holds no bytes: tables of [`Layout::EmisV2`](crate::Layout::EmisV2) are refused in it.
    ///
    /// `threads` share the work; the files do not depend on their number. `progress` is called from any of them.
    pub fn write_tables(
        &self,
        folder: &Path,
        tables: &[Table],
        format: FileFormat,
        threads: usize,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<WrittenTable>, SynthError> {
        self.check()?;
        if let Some(table) = tables.iter().find(|table| format == FileFormat::Csv && table.layout() == Layout::EmisV2) {
            let (given, must) = (format!("CSV for {}", table.name()), "Parquet for tables of EMIS");
            return Err(SynthError::Setting { setting: "the format", given, must });
        }
        let world = World::new(self);
        let write = |table: &Table| {
            let path = folder.join(format!("{}.{}", table.name(), format.extension()));
            let parent = path.parent().unwrap_or(folder);
            std::fs::create_dir_all(parent).map_err(|source| SynthError::File { path: parent.into(), source })?;
            let run = TableRun { population: self, world: &world, table: *table, threads: threads.max(1), progress };
            run.write(&path, format)
        };
        tables.iter().map(write).collect()
    }

    /// The rows of a table, batch by batch, in the order in which they would stand in a file.
    pub fn batches(&self, table: Table) -> Result<Vec<RecordBatch>, SynthError> {
        self.check()?;
        let world = World::new(self);
        let run = TableRun { population: self, world: &world, table, threads: 1, progress: &|_| () };
        let chunks = run.chunks();
        let mut batches = Vec::new();
        for index in 0..chunks.count() {
            let chunk = chunks.chunk(index);
            for batch in run.batches(&chunk) {
                batches.push(batch.map_err(|source| SynthError::Rows { table: table.name(), source })?);
            }
        }
        Ok(batches)
    }
}

#[cfg(test)]
mod tests;
