//! A set of patients, and how it is built from a stream of keys.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::keys::{
    KeyType, PATIENTS_MAX, PatientKey, PatientKeyError, SortedKeys, TEXT_KEY_BYTES_MAX, TextKeys, gallop, locate,
};
use super::marks::Marks;
use super::mask::RowMask;
use super::texts::lowered;
use crate::digest::Digest;

pub(super) enum Keys {
    Int(Vec<i64>),
    Bytes16(Vec<[u8; 16]>),
    Text(TextKeys),
}

impl Keys {
    pub(super) fn new(key_type: KeyType) -> Self {
        match key_type {
            KeyType::Int => Keys::Int(Vec::new()),
            KeyType::Bytes16 => Keys::Bytes16(Vec::new()),
            KeyType::Text => Keys::Text(TextKeys::default()),
        }
    }

    pub(super) fn key_type(&self) -> KeyType {
        match self {
            Keys::Int(_) => KeyType::Int,
            Keys::Bytes16(_) => KeyType::Bytes16,
            Keys::Text(_) => KeyType::Text,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Keys::Int(keys) => keys.len(),
            Keys::Bytes16(keys) => keys.len(),
            Keys::Text(keys) => keys.len(),
        }
    }

    pub(super) fn push(&mut self, key: PatientKey<'_>) -> Result<(), PatientKeyError> {
        if self.len() >= PATIENTS_MAX {
            return Err(PatientKeyError::TooMany);
        }
        match (self, key) {
            (Keys::Int(keys), PatientKey::Int(key)) => keys.push(key),
            (Keys::Bytes16(keys), PatientKey::Bytes16(key)) => keys.push(*key),
            (Keys::Text(keys), PatientKey::Text(key)) => {
                if key.is_empty() || key.len() > TEXT_KEY_BYTES_MAX {
                    return Err(PatientKeyError::TextLength { bytes: key.len() });
                }
                keys.push(key);
            }
            (keys, key) => {
                return Err(PatientKeyError::WrongType { expected: keys.key_type(), found: key.key_type() });
            }
        }
        Ok(())
    }

    /// SHA-256 over the type, the count and the keys as they are.
    pub(super) fn digest(&self) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update(b"peristyle patient set 1\n");
        hasher.update(self.key_type().key().as_bytes());
        hasher.update((self.len() as u64).to_be_bytes());
        match self {
            Keys::Int(keys) => {
                // In pieces: one call a key costs more than the digest itself.
                let mut piece = Vec::with_capacity(8 * 4096);
                for keys in keys.chunks(4096) {
                    piece.clear();
                    piece.extend(keys.iter().flat_map(|key| key.to_be_bytes()));
                    hasher.update(&piece);
                }
            }
            Keys::Bytes16(keys) => hasher.update(keys.as_flattened()),
            Keys::Text(keys) => {
                for position in 0..keys.len() {
                    let key = keys.at(position);
                    hasher.update((key.len() as u64).to_be_bytes());
                    hasher.update(key.as_bytes());
                }
            }
        }
        Digest::from_hasher(hasher)
    }

    pub(super) fn position(&self, key: PatientKey<'_>) -> Option<usize> {
        match (self, key) {
            (Keys::Int(keys), PatientKey::Int(key)) => keys.binary_search(&key).ok(),
            (Keys::Bytes16(keys), PatientKey::Bytes16(key)) => keys.binary_search(key).ok(),
            (Keys::Text(keys), PatientKey::Text(key)) => gallop(keys, 0, key).ok(),
            _ => None,
        }
    }
}

/// A set of patients: their keys in ascending order, each once.
///
/// | 57 million patients | keys | at most, while building | built | digest |
/// |---|---|---|---|---|
/// | `int`, in order | 456 MB | 438 MiB | 0.4 s | 0.4 s |
/// | `int`, in no order | 456 MB | 438 MiB | 1.6 s | 0.3 s |
/// | `bytes16`, in no order | 912 MB | 873 MiB | 3.4 s | 0.6 s |
/// | `text` of 16 bytes, in no order | 1,368 MB | 3,482 MiB | 28 s, writing the texts included | 1.3 s |
///
/// Measured by `tests/suite/measure.rs` on one core of a busy two-core machine. A mask takes 2 ns a row at 100 rows a
/// patient. No exact set of 57 million random keys of 16 bytes takes less than 740 MB (128 bits each, less what their
/// order is worth); one that may err would let somebody through who opted out.
pub struct PatientSet {
    keys: Keys,
}

impl PatientSet {
    /// How many patients.
    pub fn count(&self) -> u64 {
        self.keys.len() as u64
    }

