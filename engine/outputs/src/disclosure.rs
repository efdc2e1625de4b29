//! Statistical disclosure control of measures: small counts suppressed, all others rounded.
//!
//! The rule is OpenSAFELY's; definition format, section 6.

/// Counts up to this one become zero.
pub const SUPPRESSION_THRESHOLD: i64 = 7;

/// Counts are rounded to the nearest multiple of this.
pub const ROUNDING_MULTIPLE: i64 = 5;

/// Whether counts are suppressed and rounded before anybody sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DisclosureControl {
    /// Small counts become zero, others are rounded
    #[default]
    On,
    /// Counts as they are: for dummy tables, and for those who may see them
    Off,
}

impl DisclosureControl {
    /// What is shown of a count.
    pub fn apply(self, count: i64) -> i64 {
        match self {
            DisclosureControl::On => suppressed_and_rounded(count),
            DisclosureControl::Off => count,
        }
    }
}

/// Zero for a count of up to [`SUPPRESSION_THRESHOLD`], below zero included; else the nearest multiple of
/// [`ROUNDING_MULTIPLE`].
///
/// The rule says half to even; but no whole number lies half-way between two multiples of five. Cannot overflow: the
/// largest `i64` rounds down.
fn suppressed_and_rounded(count: i64) -> i64 {
    if count <= SUPPRESSION_THRESHOLD {
        return 0;
    }
    let below = count % ROUNDING_MULTIPLE;
    if 2 * below < ROUNDING_MULTIPLE { count - below } else { count - below + ROUNDING_MULTIPLE }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn counts_are_suppressed_then_rounded() {
        let cases = [
            (i64::MIN, 0),
            (-8, 0),
            (0, 0),
            (1, 0),
            (6, 0),
            (7, 0),
            (8, 10),
            (10, 10),
            (12, 10),
            (13, 15),
            (17, 15),
            (18, 20),
            (1_002, 1_000),
            (1_003, 1_005),
            (i64::MAX, i64::MAX - 2),
            (i64::MAX - 3, i64::MAX - 2),
        ];
        for (count, expected) in cases {
            assert_eq!(DisclosureControl::On.apply(count), expected, "{count}");
            assert_eq!(DisclosureControl::Off.apply(count), count);
        }
    }

    /// The rule as it is worded, in floats, for counts that a float holds.
    fn as_worded(count: i64) -> i64 {
        let count = if count <= 7 { 0 } else { count };
        5 * (count as f64 / 5.0).round_ties_even() as i64
    }

    proptest::proptest! {
        #[test]
        fn every_count_is_as_the_rule_is_worded(count in 0i64..1 << 48) {
            assert_eq!(suppressed_and_rounded(count), as_worded(count));
        }

        #[test]
        fn no_small_count_and_no_exact_count_is_shown(count: i64) {
            let shown = suppressed_and_rounded(count);
            assert!(shown == 0 || shown >= 10);
            assert_eq!(shown % ROUNDING_MULTIPLE, 0);
            assert!(shown == 0 || (i128::from(shown) - i128::from(count)).abs() <= 2);
        }
    }
}
