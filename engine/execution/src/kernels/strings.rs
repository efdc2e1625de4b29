//! Strings.

use datafusion::common::{Result, internal_err};
use peristyle_model::graph::Constant;

use super::compare::{by_entry, strings};
use crate::vector::Vector;

/// Whether `rhs` occurs in `lhs`, case-sensitive.
pub(crate) fn contains(lhs: &Vector, rhs: &Vector) -> Result<Vector> {
    Ok(Vector::Bool(match (lhs, rhs) {
        (Vector::Str(lhs), Vector::Constant(Constant::Str(rhs))) => by_entry(lhs, |entry| entry.contains(&**rhs))?,
        (Vector::Constant(Constant::Str(lhs)), Vector::Str(rhs)) => by_entry(rhs, |entry| lhs.contains(entry))?,
        (Vector::Str(lhs), Vector::Str(rhs)) => strings(lhs, rhs, |lhs, rhs| lhs.contains(rhs))?,
        _ => return internal_err!("a step expected strings"),
    }))
}
