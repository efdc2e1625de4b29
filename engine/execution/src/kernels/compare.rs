//! Comparisons of any two series of one type. Strings compare by code point, `false` < `true`.

use std::cmp::Ordering;

use arrow::array::{Array, BooleanArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::common::{Result, internal_err};
use peristyle_model::graph::{Binary, Constant};

use super::zip_test;
use crate::vector::{StrArray, StrColumn, Vector};

/// Whether an ordering of two values satisfies a comparison.
fn satisfies(function: Binary, ordering: Ordering) -> bool {
    match function {
        Binary::Eq => ordering.is_eq(),
        Binary::Ne => ordering.is_ne(),
        Binary::Lt => ordering.is_lt(),
        Binary::Le => ordering.is_le(),
        Binary::Gt => ordering.is_gt(),
        _ => ordering.is_ge(),
    }
}

/// Tests two native values; the match on the function is made once, outside the loop.
macro_rules! test_native {
    ($function:expr, $lhs:expr, $rhs:expr) => {
        match $function {
            Binary::Eq => zip_test($lhs, $rhs, |lhs, rhs| lhs == rhs),
            Binary::Ne => zip_test($lhs, $rhs, |lhs, rhs| lhs != rhs),
            Binary::Lt => zip_test($lhs, $rhs, |lhs, rhs| lhs < rhs),
            Binary::Le => zip_test($lhs, $rhs, |lhs, rhs| lhs <= rhs),
            Binary::Gt => zip_test($lhs, $rhs, |lhs, rhs| lhs > rhs),
            Binary::Ge => zip_test($lhs, $rhs, |lhs, rhs| lhs >= rhs),
            _ => internal_err!("not a comparison"),
        }
    };
}

/// A comparison; at least one side is an array.
pub(crate) fn binary(function: Binary, lhs: &Vector, rhs: &Vector) -> Result<Vector> {
    let array = match (lhs, rhs) {
        (Vector::Str(lhs), Vector::Constant(Constant::Str(rhs))) => {
            by_entry(lhs, |entry| satisfies(function, entry.cmp(rhs)))?
        }
        (Vector::Constant(Constant::Str(lhs)), Vector::Str(rhs)) => {
            by_entry(rhs, |entry| satisfies(function, lhs.as_ref().cmp(entry)))?
        }
        (Vector::Str(lhs), Vector::Str(rhs)) => strings(lhs, rhs, |lhs, rhs| satisfies(function, lhs.cmp(rhs)))?,
        (Vector::Bool(lhs), Vector::Bool(rhs)) => {
            let (left, right) = (lhs.values(), rhs.values());
            let bits = BooleanBuffer::collect_bool(lhs.len(), |row| {
                satisfies(function, left.value(row).cmp(&right.value(row)))
            });
            BooleanArray::new(bits, NullBuffer::union(lhs.nulls(), rhs.nulls()))
        }
        _ => {
            if let (Ok(lhs), Ok(rhs)) = (lhs.ints(), rhs.ints()) {
                test_native!(function, &lhs, &rhs)?
            } else if let (Ok(lhs), Ok(rhs)) = (lhs.dates(), rhs.dates()) {
                test_native!(function, &lhs, &rhs)?
            } else {
                test_native!(function, &lhs.floats()?, &rhs.floats()?)?
            }
        }
    };
    Ok(Vector::Bool(array))
}

/// Tests each entry of the dictionary once, then looks rows up by key.
pub(crate) fn by_entry(array: &StrArray, test: impl Fn(&str) -> bool) -> Result<BooleanArray> {
    let column = StrColumn::new(array)?;
    let keys = column.keys.values();
    let bits = if column.is_worth_walking() {
        let passes: Vec<bool> = (0..column.entries.len()).map(|entry| test(column.entries.value(entry))).collect();
        BooleanBuffer::collect_bool(keys.len(), |row| passes.get(keys[row] as usize).copied().unwrap_or(false))
    } else {
        BooleanBuffer::collect_bool(keys.len(), |row| column.get(row).is_some_and(&test))
    };
    Ok(BooleanArray::new(bits, column.keys.nulls().cloned()))
}

/// Tests two strings a row.
pub(crate) fn strings(lhs: &StrArray, rhs: &StrArray, test: impl Fn(&str, &str) -> bool) -> Result<BooleanArray> {
    if lhs.len() != rhs.len() {
        return internal_err!("the two sides of a function differ in length");
    }
    let (left, right) = (StrColumn::new(lhs)?, StrColumn::new(rhs)?);
    let bits = BooleanBuffer::collect_bool(lhs.len(), |row| match (left.get(row), right.get(row)) {
        (Some(lhs), Some(rhs)) => test(lhs, rhs),
        _ => false,
    });
    Ok(BooleanArray::new(bits, NullBuffer::union(lhs.keys().nulls(), rhs.keys().nulls())))
}
