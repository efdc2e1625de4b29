//! What the rules removed from each table: for the ledger, never for whoever wrote the definition.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use peristyle_policy::Rule;

use crate::patient_ids::{PatientId, PatientIds};

/// What one rule removed from one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Rows
    pub rows: u64,
    /// Patients who lost a row
    pub patients: u64,
}

/// What was read of a table, and what each rule removed. A row counts for the first rule that removed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRemovals {
    /// The table
    pub table: Arc<str>,
    /// Rows that were read
    pub rows_read: u64,
    /// Rows that went past the guard
    pub rows_passed: u64,
    /// By rule; a rule that removed nothing is not there
    pub removed: BTreeMap<Rule, Removed>,
    /// Of a linked table, and of rows that a definition brings: rows of keys that are of no patient whom the extract has, or
    /// of more than may have one. What is counted as patients are the keys
    pub unlinked: Removed,
}

/// The counts of one table, while it is read.
#[derive(Debug)]
pub(crate) struct TableTally {
    table: Arc<str>,
    counts: Mutex<Counts>,
}

/// The counts of one segment, while it is read.
#[derive(Debug, Default)]
pub(crate) struct SegmentTally(Counts);

#[derive(Debug, Default)]
struct Counts {
    rows_read: u64,
    rows_passed: u64,
    removed: BTreeMap<Rule, RemovedByRule>,
    unlinked: RemovedByRule,
}

#[derive(Debug, Default)]
struct RemovedByRule {
    rows: u64,
    patients: Patients,
}

impl RemovedByRule {
    fn add(&mut self, patients: &PatientIds, at: usize, rows: usize) {
        self.rows += rows as u64;
        if let Some(patient) = patients.get(at) {
            self.patients.push(number(&patient));
        }
    }

    fn join(&mut self, other: RemovedByRule) {
        self.rows += other.rows;
        other.patients.numbers.into_iter().for_each(|number| self.patients.push(number));
    }

    fn counted(&mut self) -> Removed {
        Removed { rows: self.rows, patients: self.patients.count() }
    }
}

/// Different patients, each as a number of 64 bits: an integer key is its own, of others two in 57 million may be the
/// same once in ten thousand runs.
#[derive(Default)]
struct Patients {
    numbers: Vec<u64>,
    /// How many of the numbers are known to be different, and in order
    distinct: usize,
}

/// Fewest numbers that are worth sorting.
const SORTED_MIN: usize = 1 << 16;

impl Patients {
    fn push(&mut self, number: u64) {
        if self.numbers.last() != Some(&number) {
            self.numbers.push(number);
        }
        // Sorting when half are new keeps the memory within twice what is needed.
        if self.numbers.len() > SORTED_MIN && self.numbers.len() > 2 * self.distinct {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.numbers.sort_unstable();
        self.numbers.dedup();
        self.distinct = self.numbers.len();
    }

    fn count(&mut self) -> u64 {
        self.settle();
        self.distinct as u64
    }
}

impl std::fmt::Debug for Patients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Patients")
    }
}

impl SegmentTally {
    /// `rows` rows of the patient at `at` were removed by a rule.
    pub(crate) fn removed(&mut self, rule: Rule, patients: &PatientIds, at: usize, rows: usize) {
        self.0.removed.entry(rule).or_default().add(patients, at, rows);
    }

    /// `rows` rows of the key at `at` were removed because it is not that of a patient.
    pub(crate) fn unlinked(&mut self, keys: &PatientIds, at: usize, rows: usize) {
        self.0.unlinked.add(keys, at, rows);
    }

    /// Rows were read and removed that have no key.
    pub(crate) fn without_key(&mut self, rows: usize) {
        self.read(rows, 0);
        self.0.unlinked.rows += rows as u64;
    }

    /// Rows were read, and some of them passed.
    pub(crate) fn read(&mut self, read: usize, passed: usize) {
        self.0.rows_read += read as u64;
        self.0.rows_passed += passed as u64;
    }
}

fn number(patient: &PatientId) -> u64 {
    match patient {
        PatientId::Int(key) => key.cast_unsigned(),
        other => {
            let mut hasher = DefaultHasher::new();
            other.hash(&mut hasher);
            hasher.finish()
        }
    }
}

impl TableTally {
    pub(super) fn new(table: &Arc<str>) -> Self {
        Self { table: Arc::clone(table), counts: Mutex::default() }
    }

    pub(super) fn table(&self) -> &Arc<str> {
        &self.table
    }

    /// Takes the counts of a segment.
    pub(crate) fn add(&self, segment: SegmentTally) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.rows_read += segment.0.rows_read;
        counts.rows_passed += segment.0.rows_passed;
        for (rule, removed) in segment.0.removed {
            counts.removed.entry(rule).or_default().join(removed);
        }
        counts.unlinked.join(segment.0.unlinked);
    }

    /// What was counted so far.
    pub(crate) fn removals(&self) -> TableRemovals {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (rows_read, rows_passed) = (counts.rows_read, counts.rows_passed);
        let removed = counts.removed.iter_mut().map(|(rule, sum)| (*rule, sum.counted())).collect();
        let unlinked = counts.unlinked.counted();
        TableRemovals { table: Arc::clone(&self.table), rows_read, rows_passed, removed, unlinked }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use arrow::array::Int64Array;

    #[test]
    fn a_patient_counts_once_however_often_and_wherever_rows_were_removed() {
        let tally = TableTally::new(&Arc::from("t"));
        for segment in 0..3 {
            let mut counts = SegmentTally::default();
            let ids = PatientIds::Int((0..100_000).map(|id| id / 2 + segment * 10_000).collect::<Int64Array>());
            (0..ids.len()).for_each(|at| counts.removed(Rule::TypeOne, &ids, at, 3));
            counts.removed(Rule::National, &ids, 0, 1);
            counts.read(400_000, 99_999);
            tally.add(counts);
        }
        let removed = BTreeMap::from([
            (Rule::TypeOne, Removed { rows: 900_000, patients: 70_000 }),
            (Rule::National, Removed { rows: 3, patients: 3 }),
        ]);
        let expected = TableRemovals {
            table: "t".into(),
            rows_read: 1_200_000,
            rows_passed: 299_997,
            removed,
            unlinked: Removed::default(),
        };
        assert_eq!(tally.removals(), expected);
        assert_eq!(tally.removals(), expected, "counting changes nothing");
    }
}
