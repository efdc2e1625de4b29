//! What the operators mean for one patient's or row's values: definition format, section 4.
//!
//! [`scalar`] holds the arithmetic; here it is put behind the graph's functions, with NULL as `None`. The check of
//! populations uses it, and tests of the execution crate's kernels can.

use std::cmp::Ordering;

use crate::graph::{Binary, Constant, ConstantSet, Unary};
use crate::scalar::{self, Computed};

/// How values of one type compare: strings by code point, `0.0` equal to `-0.0`.
pub fn compare(lhs: &Constant, rhs: &Constant) -> Ordering {
    match (lhs, rhs) {
        (Constant::Float(lhs), Constant::Float(rhs)) => lhs.partial_cmp(rhs).unwrap_or_else(|| lhs.total_cmp(rhs)),
        (lhs, rhs) => lhs.set_order(rhs),
    }
}

/// A function of one value.
///
/// # Errors
/// The fault of its arithmetic.
pub fn unary(function: Unary, source: Option<Constant>) -> Computed<Option<Constant>> {
    use Constant::{Bool, Date, Float, Int};
    if function == Unary::IsNull {
        return Ok(Some(Bool(source.is_none())));
    }
    let Some(source) = source else { return Ok(None) };
    let civil = |part: fn(scalar::Civil) -> i64, date: i32| Int(part(scalar::civil_from_days(date)));
    Ok(Some(match (function, source) {
        (Unary::Not, Bool(value)) => Bool(!value),
        (Unary::Negate, Int(value)) => Int(scalar::negate_int(value)?),
        (Unary::Negate, Float(value)) => Float(-value),
        (Unary::Absolute, Int(value)) => Int(scalar::absolute_int(value)?),
        (Unary::Absolute, Float(value)) => Float(value.abs()),
        (Unary::CastToInt, Bool(value)) => Int(i64::from(value)),
        (Unary::CastToInt, Int(value)) => Int(value),
        (Unary::CastToInt, Float(value)) => Int(scalar::float_to_int(value)?),
        (Unary::CastToFloat, Int(value)) => Float(value as f64),
        (Unary::CastToFloat, Float(value)) => Float(value),
        (Unary::YearFromDate, Date(date)) => civil(|civil| civil.year.into(), date),
        (Unary::MonthFromDate, Date(date)) => civil(|civil| civil.month.into(), date),
        (Unary::DayFromDate, Date(date)) => civil(|civil| civil.day.into(), date),
        (Unary::ToFirstOfYear, Date(date)) => Date(scalar::to_first_of_year(date)),
        (Unary::ToFirstOfMonth, Date(date)) => Date(scalar::to_first_of_month(date)),
        // The builder lets no other pair of function and type through.
        _ => return Ok(None),
    }))
}

/// A function of two values.
///
/// # Errors
/// The fault of its arithmetic.
pub fn binary(function: Binary, lhs: Option<Constant>, rhs: Option<Constant>) -> Computed<Option<Constant>> {
    use Constant::{Bool, Date, Float, Int, Str};
    if matches!(function, Binary::And | Binary::Or) {
        let operator = if function == Binary::And { scalar::and } else { scalar::or };
        return Ok(operator(truth(lhs.as_ref()), truth(rhs.as_ref())).map(Bool));
    }
    let (Some(lhs), Some(rhs)) = (lhs, rhs) else { return Ok(None) };
    if let Some(holds) = comparison(function, &lhs, &rhs) {
        return Ok(Some(Bool(holds)));
    }
    Ok(match (function, lhs, rhs) {
        (Binary::Add, Int(lhs), Int(rhs)) => Some(Int(scalar::add_int(lhs, rhs)?)),
        (Binary::Add, Float(lhs), Float(rhs)) => Some(Float(scalar::add_float(lhs, rhs)?)),
        (Binary::Subtract, Int(lhs), Int(rhs)) => Some(Int(scalar::subtract_int(lhs, rhs)?)),
        (Binary::Subtract, Float(lhs), Float(rhs)) => Some(Float(scalar::subtract_float(lhs, rhs)?)),
        (Binary::Multiply, Int(lhs), Int(rhs)) => Some(Int(scalar::multiply_int(lhs, rhs)?)),
        (Binary::Multiply, Float(lhs), Float(rhs)) => Some(Float(scalar::multiply_float(lhs, rhs)?)),
        (Binary::TrueDivide, Int(lhs), Int(rhs)) => scalar::true_divide_int(lhs, rhs).map(Float),
        (Binary::TrueDivide, Float(lhs), Float(rhs)) => scalar::true_divide_float(lhs, rhs)?.map(Float),
        (Binary::FloorDivide, Int(lhs), Int(rhs)) => scalar::floor_divide_int(lhs, rhs)?.map(Int),
        (Binary::FloorDivide, Float(lhs), Float(rhs)) => scalar::floor_divide_float(lhs, rhs)?.map(Int),
        (Binary::Power, Int(lhs), Int(rhs)) => scalar::power(lhs as f64, rhs as f64)?.map(Float),
        (Binary::Power, Float(lhs), Float(rhs)) => scalar::power(lhs, rhs)?.map(Float),
        (Binary::DateAddDays, Date(date), Int(days)) => Some(Date(scalar::add_days(date, days)?)),
        (Binary::DateAddMonths, Date(date), Int(months)) => Some(Date(scalar::add_months(date, months)?)),
        (Binary::DateAddYears, Date(date), Int(years)) => Some(Date(scalar::add_years(date, years)?)),
        (Binary::DateDifferenceInDays, Date(lhs), Date(rhs)) => Some(Int(scalar::difference_in_days(lhs, rhs))),
        (Binary::DateDifferenceInMonths, Date(lhs), Date(rhs)) => Some(Int(scalar::difference_in_months(lhs, rhs))),
        (Binary::DateDifferenceInYears, Date(lhs), Date(rhs)) => Some(Int(scalar::difference_in_years(lhs, rhs))),
        (Binary::StringContains, Str(lhs), Str(rhs)) => Some(Bool(lhs.contains(&*rhs))),
        // The builder lets no other combination of function and types through.
        _ => None,
    })
}

/// Whether a comparison holds; `None` for the functions that are none.
fn comparison(function: Binary, lhs: &Constant, rhs: &Constant) -> Option<bool> {
    let ordering = || compare(lhs, rhs);
    Some(match function {
        Binary::Eq => ordering().is_eq(),
        Binary::Ne => ordering().is_ne(),
        Binary::Lt => ordering().is_lt(),
        Binary::Le => ordering().is_le(),
        Binary::Gt => ordering().is_gt(),
        Binary::Ge => ordering().is_ge(),
        _ => return None,
    })
}

fn truth(value: Option<&Constant>) -> Option<bool> {
    match value {
        Some(Constant::Bool(value)) => Some(*value),
        _ => None,
    }
}

/// Whether a value is a member of a constant set: false for an empty set, even for NULL.
pub fn in_set(value: Option<Constant>, set: &ConstantSet) -> Option<Constant> {
    if set.0.is_empty() {
        return Some(Constant::Bool(false));
    }
    let value = value?;
    Some(Constant::Bool(set.0.binary_search_by(|member| compare(member, &value)).is_ok()))
}

/// The smallest; NULLs are skipped.
pub fn minimum(values: impl IntoIterator<Item = Option<Constant>>) -> Option<Constant> {
    values.into_iter().flatten().min_by(compare)
}

/// The largest; NULLs are skipped.
pub fn maximum(values: impl IntoIterator<Item = Option<Constant>>) -> Option<Constant> {
    values.into_iter().flatten().max_by(compare)
}

#[cfg(test)]
mod tests;
