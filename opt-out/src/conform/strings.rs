//! Columns of strings: always dictionaries on the way out, whatever they were in the file.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    AnyDictionaryArray, Array, ArrayRef, AsArray, DictionaryArray, Int32Array, StringDictionaryBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};

use super::Fault;
use crate::connector::NullValue;
use crate::error::ValueProblem;
use crate::request::Categories;

/// A dictionary's entries, conformed once for all the batches that share them.
#[derive(Debug)]
pub(super) struct DictionaryEntries {
    /// As the file has them: what tells whether the next batch shares them
    found: ArrayRef,
    /// As strings of our type
    entries: ArrayRef,
    /// Entries that are NULL or no category, if there are any
    exceptions: Option<Exceptions>,
}

#[derive(Debug)]
struct Exceptions {
    is_null: Vec<bool>,
    is_refused: Vec<bool>,
}

impl DictionaryEntries {
    fn new(found: &ArrayRef, categories: Option<&Categories>, null_values: &[NullValue]) -> Result<Self, Fault> {
        let entries = cast(found, &DataType::Utf8).map_err(|_| Fault::UnexpectedArray)?;
        let strings = entries.as_string_opt::<i32>().ok_or(Fault::UnexpectedArray)?;
        let stands_for_null =
            |entry: &str| null_values.iter().any(|null| matches!(null, NullValue::Text(text) if text == entry));
        let is_null: Vec<bool> = strings.iter().map(|entry| entry.is_none_or(stands_for_null)).collect();
        let is_refused = match categories {
            Some(Categories::Str(accepted)) => {
                let accepted: HashSet<&str> = accepted.iter().map(AsRef::as_ref).collect();
                strings.iter().map(|entry| entry.is_some_and(|entry| !accepted.contains(entry))).collect()
            }
            _ => vec![false; strings.len()],
        };
        let any = is_null.iter().chain(&is_refused).any(|&is| is);
        Ok(Self { found: Arc::clone(found), exceptions: any.then_some(Exceptions { is_null, is_refused }), entries })
    }

    fn array(&self, dictionary: &dyn AnyDictionaryArray) -> Result<ArrayRef, Fault> {
        // The common case: keys that are in range already need not be looked at once more.
        if let Some(dictionary) = dictionary.as_any().downcast_ref::<DictionaryArray<Int32Type>>()
            && self.exceptions.is_none()
            && self.entries.len() == dictionary.values().len()
        {
            return Ok(Arc::new(dictionary.with_values(Arc::clone(&self.entries))));
        }
        let keys = cast(dictionary.keys(), &DataType::Int32).map_err(|_| Fault::UnexpectedArray)?;
        // A key that does not fit would be cast to NULL.
        if keys.null_count() != dictionary.keys().null_count() {
            return Err(Fault::UnexpectedArray);
        }
        let keys = keys.as_primitive_opt::<Int32Type>().ok_or(Fault::UnexpectedArray)?.clone();
        let keys = match &self.exceptions {
            None => keys,
            Some(exceptions) => exceptions.check(keys)?,
        };
        let array = DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(&self.entries));
        Ok(Arc::new(array.map_err(|_| Fault::UnexpectedArray)?))
    }
}

impl Exceptions {
    /// Keys with NULL in place of those whose entry is NULL; entries that no row uses may be anything.
    fn check(&self, keys: Int32Array) -> Result<Int32Array, Fault> {
        let is = |flags: &[bool], key: i32| usize::try_from(key).is_ok_and(|k| flags.get(k).copied().unwrap_or(false));
        if let Some(index) = keys.iter().position(|key| key.is_some_and(|key| is(&self.is_refused, key))) {
            return Err(Fault::value(index, ValueProblem::NotACategory));
        }
        if self.is_null.contains(&true) {
            return Ok(keys.iter().map(|key| key.filter(|&key| !is(&self.is_null, key))).collect());
        }
        Ok(keys)
    }
}

/// Whether two arrays are the same buffers: the Parquet reader makes a new array of a row group's dictionary for every
/// batch, and all of them share its buffers.
fn share_buffers(one: &ArrayRef, other: &ArrayRef) -> bool {
    Arc::ptr_eq(one, other) || one.to_data().ptr_eq(&other.to_data())
}

/// Strings, plain or dictionary-encoded, as a dictionary whose entries are checked against the categories.
pub(super) fn conform(
    array: &ArrayRef,
    categories: Option<&Categories>,
    null_values: &[NullValue],
    last: &mut Option<DictionaryEntries>,
) -> Result<ArrayRef, Fault> {
    let dictionary: ArrayRef = match array.data_type() {
        DataType::Dictionary(_, _) => Arc::clone(array),
        _ => Arc::new(encode(array)?),
    };
    let dictionary = dictionary.as_any_dictionary_opt().ok_or(Fault::UnexpectedArray)?;
    let found = dictionary.values();
    let entries = match last.take() {
        Some(entries) if share_buffers(&entries.found, found) => entries,
        _ => DictionaryEntries::new(found, categories, null_values)?,
    };
    let array = entries.array(dictionary)?;
    *last = Some(entries);
    Ok(array)
}

fn encode(array: &ArrayRef) -> Result<DictionaryArray<Int32Type>, Fault> {
    fn encoded<'a>(
        strings: impl ExactSizeIterator<Item = Option<&'a str>>,
    ) -> Result<DictionaryArray<Int32Type>, Fault> {
        let mut builder = StringDictionaryBuilder::<Int32Type>::with_capacity(strings.len(), 64, 1024);
        for string in strings {
            match string {
                Some(string) => builder.append(string).map(|_| ()).map_err(|_| Fault::UnexpectedArray)?,
                None => builder.append_null(),
            }
        }
        Ok(builder.finish())
    }
    let dictionary = if let Some(strings) = array.as_string_opt::<i32>() {
        encoded(strings.iter())?
    } else if let Some(strings) = array.as_string_opt::<i64>() {
        encoded(strings.iter())?
    } else if let Some(strings) = array.as_string_view_opt() {
        encoded(strings.iter())?
    } else {
        return Err(Fault::UnexpectedArray);
    };
    Ok(dictionary)
}
