//! Columns of moments, and of the days that they are on.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Date32Array, PrimitiveArray, TimestampMicrosecondArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use chrono::{DateTime, NaiveDateTime};

use super::Fault;
use super::text::{date, parsed};
use super::typed::{DATE_MAX, DATE_MIN, first_bad};
use crate::error::ValueProblem;

const DAY_MICROSECONDS: i64 = 86_400_000_000;
const MOMENT_MIN: i64 = DATE_MIN as i64 * DAY_MICROSECONDS;
const MOMENT_END: i64 = (DATE_MAX as i64 + 1) * DAY_MICROSECONDS;

/// Moments in microseconds, out of dates and moments of any unit; of those with a time zone, in UTC.
pub(super) fn moments(array: &ArrayRef) -> Result<TimestampMicrosecondArray, Fault> {
    fn scaled<T: ArrowPrimitiveType>(
        array: &ArrayRef,
        scale: impl Fn(T::Native) -> i64,
    ) -> Result<TimestampMicrosecondArray, Fault> {
        let values: &PrimitiveArray<T> = array.as_primitive_opt().ok_or(Fault::UnexpectedArray)?;
        Ok(values.unary::<_, TimestampMicrosecondType>(scale))
    }
    // What overflows saturates, and is out of range below.
    let moments = match array.data_type() {
        DataType::Date32 => scaled::<Date32Type>(array, |day| i64::from(day) * DAY_MICROSECONDS),
        DataType::Date64 => scaled::<Date64Type>(array, |ms| ms.saturating_mul(1_000)),
        DataType::Timestamp(TimeUnit::Second, _) => {
            scaled::<TimestampSecondType>(array, |s| s.saturating_mul(1_000_000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            scaled::<TimestampMillisecondType>(array, |ms| ms.saturating_mul(1_000))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => scaled::<TimestampMicrosecondType>(array, |us| us),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            scaled::<TimestampNanosecondType>(array, |ns| ns.div_euclid(1_000))
        }
        _ => Err(Fault::UnexpectedArray),
    }?;
    in_range(moments)
}

/// The days of [`moments`].
pub(super) fn days(array: &ArrayRef) -> Result<ArrayRef, Fault> {
    match array.data_type() {
        DataType::Date32 => super::typed::dates(array),
        _ => Ok(days_of(&moments(array)?)),
    }
}

/// Moments as `YYYY-MM-DD`, with a time `HH:MM:SS` and its fraction behind a space or `T`, and `Z` or an offset.
pub(super) fn moments_of_text(cells: &BinaryArray) -> Result<TimestampMicrosecondArray, Fault> {
    in_range(parsed::<i64, TimestampMicrosecondArray>(cells, moment)?)
}

/// The days of [`moments_of_text`].
pub(super) fn days_of_text(cells: &BinaryArray) -> Result<ArrayRef, Fault> {
    Ok(days_of(&moments_of_text(cells)?))
}

fn moment(cell: &[u8]) -> Result<i64, ValueProblem> {
    if cell.len() <= 10 {
        return date(cell).map(|day| i64::from(day) * DAY_MICROSECONDS);
    }
    let text = std::str::from_utf8(cell).map_err(|_| ValueProblem::NotAMoment)?;
    let text = text.replacen(' ', "T", 1);
    let local = || {
        NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f").map(|moment| moment.and_utc().timestamp_micros())
    };
    let zoned = || DateTime::parse_from_rfc3339(&text).map(|moment| moment.timestamp_micros());
    local().or_else(|_| zoned()).map_err(|_| ValueProblem::NotAMoment)
}

fn in_range(moments: TimestampMicrosecondArray) -> Result<TimestampMicrosecondArray, Fault> {
    match first_bad(&moments, |moment| !(MOMENT_MIN..MOMENT_END).contains(&moment)) {
        Some(index) => Err(Fault::value(index, ValueProblem::DateOutOfRange)),
        None => Ok(moments),
    }
}

/// Moments in range have days that fit.
fn days_of(moments: &TimestampMicrosecondArray) -> ArrayRef {
    // From the first moment there is, so that there is nothing below zero to be rounded the other way. What lies under a
    // NULL may be anything, and becomes a day all the same.
    let day = |moment: i64| {
        let days = moment.wrapping_sub(MOMENT_MIN) as u64 / DAY_MICROSECONDS as u64;
        DATE_MIN + days.min(DATE_MAX.abs_diff(DATE_MIN).into()) as i32
    };
    let days: Date32Array = moments.unary(day);
    Arc::new(days)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use arrow::array::{TimestampNanosecondArray, TimestampSecondArray};

    #[test]
    fn moments_are_written_in_several_ways() {
        let second = 1_000_000;
        for (cell, expected) in [
            ("1970-01-01", Ok(0)),
            ("1970-01-01T00:00:01", Ok(second)),
            ("1970-01-01 00:00:01", Ok(second)),
            ("1970-01-01 00:00:01.5", Ok(second + second / 2)),
            ("1970-01-01T01:00:01+01:00", Ok(second)),
            ("1970-01-01T00:00:01Z", Ok(second)),
            ("1969-12-31T23:59:59", Ok(-second)),
            ("1970-01-01 24:00:00", Err(ValueProblem::NotAMoment)),
            ("1970-02-30 00:00:00", Err(ValueProblem::NotAMoment)),
            ("yesterday, at noon", Err(ValueProblem::NotAMoment)),
            ("1970-1-1", Err(ValueProblem::NotADate)),
        ] {
            assert_eq!(moment(cell.as_bytes()), expected, "{cell}");
        }
    }

    #[test]
    fn a_day_is_the_moments_own_also_before_1970() {
        let cells = BinaryArray::from_opt_vec(vec![Some(b"1969-12-31T23:59:59"), None, Some(b"9999-12-31 23:59:59")]);
        let days = days_of_text(&cells).unwrap();
        let days = days.as_primitive::<Date32Type>();
        assert_eq!((days.value(0), days.is_null(1), days.value(2)), (-1, true, DATE_MAX));
        let nanoseconds: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![-1, 86_400_000_000_000]));
        assert_eq!(super::days(&nanoseconds).unwrap().as_primitive::<Date32Type>().values(), &[-1, 1]);
        let far: ArrayRef = Arc::new(TimestampSecondArray::from(vec![0, i64::MAX]));
        assert_eq!(super::days(&far).unwrap_err(), Fault::value(1, ValueProblem::DateOutOfRange));
    }
}
