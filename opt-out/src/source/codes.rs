//! Values of a file as keys into its dictionary, before anything is made of them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, DictionaryArray, Int32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::take;
use arrow::datatypes::{DataType, Int32Type};

use crate::bits::{bits_of, narrowed};

/// Rows of a column: of strings, or of values of one width.
#[derive(Clone, Debug)]
pub(crate) struct CodedRows {
    rows: usize,
    /// Which rows have a value; all, where there is none
    valid: Option<BooleanBuffer>,
    /// The keys of the rows that have one, one after another
    keys: Vec<i32>,
    entries: ArrayRef,
}

impl CodedRows {
    /// None where there are not as many keys as rows with a value.
    pub(crate) fn new(rows: usize, valid: Option<BooleanBuffer>, keys: Vec<i32>, entries: ArrayRef) -> Option<Self> {
        let (valid_rows, values) = match &valid {
            Some(valid) => (valid.len(), valid.count_set_bits()),
            None => (rows, rows),
        };
        (valid_rows == rows && values == keys.len()).then_some(Self { rows, valid, keys, entries })
    }

    /// What rows refer to.
    pub(crate) fn entries(&self) -> &ArrayRef {
        &self.entries
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Which of `rows` rows from `start` on have a value; all, where there is none.
    pub(crate) fn valid(&self, start: usize, rows: usize) -> Option<BooleanBuffer> {
        self.valid.as_ref().map(|valid| valid.slice(start, rows))
    }

    /// The keys of those of `rows` rows from `start` on that have a value.
    pub(crate) fn keys(&self, start: usize, rows: usize) -> &[i32] {
        let valued = |start, rows| self.valid(start, rows).map_or(rows, |valid| valid.count_set_bits());
        let before = valued(0, start);
        self.keys.get(before..before + valued(start, rows)).unwrap_or_default()
    }

    /// The rows as an array: strings as a dictionary, other values as they are. None where a key is of no entry.
    pub(crate) fn to_array(&self) -> Option<ArrayRef> {
        self.kept(&BooleanBuffer::new_set(self.rows))
    }

    /// Those of the rows that are set.
    pub(crate) fn kept(&self, wanted: &BooleanBuffer) -> Option<ArrayRef> {
        let mut keys = Vec::with_capacity(wanted.count_set_bits());
        let nulls = match &self.valid {
            None => {
                keys.extend(wanted.set_indices().filter_map(|row| self.keys.get(row).copied()));
                None
            }
            Some(valid) => {
                let mut valued = Vec::with_capacity(keys.capacity());
                let mut before = 0;
                let words = valid.bit_chunks().iter_padded().zip(wanted.bit_chunks().iter_padded());
                for (valid, mut wanted) in words {
                    while wanted != 0 {
                        let bit = wanted & wanted.wrapping_neg();
                        let has_one = valid & bit != 0;
                        let place = before + (valid & (bit - 1)).count_ones() as usize;
                        keys.push(self.keys.get(place).copied().filter(|_| has_one).unwrap_or(0));
                        valued.push(has_one);
                        wanted ^= bit;
                    }
                    before += valid.count_ones() as usize;
                }
                Some(NullBuffer::from(valued)).filter(|nulls| nulls.null_count() > 0)
            }
        };
        let keys = Int32Array::try_new(keys.into(), nulls).ok()?;
        if *self.entries.data_type() != DataType::Utf8 {
            // What a NULL refers to is not looked at; any other key beyond the entries would panic.
            let greatest = keys.values().iter().fold(0, |greatest, key| greatest.max(key.cast_unsigned())) as usize;
            let known = greatest < self.entries.len() || self.keys.is_empty();
            return if known { take(&self.entries, &keys, None).ok() } else { None };
        }
        let array = DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(&self.entries)).ok()?;
        Some(Arc::new(array))
    }

