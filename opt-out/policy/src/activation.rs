//! Practice activation, patient by patient: who counts, and which of their rows.
//!
//! The rule, as the TPP vectors hold it (DESIGN §5):
//! - a patient counts who was ever registered at a practice that is activated today;
//! - *A* is the last end of their registrations at activated practices, *U* the last end of those at other practices. If
//!   *U* is later than *A*, the patient moved on to a practice that has not agreed, and of tables that hold GP activity
//!   only rows until the day of *A*, that day included, may be read. Otherwise there is no cut-off: the last practice to
//!   hold the record had agreed, and deregistration there, or death, takes nothing away;
//! - of such tables, rows without a date are never read: nothing says that they come before the cut-off;
//! - of registrations, only those at activated practices are read.
//!
//! When a registration began plays no part. An end of 9999-12-31, or none, is a registration that goes on.

use std::fmt;

use crate::day::Day;
use crate::patients::{
    KeyType, PatientDays, PatientDaysBuilder, PatientKey, PatientKeyError, PatientSet, PatientSetBuilder,
};

/// Microseconds in a day.
const DAY_MICROSECONDS: i64 = 86_400_000_000;

/// When a registration ended. Registrations that go on end later than all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RegistrationEnd {
    /// At a moment: microseconds since 1970-01-01T00:00, in whatever clock the extract keeps
    At(i64),
    /// Not yet
    Open,
}

impl RegistrationEnd {
    /// The end in a column of days (since 1970-01-01). NULL, and 9999-12-31 or later, is open.
    pub fn from_day(day: Option<i32>) -> Self {
        match day {
            Some(day) if day < Day::LAST.epoch_days() => Self::At(i64::from(day) * DAY_MICROSECONDS),
            _ => Self::Open,
        }
    }

    /// The end in a column of moments (microseconds since 1970-01-01T00:00). NULL, and 9999-12-31T00:00 or later, is open.
    pub fn from_microseconds(moment: Option<i64>) -> Self {
        match moment {
            Some(moment) if moment < i64::from(Day::LAST.epoch_days()) * DAY_MICROSECONDS => Self::At(moment),
            _ => Self::Open,
        }
    }

    /// The day of the end, since 1970-01-01; `None` where it is open.
    fn day(self) -> Option<i32> {
        match self {
            // A moment before the year 1 has no row before it to keep: the first day will do.
            Self::At(moment) => Some(i32::try_from(moment.div_euclid(DAY_MICROSECONDS)).unwrap_or(i32::MIN)),
            Self::Open => None,
        }
    }
}

/// What practice activation says of a patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Never registered at an activated practice: no row is read
    NotCounted,
    /// Counts
    Counted {
        /// The last day (since 1970-01-01) of which GP activity may be read; `None` where all may
        cut_off: Option<i32>,
    },
}

impl Activation {
    /// Whether a row of GP activity with that date is read.
    pub fn keeps(self, date: Option<i32>) -> bool {
        match (self, date) {
            (Activation::NotCounted, _) | (_, None) => false,
            (Activation::Counted { cut_off: None }, Some(_)) => true,
            (Activation::Counted { cut_off: Some(cut_off) }, Some(date)) => date <= cut_off,
        }
    }
}

/// A patient's registrations so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegistrationHistory {
    last_activated: Option<RegistrationEnd>,
    last_other: Option<RegistrationEnd>,
}

impl RegistrationHistory {
    /// Takes a registration: whether its practice is activated (one without a practice is not), and its end.
    pub fn push(&mut self, activated: bool, end: RegistrationEnd) {
        let last = if activated { &mut self.last_activated } else { &mut self.last_other };
        *last = (*last).max(Some(end));
    }

    /// What follows for the patient.
    pub fn activation(self) -> Activation {
        let Some(activated) = self.last_activated else { return Activation::NotCounted };
        let moved_on = self.last_other.is_some_and(|other| other > activated);
        // Nothing is later than an open end, so one who moved on has a day.
        Activation::Counted { cut_off: if moved_on { activated.day() } else { None } }
    }
}

/// What practice activation says of all patients.
#[derive(Debug)]
pub struct Activations {
    /// The patients who count
    pub counted: PatientSet,
    /// The last day of which GP activity may be read, for those of them who have one
    pub cut_offs: PatientDays,
}

/// Takes registrations in order of patient, and makes [`Activations`] of them. One patient is held at a time.
pub struct ActivationsBuilder {
    counted: PatientSetBuilder,
    cut_offs: PatientDaysBuilder,
    patient: Option<HeldKey>,
    history: RegistrationHistory,
}

/// A patient's key, kept from one row to the next.
enum HeldKey {
    Int(i64),
    Bytes16([u8; 16]),
    Text(String),
}

