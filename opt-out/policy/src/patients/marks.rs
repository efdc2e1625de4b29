//! Which keys of a set have been met.

use super::set::PatientSet;

/// One bit for each key of a [`PatientSet`]: set where the key was met somewhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    words: Vec<u64>,
}

impl Marks {
    /// None of a set's keys.
    pub fn none_of(set: &PatientSet) -> Self {
        Self { words: vec![0; usize::try_from(set.count().div_ceil(64)).unwrap_or(usize::MAX)] }
    }

    pub(super) fn mark(&mut self, position: usize) {
        if let Some(word) = self.words.get_mut(position / 64) {
            *word |= 1 << (position % 64);
        }
    }

    pub(super) fn is_marked(&self, position: usize) -> bool {
        self.words.get(position / 64).is_some_and(|word| word >> (position % 64) & 1 == 1)
    }

    /// Also those that were met elsewhere.
    pub fn join(&mut self, other: &Marks) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    /// How many keys were met.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}
