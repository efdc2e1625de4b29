//! When something happened: UTC, to the second.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use super::RecordError;

/// A moment in UTC to the second, in the years 1970 to 9999, written as `2026-01-31T09:30:00Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(DateTime<Utc>);

impl Moment {
    /// The system clock's moment. A clock outside the years 1970 to 9999 reads as the beginning of 1970.
    pub fn now() -> Moment {
        Moment::from_seconds(Utc::now().timestamp()).unwrap_or(Moment(DateTime::UNIX_EPOCH))
    }

    /// The moment so many seconds after the beginning of 1970, if it lies before the year 10000.
    pub fn from_seconds(seconds: i64) -> Option<Moment> {
        DateTime::from_timestamp(seconds, 0).filter(|moment| (1970..=9999).contains(&moment.year())).map(Moment)
    }

    /// Reads `2026-01-31T09:30:00Z`, or gives [`RecordError::NotAMoment`] that says `what` it was of.
    pub fn parse(what: &'static str, text: &str) -> Result<Moment, RecordError> {
        NaiveDateTime::parse_from_str(text, FORM)
            .ok()
            .and_then(|moment| Moment::from_seconds(moment.and_utc().timestamp()))
            // One moment has one form; a leap second and a missing zero would be read too.
            .filter(|moment| moment.to_string() == text)
            .ok_or(RecordError::NotAMoment { what })
    }

    /// Its day in UTC: `2026-01-31`.
    pub(crate) fn day(self) -> NaiveDate {
        self.0.date_naive()
    }

    /// For people: `2026-01-31 09:30:00`.
    pub(crate) fn for_people(self) -> String {
        self.0.format("%Y-%m-%d %H:%M:%S").to_string()
    }
}

const FORM: &str = "%Y-%m-%dT%H:%M:%SZ";

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.format(FORM).fmt(f)
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> String {
        moment.to_string()
    }
}

impl TryFrom<String> for Moment {
    type Error = RecordError;

    fn try_from(text: String) -> Result<Moment, RecordError> {
        Moment::parse("a moment in a record", &text)
    }
}
