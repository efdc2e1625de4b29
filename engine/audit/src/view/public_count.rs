//! Counts as they may be published.

use std::fmt;

use serde::Serialize;

/// Counts up to this one are suppressed, as ehrQL's measures do.
const SUPPRESSED_MAX: u64 = 7;
/// Other counts are rounded to the nearest multiple of this.
const ROUNDED_TO: u64 = 5;

/// A count fit to be published: `None` for a count of 7 or fewer, else rounded to the nearest 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct PublicCount(Option<u64>);

impl PublicCount {
    /// A count is suppressed or rounded to a multiple of 5: no half can come up, since 5 is odd, so that rounding half to
    /// even is rounding to the nearest.
    pub(super) fn of(count: u64) -> PublicCount {
        let below = count - count % ROUNDED_TO;
        let rounded = if count % ROUNDED_TO > ROUNDED_TO / 2 { below.saturating_add(ROUNDED_TO) } else { below };
        PublicCount((count > SUPPRESSED_MAX).then_some(rounded))
    }

    /// Whether it is of 7 or fewer.
    pub(super) fn is_suppressed(self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Display for PublicCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(count) => write!(f, "{count}"),
            None => write!(f, "≤{SUPPRESSED_MAX}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn small_counts_are_suppressed_and_others_rounded() {
        let cases = [
            (0, None),
            (1, None),
            (7, None),
            (8, Some(10)),
            (10, Some(10)),
            (12, Some(10)),
            (13, Some(15)),
            (17, Some(15)),
            (18, Some(20)),
            (57_000_002, Some(57_000_000)),
            (u64::MAX, Some(u64::MAX)),
            (u64::MAX - 3, Some(u64::MAX - 5)),
        ];
        for (count, expected) in cases {
            assert_eq!(PublicCount::of(count).0, expected, "{count}");
        }
    }
}
