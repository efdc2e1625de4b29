//! Arrays one after another.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int32Array, NullBufferBuilder};
use arrow::compute::concat;
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;

/// One array of several of one type. Dictionaries that share their entries go on sharing them, so that whoever looked
/// them up once need not do so again; of others the entries are put one after another, and so may occur twice.
///
/// # Errors
/// The arrays are none, or of different types, or too long together.
pub fn joined(arrays: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
    if let [only] = arrays {
        return Ok(Arc::clone(only));
    }
    let dictionaries: Option<Vec<_>> = arrays.iter().map(|array| array.as_dictionary_opt::<Int32Type>()).collect();
    match dictionaries {
        Some(dictionaries) if !dictionaries.is_empty() => joined_dictionaries(&dictionaries),
        _ => concat(&arrays.iter().map(AsRef::as_ref).collect::<Vec<_>>()),
    }
}

fn joined_dictionaries(dictionaries: &[&DictionaryArray<Int32Type>]) -> Result<ArrayRef, ArrowError> {
    // Each array of entries once, and the place of its first entry among all.
    let mut entries: Vec<(&ArrayRef, i32)> = Vec::new();
    let mut end = 0_i32;
    let rows = dictionaries.iter().map(|dictionary| dictionary.len()).sum();
    let mut keys: Vec<i32> = Vec::with_capacity(rows);
    let mut nulls = NullBufferBuilder::new(rows);
    for dictionary in dictionaries {
        let values = dictionary.values();
        let known = entries.iter().find(|(known, _)| Arc::ptr_eq(known, values));
        let first = match known {
            Some((_, first)) => *first,
            None => {
                let first = end;
                entries.push((values, first));
                let len = i32::try_from(values.len()).ok();
                end = len.and_then(|len| end.checked_add(len)).ok_or(ArrowError::DictionaryKeyOverflowError)?;
                first
            }
        };
        // What lies under a NULL may be anything.
        keys.extend(dictionary.keys().values().iter().map(|key| key.wrapping_add(first)));
        match dictionary.keys().nulls() {
            Some(some) => nulls.append_buffer(some),
            None => nulls.append_n_non_nulls(dictionary.len()),
        }
    }
    let values = match entries.as_slice() {
        [(only, _)] => Arc::clone(only),
        several => concat(&several.iter().map(|(values, _)| values.as_ref()).collect::<Vec<_>>())?,
    };
    Ok(Arc::new(DictionaryArray::try_new(Int32Array::new(keys.into(), nulls.finish()), values)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::StringArray;
    use proptest::prelude::*;

    use super::*;

    fn texts(array: &ArrayRef) -> Vec<Option<String>> {
        let array = array.as_dictionary::<Int32Type>().downcast_dict::<StringArray>().unwrap();
        array.into_iter().map(|text| text.map(str::to_owned)).collect()
    }

    proptest! {
        #[test]
        fn dictionaries_are_joined_row_by_row(
            parts in prop::collection::vec(prop::collection::vec(prop::option::of("[a-c]"), 0..9), 1..5),
            shared in any::<bool>(),
        ) {
            let entries: ArrayRef = Arc::new(StringArray::from(vec!["c", "b", "a"]));
            let part = |rows: &Vec<Option<String>>| -> ArrayRef {
                if !shared {
                    return Arc::new(rows.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>());
                }
                let key = |text: &String| match text.as_str() { "c" => 0, "b" => 1, _ => 2 };
                let keys: Int32Array = rows.iter().map(|text| text.as_ref().map(key)).collect();
                Arc::new(DictionaryArray::new(keys, Arc::clone(&entries)))
            };
            let arrays: Vec<ArrayRef> = parts.iter().map(part).collect();
            let joined = joined(&arrays).unwrap();
            prop_assert_eq!(texts(&joined), parts.concat());
            let values = joined.as_dictionary::<Int32Type>().values();
            prop_assert!(!shared || Arc::ptr_eq(values, &entries));
        }
    }
}
