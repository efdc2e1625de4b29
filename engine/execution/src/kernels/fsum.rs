//! Sums of floats that do not depend on the order of the summands.

use peristyle_model::scalar::{Computed, Fault};

/// The exact sum, rounded once.
///
/// Keeps the running sum as parts that do not overlap (Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997),
/// so that files, partitions and threads may deliver a patient's rows in any order.
///
/// It is a fault if the positive summands alone, or the negative ones alone, are beyond the finite range: whether a
/// running sum gets there would depend on the order.
pub(crate) fn exact_sum(values: impl Iterator<Item = f64> + Clone) -> Computed<f64> {
    TwoParts::of(values.clone()).sum(values)
}

/// The exact sum divided by the number of values; none of nothing. It lies among the values, so it is never a fault, also
/// where their sum would be one.
pub(crate) fn exact_mean(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    // Room for more rows than a block can have. A power of two rounds nothing but what is too small to matter here.
    const SCALE: f64 = (1u64 << 32) as f64;
    let parts = TwoParts::of(values.clone());
    if parts.count == 0 {
        return None;
    }
    let count = parts.count as f64;
    Some(match parts.sum(values.clone()) {
        Ok(sum) => sum / count,
        Err(_) => {
            let mean = sum_of_parts(values.map(|value| value / SCALE)) / count;
            (mean * SCALE).clamp(f64::MIN, f64::MAX)
        }
    })
}

/// A sum as two parts, which are enough for values of like magnitude, with no more digits than people write down; and
/// whether they were.
struct TwoParts {
    count: usize,
    high: f64,
    low: f64,
    /// Of the magnitudes, rounded anyhow
    magnitude: f64,
    is_exact: bool,
}

impl TwoParts {
    fn of(mut values: impl Iterator<Item = f64>) -> Self {
        let Some(first) = values.next() else {
            return TwoParts { count: 0, high: 0.0, low: 0.0, magnitude: 0.0, is_exact: true };
        };
        let mut parts = TwoParts { count: 1, high: first, low: 0.0, magnitude: first.abs(), is_exact: true };
        for value in values {
            let (high, lost) = two_sum_inside(parts.high, value);
            let (low, lost) = two_sum_inside(parts.low, lost);
            // At the edge of the range it is no number, and so not nothing.
            parts.is_exact &= lost == 0.0;
            (parts.high, parts.low) = (high, low);
            parts.magnitude += value.abs();
            parts.count += 1;
        }
        parts
    }

    /// The sum, of the same values.
    fn sum(&self, values: impl Iterator<Item = f64> + Clone) -> Computed<f64> {
        // However a plain sum is rounded, one this small is far from the edge.
        if self.magnitude > f64::MAX / 4.0 {
            finite(sum_of_parts(values.clone().filter(|value| *value > 0.0)))?;
            finite(sum_of_parts(values.clone().filter(|value| *value < 0.0)))?;
        }
        match (self.is_exact, self.low == 0.0) {
            // Else the sign of a zero would be lost.
            (true, true) => finite(self.high),
            (true, false) => finite(self.high + self.low),
            (false, _) => finite(sum_of_parts(values)),
        }
    }
}

fn finite(sum: f64) -> Computed<f64> {
    if sum.is_finite() { Ok(sum) } else { Err(Fault::FloatOverflow) }
}

/// Parts smallest first.
fn sum_of_parts(values: impl Iterator<Item = f64>) -> f64 {
    let mut parts: Vec<f64> = Vec::new();
    for value in values {
        let mut carried = value;
        let mut kept = 0;
        for place in 0..parts.len() {
            let (high, low) = two_sum(carried, parts[place]);
            if low != 0.0 {
                parts[kept] = low;
                kept += 1;
            }
            carried = high;
        }
        parts.truncate(kept);
        parts.push(carried);
    }
    round_parts(&parts)
}

/// The sum of two floats and what rounding lost of it.
fn two_sum(lhs: f64, rhs: f64) -> (f64, f64) {
    let (large, small) = if lhs.abs() < rhs.abs() { (rhs, lhs) } else { (lhs, rhs) };
    let high = large + small;
    (high, small - (high - large))
}