    /// What the patients are known by.
    pub fn key_type(&self) -> KeyType {
        self.keys.key_type()
    }

    /// Whether the patient is in the set. Asking with a key of another type is an error, not `false`: "not opted out"
    /// would be the wrong answer.
    pub fn contains(&self, key: PatientKey<'_>) -> Result<bool, PatientKeyError> {
        if key.key_type() != self.key_type() {
            return Err(PatientKeyError::WrongType { expected: self.key_type(), found: key.key_type() });
        }
        Ok(self.keys.position(key).is_some())
    }

    /// Which rows are of patients in the set, for integer keys. Fast where the batch is in order of patient; right in
    /// any order.
    pub fn mask_ints(&self, batch: &[i64]) -> Result<RowMask, PatientKeyError> {
        let Keys::Int(keys) = &self.keys else { return Err(self.wrong_type(KeyType::Int)) };
        Ok(mask(keys, batch.iter()))
    }

    /// As [`PatientSet::mask_ints`], for keys of 16 bytes.
    pub fn mask_bytes16<'b>(&self, batch: impl Iterator<Item = &'b [u8; 16]>) -> Result<RowMask, PatientKeyError> {
        let Keys::Bytes16(keys) = &self.keys else { return Err(self.wrong_type(KeyType::Bytes16)) };
        Ok(mask(keys, batch))
    }

    /// As [`PatientSet::mask_ints`], for texts.
    pub fn mask_texts<'b>(&self, batch: impl Iterator<Item = &'b str>) -> Result<RowMask, PatientKeyError> {
        let Keys::Text(keys) = &self.keys else { return Err(self.wrong_type(KeyType::Text)) };
        Ok(mask(keys, batch))
    }

    /// Marks those of its integer keys that are in the batch.
    pub fn mark_ints(&self, batch: &[i64], marks: &mut Marks) -> Result<(), PatientKeyError> {
        let Keys::Int(keys) = &self.keys else { return Err(self.wrong_type(KeyType::Int)) };
        mark(keys, batch.iter(), marks);
        Ok(())
    }

    /// As [`PatientSet::mark_ints`], for keys of 16 bytes.
    pub fn mark_bytes16<'b>(
        &self,
        batch: impl Iterator<Item = &'b [u8; 16]>,
        marks: &mut Marks,
    ) -> Result<(), PatientKeyError> {
        let Keys::Bytes16(keys) = &self.keys else { return Err(self.wrong_type(KeyType::Bytes16)) };
        mark(keys, batch, marks);
        Ok(())
    }

    /// As [`PatientSet::mark_ints`], for texts.
    pub fn mark_texts<'b>(
        &self,
        batch: impl Iterator<Item = &'b str>,
        marks: &mut Marks,
    ) -> Result<(), PatientKeyError> {
        let Keys::Text(keys) = &self.keys else { return Err(self.wrong_type(KeyType::Text)) };
        mark(keys, batch, marks);
        Ok(())
    }

    /// The set of the keys that are marked, or of those that are not.
    pub fn only(&self, marks: &Marks, marked: bool) -> PatientSet {
        let wanted = |position: usize| marks.is_marked(position) == marked;
        let keys = match &self.keys {
            Keys::Int(keys) => Keys::Int(at(keys, wanted).copied().collect()),
            Keys::Bytes16(keys) => Keys::Bytes16(at(keys, wanted).copied().collect()),
            Keys::Text(keys) => {
                let mut texts = TextKeys::default();
                (0..keys.len()).filter(|position| wanted(*position)).for_each(|position| texts.push(keys.at(position)));
                Keys::Text(texts)
            }
        };
        PatientSet { keys }
    }

    /// The texts of its keys without regard to case; none of keys of another type.
    pub fn lowered(&self) -> PatientSet {
        let mut texts = TextKeys::default();
        if let Keys::Text(keys) = &self.keys {
            (0..keys.len()).for_each(|position| texts.push(&lowered(keys.at(position))));
        }
        PatientSet { keys: Keys::Text(texts.sorted()) }
    }

    fn wrong_type(&self, found: KeyType) -> PatientKeyError {
        PatientKeyError::WrongType { expected: self.key_type(), found }
    }

    /// SHA-256 over the type, the count and the keys in order: the same for the same patients, in whatever order and
    /// however often a register lists them.
    pub fn digest(&self) -> Digest {
        self.keys.digest()
    }

    /// Memory that the keys take, in bytes.
    pub fn memory_bytes(&self) -> usize {
        match &self.keys {
            Keys::Int(keys) => keys.capacity() * size_of::<i64>(),
            Keys::Bytes16(keys) => keys.capacity() * size_of::<[u8; 16]>(),
            Keys::Text(keys) => keys.memory_bytes(),
        }
    }
}

