//! What the operators mean for one value: arithmetic and calendar, total.
//!
//! The execution crate's kernels and the check of population definitions both stand on these functions. Each yields a
//! value, `None` for NULL, or a [`Fault`]; none panics. Dates are days since 1970-01-01.

use std::fmt;

/// Why a value could not be computed. Holds no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// A whole number outside 64 bits
    IntOverflow,
    /// A float beyond the largest finite one, or not a number
    FloatOverflow,
    /// A date outside years 1 to 9999
    DateRange,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::IntOverflow => "a whole number outside the 64-bit range",
            Fault::FloatOverflow => "a float outside the finite range",
            Fault::DateRange => "a date outside the years 1 to 9999",
        })
    }
}

/// 0001-01-01.
pub const DATE_MIN: i32 = -719_162;
/// 9999-12-31.
pub const DATE_MAX: i32 = 2_932_896;

/// A value, or why there is none.
pub type Computed<T> = Result<T, Fault>;

/// A zero loses its sign: of values that are equal, an answer must not show one or the other by the order of rows.
fn finite(value: f64) -> Computed<f64> {
    if value.is_finite() { Ok(value + 0.0) } else { Err(Fault::FloatOverflow) }
}

/// `lhs & rhs` in three-valued logic: false if either is, else NULL if either is.
pub fn and(lhs: Option<bool>, rhs: Option<bool>) -> Option<bool> {
    match (lhs, rhs) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// `lhs | rhs` in three-valued logic: true if either is, else NULL if either is.
pub fn or(lhs: Option<bool>, rhs: Option<bool>) -> Option<bool> {
    match (lhs, rhs) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

/// `lhs + rhs`
pub fn add_int(lhs: i64, rhs: i64) -> Computed<i64> {
    lhs.checked_add(rhs).ok_or(Fault::IntOverflow)
}

/// `lhs - rhs`
pub fn subtract_int(lhs: i64, rhs: i64) -> Computed<i64> {
    lhs.checked_sub(rhs).ok_or(Fault::IntOverflow)
}

/// `lhs * rhs`
pub fn multiply_int(lhs: i64, rhs: i64) -> Computed<i64> {
    lhs.checked_mul(rhs).ok_or(Fault::IntOverflow)
}

/// `-value`
pub fn negate_int(value: i64) -> Computed<i64> {
    value.checked_neg().ok_or(Fault::IntOverflow)
}

/// `|value|`
pub fn absolute_int(value: i64) -> Computed<i64> {
    value.checked_abs().ok_or(Fault::IntOverflow)
}

/// `lhs + rhs`
pub fn add_float(lhs: f64, rhs: f64) -> Computed<f64> {
    finite(lhs + rhs)
}

/// `lhs - rhs`
pub fn subtract_float(lhs: f64, rhs: f64) -> Computed<f64> {
    finite(lhs - rhs)
}

/// `lhs * rhs`
pub fn multiply_float(lhs: f64, rhs: f64) -> Computed<f64> {
    finite(lhs * rhs)
}

/// `lhs / rhs` of whole numbers, as float; NULL by zero. Correctly rounded where both fit a float's 53 bits.
pub fn true_divide_int(lhs: i64, rhs: i64) -> Option<f64> {
    (rhs != 0).then(|| lhs as f64 / rhs as f64)
}

/// `lhs / rhs`; NULL by zero.
pub fn true_divide_float(lhs: f64, rhs: f64) -> Computed<Option<f64>> {
    if rhs == 0.0 { Ok(None) } else { finite(lhs / rhs).map(Some) }
}

/// Division that rounds toward minus infinity; NULL by zero.
pub fn floor_divide_int(lhs: i64, rhs: i64) -> Computed<Option<i64>> {
    if rhs == 0 {
        return Ok(None);
    }
    let quotient = lhs.checked_div(rhs).ok_or(Fault::IntOverflow)?;
    let exact = lhs.checked_rem(rhs).ok_or(Fault::IntOverflow)? == 0;
    // A quotient of i64::MIN is exact, so that the subtraction cannot wrap.
    Ok(Some(if !exact && (lhs < 0) != (rhs < 0) { quotient - 1 } else { quotient }))
}

/// Division that rounds toward minus infinity, to a whole number; NULL by zero.
///
/// As Python's `//`: from the remainder, so that `1.0 // 0.1` is 9 and not 10.
pub fn floor_divide_float(lhs: f64, rhs: f64) -> Computed<Option<i64>> {
    if rhs == 0.0 {
        return Ok(None);
    }
    let remainder = lhs % rhs;
    let mut quotient = (lhs - remainder) / rhs;
    if remainder != 0.0 && (rhs < 0.0) != (remainder < 0.0) {
        quotient -= 1.0;
    }
    let mut floor = quotient.floor();
    if quotient - floor > 0.5 {
        floor += 1.0;
    }
    float_to_int(floor).map(Some)
}

/// `base` to the power `exponent`; NULL for zero to a negative power, and for a negative base with a fractional
/// exponent.
pub fn power(base: f64, exponent: f64) -> Computed<Option<f64>> {
    if (base == 0.0 && exponent < 0.0) || (base < 0.0 && exponent.fract() != 0.0) {
        return Ok(None);
    }
    finite(base.powf(exponent)).map(Some)
}

/// Truncates toward zero.
pub fn float_to_int(value: f64) -> Computed<i64> {
    let truncated = value.trunc();
    // Both bounds are powers of two, so exact as floats; the upper one is outside.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&truncated) {
        Ok(truncated as i64)
    } else {
        Err(Fault::IntOverflow)
    }
}

/// A calendar date: year, month 1 to 12, day 1 to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "said above")]
pub struct Civil {
    pub year: i32,
    pub month: u32,
    pub day: u32,
}

/// Splits days since 1970-01-01 into year, month and day of the proleptic Gregorian calendar.
///
/// Counts in years that begin in March, so that the leap day is a year's last; without a branch, as it stands in loops over
/// columns. See Neri and Schneider, "Euclidean affine functions and their application to calendar algorithms" (2022).
pub fn civil_from_days(days: i32) -> Civil {
    /// So many eras of 400 years earlier, no day of an `i32` is negative.
    const ERAS: i64 = 14_700;
    const DAYS_OF_ERA: i64 = 146_097;
    let quarters = ((i64::from(days) + 719_468 + ERAS * DAYS_OF_ERA) * 4 + 3) as u64;
    let (century, rest) = (quarters / 146_097, (quarters % 146_097) as u32);
    let product = u64::from(rest | 3) * 2_939_745;
    let (year_of_century, day_of_year) = ((product >> 32) as i32, product as u32 / 2_939_745 / 4);
    let shifted = 2_141 * day_of_year + 197_913;
    let (month, day) = (shifted >> 16, (shifted & 0xffff) / 2_141 + 1);
    let next = u32::from(day_of_year >= 306);
    let year = (century as i32 - 4 * ERAS as i32) * 100 + year_of_century + next as i32;
    Civil { year, month: month - 12 * next, day }
}

/// Days since 1970-01-01 of a date that exists.
pub fn days_from_civil(Civil { year, month, day }: Civil) -> i32 {
    let (month, day) = (i64::from(month), i64::from(day));
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468) as i32
}

