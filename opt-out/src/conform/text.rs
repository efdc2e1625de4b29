//! Columns out of text: CSV. Every parser is total, and an empty cell is NULL.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray};
use chrono::{Datelike, NaiveDate};

use super::Fault;
use crate::error::ValueProblem;

/// Parses every cell that is not NULL.
pub(super) fn parsed<T, A: FromIterator<Option<T>>>(
    cells: &BinaryArray,
    parse: impl Fn(&[u8]) -> Result<T, ValueProblem>,
) -> Result<A, Fault> {
    let cell = |(index, cell): (usize, Option<&[u8]>)| match cell {
        None => Ok(None),
        Some(cell) => parse(cell).map(Some).map_err(|problem| Fault::value(index, problem)),
    };
    cells.iter().enumerate().map(cell).collect()
}

/// An optional sign, then digits.
pub(super) fn ints(cells: &BinaryArray) -> Result<Int64Array, Fault> {
    parsed(cells, int)
}

fn int(cell: &[u8]) -> Result<i64, ValueProblem> {
    let digits = cell.strip_prefix(b"-").or_else(|| cell.strip_prefix(b"+")).unwrap_or(cell);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ValueProblem::NotAnInteger);
    }
    let text = std::str::from_utf8(cell).map_err(|_| ValueProblem::NotAnInteger)?;
    text.parse().map_err(|_| ValueProblem::IntegerTooLarge)
}

/// Digits with an optional sign, point and exponent: finite.
pub(super) fn floats(cells: &BinaryArray) -> Result<ArrayRef, Fault> {
    parsed::<_, Float64Array>(cells, float).map(|array| Arc::new(array) as ArrayRef)
}

fn float(cell: &[u8]) -> Result<f64, ValueProblem> {
    let text = std::str::from_utf8(cell).map_err(|_| ValueProblem::NotAFloat)?;
    let value: f64 = text.parse().map_err(|_| ValueProblem::NotAFloat)?;
    // Negative zero becomes zero, so that equal values are equal bytes.
    if value.is_finite() { Ok(value + 0.0) } else { Err(ValueProblem::NotFinite) }
}

/// Exactly `T` or `F`.
pub(super) fn bools(cells: &BinaryArray) -> Result<ArrayRef, Fault> {
    let bool = |cell: &[u8]| match cell {
        b"T" => Ok(true),
        b"F" => Ok(false),
        _ => Err(ValueProblem::NotABool),
    };
    parsed::<_, BooleanArray>(cells, bool).map(|array| Arc::new(array) as ArrayRef)
}

/// `YYYY-MM-DD`, a day that exists.
pub(super) fn dates(cells: &BinaryArray) -> Result<ArrayRef, Fault> {
    parsed::<_, Date32Array>(cells, date).map(|array| Arc::new(array) as ArrayRef)
}

/// 1970-01-01 in days since 0000-12-31, chrono's "common era".
const EPOCH_DAYS: i32 = 719_163;

pub(super) fn date(cell: &[u8]) -> Result<i32, ValueProblem> {
    let number =
        |digits: &[u8]| digits.iter().try_fold(0_u32, |n, d| d.is_ascii_digit().then(|| n * 10 + u32::from(d - b'0')));
    let parts = match cell {
        [year @ .., b'-', m1, m2, b'-', d1, d2] if year.len() == 4 => {
            (number(year), number(&[*m1, *m2]), number(&[*d1, *d2]))
        }
        _ => return Err(ValueProblem::NotADate),
    };
    let (Some(year), Some(month), Some(day)) = parts else {
        return Err(ValueProblem::NotADate);
    };
    if year == 0 {
        return Err(ValueProblem::DateOutOfRange);
    }
    let date = i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, month, day));
    date.map(|date| date.num_days_from_ce() - EPOCH_DAYS).ok_or(ValueProblem::NotADate)
}

/// Strings as they are.
pub(super) fn strings(cells: &BinaryArray) -> Result<ArrayRef, Fault> {
    let array: Result<StringArray, _> = StringArray::try_from_binary(cells.clone());
    if let Ok(array) = array {
        return Ok(Arc::new(array));
    }
    let bad = cells.iter().position(|cell| cell.is_some_and(|cell| std::str::from_utf8(cell).is_err()));
    Err(Fault::value(bad.unwrap_or_default(), ValueProblem::NotUtf8))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use ValueProblem::*;

    #[test]
    fn ints_are_a_sign_and_digits() {
        for (cell, expected) in [
            ("0", Ok(0)),
            ("-7", Ok(-7)),
            ("+12", Ok(12)),
            ("007", Ok(7)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("9223372036854775808", Err(IntegerTooLarge)),
            ("-", Err(NotAnInteger)),
            ("1.0", Err(NotAnInteger)),
            (" 1", Err(NotAnInteger)),
            ("1_000", Err(NotAnInteger)),
            ("١", Err(NotAnInteger)),
        ] {
            assert_eq!(int(cell.as_bytes()), expected, "{cell}");
        }
    }

    #[test]
    fn floats_are_finite() {
        for (cell, expected) in [
            ("1.5", Ok(1.5)),
            ("-0", Ok(0.0)),
            ("1e3", Ok(1000.0)),
            (".5", Ok(0.5)),
            ("7", Ok(7.0)),
            ("1e999", Err(NotFinite)),
            ("inf", Err(NotFinite)),
            ("NaN", Err(NotFinite)),
            ("1,5", Err(NotAFloat)),
            ("0x1", Err(NotAFloat)),
        ] {
            assert_eq!(float(cell.as_bytes()), expected, "{cell}");
        }
        assert!(float(b"-0.0").unwrap().is_sign_positive());
    }

    #[test]
    fn dates_exist() {
        for (cell, expected) in [
            ("1970-01-01", Ok(0)),
            ("0001-01-01", Ok(super::super::typed::DATE_MIN)),
            ("9999-12-31", Ok(super::super::typed::DATE_MAX)),
            ("2024-02-29", Ok(19782)),
            ("2023-02-29", Err(NotADate)),
            ("0000-01-01", Err(DateOutOfRange)),
            ("2024-2-9", Err(NotADate)),
            ("2024-13-01", Err(NotADate)),
            ("10000-01-01", Err(NotADate)),
            ("2024-01-01T00:00", Err(NotADate)),
            ("+024-01-01", Err(NotADate)),
        ] {
            assert_eq!(date(cell.as_bytes()), expected, "{cell}");
        }
    }
}
