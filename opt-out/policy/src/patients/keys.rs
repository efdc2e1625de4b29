//! What patients are known by in an extract, and keys kept in order.

use serde::{Deserialize, Serialize};

/// The most keys of one set, twice the population of the United Kingdom and more.
pub const PATIENTS_MAX: usize = 200_000_000;
/// The longest text key, in bytes.
pub const TEXT_KEY_BYTES_MAX: usize = 256;

/// What patients are known by in an extract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// A 64-bit integer
    Int,
    /// 16 bytes
    Bytes16,
    /// A text of 1 to 256 bytes
    Text,
}

impl KeyType {
    /// As policies write it.
    pub fn key(self) -> &'static str {
        match self {
            KeyType::Int => "int",
            KeyType::Bytes16 => "bytes16",
            KeyType::Text => "text",
        }
    }
}

/// A patient's key. It has no `Debug` or `Display`: keys go nowhere but into sets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_debug_implementations, reason = "a patient's key must not be printed")]
pub enum PatientKey<'a> {
    /// Of [`KeyType::Int`]
    Int(i64),
    /// Of [`KeyType::Bytes16`]
    Bytes16(&'a [u8; 16]),
    /// Of [`KeyType::Text`]
    Text(&'a str),
}

impl PatientKey<'_> {
    /// Of which type the key is.
    pub fn key_type(&self) -> KeyType {
        match self {
            PatientKey::Int(_) => KeyType::Int,
            PatientKey::Bytes16(_) => KeyType::Bytes16,
            PatientKey::Text(_) => KeyType::Text,
        }
    }
}

/// A key that cannot go into a set, or be looked for in it. No variant holds the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatientKeyError {
    /// A key of another type than the set's
    #[error("patients are known by {} here, not by {}: the policy's `patient_key` and the register must agree", expected.key(), found.key())]
    WrongType {
        /// The set's
        expected: KeyType,
        /// The key's
        found: KeyType,
    },
    /// A text that is empty or too long
    #[error("a patient's key is a text of {bytes} bytes; 1 to {TEXT_KEY_BYTES_MAX} are allowed")]
    TextLength {
        /// Its length
        bytes: usize,
    },
    /// More than [`PATIENTS_MAX`]
    #[error("there are more than {PATIENTS_MAX} patients: this cannot be a register of patients")]
    TooMany,
    /// Rows that are promised in order of patient are not
    #[error("rows that have to be in order of patient are not")]
    OutOfOrder,
}

/// Keys in ascending order, each once.
pub(super) trait SortedKeys {
    type Key: Ord + ?Sized;
    fn len(&self) -> usize;
    /// The key at a position below `len`.
    fn at(&self, position: usize) -> &Self::Key;
}

impl<K: Ord> SortedKeys for Vec<K> {
    type Key = K;
    fn len(&self) -> usize {
        Vec::len(self)
    }
    fn at(&self, position: usize) -> &K {
        &self[position]
    }
}

/// Text keys end to end, with where each ends: 8 bytes a key beside its text.
#[derive(Default)]
pub(super) struct TextKeys {
    text: String,
    ends: Vec<u64>,
}

impl TextKeys {
    pub(super) fn push(&mut self, key: &str) {
        self.text.push_str(key);
        self.ends.push(self.text.len() as u64);
    }

    fn end(&self, position: usize) -> usize {
        // Ends are lengths of a `String`, so they fit.
        self.ends[position] as usize
    }

    /// The same keys in order, each once.
    pub(super) fn sorted(&self) -> TextKeys {
        // By their first bytes, which lie side by side, and by the texts, which do not, only where those are the same:
        // most comparisons stay in the cache.
        let keyed = |position: u32| (first_bytes(self.at(position as usize)), position);
        let mut order: Vec<(u64, u32)> = (0..self.ends.len() as u32).map(keyed).collect();
        let text = |position: u32| self.at(position as usize);
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| text(a.1).cmp(text(b.1))));
        let mut sorted =
            TextKeys { text: String::with_capacity(self.text.len()), ends: Vec::with_capacity(order.len()) };
        for (_, position) in order {
            let key = text(position);
            if sorted.ends.is_empty() || sorted.at(sorted.ends.len() - 1) != key {
                sorted.push(key);
            }
        }
        sorted.text.shrink_to_fit();
        sorted.ends.shrink_to_fit();
        sorted
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u64>()
    }
}

