//! CSV files, plain and gzipped, byte for byte as ehrQL's: what Python's `csv` module writes.

use std::io::Write;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, SchemaRef};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{EncoderFault, TableEncoder, csv_text};

/// gzip's own default, and ehrQL's.
const GZIP_LEVEL: u32 = 6;

pub(super) struct Csv<W> {
    sink: W,
    text: Vec<u8>,
}

impl<W: Write> Csv<W> {
    pub(super) fn begin(sink: W, schema: &SchemaRef) -> Result<Self, EncoderFault> {
        let mut csv = Csv { sink, text: Vec::new() };
        for (index, field) in schema.fields().iter().enumerate() {
            csv_text::push_separator(&mut csv.text, index);
            csv_text::push_str(&mut csv.text, field.name());
        }
        csv_text::push_line_end(&mut csv.text);
        csv.send()?;
        Ok(csv)
    }

    /// One write a chunk, so that what a compressor sees does not depend on how rows were batched.
    fn send(&mut self) -> Result<(), EncoderFault> {
        self.sink.write_all(&self.text)?;
        self.text.clear();
        Ok(())
    }
}

impl<W: Write + Send> TableEncoder<W> for Csv<W> {
    fn write(&mut self, chunk: &RecordBatch, _: usize) -> Result<(), EncoderFault> {
        let columns = chunk.columns().iter().map(Cells::of).collect::<Result<Vec<_>, _>>()?;
        for row in 0..chunk.num_rows() {
            let line = self.text.len();
            for (index, cells) in columns.iter().enumerate() {
                csv_text::push_separator(&mut self.text, index);
                cells.push(&mut self.text, row);
            }
            // A line of nothing would read as no row.
            if self.text.len() == line {
                self.text.extend_from_slice(b"\"\"");
            }
            csv_text::push_line_end(&mut self.text);
        }
        self.send()
    }

    fn finish(self: Box<Self>, _: usize) -> Result<W, EncoderFault> {
        Ok(self.sink)
    }
}

/// A column, ready to be read as text.
enum Cells {
    Bool(BooleanArray),
    Int(Int64Array),
    Float(Float64Array),
    Date(arrow::array::Date32Array),
    Text(StringArray),
    Bytes(FixedSizeBinaryArray),
}

impl Cells {
    fn of(column: &ArrayRef) -> Result<Self, EncoderFault> {
        Ok(match column.data_type() {
            DataType::Boolean => Cells::Bool(column.as_boolean().clone()),
            DataType::Float64 => Cells::Float(column.as_primitive::<Float64Type>().clone()),
            DataType::Date32 => Cells::Date(column.as_primitive::<Date32Type>().clone()),
            DataType::FixedSizeBinary(_) => Cells::Bytes(column.as_fixed_size_binary().clone()),
            DataType::Utf8 => Cells::Text(column.as_string().clone()),
            DataType::Dictionary(..) => Cells::Text(cast(column, &DataType::Utf8)?.as_string().clone()),
            // Whole numbers of every width came from 64 bits.
            _ => Cells::Int(cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().clone()),
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Cells::Bool(cells) => cells.is_null(row),
            Cells::Int(cells) => cells.is_null(row),
            Cells::Float(cells) => cells.is_null(row),
            Cells::Date(cells) => cells.is_null(row),
            Cells::Text(cells) => cells.is_null(row),
            Cells::Bytes(cells) => cells.is_null(row),
        }
    }

    fn push(&self, text: &mut Vec<u8>, row: usize) {
        if self.is_null(row) {
            return;
        }
        match self {
            Cells::Bool(cells) => text.push(if cells.value(row) { b'T' } else { b'F' }),
            Cells::Int(cells) => csv_text::push_int(text, cells.value(row)),
            Cells::Float(cells) => csv_text::push_float(text, cells.value(row)),
            Cells::Date(cells) => csv_text::push_date(text, cells.value(row)),
            Cells::Text(cells) => csv_text::push_str(text, cells.value(row)),
            Cells::Bytes(cells) => csv_text::push_hex(text, cells.value(row)),
        }
    }
}

/// [`Csv`] through gzip, without a time or a name in its header.
pub(super) struct CsvGz<W: Write>(Csv<GzEncoder<W>>);

impl<W: Write> CsvGz<W> {
    pub(super) fn begin(sink: W, schema: &SchemaRef) -> Result<Self, EncoderFault> {
        Ok(CsvGz(Csv::begin(GzEncoder::new(sink, Compression::new(GZIP_LEVEL)), schema)?))
    }
}

impl<W: Write + Send> TableEncoder<W> for CsvGz<W> {
    fn write(&mut self, chunk: &RecordBatch, threads: usize) -> Result<(), EncoderFault> {
        self.0.write(chunk, threads)
    }

    fn finish(self: Box<Self>, _: usize) -> Result<W, EncoderFault> {
        Ok(self.0.sink.finish()?)
    }
}