impl fmt::Debug for PatientSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whose set it is must not reach a log by accident.
        f.debug_struct("PatientSet")
            .field("key_type", &self.key_type())
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

fn mask<'b, S: SortedKeys>(keys: &S, batch: impl Iterator<Item = &'b S::Key>) -> RowMask
where
    S::Key: 'b,
{
    let mut mask = RowMask::with_capacity(batch.size_hint().0);
    locate(keys, batch, |place| mask.push(place.is_some()));
    mask
}

fn mark<'b, S: SortedKeys>(keys: &S, batch: impl Iterator<Item = &'b S::Key>, marks: &mut Marks)
where
    S::Key: 'b,
{
    locate(keys, batch, |place| {
        if let Some(position) = place {
            marks.mark(position);
        }
    });
}

fn at<K>(keys: &[K], wanted: impl Fn(usize) -> bool) -> impl Iterator<Item = &K> {
    keys.iter().enumerate().filter(move |(position, _)| wanted(*position)).map(|(_, key)| key)
}

/// Takes keys as a register is read, in any order, and makes the set of them.
pub struct PatientSetBuilder {
    keys: Keys,
}

impl PatientSetBuilder {
    /// No key yet.
    pub fn new(key_type: KeyType) -> Self {
        Self { keys: Keys::new(key_type) }
    }

    /// Takes one key.
    pub fn push(&mut self, key: PatientKey<'_>) -> Result<(), PatientKeyError> {
        self.keys.push(key)
    }

    /// Takes many integer keys.
    pub fn extend_ints(&mut self, batch: &[i64]) -> Result<(), PatientKeyError> {
        let expected = self.keys.key_type();
        let Keys::Int(keys) = &mut self.keys else {
            return Err(PatientKeyError::WrongType { expected, found: KeyType::Int });
        };
        if batch.len() > PATIENTS_MAX - keys.len() {
            return Err(PatientKeyError::TooMany);
        }
        keys.extend_from_slice(batch);
        Ok(())
    }

    /// How many keys were taken, those that came twice counted twice.
    pub fn taken(&self) -> u64 {
        self.keys.len() as u64
    }

    /// The set of the keys taken.
    pub fn finish(mut self) -> PatientSet {
        match &mut self.keys {
            Keys::Int(keys) => sort_and_shrink(keys),
            Keys::Bytes16(keys) => sort_and_shrink(keys),
            Keys::Text(keys) => *keys = keys.sorted(),
        }
        PatientSet { keys: self.keys }
    }
}

impl fmt::Debug for PatientSetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatientSetBuilder").field("taken", &self.taken()).finish_non_exhaustive()
    }
}

