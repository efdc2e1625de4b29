//! One dictionary for all of a scan, where the predicate says which texts a wanted row may have.
//!
//! Each row group has a dictionary of its own. Whoever puts rows of several together, as a sort does for every batch,
//! would have to find out which of their entries are the same; and whoever looks entries up would do so for each.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int32Array, StringArray};
use arrow::datatypes::{DataType, Int32Type, Schema};

use crate::predicate::ScanPredicate;

/// By column, the texts that wanted rows may have, ascending.
#[derive(Debug, Default)]
pub(crate) struct WantedTexts(Vec<(Arc<str>, Arc<StringArray>)>);

impl WantedTexts {
    /// Of the columns of a scan that are dictionaries.
    pub(crate) fn of(predicate: Option<&ScanPredicate>, schema: &Schema) -> Self {
        let dictionaries = schema.fields().iter().filter(|field| matches!(field.data_type(), DataType::Dictionary(..)));
        let texts = dictionaries.filter_map(|field| {
            let texts = predicate?.texts(field.name())?;
            Some((field.name().as_str().into(), Arc::new(StringArray::from_iter_values(texts))))
        });
        Self(texts.collect())
    }

    /// Those of a column; None where it may have any.
    pub(super) fn of_column(&self, name: &str) -> Option<Rekeyed> {
        let (_, texts) = self.0.iter().find(|(column, _)| **column == *name)?;
        Some(Rekeyed { texts: Arc::clone(texts), last: None })
    }
}

/// Gives the wanted rows of a segment keys into the scan's dictionary.
#[derive(Debug)]
pub(super) struct Rekeyed {
    texts: Arc<StringArray>,
    /// The last dictionary that was met, and where its entries are among the texts, for those that a row has had
    last: Option<(ArrayRef, Vec<i32>)>,
}

impl Rekeyed {
    const UNKNOWN: i32 = -1;

    /// The same rows. None where one has another text.
    pub(super) fn rekeyed(&mut self, array: &ArrayRef) -> Option<ArrayRef> {
        let found = array.as_dictionary_opt::<Int32Type>()?;
        let entries = found.values().as_string_opt::<i32>()?;
        let places = match &mut self.last {
            Some((last, places)) if Arc::ptr_eq(last, found.values()) => places,
            last => &mut last.insert((Arc::clone(found.values()), vec![Self::UNKNOWN; entries.len()])).1,
        };
        let mut keys = Vec::with_capacity(found.len());
        for key in found.keys() {
            let Some(key) = key else {
                keys.push(0);
                continue;
            };
            let key = usize::try_from(key).ok()?;
            let place = places.get_mut(key)?;
            if *place == Self::UNKNOWN {
                *place = place_of(&self.texts, entries.value(key))?;
            }
            keys.push(*place);
        }
        let keys = Int32Array::try_new(keys.into(), found.keys().nulls().cloned()).ok()?;
        let texts: ArrayRef = Arc::<StringArray>::clone(&self.texts);
        Some(Arc::new(DictionaryArray::try_new(keys, texts).ok()?))
    }
}

/// Where a text is among ascending ones.
fn place_of(texts: &StringArray, text: &str) -> Option<i32> {
    let (mut from, mut to) = (0, texts.len());
    while from < to {
        let middle = from.midpoint(to);
        match texts.value(middle).cmp(text) {
            std::cmp::Ordering::Less => from = middle + 1,
            std::cmp::Ordering::Equal => return i32::try_from(middle).ok(),
            std::cmp::Ordering::Greater => to = middle,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn dictionary(rows: &[Option<&str>]) -> ArrayRef {
        Arc::new(rows.iter().copied().collect::<DictionaryArray<Int32Type>>())
    }

    #[test]
    fn rows_have_the_same_texts_by_the_keys_of_one_dictionary() {
        let texts = Arc::new(StringArray::from(vec!["a", "b", "d", "é"]));
        let mut rekeyed = Rekeyed { texts: Arc::clone(&texts), last: None };
        let cases: [&[Option<&str>]; 4] =
            [&[], &[Some("d"), None, Some("a"), Some("d")], &[Some("é"), Some("b")], &[None]];
        for rows in cases {
            let array = rekeyed.rekeyed(&dictionary(rows)).unwrap();
            let array = array.as_dictionary::<Int32Type>();
            let found: Vec<_> = array.downcast_dict::<StringArray>().unwrap().into_iter().collect();
            assert_eq!(found, rows);
            assert_eq!(array.values().as_string::<i32>(), &*texts);
        }
        assert!(rekeyed.rekeyed(&dictionary(&[Some("a"), Some("c")])).is_none(), "a row that cannot be wanted");
    }
}
