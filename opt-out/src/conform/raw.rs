//! Suppliers' raw columns: read as what the manifest says, with sentinels as NULL. Total, as all conforming is.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Date32Array, Int64Array, PrimitiveArray, StringArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Date32Type, Int64Type};

use super::{Fault, is_string};
use crate::connector::NullValue;
use crate::request::ColumnType;
use crate::source::RawColumn;

/// Which types of a file are read as the wanted one, besides those that are it already.
pub(super) fn accepts(wanted: ColumnType, found: &DataType) -> bool {
    let text = match found {
        DataType::Dictionary(_, entries) => is_string(entries),
        other => is_string(other),
    };
    match wanted {
        ColumnType::Bool | ColumnType::Int | ColumnType::Day | ColumnType::Bytes16 => text,
        ColumnType::Float => text || found.is_integer(),
        ColumnType::Str => found.is_integer() || is_binary(found),
        ColumnType::Date | ColumnType::Moment => false,
    }
}

fn is_binary(found: &DataType) -> bool {
    matches!(found, DataType::FixedSizeBinary(_) | DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// The column in a form that is the wanted one already, or text to be parsed; texts that stand for NULL are NULL.
pub(super) fn prepared(found: &RawColumn, wanted: ColumnType, null_values: &[NullValue]) -> Result<RawColumn, Fault> {
    let unexpected = |_| Fault::UnexpectedArray;
    match found {
        RawColumn::Missing => Ok(RawColumn::Missing),
        RawColumn::Codes(_) => Err(Fault::UnexpectedArray),
        RawColumn::Text(cells) => Ok(RawColumn::Text(cleaned(cells.iter(), wanted, null_values))),
        RawColumn::Typed(array) if array.data_type().is_null() => Ok(RawColumn::Typed(Arc::clone(array))),
        RawColumn::Typed(array) => match (wanted, array.data_type()) {
            (ColumnType::Str, found) if found.is_integer() => {
                let digits = cast(array, &DataType::Utf8).map_err(unexpected)?;
                Ok(RawColumn::Typed(digits))
            }
            (ColumnType::Str, found) if is_binary(found) => {
                let bytes = cast(array, &DataType::Binary).map_err(unexpected)?;
                let bytes = bytes.as_binary_opt::<i32>().ok_or(Fault::UnexpectedArray)?;
                let texts: StringArray = bytes.iter().map(|bytes| bytes.map(hex)).collect();
                Ok(RawColumn::Typed(Arc::new(texts)))
            }
            (ColumnType::Float, found) if found.is_integer() => {
                Ok(RawColumn::Typed(cast(array, &DataType::Float64).map_err(unexpected)?))
            }
            (wanted, found) if wanted != ColumnType::Str && accepts(wanted, found) => {
                let texts = cast(array, &DataType::Utf8).map_err(unexpected)?;
                let texts = texts.as_string_opt::<i32>().ok_or(Fault::UnexpectedArray)?;
                let cells = texts.iter().map(|text| text.map(str::as_bytes));
                Ok(RawColumn::Text(cleaned(cells, wanted, null_values)))
            }
            _ => Ok(RawColumn::Typed(Arc::clone(array))),
        },
    }
}

/// Cells of text as the parsers take them: what is empty or stands for NULL is NULL, and suppliers' forms of truths and
/// days are ours.
fn cleaned<'c>(
    cells: impl Iterator<Item = Option<&'c [u8]>>,
    wanted: ColumnType,
    null_values: &[NullValue],
) -> BinaryArray {
    let stands_for_null =
        |cell: &[u8]| null_values.iter().any(|null| matches!(null, NullValue::Text(text) if text.as_bytes() == cell));
    let cell = |cell: Option<&'c [u8]>| {
        let cell = cell.filter(|cell| !stands_for_null(cell) && (wanted == ColumnType::Str || !cell.is_empty()))?;
        Some(match (wanted, cell) {
            (ColumnType::Bool, b"1" | b"true" | b"True" | b"TRUE") => b"T".to_vec(),
            (ColumnType::Bool, b"0" | b"false" | b"False" | b"FALSE") => b"F".to_vec(),
            // YYYYMMDD
            (ColumnType::Day, digits @ [_, _, _, _, _, _, _, _]) if digits.iter().all(u8::is_ascii_digit) => {
                [digits.get(..4), Some(b"-"), digits.get(4..6), Some(b"-"), digits.get(6..)]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<&[u8]>>()
                    .concat()
            }
            (_, cell) => cell.to_vec(),
        })
    };
    cells.map(cell).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The array with NULL in place of numbers and days that stand for it. (Texts have been seen to.)
pub(super) fn without(array: ArrayRef, null_values: &[NullValue]) -> Result<ArrayRef, Fault> {
    fn nulled<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, nulls: &[T::Native]) -> PrimitiveArray<T> {
        let values = array.values();
        let others = BooleanBuffer::collect_bool(values.len(), |row| !nulls.contains(&values[row]));
        // The values stay as they are: which of them are NULL is all that changes.
        let valid = NullBuffer::union(array.nulls(), Some(&NullBuffer::new(others)));
        PrimitiveArray::new(values.clone(), valid.filter(|valid| valid.null_count() > 0))
    }
    let ints: Vec<i64> =
        null_values.iter().filter_map(|null| if let NullValue::Int(int) = null { Some(*int) } else { None }).collect();
    let days: Vec<i32> =
        null_values.iter().filter_map(|null| if let NullValue::Day(day) = null { Some(*day) } else { None }).collect();
    if let (Some(found), false) = (array.as_primitive_opt::<Int64Type>(), ints.is_empty()) {
        let found: Int64Array = nulled(found, &ints);
        return Ok(Arc::new(found));
    }
    if let (Some(found), false) = (array.as_primitive_opt::<Date32Type>(), days.is_empty()) {
        let found: Date32Array = nulled(found, &days);
        return Ok(Arc::new(found));
    }
    Ok(array)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::{Date32Array, Int64Array};

    use super::*;

    #[test]
    fn numbers_and_days_that_stand_for_null_are_null() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None, Some(-1), Some(0), Some(99)]));
        let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(-25_567), Some(19_000), None]));
        let (int, day) = (NullValue::Int, NullValue::Day);
        for (found, null_values, expected) in [
            (&numbers, vec![int(-1), int(99)], Int64Array::from(vec![Some(7), None, None, Some(0), None]).into_data()),
            (&numbers, vec![int(5)], numbers.to_data()),
            // Days stand for nothing among numbers.
            (&numbers, vec![day(7)], numbers.to_data()),
            (&days, vec![day(-25_567)], Date32Array::from(vec![None, Some(19_000), None]).into_data()),
            (&days, vec![], days.to_data()),
        ] {
            let read = without(Arc::clone(found), &null_values).unwrap();
            assert_eq!(read.to_data(), expected, "{null_values:?}");
        }
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        assert!(without(whole, &[int(3)]).unwrap().nulls().is_none());
    }
}