impl HeldKey {
    fn borrow(&self) -> PatientKey<'_> {
        match self {
            HeldKey::Int(key) => PatientKey::Int(*key),
            HeldKey::Bytes16(key) => PatientKey::Bytes16(key),
            HeldKey::Text(key) => PatientKey::Text(key),
        }
    }

    fn of(key: PatientKey<'_>) -> Self {
        match key {
            PatientKey::Int(key) => HeldKey::Int(key),
            PatientKey::Bytes16(key) => HeldKey::Bytes16(*key),
            PatientKey::Text(key) => HeldKey::Text(key.to_owned()),
        }
    }
}

impl ActivationsBuilder {
    /// No registration yet.
    pub fn new(key_type: KeyType) -> Self {
        Self {
            counted: PatientSetBuilder::new(key_type),
            cut_offs: PatientDaysBuilder::new(key_type),
            patient: None,
            history: RegistrationHistory::default(),
        }
    }

    /// Takes a registration: of whom, whether the practice is activated, and its end. A patient who comes again after
    /// another one would be judged by a part of their history: [`PatientKeyError::OutOfOrder`].
    pub fn push(
        &mut self,
        patient: PatientKey<'_>,
        activated: bool,
        end: RegistrationEnd,
    ) -> Result<(), PatientKeyError> {
        let order = self.patient.as_ref().map(|held| held.borrow().cmp(&patient));
        match order {
            Some(std::cmp::Ordering::Equal) => {}
            Some(std::cmp::Ordering::Greater) => return Err(PatientKeyError::OutOfOrder),
            Some(std::cmp::Ordering::Less) | None => {
                self.close()?;
                self.patient = Some(HeldKey::of(patient));
            }
        }
        self.history.push(activated, end);
        Ok(())
    }

    fn close(&mut self) -> Result<(), PatientKeyError> {
        let history = std::mem::take(&mut self.history);
        let Some(patient) = &self.patient else { return Ok(()) };
        if let Activation::Counted { cut_off } = history.activation() {
            self.counted.push(patient.borrow())?;
            if let Some(cut_off) = cut_off {
                self.cut_offs.push(patient.borrow(), cut_off)?;
            }
        }
        Ok(())
    }

    /// What follows for all patients.
    pub fn finish(mut self) -> Result<Activations, PatientKeyError> {
        self.close()?;
        Ok(Activations { counted: self.counted.finish(), cut_offs: self.cut_offs.finish() })
    }
}