fn sort_and_shrink<K: Ord>(keys: &mut Vec<K>) {
    keys.sort_unstable();
    keys.dedup();
    keys.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn ints(keys: &[i64]) -> PatientSet {
        let mut builder = PatientSetBuilder::new(KeyType::Int);
        builder.extend_ints(keys).unwrap();
        assert_eq!(builder.taken(), keys.len() as u64);
        builder.finish()
    }

    #[test]
    fn a_key_of_another_type_is_an_error_never_an_absence() {
        let wrong = PatientKeyError::WrongType { expected: KeyType::Int, found: KeyType::Text };
        let set = ints(&[1]);
        assert_eq!(set.contains(PatientKey::Text("1")), Err(wrong));
        assert_eq!(set.mask_texts(["1"].into_iter()), Err(wrong));
        assert_eq!(PatientSetBuilder::new(KeyType::Int).push(PatientKey::Text("1")), Err(wrong));
        assert!(PatientSetBuilder::new(KeyType::Text).extend_ints(&[1]).is_err());
        assert!(set.mask_bytes16(std::iter::empty()).is_err());
    }

    #[test]
    fn texts_have_a_length() {
        let mut builder = PatientSetBuilder::new(KeyType::Text);
        for (length, good) in [(0, false), (1, true), (256, true), (257, false)] {
            assert_eq!(builder.push(PatientKey::Text(&"x".repeat(length))).is_ok(), good, "{length}");
        }
        assert_eq!(builder.finish().count(), 2);
    }

    #[test]
    fn digests_tell_sets_and_types_apart() {
        let mut bytes = PatientSetBuilder::new(KeyType::Bytes16);
        bytes.push(PatientKey::Bytes16(&[1; 16])).unwrap();
        let mut texts = PatientSetBuilder::new(KeyType::Text);
        texts.push(PatientKey::Text("1")).unwrap();
        let empty = |key_type| PatientSetBuilder::new(key_type).finish();
        let sets = [
            ints(&[]),
            ints(&[1]),
            ints(&[1, 2]),
            ints(&[-1]),
            bytes.finish(),
            texts.finish(),
            empty(KeyType::Bytes16),
            empty(KeyType::Text),
        ];
        assert_eq!(sets.iter().map(PatientSet::digest).collect::<BTreeSet<_>>().len(), sets.len());
    }

    #[test]
    fn no_key_is_printed() {
        assert_eq!(format!("{:?}", ints(&[424_242])), "PatientSet { key_type: Int, count: 1, .. }");
    }

    proptest! {
        /// A set answers as a `BTreeSet` does, whatever the order and repetition of what it was built from, and its
        /// digest is of the set alone.
        #[test]
        fn sets_of_ints(mut keys in proptest::collection::vec(prop_oneof![-30i64..30, any::<i64>()], 0..60), mut batch in proptest::collection::vec(-35i64..35, 0..150), ordered: bool) {
            let set = ints(&keys);
            let expected: BTreeSet<i64> = keys.iter().copied().collect();
            prop_assert_eq!(set.count(), expected.len() as u64);
            if ordered { batch.sort_unstable(); }
            let mask = set.mask_ints(&batch).unwrap();
            prop_assert_eq!(mask, batch.iter().map(|key| expected.contains(key)).collect::<RowMask>());
            for key in &batch {
                prop_assert_eq!(set.contains(PatientKey::Int(*key)), Ok(expected.contains(key)));
            }
            keys.reverse();
            keys.extend_from_within(..keys.len() / 2);
            prop_assert_eq!(ints(&keys).digest(), set.digest());
        }

        /// Marks are of the keys that were met, wherever, and split the set in two.
        #[test]
        fn what_was_met_is_marked(
            keys in proptest::collection::vec(-30i64..30, 0..60),
            batches in proptest::collection::vec(proptest::collection::vec(-35i64..35, 0..40), 0..4),
        ) {
            let set = ints(&keys);
            let expected: BTreeSet<i64> = keys.iter().copied().collect();
            let mut marks = Marks::none_of(&set);
            for batch in &batches {
                let mut of_batch = Marks::none_of(&set);
                set.mark_ints(batch, &mut of_batch).unwrap();
                marks.join(&of_batch);
            }
            let met: Vec<i64> = expected.iter().copied().filter(|key| batches.concat().contains(key)).collect();
            let others: Vec<i64> = expected.iter().copied().filter(|key| !met.contains(key)).collect();
            prop_assert_eq!(marks.count(), met.len() as u64);
            prop_assert_eq!(set.only(&marks, true).digest(), ints(&met).digest());
            prop_assert_eq!(set.only(&marks, false).digest(), ints(&others).digest());
        }

        #[test]
        fn sets_of_texts_and_bytes(keys in proptest::collection::vec("[ab]{1,4}", 0..40), batch in proptest::collection::vec("[ab]{1,4}", 0..60)) {
            let expected: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
            let mask: RowMask = batch.iter().map(|key| expected.contains(key.as_str())).collect();
            let mut texts = PatientSetBuilder::new(KeyType::Text);
            keys.iter().for_each(|key| texts.push(PatientKey::Text(key)).unwrap());
            let texts = texts.finish();
            prop_assert_eq!(texts.mask_texts(batch.iter().map(String::as_str)).unwrap(), mask.clone());

            let padded = |key: &String| { let mut bytes = [0; 16]; bytes[..key.len()].copy_from_slice(key.as_bytes()); bytes };
            let mut bytes = PatientSetBuilder::new(KeyType::Bytes16);
            keys.iter().for_each(|key| bytes.push(PatientKey::Bytes16(&padded(key))).unwrap());
            let bytes = bytes.finish();
            let batch16: Vec<[u8; 16]> = batch.iter().map(padded).collect();
            prop_assert_eq!(bytes.mask_bytes16(batch16.iter()).unwrap(), mask);
            prop_assert_eq!((texts.count(), bytes.count()), (expected.len() as u64, expected.len() as u64));
            for key in &batch {
                prop_assert_eq!(texts.contains(PatientKey::Text(key)), Ok(expected.contains(key.as_str())));
                prop_assert_eq!(bytes.contains(PatientKey::Bytes16(&padded(key))), Ok(expected.contains(key.as_str())));
            }
        }
    }
}