/// The first eight bytes as a number that is in the order of the texts; shorter texts are filled up with zeros.
fn first_bytes(text: &str) -> u64 {
    let mut bytes = [0; 8];
    let length = text.len().min(8);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    u64::from_be_bytes(bytes)
}

impl SortedKeys for TextKeys {
    type Key = str;
    fn len(&self) -> usize {
        self.ends.len()
    }
    fn at(&self, position: usize) -> &str {
        let start = if position == 0 { 0 } else { self.end(position - 1) };
        &self.text[start..self.end(position)]
    }
}

/// Where `key` is, at `start` or after it; `Err` with the position of the first greater key where it is not.
///
/// Steps of doubling length, then halving: of the order of log(distance), which is next to nothing for the next patient
/// of an ordered batch.
pub(super) fn gallop<S: SortedKeys + ?Sized>(keys: &S, start: usize, key: &S::Key) -> Result<usize, usize> {
    let (mut low, mut step) = (start, 1);
    // All before `low` are less than `key`; `high` is the end, or not less than `key`.
    let mut high = loop {
        let probe = low.saturating_add(step - 1);
        if probe >= keys.len() {
            break keys.len();
        }
        if keys.at(probe) >= key {
            break probe + 1;
        }
        low = probe + 1;
        step *= 2;
    };
    while low < high {
        let middle = low + (high - low) / 2;
        match keys.at(middle).cmp(key) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Equal => return Ok(middle),
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Err(low)
}

/// Looks up every key of `batch` and tells `found` of each where it is. In order of key it is one pass over both; out
/// of order it is slower and just as right.
pub(super) fn locate<'b, S>(keys: &S, batch: impl Iterator<Item = &'b S::Key>, mut found: impl FnMut(Option<usize>))
where
    S: SortedKeys + ?Sized,
    S::Key: 'b,
{
    let mut position = 0;
    let mut previous: Option<(&S::Key, Option<usize>)> = None;
    for key in batch {
        let answer = match previous {
            Some((same, answer)) if same == key => answer,
            _ => {
                if previous.is_some_and(|(before, _)| key < before) {
                    position = 0;
                }
                let place = gallop(keys, position, key);
                position = place.unwrap_or_else(|next| next);
                place.ok()
            }
        };
        previous = Some((key, answer));
        found(answer);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn galloping_finds_what_a_binary_search_finds(mut keys in proptest::collection::vec(-50i64..50, 0..80), key in -60i64..60, start in 0usize..80) {
            keys.sort_unstable();
            keys.dedup();
            let start = start.min(keys.partition_point(|&before| before < key));
            prop_assert_eq!(gallop(&keys, start, &key), keys.binary_search(&key));
        }

        #[test]
        fn any_batch_is_located(keys in proptest::collection::btree_set(-20i64..20, 0..30), batch in proptest::collection::vec(-25i64..25, 0..60)) {
            let sorted: Vec<i64> = keys.iter().copied().collect();
            let mut located = Vec::new();
            locate(&sorted, batch.iter(), |place| located.push(place));
            prop_assert_eq!(located, batch.iter().map(|key| sorted.binary_search(key).ok()).collect::<Vec<_>>());
        }

        #[test]
        fn texts_are_sorted_each_once(keys in proptest::collection::vec("[a\0é]{1,3}|aaaaaa[a-c\0é]{1,5}", 0..60)) {
            let mut texts = TextKeys::default();
            keys.iter().for_each(|key| texts.push(key));
            let sorted = texts.sorted();
            let found: Vec<&str> = (0..sorted.len()).map(|at| sorted.at(at)).collect();
            let expected: std::collections::BTreeSet<&str> = keys.iter().map(String::as_str).collect();
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
