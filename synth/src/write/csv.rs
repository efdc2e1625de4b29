//! CSV as ehrQL reads it: `T` and `F`, ISO dates, nothing for NULL.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::csv::WriterBuilder;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;

use super::{Format, Sink};
use crate::error::SynthError;

/// Encodes lines.
pub(super) struct CsvFormat {
    table: &'static str,
}

/// Appends lines.
pub(super) struct CsvSink<W: Write + Send> {
    file: W,
    path: PathBuf,
}

/// Begins a file with its header.
pub(super) fn open<W: Write + Send>(
    mut file: W,
    schema: &Schema,
    table: &'static str,
    path: &Path,
) -> Result<(CsvSink<W>, CsvFormat), SynthError> {
    // Column names are ours: none needs a quote.
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    writeln!(file, "{}", names.join(",")).map_err(|source| SynthError::File { path: path.into(), source })?;
    Ok((CsvSink { file, path: path.into() }, CsvFormat { table }))
}

fn lines(batch: &RecordBatch, into: &mut Vec<u8>) -> Result<(), ArrowError> {
    let columns = batch.schema_ref().fields().iter().zip(batch.columns()).map(|(field, array)| {
        let array: ArrayRef = match array.data_type() {
            DataType::Boolean => {
                let letters = array.as_boolean().iter().map(|value| value.map(|value| if value { "T" } else { "F" }));
                Arc::new(letters.collect::<StringArray>())
            }
            _ => Arc::clone(array),
        };
        (field.name(), array, field.is_nullable())
    });
    let batch = RecordBatch::try_from_iter_with_nullable(columns)?;
    WriterBuilder::new().with_header(false).build(into).write(&batch)
}

impl Format for CsvFormat {
    type Encoded = Vec<u8>;

    fn encode(
        &self,
        _chunk: u64,
        batches: &mut dyn Iterator<Item = Result<RecordBatch, ArrowError>>,
    ) -> Result<Self::Encoded, SynthError> {
        let mut text = Vec::new();
        for batch in batches {
            batch
                .and_then(|batch| lines(&batch, &mut text))
                .map_err(|source| SynthError::Rows { table: self.table, source })?;
        }
        Ok(text)
    }
}

impl<W: Write + Send> Sink<Vec<u8>> for CsvSink<W> {
    fn append(&mut self, encoded: Vec<u8>) -> Result<(), SynthError> {
        self.file.write_all(&encoded).map_err(|source| SynthError::File { path: self.path.clone(), source })
    }
}

impl<W: Write + Send> CsvSink<W> {
    /// Writes what is still buffered.
    pub(super) fn finish(mut self) -> Result<(), SynthError> {
        self.file.flush().map_err(|source| SynthError::File { path: self.path, source })
    }
}
