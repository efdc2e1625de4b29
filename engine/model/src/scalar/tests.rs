#![allow(clippy::unwrap_used, clippy::expect_used)]
use chrono::{Datelike, Months, NaiveDate, TimeDelta};
use proptest::prelude::*;

use super::*;

fn date(text: &str) -> i32 {
    parse_date(text).unwrap_or_else(|| panic!("{text} is not a date"))
}

const OVERFLOW: Computed<i64> = Err(Fault::IntOverflow);

#[test]
fn whole_numbers_are_exact_or_a_fault() {
    let cases = [
        (add_int(101, 3), Ok(104)),
        (add_int(i64::MAX, 1), OVERFLOW),
        (subtract_int(101, 111), Ok(-10)),
        (subtract_int(i64::MIN, 1), OVERFLOW),
        (multiply_int(101, 3), Ok(303)),
        (multiply_int(i64::MAX, 2), OVERFLOW),
        (negate_int(-5), Ok(5)),
        (negate_int(i64::MIN), OVERFLOW),
        (absolute_int(-5), Ok(5)),
        (absolute_int(i64::MIN), OVERFLOW),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn floats_stay_finite() {
    assert_eq!(add_float(0.5, 0.25), Ok(0.75));
    for overflow in [add_float(f64::MAX, f64::MAX), subtract_float(f64::MIN, f64::MAX), multiply_float(1e200, 1e200)] {
        assert_eq!(overflow, Err(Fault::FloatOverflow));
    }
    assert_eq!(true_divide_float(1.0, 0.0), Ok(None));
    assert_eq!(true_divide_float(1.0, -0.0), Ok(None));
    assert_eq!(true_divide_float(1e300, 1e-300), Err(Fault::FloatOverflow));
    assert_eq!(true_divide_int(1, 0), None);
    assert_eq!(true_divide_int(7, -2), Some(-3.5));
    assert_eq!(true_divide_int(101, 101), Some(1.0));
}

#[test]
fn floor_division_rounds_down() {
    let ints = [
        (101, 2, Some(50)),
        (-7, 2, Some(-4)),
        (7, -2, Some(-4)),
        (-7, -2, Some(3)),
        (-8, 2, Some(-4)),
        (1, 0, None),
        (0, 5, Some(0)),
    ];
    for (lhs, rhs, expected) in ints {
        assert_eq!(floor_divide_int(lhs, rhs), Ok(expected), "{lhs} // {rhs}");
    }
    assert_eq!(floor_divide_int(i64::MIN, -1), Err(Fault::IntOverflow));
    assert_eq!(floor_divide_int(i64::MIN, 1), Ok(Some(i64::MIN)));
    let floats = [
        (1.0, 0.1, Some(9)),
        (101.0, 2.0, Some(50)),
        (-7.0, 2.0, Some(-4)),
        (7.5, -2.5, Some(-3)),
        (1.0, 0.0, None),
        (0.5, f64::MAX, Some(0)),
        (-0.5, f64::MAX, Some(-1)),
    ];
    for (lhs, rhs, expected) in floats {
        assert_eq!(floor_divide_float(lhs, rhs), Ok(expected), "{lhs} // {rhs}");
    }
    for (lhs, rhs) in [(1e300, 1e-300), (1e19, 1.0), (-1e19, 1.0)] {
        assert_eq!(floor_divide_float(lhs, rhs), Err(Fault::IntOverflow), "{lhs} // {rhs}");
    }
}

#[test]
fn powers() {
    let cases = [
        (2.0, 3.0, Some(8.0)),
        (0.0, 0.0, Some(1.0)),
        (0.0, -1.0, None),
        (-0.0, -3.0, None),
        (-8.0, 1.0 / 3.0, None),
        (-2.0, 3.0, Some(-8.0)),
        (-2.0, -2.0, Some(0.25)),
        (9.0, 0.5, Some(3.0)),
        (0.0, 0.5, Some(0.0)),
        (1e-300, 3.0, Some(0.0)),
    ];
    for (base, exponent, expected) in cases {
        assert_eq!(power(base, exponent), Ok(expected), "{base} ** {exponent}");
    }
    assert_eq!(power(1e300, 2.0), Err(Fault::FloatOverflow));
    // NULL goes before overflow: ehrQL's engines never compute it.
    assert_eq!(power(-1e300, 2.5), Ok(None));
}

#[test]
fn casts_truncate() {
    for (value, expected) in [(0.1, 0), (0.9, 0), (-0.9, 0), (-1.9, -1), (1e15, 1_000_000_000_000_000)] {
        assert_eq!(float_to_int(value), Ok(expected), "{value}");
    }
    assert_eq!(float_to_int(-9_223_372_036_854_775_808.0), Ok(i64::MIN));
    for value in [9_223_372_036_854_775_808.0, 1e300, f64::INFINITY, f64::NAN] {
        assert_eq!(float_to_int(value), OVERFLOW, "{value}");
    }
}

#[test]
fn three_valued_logic() {
    let (t, f, n) = (Some(true), Some(false), None);
    let cases = [
        (t, t, t, t),
        (t, n, n, t),
        (t, f, f, t),
        (n, t, n, t),
        (n, n, n, n),
        (n, f, f, n),
        (f, t, f, t),
        (f, n, f, n),
        (f, f, f, f),
    ];
    for (lhs, rhs, both, either) in cases {
        assert_eq!((and(lhs, rhs), or(lhs, rhs)), (both, either), "{lhs:?} {rhs:?}");
    }
}

#[test]
fn dates_read_and_written() {
    for text in ["0001-01-01", "1969-12-31", "1970-01-01", "2000-02-29", "2024-02-29", "9999-12-31"] {
        assert_eq!(format_date(date(text)), text);
    }
    assert_eq!((date("0001-01-01"), date("9999-12-31"), date("1970-01-01")), (DATE_MIN, DATE_MAX, 0));
    let wrong = [
        "",
        "2021-02-29",
        "1900-02-29",
        "2021-13-01",
        "2021-00-01",
        "2021-01-00",
        "2021-01-32",
        "0000-01-01",
        "10000-01-01",
        "2021-1-1",
        "2021/01/01",
        "20210101",
        "+021-01-01",
        "2021-01-01T00:00:00",
        "２021-01-1",
        "2021-01-1 ",
        "-001-01-01",
    ];
    for text in wrong {
        assert_eq!(parse_date(text), None, "{text}");
    }
}

#[test]
fn months_and_years_roll_forward() {
    let cases = [
        ("2003-01-29", 1, "2003-03-01"),
        ("2004-01-29", 1, "2004-02-29"),
        ("2003-01-31", 1, "2003-03-01"),
        ("2004-01-31", 1, "2004-03-01"),
        ("2004-03-31", -1, "2004-03-01"),
        ("2000-10-31", 11, "2001-10-01"),
        ("2000-10-31", 12, "2001-10-31"),
        ("2020-12-31", 2, "2021-03-01"),
        ("2020-01-15", -13, "2018-12-15"),
        ("2004-02-29", 12, "2005-03-01"),
        ("2004-02-29", 48, "2008-02-29"),
        ("2004-02-29", -12, "2003-03-01"),
    ];
    for (start, months, expected) in cases {
        assert_eq!(
            add_months(date(start), months).map(format_date).as_deref(),
            Ok(expected),
            "{start} + {months} months"
        );
        if months % 12 == 0 {
            assert_eq!(add_years(date(start), months / 12), Ok(date(expected)), "{start} + {months} months in years");
        }
    }
}

#[test]
fn dates_stay_in_the_calendar() {
    let (first, last) = (DATE_MIN, DATE_MAX);
    assert_eq!((add_days(last, 0), add_days(first, 0)), (Ok(last), Ok(first)));
    let faults = [
        add_days(last, 1),
        add_days(first, -1),
        add_days(0, i64::MAX),
        add_days(0, i64::MIN),
        add_months(last, 1),
        add_months(first, -1),
        add_months(0, i64::MAX),
        add_months(0, i64::MIN),
        add_years(last, 1),
        add_years(first, -1),
        add_years(0, i64::MAX),
        add_years(0, i64::MIN),
    ];
    for (index, fault) in faults.into_iter().enumerate() {
        assert_eq!(fault, Err(Fault::DateRange), "{index}");
    }
}

#[test]
fn differences_count_whole_units() {
    let cases = [
        ("2020-02-29", "2021-02-28", 365, 11, 0),
        ("2020-02-29", "2021-03-01", 366, 12, 1),
        ("2000-01-31", "2000-02-29", 29, 0, 0),
        ("2000-01-31", "2000-03-01", 30, 1, 0),
        ("2021-03-01", "2020-02-29", -366, -13, -2),
        ("2020-01-01", "2020-01-01", 0, 0, 0),
        ("2000-10-20", "2003-01-21", 823, 27, 2),
        ("2000-10-20", "2003-01-19", 821, 26, 2),
    ];
    for (from, to, days, months, years) in cases {
        let (lhs, rhs) = (date(to), date(from));
        let found = (difference_in_days(lhs, rhs), difference_in_months(lhs, rhs), difference_in_years(lhs, rhs));
        assert_eq!(found, (days, months, years), "{from} to {to}");
    }
}

fn chrono_date(days: i32) -> NaiveDate {
    NaiveDate::from_ymd_opt(1970, 1, 1).unwrap() + TimeDelta::days(days.into())
}

fn days(date: NaiveDate) -> i32 {
    (date - NaiveDate::from_ymd_opt(1970, 1, 1).unwrap()).num_days().try_into().unwrap()
}

#[test]
fn every_day_of_the_calendar_agrees_with_chrono() {
    for day in DATE_MIN..=DATE_MAX {
        let (civil, expected) = (civil_from_days(day), chrono_date(day));
        assert_eq!((civil.year, civil.month, civil.day), (expected.year(), expected.month(), expected.day()), "{day}");
        assert_eq!(days_from_civil(civil), day);
        let months = (expected.year() * 12 + expected.month() as i32) * 32 + expected.day() as i32;
        let years = (expected.year() * 16 + expected.month() as i32) * 32 + expected.day() as i32;
        assert_eq!((day_of_months(day), day_of_years(day)), (months, years), "{day}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

    #[test]
    fn every_number_of_days_is_one_date(day in any::<i32>()) {
        let civil = civil_from_days(day);
        prop_assert!((1..=12).contains(&civil.month) && (1..=days_in_month(civil.year, civil.month)).contains(&civil.day));
        prop_assert_eq!(days_from_civil(civil), day);
    }

    #[test]
    fn months_agree_with_chrono_but_for_rolling_forward(day in DATE_MIN..=DATE_MAX, months in -130_000i64..130_000) {
        let start = chrono_date(day);
        let step = Months::new(months.unsigned_abs().try_into().unwrap());
        // Chrono clamps to the last day of the month, where ehrQL goes on to the first of the next.
        let clamped = if months < 0 { start.checked_sub_months(step) } else { start.checked_add_months(step) };
        let expected = clamped.filter(|date| (1..=9999).contains(&date.year())).map(|date| {
            if date.day() == start.day() { days(date) } else { days(date) + 1 }
        });
        prop_assert_eq!(add_months(day, months).ok(), expected);
    }

    #[test]
    fn days_agree_with_chrono(day in DATE_MIN..=DATE_MAX, more in -4_000_000i64..4_000_000) {
        let expected = chrono_date(day).checked_add_signed(TimeDelta::days(more)).filter(|date| (1..=9999).contains(&date.year()));
        prop_assert_eq!(add_days(day, more).ok(), expected.map(days));
    }

    /// A difference of units is the largest number of them that, added, does not pass the later date.
    #[test]
    fn differences_and_sums_agree(lhs in DATE_MIN..=DATE_MAX, rhs in DATE_MIN..=DATE_MAX) {
        let (later, earlier) = (lhs.max(rhs), lhs.min(rhs));
        let months = difference_in_months(later, earlier);
        prop_assert!(months >= 0);
        prop_assert!(add_months(earlier, months).is_ok_and(|sum| sum <= later || civil_from_days(sum).day == 1));
        prop_assert!(add_months(earlier, months + 1).map_or(true, |sum| sum > later));
        prop_assert_eq!(difference_in_years(later, earlier), months / 12);
        prop_assert_eq!(i64::from(earlier) + difference_in_days(later, earlier), i64::from(later));
    }

    #[test]
    fn firsts_agree_with_chrono(day in DATE_MIN..=DATE_MAX) {
        let date = chrono_date(day);
        prop_assert_eq!(to_first_of_month(day), days(date.with_day(1).unwrap()));
        prop_assert_eq!(to_first_of_year(day), days(date.with_day(1).unwrap().with_month(1).unwrap()));
        prop_assert_eq!(parse_date(&format_date(day)), Some(day));
    }

    #[test]
    fn floor_division_and_remainder_make_the_whole(lhs in any::<i64>(), rhs in any::<i64>()) {
        if let Ok(Some(quotient)) = floor_divide_int(lhs, rhs) {
            let remainder = i128::from(lhs) - i128::from(quotient) * i128::from(rhs);
            prop_assert!(remainder == 0 || (remainder < 0) == (rhs < 0));
            prop_assert!(remainder.abs() < i128::from(rhs).abs());
        } else {
            prop_assert!(rhs == 0 || (lhs, rhs) == (i64::MIN, -1));
        }
    }

    #[test]
    fn nothing_panics_or_yields_what_is_not_finite(lhs in any::<f64>(), rhs in any::<f64>(), day in DATE_MIN..=DATE_MAX, count in any::<i64>()) {
        if lhs.is_finite() && rhs.is_finite() {
            let results = [add_float(lhs, rhs).ok(), subtract_float(lhs, rhs).ok(), multiply_float(lhs, rhs).ok(),
                true_divide_float(lhs, rhs).ok().flatten(), power(lhs, rhs).ok().flatten()];
            prop_assert!(results.into_iter().flatten().all(f64::is_finite));
            let _ = (floor_divide_float(lhs, rhs), float_to_int(lhs));
        }
        for sum in [add_days(day, count), add_months(day, count), add_years(day, count)].into_iter().flatten() {
            prop_assert!((DATE_MIN..=DATE_MAX).contains(&sum));
        }
    }
}
