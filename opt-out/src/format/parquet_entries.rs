//! The entries of dictionary pages: strings, days and moments.

use std::sync::Arc;

use arrow::array::{ArrayData, ArrayRef, StringArray, make_array};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::datatypes::{DataType, TimeUnit};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit as StoredUnit, Type};
use parquet::errors::Result;
use parquet::schema::types::ColumnDescriptor;

use super::parquet_hybrid::damaged;

/// Whether a column that is delivered as `delivered` is stored so that its dictionary's entries can be read here: as they
/// are, without another unit or another width.
pub(super) fn are_known(column: &ColumnDescriptor, delivered: &DataType) -> bool {
    match (delivered, column.physical_type()) {
        (DataType::Dictionary(..), Type::BYTE_ARRAY) => true,
        (DataType::Date32, Type::INT32) => {
            column.logical_type_ref() == Some(&LogicalType::Date) || column.converted_type() == ConvertedType::DATE
        }
        (DataType::Timestamp(unit, _), Type::INT64) => {
            let Some(LogicalType::Timestamp(stored)) = column.logical_type_ref() else { return false };
            matches!(
                (unit, stored.unit),
                (TimeUnit::Millisecond, StoredUnit::MILLIS)
                    | (TimeUnit::Microsecond, StoredUnit::MICROS)
                    | (TimeUnit::Nanosecond, StoredUnit::NANOS)
            )
        }
        _ => false,
    }
}

/// The entries of a dictionary page of a column of which they [`are_known`].
pub(super) fn entries(bytes: &[u8], count: usize, delivered: &DataType) -> Result<ArrayRef> {
    let width = match delivered {
        DataType::Date32 => size_of::<i32>(),
        DataType::Timestamp(..) => size_of::<i64>(),
        _ => return Ok(Arc::new(strings(bytes, count)?)),
    };
    // Little-endian in both, so that nothing is converted.
    let values = count.checked_mul(width).and_then(|length| bytes.get(..length)).ok_or_else(damaged)?;
    let data = ArrayData::builder(delivered.clone()).len(count).add_buffer(Buffer::from_slice_ref(values));
    Ok(make_array(data.build().map_err(|_| damaged())?))
}

/// Strings with their lengths before them.
fn strings(mut bytes: &[u8], count: usize) -> Result<StringArray> {
    let mut ends = Vec::with_capacity(count.min(bytes.len()) + 1);
    let mut text = Vec::with_capacity(bytes.len());
    ends.push(0);
    for _ in 0..count {
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| damaged())?;
        let (entry, rest) = rest.split_at_checked(length).ok_or_else(damaged)?;
        text.extend_from_slice(entry);
        ends.push(i32::try_from(text.len()).map_err(|_| damaged())?);
        bytes = rest;
    }
    // Looks at all of the text, once. What it says of a text that is none may hold a part of it.
    StringArray::try_new(OffsetBuffer::new(ends.into()), text.into(), None).map_err(|_| damaged())
}
