//! The calendar.

use arrow::array::{Array, Date32Array, Int64Array};
use arrow::datatypes::Date32Type;
use datafusion::common::{Result, internal_err};
use peristyle_model::graph::{Binary, Unary};
use peristyle_model::scalar;

use super::{FaultRows, zip, zip_partial};
use crate::vector::{Operand, Vector};

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

/// Whole units completed from `rhs` to `lhs`.
pub(crate) fn difference(function: Binary, lhs: &Vector, rhs: &Vector) -> Result<Vector> {
    let (lhs, rhs) = (lhs.dates()?, rhs.dates()?);
    Ok(Vector::Int(match function {
        Binary::DateDifferenceInDays => zip(&lhs, &rhs, scalar::difference_in_days)?,
        Binary::DateDifferenceInMonths => between(&lhs, &rhs, scalar::day_of_months, scalar::months_between)?,
        Binary::DateDifferenceInYears => between(&lhs, &rhs, scalar::day_of_years, scalar::years_between)?,
        _ => return internal_err!("not a difference of dates"),
    }))
}

/// A difference of what dates are turned into. A side that is the same for all is turned once.
fn between(
    lhs: &Operand<'_, Date32Type>,
    rhs: &Operand<'_, Date32Type>,
    turned: impl Fn(i32) -> i32 + Copy,
    difference: impl Fn(i32, i32) -> i64,
) -> Result<Int64Array> {
    match (lhs, rhs) {
        (Operand::Constant(lhs), rhs @ Operand::Array(_)) => {
            let lhs = Operand::<Date32Type>::Constant(turned(*lhs));
            zip(&lhs, rhs, |lhs, rhs| difference(lhs, turned(rhs)))
        }
        (lhs @ Operand::Array(_), Operand::Constant(rhs)) => {
            let rhs = Operand::<Date32Type>::Constant(turned(*rhs));
            zip(lhs, &rhs, |lhs, rhs| difference(turned(lhs), rhs))
        }
        (lhs, rhs) => zip(lhs, rhs, |lhs, rhs| difference(turned(lhs), turned(rhs))),
    }
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
