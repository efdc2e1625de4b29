//! A day for each of some patients: the cut-off dates of practice activation.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

use super::keys::{KeyType, PatientKey, PatientKeyError, SortedKeys, TextKeys, locate};
use super::set::Keys;

/// A day (since 1970-01-01) for each of some patients.
pub struct PatientDays {
    keys: Keys,
    days: Vec<i32>,
}

impl PatientDays {
    /// How many patients have a day.
    pub fn count(&self) -> u64 {
        self.days.len() as u64
    }

    /// The patient's day, if there is one.
    pub fn day(&self, key: PatientKey<'_>) -> Result<Option<i32>, PatientKeyError> {
        if key.key_type() != self.keys.key_type() {
            return Err(self.wrong_type(key.key_type()));
        }
        Ok(self.keys.position(key).and_then(|position| self.days.get(position).copied()))
    }

    /// The day of each row's patient, `otherwise` where there is none, for integer keys. Fast in order of patient,
    /// right in any order.
    pub fn days_of_ints(&self, batch: &[i64], otherwise: i32) -> Result<Vec<i32>, PatientKeyError> {
        let Keys::Int(keys) = &self.keys else { return Err(self.wrong_type(KeyType::Int)) };
        Ok(self.days_of(keys, batch.iter(), otherwise))
    }

    /// As [`PatientDays::days_of_ints`], for keys of 16 bytes.
    pub fn days_of_bytes16<'b>(
        &self,
        batch: impl Iterator<Item = &'b [u8; 16]>,
        otherwise: i32,
    ) -> Result<Vec<i32>, PatientKeyError> {
        let Keys::Bytes16(keys) = &self.keys else { return Err(self.wrong_type(KeyType::Bytes16)) };
        Ok(self.days_of(keys, batch, otherwise))
    }

    /// As [`PatientDays::days_of_ints`], for texts.
    pub fn days_of_texts<'b>(
        &self,
        batch: impl Iterator<Item = &'b str>,
        otherwise: i32,
    ) -> Result<Vec<i32>, PatientKeyError> {
        let Keys::Text(keys) = &self.keys else { return Err(self.wrong_type(KeyType::Text)) };
        Ok(self.days_of(keys, batch, otherwise))
    }

    /// SHA-256 over the keys and their days: the same for the same days of the same patients.
    pub fn digest(&self) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update(b"peristyle patient days 1\n");
        hasher.update(self.keys.digest().as_bytes());
        self.days.iter().for_each(|day| hasher.update(day.to_be_bytes()));
        Digest::from_hasher(hasher)
    }

    fn days_of<'b, S: SortedKeys>(&self, keys: &S, batch: impl Iterator<Item = &'b S::Key>, otherwise: i32) -> Vec<i32>
    where
        S::Key: 'b,
    {
        let mut days = Vec::with_capacity(batch.size_hint().0);
        locate(keys, batch, |place| {
            days.push(place.and_then(|position| self.days.get(position).copied()).unwrap_or(otherwise));
        });
        days
    }

    fn wrong_type(&self, found: KeyType) -> PatientKeyError {
        PatientKeyError::WrongType { expected: self.keys.key_type(), found }
    }
}

impl fmt::Debug for PatientDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatientDays").field("count", &self.count()).finish_non_exhaustive()
    }
}

/// Takes patients and their days in any order.
pub struct PatientDaysBuilder {
    keys: Keys,
    days: Vec<i32>,
}

impl PatientDaysBuilder {
    /// No patient yet.
    pub fn new(key_type: KeyType) -> Self {
        Self { keys: Keys::new(key_type), days: Vec::new() }
    }

    /// Takes a patient's day.
    pub fn push(&mut self, key: PatientKey<'_>, day: i32) -> Result<(), PatientKeyError> {
        self.keys.push(key)?;
        self.days.push(day);
        Ok(())
    }

    /// The days; of a patient who came twice, the earlier one.
    pub fn finish(self) -> PatientDays {
        let (keys, days) = match self.keys {
            Keys::Int(keys) => {
                let (keys, days) = sorted(keys.into_iter().zip(self.days).collect());
                (Keys::Int(keys), days)
            }
            Keys::Bytes16(keys) => {
                let (keys, days) = sorted(keys.into_iter().zip(self.days).collect());
                (Keys::Bytes16(keys), days)
            }
            Keys::Text(keys) => {
                let (texts, days) = sorted((0..keys.len()).map(|at| keys.at(at)).zip(self.days).collect());
                let mut in_order = TextKeys::default();
                texts.into_iter().for_each(|key| in_order.push(key));
                (Keys::Text(in_order), days)
            }
        };
        PatientDays { keys, days }
    }
}

impl fmt::Debug for PatientDaysBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatientDaysBuilder").field("taken", &self.days.len()).finish_non_exhaustive()
    }
}

fn sorted<K: Ord>(mut pairs: Vec<(K, i32)>) -> (Vec<K>, Vec<i32>) {
    pairs.sort_unstable();
    pairs.dedup_by(|later, earlier| later.0 == earlier.0);
    pairs.into_iter().unzip()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn every_patient_has_the_earliest_of_their_days(pairs in proptest::collection::vec((0i64..20, -5i32..5), 0..40), batch in proptest::collection::vec(0i64..25, 0..40)) {
            let mut expected: BTreeMap<i64, i32> = BTreeMap::new();
            let (mut ints, mut texts) = (PatientDaysBuilder::new(KeyType::Int), PatientDaysBuilder::new(KeyType::Text));
            for &(key, day) in &pairs {
                ints.push(PatientKey::Int(key), day).unwrap();
                texts.push(PatientKey::Text(&key.to_string()), day).unwrap();
                expected.entry(key).and_modify(|known| *known = day.min(*known)).or_insert(day);
            }
            let (ints, texts) = (ints.finish(), texts.finish());
            let days: Vec<i32> = batch.iter().map(|key| expected.get(key).copied().unwrap_or(i32::MAX)).collect();
            prop_assert_eq!(ints.days_of_ints(&batch, i32::MAX).unwrap(), days.clone());
            let written: Vec<String> = batch.iter().map(i64::to_string).collect();
            prop_assert_eq!(texts.days_of_texts(written.iter().map(String::as_str), i32::MAX).unwrap(), days);
            prop_assert_eq!(ints.count(), expected.len() as u64);
            for key in batch {
                prop_assert_eq!(ints.day(PatientKey::Int(key)).unwrap(), expected.get(&key).copied());
            }
        }
    }
}