/// The same without a branch (Knuth); at the edge of the range what was lost may be no number.
fn two_sum_inside(lhs: f64, rhs: f64) -> (f64, f64) {
    let high = lhs + rhs;
    let of_rhs = high - lhs;
    (high, (lhs - (high - of_rhs)) + (rhs - of_rhs))
}

/// Adds parts, smallest first in the slice, so that the result is rounded once, halves to even.
fn round_parts(parts: &[f64]) -> f64 {
    let Some((last, rest)) = parts.split_last() else {
        return 0.0;
    };
    let mut sum = *last;
    let mut rest = rest.iter().rev();
    while let Some(part) = rest.next() {
        let (high, low) = two_sum(sum, *part);
        sum = high;
        if low != 0.0 {
            // What is left decides between two neighbours only if it lies exactly half-way and more of one sign follows.
            if let Some(next) = rest.next()
                && ((low < 0.0 && *next < 0.0) || (low > 0.0 && *next > 0.0))
            {
                let doubled = low * 2.0;
                let candidate = sum + doubled;
                if candidate - sum == doubled {
                    sum = candidate;
                }
            }
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::{exact_mean, exact_sum, sum_of_parts};

    proptest! {
        #[test]
        fn two_parts_are_as_good_as_many(
            values in prop::collection::vec(
                prop_oneof![
                    (-5000i32..5000).prop_map(|tenths| f64::from(tenths) / 10.0),
                    (any::<i32>(), -60i32..60).prop_map(|(digits, power)| f64::from(digits) * 2f64.powi(power)),
                    Just(0.0), Just(-0.0), Just(f64::MIN_POSITIVE), Just(5e-324),
                ],
                0..40,
            ),
        ) {
            let sum = exact_sum(values.iter().copied()).unwrap();
            prop_assert_eq!(sum, sum_of_parts(values.iter().copied()));
            let count = values.len() as f64;
            prop_assert_eq!(exact_mean(values.iter().copied()), (count > 0.0).then(|| sum / count));
        }
    }

    #[test]
    fn sums_are_exact_and_do_not_depend_on_order() {
        let table: [(&[f64], f64); 6] = [
            (&[], 0.0),
            (&[0.1; 10], 1.0),
            (&[1e16, 1.0, -1e16], 1.0),
            (&[1.0, 1e100, 1.0, -1e100], 2.0),
            (&[1e-16, 1.0, 1e16], 10_000_000_000_000_002.0),
            (&[0.5, -0.5, 3.25], 3.25),
        ];
        for (values, expected) in table {
            let forwards = exact_sum(values.iter().copied());
            let backwards = exact_sum(values.iter().rev().copied());
            assert_eq!(forwards, Ok(expected), "{values:?}");
            assert_eq!(backwards, Ok(expected), "{values:?} backwards");
        }
    }

    #[test]
    fn overflow_does_not_depend_on_order() {
        for values in [[f64::MAX, f64::MAX, -f64::MAX], [f64::MAX, -f64::MAX, f64::MAX], [f64::MAX, 1e300, 0.0]] {
            assert!(exact_sum(values.into_iter()).is_err(), "{values:?}");
        }
        assert_eq!(exact_sum([f64::MAX, -f64::MAX].into_iter()), Ok(0.0));
    }

    #[test]
    fn a_mean_is_finite_where_the_sum_is_not() {
        let table: [(&[f64], Option<f64>); 7] = [
            (&[], None),
            (&[1.5], Some(1.5)),
            (&[0.1, 0.2, 0.3], Some(0.6 / 3.0)),
            (&[f64::MAX, f64::MAX], Some(f64::MAX)),
            (&[f64::MIN; 3], Some(f64::MIN)),
            (&[f64::MAX, f64::MAX, f64::MIN, f64::MIN], Some(0.0)),
            (&[1e308, 1e308, -5e307], Some(5e307)),
        ];
        for (values, expected) in table {
            assert_eq!(exact_mean(values.iter().copied()), expected, "{values:?}");
            assert_eq!(exact_mean(values.iter().rev().copied()), expected, "{values:?} backwards");
        }
    }
}