impl fmt::Debug for ActivationsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivationsBuilder").field("counted", &self.counted).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    fn end(text: &str) -> RegistrationEnd {
        RegistrationEnd::from_day(Day::parse(text).map(Day::epoch_days))
    }

    /// `+` is a registration at an activated practice, `-` one elsewhere; `open` is no end date.
    fn activation(registrations: &str) -> Activation {
        let mut history = RegistrationHistory::default();
        for registration in registrations.split_whitespace() {
            let (practice, text) = registration.split_at(1);
            history.push(practice == "+", end(text));
        }
        history.activation()
    }

    #[test]
    fn who_counts_and_until_when() {
        for (registrations, expected) in [
            ("", "not counted"),
            ("-open", "not counted"),
            ("-2015-05-05 -open", "not counted"),
            ("+open", "all"),
            ("+9999-12-31", "all"),
            // Deregistered, or died: the last practice had agreed.
            ("+2015-05-05", "all"),
            ("+2015-05-05 +2019-09-09", "all"),
            // Came from a practice that has not agreed.
            ("-2015-05-05 +open", "all"),
            ("-2015-05-05 +2019-09-09", "all"),
            // Moved on to one that has not.
            ("+2015-05-05 -open", "2015-05-05"),
            ("+2015-05-05 -9999-12-31", "2015-05-05"),
            ("+2015-05-05 -2019-09-09", "2015-05-05"),
            ("+2012-02-02 +2015-05-05 -2019-09-09", "2015-05-05"),
            ("-2019-09-09 +2015-05-05 +2012-02-02", "2015-05-05"),
            // Moved on and came back.
            ("+2012-02-02 -2015-05-05 +2019-09-09", "all"),
            ("+2012-02-02 -2015-05-05 +open", "all"),
            // There and back, and there again.
            ("-2012-02-02 +2015-05-05 -open", "2015-05-05"),
            // Both end on one day, or both go on: nothing is later.
            ("+2015-05-05 -2015-05-05", "all"),
            ("+open -open", "all"),
            ("+2015-05-05 -2015-05-06", "2015-05-05"),
        ] {
            let expected = match expected {
                "not counted" => Activation::NotCounted,
                "all" => Activation::Counted { cut_off: None },
                day => Activation::Counted { cut_off: Day::parse(day).map(Day::epoch_days) },
            };
            assert_eq!(activation(registrations), expected, "{registrations}");
        }
    }

    #[test]
    fn which_rows_stay() {
        let (moved_on, stayed, never) = ("+2015-05-05 -open", "+2015-05-05", "-open");
        for (registrations, date, stays) in [
            (moved_on, "2015-05-04", true),
            (moved_on, "2015-05-05", true),
            (moved_on, "2015-05-06", false),
            (moved_on, "none", false),
            (stayed, "2015-05-06", true),
            (stayed, "9999-12-31", true),
            (stayed, "none", false),
            (never, "2015-05-04", false),
            (never, "none", false),
        ] {
            let kept = activation(registrations).keeps(Day::parse(date).map(Day::epoch_days));
            assert_eq!(kept, stays, "{registrations}: {date}");
        }
    }

    #[test]
    fn moments_within_a_day_count() {
        let at = |hours: i64| RegistrationEnd::from_microseconds(Some(hours * 3_600_000_000));
        let mut history = RegistrationHistory::default();
        history.push(true, at(1));
        history.push(false, at(2));
        assert_eq!(history.activation(), Activation::Counted { cut_off: Some(0) });
        let mut before_1970 = RegistrationHistory::default();
        before_1970.push(true, at(-1));
        before_1970.push(false, at(0));
        assert_eq!(before_1970.activation(), Activation::Counted { cut_off: Some(-1) });
        let last = i64::from(Day::LAST.epoch_days()) * DAY_MICROSECONDS;
        assert_eq!(RegistrationEnd::from_microseconds(Some(last)), RegistrationEnd::Open);
        assert_eq!(RegistrationEnd::from_microseconds(Some(i64::MAX)), RegistrationEnd::Open);
        assert_eq!(RegistrationEnd::from_microseconds(None), RegistrationEnd::Open);
        assert!(RegistrationEnd::from_microseconds(Some(last - 1)) < RegistrationEnd::Open);
        assert_eq!(
            RegistrationEnd::At(i64::MIN).day(),
            Some(i32::try_from(i64::MIN.div_euclid(DAY_MICROSECONDS)).unwrap())
        );
    }

    #[test]
    fn registrations_come_in_order_of_patient() {
        let mut builder = ActivationsBuilder::new(KeyType::Int);
        builder.push(PatientKey::Int(2), true, RegistrationEnd::Open).unwrap();
        assert_eq!(builder.push(PatientKey::Int(1), true, RegistrationEnd::Open), Err(PatientKeyError::OutOfOrder));
    }

    fn registrations() -> impl Strategy<Value = Vec<(i64, bool, Option<i32>)>> {
        proptest::collection::vec((0i64..6, any::<bool>(), proptest::option::of(-3i32..3)), 0..30)
    }

    proptest! {
        /// The builder says of each patient what their own history says, in any order of their registrations.
        #[test]
        fn all_patients_are_judged_as_each(mut rows in registrations()) {
            let alone = |patient: i64| {
                let mut history = RegistrationHistory::default();
                rows.iter().filter(|row| row.0 == patient).for_each(|row| history.push(row.1, RegistrationEnd::from_day(row.2)));
                history.activation()
            };
            let expected: Vec<Activation> = (0..6).map(alone).collect();
            rows.sort_by_key(|row| row.0);
            let (mut ints, mut texts) = (ActivationsBuilder::new(KeyType::Int), ActivationsBuilder::new(KeyType::Text));
            for &(patient, activated, end) in &rows {
                let end = RegistrationEnd::from_day(end);
                ints.push(PatientKey::Int(patient), activated, end).unwrap();
                texts.push(PatientKey::Text(&patient.to_string()), activated, end).unwrap();
            }
            let (ints, texts) = (ints.finish().unwrap(), texts.finish().unwrap());
            for (patient, expected) in (0i64..).zip(expected) {
                let (key, text) = (PatientKey::Int(patient), patient.to_string());
                let found = match ints.counted.contains(key).unwrap() {
                    false => Activation::NotCounted,
                    true => Activation::Counted { cut_off: ints.cut_offs.day(key).unwrap() },
                };
                prop_assert_eq!(found, expected);
                prop_assert_eq!(texts.counted.contains(PatientKey::Text(&text)).unwrap(), found != Activation::NotCounted);
            }
        }

        /// Switching a practice off never lets more through.
        #[test]
        fn fewer_activated_practices_never_keep_more(rows in registrations(), off in any::<prop::sample::Index>(), date in proptest::option::of(-5i32..5)) {
            prop_assume!(!rows.is_empty());
            let off = off.index(rows.len());
            let judged = |switched_off: Option<usize>| {
                let mut history = RegistrationHistory::default();
                for (at, row) in rows.iter().enumerate() {
                    history.push(row.1 && switched_off != Some(at), RegistrationEnd::from_day(row.2));
                }
                history.activation()
            };
            prop_assert!(judged(None).keeps(date) || !judged(Some(off)).keeps(date));
        }
    }
}