/// Days in a month.
pub fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Reads `YYYY-MM-DD`, a date that exists, in years 1 to 9999.
pub fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        bytes[range].iter().try_fold(0u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
    };
    let (year, month, day) = (number(0..4)? as i32, number(5..7)?, number(8..10)?);
    let exists = year >= 1 && (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
    exists.then(|| days_from_civil(Civil { year, month, day }))
}

/// A date as `YYYY-MM-DD`.
pub fn format_date(days: i32) -> String {
    let Civil { year, month, day } = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `date` plus so many days.
pub fn add_days(date: i32, days: i64) -> Computed<i32> {
    let sum = i64::from(date).checked_add(days).ok_or(Fault::DateRange)?;
    if (i64::from(DATE_MIN)..=i64::from(DATE_MAX)).contains(&sum) { Ok(sum as i32) } else { Err(Fault::DateRange) }
}

/// `date` plus so many months; a day that does not exist rolls forward to the first of the next month.
pub fn add_months(date: i32, months: i64) -> Computed<i32> {
    let Civil { year, month, day } = civil_from_days(date);
    let months = (i64::from(year) * 12 + i64::from(month) - 1).checked_add(months).ok_or(Fault::DateRange)?;
    let year = months.div_euclid(12);
    if !(1..=9999).contains(&year) {
        return Err(Fault::DateRange);
    }
    let (year, month) = (year as i32, months.rem_euclid(12) as u32 + 1);
    // No month is longer than December, so that rolling forward never leaves the year.
    Ok(if day > days_in_month(year, month) {
        days_from_civil(Civil { year, month: month + 1, day: 1 })
    } else {
        days_from_civil(Civil { year, month, day })
    })
}

/// `date` plus so many years; 29 February rolls forward to 1 March.
pub fn add_years(date: i32, years: i64) -> Computed<i32> {
    add_months(date, years.checked_mul(12).ok_or(Fault::DateRange)?)
}

/// Days from `rhs` to `lhs`.
pub fn difference_in_days(lhs: i32, rhs: i32) -> i64 {
    i64::from(lhs) - i64::from(rhs)
}

/// Whole months completed from `rhs` to `lhs`.
pub fn difference_in_months(lhs: i32, rhs: i32) -> i64 {
    months_between(day_of_months(lhs), day_of_months(rhs))
}

/// Whole years completed from `rhs` to `lhs`.
pub fn difference_in_years(lhs: i32, rhs: i32) -> i64 {
    years_between(day_of_years(lhs), day_of_years(rhs))
}

/// A date's months and day in one number, so that whole months between two dates are one subtraction: what
/// [`months_between`] takes. Of a date that does not exist in years 1 to 9999 it is any number.
pub fn day_of_months(date: i32) -> i32 {
    let Civil { year, month, day } = civil_from_days(date);
    ((year * 12 + month as i32) << 5) | day as i32
}

/// Whole months from one [`day_of_months`] to another.
pub fn months_between(lhs: i32, rhs: i32) -> i64 {
    // Rounding down takes off the month that is not complete.
    i64::from(lhs.wrapping_sub(rhs) >> 5)
}

/// As [`day_of_months`], for whole years: what [`years_between`] takes.
pub fn day_of_years(date: i32) -> i32 {
    let Civil { year, month, day } = civil_from_days(date);
    (year << 9) | ((month as i32) << 5) | day as i32
}

/// Whole years from one [`day_of_years`] to another.
pub fn years_between(lhs: i32, rhs: i32) -> i64 {
    i64::from(lhs.wrapping_sub(rhs) >> 9)
}

/// 1 January of the date's year.
pub fn to_first_of_year(date: i32) -> i32 {
    days_from_civil(Civil { month: 1, day: 1, ..civil_from_days(date) })
}

/// The first of the date's month.
pub fn to_first_of_month(date: i32) -> i32 {
    date - civil_from_days(date).day as i32 + 1
}

#[cfg(test)]
mod tests;
