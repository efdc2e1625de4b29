//! Columns of 16 bytes: keys of patients. Text has them as 32 hexadecimal digits.

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, FixedSizeBinaryArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::Fault;
use crate::error::ValueProblem;

const BYTES: usize = 16;

/// Out of binary columns of fixed or any length.
pub(super) fn typed(array: &ArrayRef) -> Result<FixedSizeBinaryArray, Fault> {
    if *array.data_type() == DataType::FixedSizeBinary(BYTES as i32) {
        return array.as_fixed_size_binary_opt().cloned().ok_or(Fault::UnexpectedArray);
    }
    let binary = cast(array, &DataType::Binary).map_err(|_| Fault::UnexpectedArray)?;
    let binary = binary.as_binary_opt::<i32>().ok_or(Fault::UnexpectedArray)?;
    collected(binary, |cell| cell.try_into().map_err(|_| ValueProblem::NotSixteenBytes))
}

/// Out of hexadecimal digits, of either case.
pub(super) fn text(cells: &BinaryArray) -> Result<FixedSizeBinaryArray, Fault> {
    collected(cells, |cell| hex(cell).ok_or(ValueProblem::NotSixteenBytes))
}

fn collected(
    cells: &BinaryArray,
    parse: impl Fn(&[u8]) -> Result<[u8; BYTES], ValueProblem>,
) -> Result<FixedSizeBinaryArray, Fault> {
    let mut bytes = Vec::with_capacity(cells.len() * BYTES);
    for (index, cell) in cells.iter().enumerate() {
        let cell = cell.map_or(Ok([0; BYTES]), |cell| parse(cell).map_err(|problem| Fault::value(index, problem)))?;
        bytes.extend_from_slice(&cell);
    }
    let array = FixedSizeBinaryArray::try_new(BYTES as i32, bytes.into(), cells.nulls().cloned());
    array.map_err(|_| Fault::UnexpectedArray)
}

fn hex(cell: &[u8]) -> Option<[u8; BYTES]> {
    let digits: &[u8; 2 * BYTES] = cell.try_into().ok()?;
    let digit = |digit: u8| (digit as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::sync::Arc;

    #[test]
    fn sixteen_bytes_or_a_fault() {
        for (cell, good) in [
            ("000102030405060708090a0b0c0d0e0F", true),
            ("000102030405060708090a0b0c0d0e0", false),
            ("000102030405060708090a0b0c0d0e0g", false),
            ("", false),
        ] {
            let cells = BinaryArray::from(vec![None, Some(cell.as_bytes())]);
            let found = text(&cells);
            assert_eq!(found.is_ok(), good, "{cell}");
            if let Ok(found) = found {
                let expected: Vec<u8> = (0..16).collect();
                assert!(found.is_null(0) && found.value(1) == expected);
                let binary: ArrayRef = Arc::new(BinaryArray::from(vec![None, Some(found.value(1))]));
                assert_eq!(typed(&binary).unwrap(), found);
            }
        }
        let short: ArrayRef = Arc::new(BinaryArray::from(vec![&b"short"[..]]));
        assert_eq!(typed(&short).unwrap_err(), Fault::value(0, ValueProblem::NotSixteenBytes));
    }
}