    /// For which rows a test holds, given for each entry and for no value.
    pub(crate) fn holding(&self, of_entry: &[bool], of_none: bool) -> BooleanBuffer {
        let held = bits_of(&self.keys, |key| of_entry.get(key as usize).copied().unwrap_or(false));
        match &self.valid {
            None => held,
            Some(valid) if of_none => &narrowed(valid, &held) | &!valid,
            Some(valid) => narrowed(valid, &held),
        }
    }

    /// Whether a test holds for any of the rows.
    pub(crate) fn any_holds(&self, of_entry: &[bool], of_none: bool) -> bool {
        let holds = |key: &i32| of_entry.get(*key as usize).copied().unwrap_or(false);
        // Without a branch for each key, of which there are mostly none that hold.
        let some = self.keys.chunks(256).any(|keys| keys.iter().fold(false, |any, key| any | holds(key)));
        some || (of_none && self.keys.len() < self.rows)
    }

    /// Some of the rows.
    pub(crate) fn slice(&self, start: usize, rows: usize) -> Self {
        let (valid, keys) = (self.valid(start, rows), self.keys(start, rows).to_vec());
        Self { rows, valid, keys, entries: Arc::clone(&self.entries) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::{AsArray, Date32Array, StringArray};
    use arrow::datatypes::Date32Type;
    use proptest::prelude::*;

    use super::*;

    fn keys(array: &ArrayRef) -> Vec<Option<i32>> {
        array.as_dictionary::<Int32Type>().keys().iter().collect()
    }

    proptest! {
        #[test]
        fn coded_rows_are_the_rows(
            rows in prop::collection::vec((prop::option::of(0i32..4), any::<bool>()), 0..300),
            held in prop::array::uniform4(any::<bool>()),
            of_none in any::<bool>(),
            start in 0usize..300,
        ) {
            let entries: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
            let codes: Vec<Option<i32>> = rows.iter().map(|(code, _)| *code).collect();
            let wanted: BooleanBuffer = rows.iter().map(|(_, wanted)| *wanted).collect();
            let valid = codes.iter().any(Option::is_none).then(|| codes.iter().map(Option::is_some).collect());
            let dense: Vec<i32> = codes.iter().flatten().copied().collect();
            let coded = CodedRows::new(rows.len(), valid, dense, entries).unwrap();
            prop_assert_eq!(keys(&coded.to_array().unwrap()), codes.clone());
            let kept: Vec<_> = rows.iter().filter(|(_, wanted)| *wanted).map(|(code, _)| *code).collect();
            prop_assert_eq!(keys(&coded.kept(&wanted).unwrap()), kept);
            let holds: BooleanBuffer = codes.iter().map(|code| code.map_or(of_none, |code| held[code as usize])).collect();
            prop_assert_eq!(coded.any_holds(&held, of_none), holds.count_set_bits() > 0);
            prop_assert_eq!(coded.holding(&held, of_none), holds);
            let start = start.min(rows.len());
            let sliced = coded.slice(start, (rows.len() - start) / 2);
            let length = (rows.len() - start) / 2;
            prop_assert_eq!(keys(&sliced.to_array().unwrap()), codes[start..start + length].to_vec());
            let some: Vec<i32> = codes[start..start + length].iter().flatten().copied().collect();
            prop_assert_eq!(coded.keys(start, length), some);
            let valued: Vec<bool> = codes[start..start + length].iter().map(Option::is_some).collect();
            let valid = coded.valid(start, length).map(|valid| valid.iter().collect::<Vec<_>>());
            prop_assert_eq!(valid.unwrap_or_else(|| vec![true; length]), valued);
            // The same rows of days.
            let days: ArrayRef = Arc::new(Date32Array::from(vec![9, 8, 7, 6]));
            let coded = CodedRows { entries: days, ..coded };
            let day: Date32Array = codes.iter().map(|code| code.map(|code| 9 - code)).collect();
            let found = coded.to_array().unwrap();
            prop_assert_eq!(found.as_primitive::<Date32Type>(), &day);
        }
    }
}
