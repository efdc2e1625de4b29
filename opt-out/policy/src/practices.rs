//! Which practices are activated on a day.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashSet;

use crate::day::Day;

/// The most rows of a register of practices: England has some 6,500 practices.
pub const PRACTICE_ROWS_MAX: usize = 1_000_000;

/// A practice's key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PracticeKey {
    /// An integer
    Int(i64),
    /// A text
    Text(Box<str>),
}

/// A register of practices that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PracticesError {
    /// Switched off before it was activated
    #[error(
        "row {row} of the register of practices is switched off before it is activated: have the register corrected"
    )]
    Inverted {
        /// From 1
        row: usize,
    },
    /// Keys of both types
    #[error("row {row} of the register of practices has a key of another type than the rows before it")]
    MixedKeys {
        /// From 1
        row: usize,
    },
    /// More than [`PRACTICE_ROWS_MAX`]
    #[error("the register of practices has more than {PRACTICE_ROWS_MAX} rows: this cannot be a register of practices")]
    TooMany,
}

/// When a practice began to take part, as its register states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivatedFrom {
    /// The register has no column for it: whoever is listed takes part (as in TPP's `DirectionsAcknowledged`)
    Listed,
    /// The column's value. NULL is a practice that is listed and not activated yet
    Column(Option<Day>),
}

/// A register of practices: for each, the days on which it was activated or switched off.
#[derive(Clone, Debug, Default)]
pub struct Practices {
    /// Per practice, changes in order: (day, 1 for off, activated after it). At the same day, off comes last.
    changes: BTreeMap<PracticeKey, BTreeSet<(Day, Change)>>,
    rows: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Activated,
    // After `Activated`: of two changes on one day, the one that lets less through counts.
    SwitchedOff,
}

impl Practices {
    /// No practice yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one row: from when the practice takes part, and from when (that day included) it no longer does.
    pub fn push(
        &mut self,
        practice: PracticeKey,
        from: ActivatedFrom,
        switched_off: Option<Day>,
    ) -> Result<(), PracticesError> {
        self.rows += 1;
        if self.rows > PRACTICE_ROWS_MAX {
            return Err(PracticesError::TooMany);
        }
        let same_type = |known: &PracticeKey| std::mem::discriminant(known) == std::mem::discriminant(&practice);
        if !self.changes.keys().next().is_none_or(same_type) {
            return Err(PracticesError::MixedKeys { row: self.rows });
        }
        let from = match from {
            ActivatedFrom::Listed => Some(Day::FIRST),
            ActivatedFrom::Column(day) => day,
        };
        if from.zip(switched_off).is_some_and(|(from, off)| off < from) {
            return Err(PracticesError::Inverted { row: self.rows });
        }
        let changes = self.changes.entry(practice).or_default();
        changes.extend(from.map(|day| (day, Change::Activated)));
        changes.extend(switched_off.map(|day| (day, Change::SwitchedOff)));
        Ok(())
    }

    /// The practices that are activated on `day`: those whose last change until then, that day included, is an
    /// activation.
    pub fn activated_on(&self, day: Day) -> ActivatedPractices {
        let last =
            |changes: &BTreeSet<(Day, Change)>| changes.range(..=(day, Change::SwitchedOff)).next_back().copied();
        let activated = |changes| matches!(last(changes), Some((_, Change::Activated)));
        let keys = self.changes.iter().filter(|(_, changes)| activated(changes)).map(|(practice, _)| practice.clone());
        ActivatedPractices::from_iter(keys)
    }

    /// How many practices are listed, activated or not.
    pub fn count(&self) -> u64 {
        self.changes.len() as u64
    }
}

/// Practices that are activated on the day of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivatedPractices {
    // Every registration asks, and every row that is judged by its practice.
    ints: HashSet<i64>,
    texts: HashSet<Box<str>>,
}

impl ActivatedPractices {
    /// Whether the practice of that integer key is activated. A NULL key is no activated practice.
    pub fn has_int(&self, practice: Option<i64>) -> bool {
        practice.is_some_and(|practice| self.ints.contains(&practice))
    }

    /// Whether the practice of that text key is activated. A NULL key is no activated practice.
    pub fn has_text(&self, practice: Option<&str>) -> bool {
        practice.is_some_and(|practice| self.texts.contains(practice))
    }

    /// How many.
    pub fn count(&self) -> u64 {
        (self.ints.len() + self.texts.len()) as u64
    }
}

impl FromIterator<PracticeKey> for ActivatedPractices {
    fn from_iter<I: IntoIterator<Item = PracticeKey>>(practices: I) -> Self {
        let mut activated = Self::default();
        for practice in practices {
            _ = match practice {
                PracticeKey::Int(key) => activated.ints.insert(key),
                PracticeKey::Text(key) => activated.texts.insert(key),
            };
        }
        activated
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    /// Rows of one practice, each "from..off" with `-` for NULL or `listed`, and on which days it is activated.
    #[test]
    fn activation_is_dated() {
        for (rows, days) in [
            (vec!["listed..-"], [true, true, true, true]),
            (vec!["listed..2021-01-01"], [true, false, false, false]),
            (vec!["2021-01-01..-"], [false, true, true, true]),
            (vec!["-..-"], [false, false, false, false]),
            (vec!["2021-01-01..2022-06-01"], [false, true, false, false]),
            // On and off on one day: off.
            (vec!["2021-01-01..2021-01-01"], [false, false, false, false]),
            // Off, and on again.
            (vec!["2020-01-01..2021-01-01", "2022-06-01..-"], [true, false, true, true]),
            (vec!["2022-06-01..-", "2020-01-01..2021-01-01"], [true, false, true, true]),
            // A switch-off that stands in a row of its own.
            (vec!["2020-01-01..-", "-..2022-06-01"], [true, true, false, false]),
            // Two rows overlap: what was switched off last stays off.
            (vec!["2020-01-01..2022-06-01", "2021-01-01..-"], [true, true, false, false]),
            // Not yet.
            (vec!["2030-01-01..-"], [false, false, false, false]),
        ] {
            let mut practices = Practices::new();
            for row in &rows {
                let (from, off) = row.split_once("..").unwrap();
                let from =
                    if from == "listed" { ActivatedFrom::Listed } else { ActivatedFrom::Column(Day::parse(from)) };
                practices.push(PracticeKey::Int(7), from, Day::parse(off)).unwrap();
            }
            let found = ["2020-12-31", "2021-01-01", "2022-06-01", "2026-01-01"]
                .map(|text| practices.activated_on(day(text)).has_int(Some(7)));
            assert_eq!(found, days, "{rows:?}");
        }
    }

    #[test]
    fn registers_that_make_no_sense_are_refused() {
        let mut practices = Practices::new();
        let column = |text| ActivatedFrom::Column(Some(day(text)));
        let text = |key: &str| PracticeKey::Text(key.into());
        practices.push(text("A81001"), column("2021-01-01"), None).unwrap();
        let inverted = practices.push(text("A81002"), column("2021-01-02"), Some(day("2021-01-01")));
        assert_eq!(inverted, Err(PracticesError::Inverted { row: 2 }));
        assert_eq!(
            practices.push(PracticeKey::Int(1), ActivatedFrom::Listed, None),
            Err(PracticesError::MixedKeys { row: 3 })
        );

        let activated = practices.activated_on(day("2021-01-01"));
        assert_eq!((activated.count(), practices.count()), (1, 1));
        assert!(activated.has_text(Some("A81001")));
        assert!(!activated.has_text(Some("a81001")) && !activated.has_text(None) && !activated.has_int(None));
    }
}
