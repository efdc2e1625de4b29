//! Parquet: a chunk is a row group, encoded by the thread that made it.

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use peristyle_model::scalar::format_date;

use super::{Format, Sink};
use crate::error::SynthError;
use crate::tables::{LOOKED_UP, NUMBERS_ROWS};

/// What a file says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notes {
    /// Whether rows ascend by the first column
    pub(super) ordered: bool,
    /// The extract's day
    pub(super) as_of: i32,
}

/// Encodes row groups.
pub(super) struct ParquetFormat {
    schema: SchemaRef,
    row_groups: ArrowRowGroupWriterFactory,
    path: PathBuf,
}

/// Appends row groups.
pub(super) struct ParquetSink<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    path: PathBuf,
}

/// Begins a file.
pub(super) fn open<W: Write + Send>(
    file: W,
    schema: SchemaRef,
    notes: Notes,
    path: &Path,
) -> Result<(ParquetSink<W>, ParquetFormat), SynthError> {
    let failed = |source| SynthError::Parquet { path: path.into(), source };
    let options = ArrowWriterOptions::new()
        .with_properties(properties(&schema, notes).map_err(failed)?)
        // As a supplier's own tools would write it: no reader should need Arrow's notes to find its way.
        .with_skip_arrow_metadata(true);
    let writer = ArrowWriter::try_new_with_options(file, SchemaRef::clone(&schema), options).map_err(failed)?;
    let (writer, row_groups) = writer.into_serialized_writer().map_err(failed)?;
    let format = ParquetFormat { schema, row_groups, path: path.into() };
    Ok((ParquetSink { writer, path: path.into() }, format))
}

fn properties(schema: &Schema, notes: Notes) -> Result<WriterProperties, ParquetError> {
    // A page of 4 MiB holds a vocabulary, so that codes are never written out in full.
    const DICTIONARY_BYTES_MAX: usize = 4 << 20;
    // A row group holds fewer codes. So a filter is a hundredth of its column: rare codes are ruled out at that price.
    const BLOOM_CODES_MAX: u64 = 32_768;
    const BLOOM_FALSE_POSITIVES: f64 = 0.05;
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX);
    for field in schema.fields() {
        let path = || ColumnPath::from(field.name().as_str());
        if field.metadata().contains_key(NUMBERS_ROWS) {
            // Each value is there once, or a few times in a row: differences are short, a dictionary would be long.
            properties = properties
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED);
        }
        if field.metadata().contains_key(LOOKED_UP) {
            properties = properties
                .set_column_bloom_filter_enabled(path(), true)
                .set_column_bloom_filter_fpp(path(), BLOOM_FALSE_POSITIVES)
                .set_column_bloom_filter_max_ndv(path(), BLOOM_CODES_MAX);
        }
    }
    let mut written = vec![KeyValue::new("as_of".to_owned(), format_date(notes.as_of))];
    if let (true, Some(patient)) = (notes.ordered, schema.fields().first()) {
        written.push(KeyValue::new("peristyle.ordered_by".to_owned(), patient.name().clone()));
        let sorted = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
        properties = properties.set_sorting_columns(Some(vec![sorted]));
    }
    Ok(properties.set_key_value_metadata(Some(written)).build())
}

impl ParquetFormat {
    fn encode_row_group(
        &self,
        chunk: u64,
        batches: &mut dyn Iterator<Item = Result<RecordBatch, ArrowError>>,
    ) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
        let mut columns = self.row_groups.create_column_writers(chunk as usize)?;
        for batch in batches {
            let batch = batch?;
            let leaves = self.schema.fields().iter().zip(batch.columns());
            for (writer, (field, array)) in columns.iter_mut().zip(leaves) {
                for leaf in compute_leaves(field, array)? {
                    writer.write(&leaf)?;
                }
            }
        }
        columns.into_iter().map(|column| column.close()).collect()
    }
}

impl Format for ParquetFormat {
    type Encoded = Vec<ArrowColumnChunk>;

    fn encode(
        &self,
        chunk: u64,
        batches: &mut dyn Iterator<Item = Result<RecordBatch, ArrowError>>,
    ) -> Result<Self::Encoded, SynthError> {
        self.encode_row_group(chunk, batches).map_err(|source| SynthError::Parquet { path: self.path.clone(), source })
    }
}

impl<W: Write + Send> Sink<Vec<ArrowColumnChunk>> for ParquetSink<W> {
    fn append(&mut self, encoded: Vec<ArrowColumnChunk>) -> Result<(), SynthError> {
        let failed = |source| SynthError::Parquet { path: self.path.clone(), source };
        let mut row_group = self.writer.next_row_group().map_err(failed)?;
        for column in encoded {
            column.append_to_row_group(&mut row_group).map_err(failed)?;
        }
        row_group.close().map_err(failed)?;
        Ok(())
    }
}

impl<W: Write + Send> ParquetSink<W> {
    /// Writes the footer.
    pub(super) fn finish(self) -> Result<(), SynthError> {
        let path = self.path;
        self.writer.close().map(|_| ()).map_err(|source| SynthError::Parquet { path, source })
    }
}
