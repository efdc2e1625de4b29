//! The calendar.

use arrow::array::{Array, Date32Array, Int64Array};
use arrow::datatypes::Date32Type;
use datafusion::common::{Result, internal_err};
use peristyle_model::graph::{Binary, Unary};
use peristyle_model::scalar;

use super::{FaultRows, zip, zip_partial};
use crate::vector::Vector;

/// Adding days, months or years to dates.
pub(crate) fn add(function: Binary, dates: &Vector, amounts: &Vector, faults: &mut FaultRows) -> Result<Vector> {
    let add = match function {
        Binary::DateAddDays => scalar::add_days,
        Binary::DateAddMonths => scalar::add_months,
        Binary::DateAddYears => scalar::add_years,
        _ => return internal_err!("not an addition to a date"),
    };
    let sums = zip_partial::<_, _, Date32Type>(&dates.dates()?, &amounts.ints()?, faults, |date, amount| {
        add(date, amount).map(Some)
    })?;
    Ok(Vector::Date(sums))
}

/// Whole units completed from `rhs` to `lhs`. For months and years these are dates that have been [`turned`] for it.
pub(crate) fn difference(function: Binary, lhs: &Vector, rhs: &Vector) -> Result<Vector> {
    let (lhs, rhs) = (lhs.dates()?, rhs.dates()?);
    Ok(Vector::Int(match function {
        Binary::DateDifferenceInDays => zip(&lhs, &rhs, scalar::difference_in_days)?,
        Binary::DateDifferenceInMonths => zip(&lhs, &rhs, scalar::months_between)?,
        Binary::DateDifferenceInYears => zip(&lhs, &rhs, scalar::years_between)?,
        _ => return internal_err!("not a difference of dates"),
    }))
}

/// Dates as a difference in months or years takes them: numbers of which one subtraction makes the difference, so that
/// a date that every interval is compared with is taken apart once.
pub(crate) fn turned(difference: Binary, dates: &Vector) -> Result<Vector> {
    let Vector::Date(dates) = dates else { return internal_err!("a step expected dates") };
    Ok(Vector::Date(match difference {
        Binary::DateDifferenceInMonths => dates.unary(scalar::day_of_months),
        Binary::DateDifferenceInYears => dates.unary(scalar::day_of_years),
        _ => return internal_err!("not a difference of dates in months or years"),
    }))
}

/// Parts of a date, and its rounding down.
pub(crate) fn unary(function: Unary, dates: &Date32Array) -> Result<Vector> {
    let parts = |part: fn(scalar::Civil) -> i64| -> Int64Array {
        let values: Vec<i64> = dates.values().iter().map(|date| part(scalar::civil_from_days(*date))).collect();
        Int64Array::new(values.into(), dates.nulls().cloned())
    };
    Ok(match function {
        Unary::YearFromDate => Vector::Int(parts(|civil| i64::from(civil.year))),
        Unary::MonthFromDate => Vector::Int(parts(|civil| i64::from(civil.month))),
        Unary::DayFromDate => Vector::Int(parts(|civil| i64::from(civil.day))),
        Unary::ToFirstOfYear => Vector::Date(dates.unary(scalar::to_first_of_year)),
        Unary::ToFirstOfMonth => Vector::Date(dates.unary(scalar::to_first_of_month)),
        _ => return internal_err!("not a function of a date"),
    })
}
