//! Dates: definition format, section 4. With chrono, where the engine has a calendar of its own.

use chrono::{Datelike, NaiveDate};

use crate::cells::{Cell, Fault};

const OUTSIDE: Cell = Cell::Fault(Fault::DateRange);

fn within(date: Option<NaiveDate>) -> Cell {
    match date {
        Some(date) if (1..=9999).contains(&date.year()) => Cell::Date(date),
        _ => OUTSIDE,
    }
}

pub(super) fn add_days(date: NaiveDate, days: i64) -> Cell {
    within(chrono::Duration::try_days(days).and_then(|days| date.checked_add_signed(days)))
}

pub(super) fn add_months(date: NaiveDate, months: i64) -> Cell {
    let count = i128::from(date.year()) * 12 + i128::from(date.month0()) + i128::from(months);
    let (year, month) = (count.div_euclid(12), count.rem_euclid(12) as u32 + 1);
    if !(1..=9999).contains(&year) {
        return OUTSIDE;
    }
    let year = year as i32;
    match NaiveDate::from_ymd_opt(year, month, date.day()) {
        Some(date) => Cell::Date(date),
        // No such day: the first of the next month. That is never January, as December has every day.
        None => within(NaiveDate::from_ymd_opt(year, month + 1, 1)),
    }
}

pub(super) fn add_years(date: NaiveDate, years: i64) -> Cell {
    let year = i128::from(date.year()) + i128::from(years);
    if !(1..=9999).contains(&year) {
        return OUTSIDE;
    }
    match NaiveDate::from_ymd_opt(year as i32, date.month(), date.day()) {
        Some(date) => Cell::Date(date),
        None => within(NaiveDate::from_ymd_opt(year as i32, 3, 1)),
    }
}

pub(super) fn difference_in_days(end: NaiveDate, start: NaiveDate) -> i64 {
    end.signed_duration_since(start).num_days()
}

pub(super) fn difference_in_months(end: NaiveDate, start: NaiveDate) -> i64 {
    let months = i64::from(end.year() - start.year()) * 12 + i64::from(end.month()) - i64::from(start.month());
    months - i64::from(end.day() < start.day())
}

pub(super) fn difference_in_years(end: NaiveDate, start: NaiveDate) -> i64 {
    let before_anniversary = (end.month(), end.day()) < (start.month(), start.day());
    i64::from(end.year() - start.year()) - i64::from(before_anniversary)
}
