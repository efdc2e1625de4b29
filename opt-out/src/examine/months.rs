//! From when to when dates are, as coarsely as an operator needs it: never a day, never of a few.

use std::fmt;

use chrono::{Datelike, Days, NaiveDate};

/// The fewest dates that are told of.
const DATES_MIN: u64 = 8;

/// A month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    /// 1 to 9999
    pub year: i32,
    /// 1 to 12
    pub month: u32,
}

/// From when to when the dates of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Months {
    /// It is no column of dates
    NotDates,
    /// Its files do not tell
    Unknown,
    /// There are fewer than eight of them
    TooFew,
    /// The first and the last month; dates that stand for NULL may be among them, where a file's statistics do not know
    Between(Month, Month),
}

/// The first and the last of some dates, in days since 1970-01-01, and how many they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DaySpan {
    pub(crate) ends: Option<(i32, i32)>,
    pub(crate) dates: u64,
}

impl DaySpan {
    /// With more dates.
    pub(crate) fn and(self, other: Self) -> Self {
        let ends = match (self.ends, other.ends) {
            (Some((first, last)), Some((from, until))) => Some((first.min(from), last.max(until))),
            (one, other) => one.or(other),
        };
        Self { ends, dates: self.dates.saturating_add(other.dates) }
    }

    /// What may be told of them.
    pub(crate) fn months(self) -> Months {
        match self.ends.map(|(first, last)| (Month::of(first), Month::of(last))) {
            _ if self.dates < DATES_MIN => Months::TooFew,
            Some((Some(first), Some(last))) => Months::Between(first, last),
            _ => Months::Unknown,
        }
    }
}

impl Month {
    fn of(day: i32) -> Option<Self> {
        let epoch = NaiveDate::default();
        let distance = Days::new(u64::from(day.unsigned_abs()));
        let date = if day < 0 { epoch.checked_sub_days(distance) } else { epoch.checked_add_days(distance) }?;
        (1..=9999).contains(&date.year()).then(|| Self { year: date.year(), month: date.month() })
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_dates_are_not_told_of() {
        let span = |first, last, dates| DaySpan { ends: Some((first, last)), dates };
        for (one, other, told) in [
            (span(0, 31, 8), DaySpan::default(), "1970-01 to 1970-02"),
            (span(0, 31, 7), DaySpan::default(), "few"),
            (span(0, 31, 4), span(-1, 40, 4), "1969-12 to 1970-02"),
            (span(-100_000, 2_932_896, 100), DaySpan::default(), "1696-03 to 9999-12"),
            (span(0, i32::MAX, 100), DaySpan::default(), "unknown"),
            (DaySpan::default(), DaySpan::default(), "few"),
        ] {
            let found = match one.and(other).months() {
                Months::Between(first, last) => format!("{first} to {last}"),
                Months::TooFew => "few".to_owned(),
                Months::Unknown | Months::NotDates => "unknown".to_owned(),
            };
            assert_eq!(found, told);
        }
    }
}
