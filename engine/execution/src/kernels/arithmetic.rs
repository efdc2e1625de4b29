//! Arithmetic and casts: whole numbers stay whole and never wrap.

use arrow::array::{Array, BooleanArray, Float64Array, Int64Array};
use arrow::datatypes::{ArrowPrimitiveType, Float64Type, Int64Type};
use datafusion::common::{Result, internal_err};
use peristyle_model::graph::{Binary, Unary};
use peristyle_model::scalar::{self, Computed};

use super::{FaultRows, map_partial, zip_partial};
use crate::vector::{Operand, Vector};

/// A function of two numeric series of one type.
pub(crate) fn binary(function: Binary, lhs: &Vector, rhs: &Vector, faults: &mut FaultRows) -> Result<Vector> {
    if let (Ok(lhs), Ok(rhs)) = (lhs.ints(), rhs.ints()) {
        return int_binary(function, &lhs, &rhs, faults);
    }
    float_binary(function, &lhs.floats()?, &rhs.floats()?, faults)
}

type Side<'a, T> = Operand<'a, T>;

fn int_binary(
    function: Binary,
    lhs: &Side<'_, Int64Type>,
    rhs: &Side<'_, Int64Type>,
    faults: &mut FaultRows,
) -> Result<Vector> {
    let checked = match function {
        Binary::Add => scalar::add_int,
        Binary::Subtract => scalar::subtract_int,
        Binary::Multiply => scalar::multiply_int,
        Binary::TrueDivide => {
            return Ok(Vector::Float(zip_partial(lhs, rhs, faults, |lhs, rhs| Ok(scalar::true_divide_int(lhs, rhs)))?));
        }
        Binary::FloorDivide => return Ok(Vector::Int(zip_partial(lhs, rhs, faults, scalar::floor_divide_int)?)),
        Binary::Power => {
            return Ok(Vector::Float(zip_partial(lhs, rhs, faults, |lhs, rhs| scalar::power(lhs as f64, rhs as f64))?));
        }
        _ => return internal_err!("not an arithmetic function"),
    };
    Ok(Vector::Int(zip_partial(lhs, rhs, faults, |lhs, rhs| checked(lhs, rhs).map(Some))?))
}

fn float_binary(
    function: Binary,
    lhs: &Side<'_, Float64Type>,
    rhs: &Side<'_, Float64Type>,
    faults: &mut FaultRows,
) -> Result<Vector> {
    let checked = match function {
        Binary::Add => scalar::add_float,
        Binary::Subtract => scalar::subtract_float,
        Binary::Multiply => scalar::multiply_float,
        Binary::TrueDivide => return Ok(Vector::Float(zip_partial(lhs, rhs, faults, scalar::true_divide_float)?)),
        Binary::FloorDivide => return Ok(Vector::Int(zip_partial(lhs, rhs, faults, scalar::floor_divide_float)?)),
        Binary::Power => return Ok(Vector::Float(zip_partial(lhs, rhs, faults, scalar::power)?)),
        _ => return internal_err!("not an arithmetic function"),
    };
    Ok(Vector::Float(zip_partial(lhs, rhs, faults, |lhs, rhs| checked(lhs, rhs).map(Some))?))
}

/// A function of one numeric series, or a cast.
pub(crate) fn unary(function: Unary, source: &Vector, faults: &mut FaultRows) -> Result<Vector> {
    Ok(match (function, source) {
        (Unary::Negate, Vector::Int(array)) => Vector::Int(always(array, faults, scalar::negate_int)?),
        (Unary::Absolute, Vector::Int(array)) => Vector::Int(always(array, faults, scalar::absolute_int)?),
        (Unary::Negate, Vector::Float(array)) => Vector::Float(array.unary(|value| 0.0 - value)),
        (Unary::Absolute, Vector::Float(array)) => Vector::Float(array.unary(f64::abs)),
        (Unary::CastToInt, Vector::Bool(array)) => Vector::Int(bool_to_int(array)),
        (Unary::CastToInt, Vector::Float(array)) => Vector::Int(always(array, faults, scalar::float_to_int)?),
        (Unary::CastToFloat, Vector::Int(array)) => {
            let floats: Float64Array = array.unary(|value| value as f64);
            Vector::Float(floats)
        }
        (Unary::CastToInt, Vector::Int(_)) | (Unary::CastToFloat, Vector::Float(_)) => source.clone(),
        _ => return internal_err!("not a function of a numeric series"),
    })
}

fn always<A: ArrowPrimitiveType, C: ArrowPrimitiveType>(
    array: &arrow::array::PrimitiveArray<A>,
    faults: &mut FaultRows,
    function: impl Fn(A::Native) -> Computed<C::Native>,
) -> Result<arrow::array::PrimitiveArray<C>> {
    map_partial(array, faults, |value| function(value).map(Some))
}

fn bool_to_int(array: &BooleanArray) -> Int64Array {
    let values: Vec<i64> = array.values().iter().map(i64::from).collect();
    Int64Array::new(values.into(), array.nulls().cloned())
}
