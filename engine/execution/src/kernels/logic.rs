//! Three-valued logic.

use arrow::array::{Array, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{and_kleene, not, or_kleene};
use datafusion::common::{Result, internal_err};
use peristyle_model::graph::Binary;

use crate::vector::Vector;

/// `And` and `Or`.
pub(crate) fn binary(function: Binary, lhs: &BooleanArray, rhs: &BooleanArray) -> Result<Vector> {
    Ok(Vector::Bool(match function {
        Binary::And => and_kleene(lhs, rhs)?,
        Binary::Or => or_kleene(lhs, rhs)?,
        _ => return internal_err!("not a logical function"),
    }))
}

/// `Not`.
pub(crate) fn negation(source: &BooleanArray) -> Result<Vector> {
    Ok(Vector::Bool(not(source)?))
}

/// `IsNull`: never NULL.
pub(crate) fn is_null(source: &dyn Array) -> Vector {
    let bits = match source.nulls() {
        Some(nulls) => !nulls.inner(),
        None => BooleanBuffer::new_unset(source.len()),
    };
    Vector::Bool(BooleanArray::new(bits, None))
}
