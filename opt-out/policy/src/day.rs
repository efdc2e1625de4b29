//! Days, as policies, set-asides and registers count them.

use std::fmt;

use chrono::{Datelike, Days, NaiveDate, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 1970-01-01, from which days are counted.
const EPOCH: NaiveDate = match NaiveDate::from_ymd_opt(1970, 1, 1) {
    Some(date) => date,
    None => NaiveDate::MIN,
};

/// A calendar day of the years 1 to 9999, written `YYYY-MM-DD`. It begins and ends in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// 9999-12-31, which suppliers write for "no end".
    pub const LAST: Day = Day(2_932_896);
    /// 0001-01-01
    pub const FIRST: Day = Day(-719_162);

    /// The day that is `days` after 1970-01-01 (before it, where negative). `None` outside the years 1 to 9999.
    pub fn from_epoch_days(days: i32) -> Option<Self> {
        (Self::FIRST.0..=Self::LAST.0).contains(&days).then_some(Self(days))
    }

    /// Days since 1970-01-01, as Arrow's `Date32` counts them.
    pub fn epoch_days(self) -> i32 {
        self.0
    }

    /// Reads `YYYY-MM-DD`, ten characters, a day that exists.
    pub fn parse(text: &str) -> Option<Self> {
        let shape = text.len() == 10
            && text
                .bytes()
                .enumerate()
                .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() });
        if !shape {
            return None;
        }
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Self::from_epoch_days(i32::try_from((date - EPOCH).num_days()).ok()?)
    }

    /// Today, in UTC.
    pub fn today() -> Self {
        let days = (Utc::now().date_naive() - EPOCH).num_days();
        // A clock outside the years 1 to 9999 is broken: the last day makes every register stale, so the run stops.
        i32::try_from(days).ok().and_then(Self::from_epoch_days).unwrap_or(Self::LAST)
    }

    /// How many days later than `earlier` this is; negative where it is sooner.
    pub fn days_since(self, earlier: Day) -> i32 {
        self.0 - earlier.0
    }

    /// So many days later, at most [`Day::LAST`].
    pub fn plus_days(self, days: u16) -> Self {
        Self((self.0 + i32::from(days)).min(Self::LAST.0))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = Days::new(u64::from(self.0.unsigned_abs()));
        let date = if self.0 < 0 { EPOCH.checked_sub_days(offset) } else { EPOCH.checked_add_days(offset) };
        let date = date.unwrap_or(EPOCH);
        write!(f, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Day::parse(&text).ok_or_else(|| D::Error::custom("this is not a day that exists, written \"YYYY-MM-DD\""))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_are_read_strictly() {
        for (text, days) in [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("2024-02-29", Some(19_782)),
            ("0001-01-01", Some(Day::FIRST.0)),
            ("9999-12-31", Some(Day::LAST.0)),
            ("2023-02-29", None),
            ("0000-01-01", None),
            ("10000-01-01", None),
            ("2024-2-9", None),
            ("2024-02-09 ", None),
            (" 024-02-09", None),
            ("+024-02-09", None),
            ("2024/02/09", None),
            ("", None),
        ] {
            assert_eq!(Day::parse(text).map(Day::epoch_days), days, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_day_reads_back(days in Day::FIRST.0..=Day::LAST.0) {
            let day = Day::from_epoch_days(days).unwrap();
            prop_assert_eq!(Day::parse(&day.to_string()), Some(day));
        }
    }
}
