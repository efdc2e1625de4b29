//! Parquet files, zstd; tables ordered by patient say so in their metadata.
//!
//! Strings, dates and floats are dictionary-encoded. Integers are not: to look each up in a dictionary costs more time
//! than the file's other encoding together, and zstd makes the plain ones nearly as small. Ascending patients are
//! differences, as each is another value.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use super::{EncoderFault, TableEncoder, sorted_metadata};
use crate::columns::CHUNK_ROWS;
use crate::side_by_side::each;

/// Rows of a row group: large enough to compress well, small enough to hold in memory while it is encoded.
const ROW_GROUP_ROWS: usize = 4 * CHUNK_ROWS;

pub(super) struct ParquetFile<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    row_groups: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    /// Of the row group that is being filled
    columns: Vec<ArrowColumnWriter>,
    rows: usize,
}

impl<W: Write + Send> ParquetFile<W> {
    pub(super) fn begin(sink: W, schema: &SchemaRef, ordered_by_patient: bool) -> Result<Self, EncoderFault> {
        let metadata = sorted_metadata(schema).into_iter().map(|(key, value)| KeyValue::new(key, value)).collect();
        let patient_id = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_key_value_metadata(Some(metadata))
            .set_sorting_columns(ordered_by_patient.then(|| vec![patient_id]));
        for (at, field) in schema.fields().iter().enumerate().filter(|(_, field)| field.data_type().is_integer()) {
            let column = ColumnPath::from(field.name().as_str());
            properties = properties.set_column_dictionary_enabled(column.clone(), false);
            if at == 0 && ordered_by_patient {
                properties = properties.set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
            }
        }
        let properties = properties.build();
        let schema = parquet_schema(schema);
        let writer = ArrowWriter::try_new(sink, schema.clone(), Some(properties))?;
        let (writer, row_groups) = writer.into_serialized_writer()?;
        Ok(ParquetFile { writer, row_groups, schema, columns: Vec::new(), rows: 0 })
    }

    /// Writes what the row group has.
    fn end_row_group(&mut self, threads: usize) -> Result<(), ParquetError> {
        if std::mem::take(&mut self.rows) == 0 {
            return Ok(());
        }
        let columns = each(threads, std::mem::take(&mut self.columns), ArrowColumnWriter::close);
        let mut row_group = self.writer.next_row_group()?;
        for column in columns {
            column?.append_to_row_group(&mut row_group)?;
        }
        row_group.close()?;
        Ok(())
    }
}

/// Encodes a column's rows of a chunk. No type of an answer is nested, so that there is one leaf.
fn encode((writer, (field, array)): (&mut ArrowColumnWriter, (&Arc<Field>, &ArrayRef))) -> Result<(), ParquetError> {
    for leaf in compute_leaves(field, array)? {
        writer.write(&leaf)?;
    }
    Ok(())
}

/// The schema without the run's metadata, which is written as key-values, and without ordered dictionaries: a Parquet
/// reader builds dictionaries in the order in which it meets the values, so that their order says nothing.
fn parquet_schema(schema: &SchemaRef) -> SchemaRef {
    let field = |field: &Arc<Field>| field.as_ref().clone().with_dict_is_ordered(false);
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

impl<W: Write + Send> TableEncoder<W> for ParquetFile<W> {
    fn write(&mut self, chunk: &RecordBatch, threads: usize) -> Result<(), EncoderFault> {
        let chunk = RecordBatch::try_new(self.schema.clone(), chunk.columns().to_vec())?;
        if chunk.num_rows() == 0 {
            return Ok(());
        }
        if self.rows == 0 {
            let row_group = self.writer.flushed_row_groups().len();
            self.columns = self.row_groups.create_column_writers(row_group)?;
        }
        let arrays = self.schema.fields().iter().zip(chunk.columns());
        let pieces: Vec<_> = self.columns.iter_mut().zip(arrays).collect();
        each(threads, pieces, encode).into_iter().collect::<Result<(), _>>()?;
        self.rows += chunk.num_rows();
        if self.rows >= ROW_GROUP_ROWS {
            self.end_row_group(threads)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, threads: usize) -> Result<W, EncoderFault> {
        self.end_row_group(threads)?;
        Ok(self.writer.into_inner()?)
    }
}
