//! Arithmetic: definition format, section 4. Whole numbers are computed in 128 bits and then have to fit in 64.

use crate::cells::{Cell, Fault};

pub(super) fn int(value: i128) -> Cell {
    i64::try_from(value).map_or(Cell::Fault(Fault::IntOverflow), Cell::Int)
}

pub(super) fn float(value: f64) -> Cell {
    if value.is_finite() { Cell::Float(value) } else { Cell::Fault(Fault::FloatOverflow) }
}

pub(super) fn true_divide(lhs: f64, rhs: f64) -> Cell {
    if rhs == 0.0 { Cell::Null } else { float(lhs / rhs) }
}

pub(super) fn floor_divide_ints(lhs: i64, rhs: i64) -> Cell {
    if rhs == 0 {
        return Cell::Null;
    }
    let (lhs, rhs) = (i128::from(lhs), i128::from(rhs));
    // Rust truncates: one less where the division is not exact and the signs differ.
    int(lhs / rhs - i128::from(lhs % rhs != 0 && (lhs < 0) != (rhs < 0)))
}

pub(super) fn floor_divide_floats(lhs: f64, rhs: f64) -> Cell {
    if rhs == 0.0 {
        return Cell::Null;
    }
    // The remainder is exact, so what is left divides exactly but for rounding.
    let remainder = lhs % rhs;
    let truncated = ((lhs - remainder) / rhs).round();
    truncate(truncated - f64::from(u8::from(remainder != 0.0 && (lhs < 0.0) != (rhs < 0.0))))
}

pub(super) fn power(base: f64, exponent: f64) -> Cell {
    if base == 0.0 && exponent < 0.0 {
        return Cell::Null;
    }
    if base < 0.0 && exponent != exponent.trunc() {
        return Cell::Null;
    }
    float(base.powf(exponent))
}

pub(super) fn truncate(value: f64) -> Cell {
    let whole = value.trunc();
    if whole.abs() < 1e30 { int(whole as i128) } else { Cell::Fault(Fault::IntOverflow) }
}

/// The sum as if computed exactly and rounded once, so that no order of rows matters.
///
/// Keeps parts that do not overlap, the smallest first; their sum is exact at every step.
pub(super) fn exact_sum(values: &[f64]) -> Cell {
    let mut parts: Vec<f64> = vec![];
    for value in values {
        let mut carry = *value;
        let mut kept = vec![];
        for part in parts {
            let (large, small) = if carry.abs() < part.abs() { (part, carry) } else { (carry, part) };
            let sum = large + small;
            let lost = small - (sum - large);
            if lost != 0.0 {
                kept.push(lost);
            }
            carry = sum;
        }
        kept.push(carry);
        parts = kept;
    }
    // From the largest part down: the first sum that is not exact is the rounded one, but for a tie that a smaller
    // part decides.
    let mut total = 0.0;
    while let Some(part) = parts.pop() {
        let sum = total + part;
        let lost = part - (sum - total);
        total = sum;
        if lost != 0.0 {
            if let Some(next) = parts.last()
                && (lost < 0.0) == (*next < 0.0)
            {
                let doubled = lost * 2.0;
                let nudged = total + doubled;
                if nudged - total == doubled {
                    total = nudged;
                }
            }
            break;
        }
    }
    float(total)
}
