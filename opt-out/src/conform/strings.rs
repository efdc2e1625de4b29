//! Columns of strings: always dictionaries on the way out, whatever they were in the file.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    AnyDictionaryArray, Array, ArrayRef, AsArray, DictionaryArray, Int32Array, StringArray, StringBuilder,
    StringDictionaryBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use peristyle_policy::patients::TextComparison;

use super::Fault;
use crate::connector::NullValue;
use crate::error::ValueProblem;
use crate::request::{Categories, ColumnRequest};

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
    /// Why rows may not have the entry
    refused: Vec<Option<ValueProblem>>,
}

impl DictionaryEntries {
    fn new(found: &ArrayRef, column: &ColumnRequest, null_values: &[NullValue]) -> Result<Self, Fault> {
        let entries = cast(found, &DataType::Utf8).map_err(|_| Fault::UnexpectedArray)?;
        let strings = entries.as_string_opt::<i32>().ok_or(Fault::UnexpectedArray)?;
        let stands_for_null =
            |entry: &str| null_values.iter().any(|null| matches!(null, NullValue::Text(text) if text == entry));
        let is_null: Vec<bool> = strings.iter().map(|entry| entry.is_none_or(stands_for_null)).collect();
        let mut refused = match &column.categories {
            Some(Categories::Str(accepted)) => {
                let accepted: HashSet<&str> = accepted.iter().map(AsRef::as_ref).collect();
                let refused = |entry: &str| (!accepted.contains(entry)).then_some(ValueProblem::NotACategory);
                strings.iter().map(|entry| entry.and_then(refused)).collect()
            }
            _ => vec![None; strings.len()],
        };
        let entries = match &column.key_texts {
            Some(comparison) => as_keys(strings, comparison, &is_null, &mut refused),
            None => entries,
        };
        let any = is_null.contains(&true) || refused.iter().any(Option::is_some);
        Ok(Self { found: Arc::clone(found), exceptions: any.then_some(Exceptions { is_null, refused }), entries })
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
        let refused = |key: i32| self.refused.get(usize::try_from(key).ok()?).copied().flatten();
        let at_fault = keys.iter().enumerate().find_map(|(index, key)| Some((index, refused(key?)?)));
        if let Some((index, problem)) = at_fault {
            return Err(Fault::value(index, problem));
        }
        if self.is_null.contains(&true) {
            let is_null = |key: i32| usize::try_from(key).is_ok_and(|key| self.is_null.get(key) == Some(&true));
            return Ok(keys.iter().map(|key| key.filter(|key| !is_null(*key))).collect());
        }
        Ok(keys)
    }
}

/// Entries that are keys, in the form in which they are compared; what cannot be one is refused.
fn as_keys(
    entries: &StringArray,
    comparison: &TextComparison,
    is_null: &[bool],
    refused: &mut [Option<ValueProblem>],
) -> ArrayRef {
    let mut compared = |(at, entry): (usize, Option<&str>)| {
        let entry = entry.filter(|_| is_null.get(at) != Some(&true))?;
        match comparison.compared(entry) {
            Ok(compared) => Some(compared.into_owned()),
            Err(problem) => {
                refused.iter_mut().skip(at).take(1).for_each(|refused| *refused = Some(ValueProblem::TextKey(problem)));
                None
            }
        }
    };
    let keys: StringArray = entries.iter().enumerate().map(&mut compared).collect();
    Arc::new(keys)
}

/// Patients' keys in the form in which they are compared.
pub(super) fn compared(keys: &StringArray, comparison: &TextComparison) -> Result<StringArray, Fault> {
    let (first, last) = (keys.value_offsets().first(), keys.value_offsets().last());
    let range = first.zip(last).map_or(0..0, |(first, last)| *first as usize..*last as usize);
    let text = keys.value_data().get(range).unwrap_or_default();
    // Nothing can be wrong with most keys, and nothing is to be done to them.
    if comparison.is_exact() && text.iter().fold(true, |plain, byte| plain & byte.is_ascii_graphic()) {
        return match (0..keys.len()).find(|&row| keys.value_length(row) == 0) {
            Some(row) => Err(Fault::value(row, ValueProblem::PatientMissing)),
            None => Ok(keys.clone()),
        };
    }
    let mut compared = StringBuilder::with_capacity(keys.len(), text.len());
    for (row, key) in keys.iter().enumerate() {
        let key = comparison.compared(key.unwrap_or_default());
        let key = key.map_err(|problem| Fault::value(row, ValueProblem::TextKey(problem)))?;
        if key.is_empty() {
            return Err(Fault::value(row, ValueProblem::PatientMissing));
        }
        compared.append_value(key);
    }
    Ok(compared.finish())
}

/// Whether two arrays are the same buffers: the Parquet reader makes a new array of a row group's dictionary for every
/// batch, and all of them share its buffers.
fn share_buffers(one: &ArrayRef, other: &ArrayRef) -> bool {
    Arc::ptr_eq(one, other) || one.to_data().ptr_eq(&other.to_data())
}

/// Strings, plain or dictionary-encoded, as a dictionary whose entries are checked against the categories.
pub(super) fn conform(
    array: &ArrayRef,
    column: &ColumnRequest,
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
        _ => DictionaryEntries::new(found, column, null_values)?,
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
