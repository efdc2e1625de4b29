//! The values of one column, as they are being made.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, DictionaryArray, FixedSizeBinaryBuilder,
    Float32Builder, Float64Builder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
    TimestampMillisecondBuilder,
};
use arrow::error::ArrowError;

/// The values of one column, by their type in files.
pub(super) enum Cells {
    Int(Int64Builder),
    Small(Int32Builder),
    Float(Float64Builder),
    Real(Float32Builder),
    Thousandths(Decimal128Builder),
    Date(Date32Builder),
    Moment(TimestampMillisecondBuilder),
    Stamp(TimestampMicrosecondBuilder),
    Coded(Int32Builder, ArrayRef),
    Text(StringBuilder),
    Flag(BooleanBuilder),
    Key(FixedSizeBinaryBuilder),
}

impl Cells {
    pub(super) fn len(&self) -> usize {
        match self {
            Cells::Int(cells) => cells.len(),
            Cells::Small(cells) | Cells::Coded(cells, _) => cells.len(),
            Cells::Float(cells) => cells.len(),
            Cells::Real(cells) => cells.len(),
            Cells::Thousandths(cells) => cells.len(),
            Cells::Date(cells) => cells.len(),
            Cells::Moment(cells) => cells.len(),
            Cells::Stamp(cells) => cells.len(),
            Cells::Text(cells) => cells.len(),
            Cells::Flag(cells) => cells.len(),
            Cells::Key(cells) => cells.len(),
        }
    }

    /// Takes the values.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Cells::Int(cells) => Arc::new(cells.finish()),
            Cells::Small(cells) => Arc::new(cells.finish()),
            Cells::Float(cells) => Arc::new(cells.finish()),
            Cells::Real(cells) => Arc::new(cells.finish()),
            Cells::Thousandths(cells) => Arc::new(cells.finish()),
            Cells::Date(cells) => Arc::new(cells.finish()),
            Cells::Moment(cells) => Arc::new(cells.finish()),
            Cells::Stamp(cells) => Arc::new(cells.finish()),
            Cells::Coded(cells, values) => Arc::new(DictionaryArray::try_new(cells.finish(), Arc::clone(values))?),
            Cells::Text(cells) => Arc::new(cells.finish()),
            Cells::Flag(cells) => Arc::new(cells.finish()),
            Cells::Key(cells) => Arc::new(cells.finish()),
        })
    }
}
