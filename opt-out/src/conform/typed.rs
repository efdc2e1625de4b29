//! Columns of numbers, truths and dates out of typed files.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Date32Type, Date64Type, Float64Type, Int64Type, UInt64Type};

use super::Fault;
use crate::error::ValueProblem;

/// 0001-01-01, in days since 1970-01-01.
pub(super) const DATE_MIN: i32 = -719_162;
/// 9999-12-31, in days since 1970-01-01.
pub(super) const DATE_MAX: i32 = 2_932_896;
const DAY_MS: i64 = 86_400_000;

/// The index of the first NULL.
pub(super) fn first_null(array: &dyn Array) -> Option<usize> {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0)?;
    (0..nulls.len()).find(|&index| nulls.is_null(index))
}

/// The index of the first value, NULLs aside, for which `is_bad` holds. The common case is one pass without branches.
pub(super) fn first_bad<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    is_bad: impl Fn(T::Native) -> bool,
) -> Option<usize> {
    if !array.values().iter().fold(false, |any, value| any | is_bad(*value)) {
        return None;
    }
    // What lies below a NULL may be anything.
    array.iter().position(|value| value.is_some_and(&is_bad))
}

fn cast_to(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, Fault> {
    // Only widening casts come here; the error's text is dropped, as Arrow's may hold a value.
    cast(array, wanted).map_err(|_| Fault::UnexpectedArray)
}

/// Integers of any width.
pub(super) fn ints(array: &ArrayRef) -> Result<Int64Array, Fault> {
    if let Some(unsigned) = array.as_primitive_opt::<UInt64Type>()
        && let Some(index) = first_bad(unsigned, |value| i64::try_from(value).is_err())
    {
        return Err(Fault::value(index, ValueProblem::IntegerTooLarge));
    }
    if !array.data_type().is_integer() {
        return Err(Fault::UnexpectedArray);
    }
    let ints = cast_to(array, &DataType::Int64)?;
    ints.as_primitive_opt::<Int64Type>().cloned().ok_or(Fault::UnexpectedArray)
}

/// Refuses an integer that is not among the categories.
pub(super) fn check_categories(array: &ArrayRef, categories: &[i64]) -> Result<(), Fault> {
    let ints = array.as_primitive_opt::<Int64Type>().ok_or(Fault::UnexpectedArray)?;
    match first_bad(ints, |value| !categories.contains(&value)) {
        Some(index) => Err(Fault::value(index, ValueProblem::NotACategory)),
        None => Ok(()),
    }
}

/// Floats of any width: finite, and without a negative zero, so that equal values are equal bytes.
pub(super) fn floats(array: &ArrayRef) -> Result<ArrayRef, Fault> {
    let array = cast_to(array, &DataType::Float64)?;
    let floats = array.as_primitive_opt::<Float64Type>().ok_or(Fault::UnexpectedArray)?;
    let is_negative_zero = |value: f64| value.to_bits() == (-0.0_f64).to_bits();
    // One pass for both, as hardly any array has either.
    if first_bad(floats, |value| !value.is_finite() | is_negative_zero(value)).is_none() {
        return Ok(array);
    }
    if let Some(index) = first_bad(floats, |value| !value.is_finite()) {
        return Err(Fault::value(index, ValueProblem::NotFinite));
    }
    if first_bad(floats, is_negative_zero).is_some() {
        return Ok(Arc::new(floats.unary::<_, Float64Type>(|value| value + 0.0)));
    }
    Ok(array)
}

/// Truths.
pub(super) fn bools(array: &ArrayRef) -> Result<ArrayRef, Fault> {
    if array.as_boolean_opt().is_none() {
        return Err(Fault::UnexpectedArray);
    }
    Ok(Arc::clone(array))
}

/// Dates of the years 1 to 9999.
pub(super) fn dates(array: &ArrayRef) -> Result<ArrayRef, Fault> {
    let dates: Date32Array = match array.data_type() {
        DataType::Date32 => array.as_primitive_opt::<Date32Type>().ok_or(Fault::UnexpectedArray)?.clone(),
        DataType::Date64 => {
            let instants = array.as_primitive_opt::<Date64Type>().ok_or(Fault::UnexpectedArray)?;
            if let Some(index) = first_bad(instants, |ms| ms % DAY_MS != 0) {
                return Err(Fault::value(index, ValueProblem::DateWithTime));
            }
            // Saturated days are outside the range below.
            instants.unary(|ms| i32::try_from(ms / DAY_MS).unwrap_or(i32::MAX))
        }
        _ => return Err(Fault::UnexpectedArray),
    };
    match first_bad(&dates, |day| !(DATE_MIN..=DATE_MAX).contains(&day)) {
        Some(index) => Err(Fault::value(index, ValueProblem::DateOutOfRange)),
        None => Ok(Arc::new(dates)),
    }
}
