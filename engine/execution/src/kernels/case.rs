//! `Case`: the value beside the first condition that is true.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, BooleanBuilder, Int32Array, PrimitiveArray, StringArray};
use arrow::array::{BooleanArray, StringDictionaryBuilder};
use arrow::datatypes::Int32Type;
use datafusion::common::{Result, internal_err};
use peristyle_model::graph::Constant;
use peristyle_model::types::Physical;
use std::sync::Arc;

use crate::vector::{StrColumn, Truth, Vector, str_array};

/// Picks for each row one of `values`, the last of which is the default.
pub(crate) fn case(conditions: &[Truth], values: &[Vector], len: usize, physical: Physical) -> Result<Vector> {
    let choice = choose(conditions, len);
    if physical == Physical::Str && values.iter().all(Vector::is_constant) {
        return constant_strings(&choice, values);
    }
    let arrays: Vec<Vector> = values.iter().map(|value| value.to_array(len, physical)).collect();
    Ok(match physical {
        Physical::Bool => bools(&choice, &arrays)?,
        Physical::Int => {
            Vector::Int(natives(&choice, &arrays, |v| if let Vector::Int(a) = v { Some(a) } else { None })?)
        }
        Physical::Float => {
            Vector::Float(natives(&choice, &arrays, |v| if let Vector::Float(a) = v { Some(a) } else { None })?)
        }
        Physical::Date => {
            Vector::Date(natives(&choice, &arrays, |v| if let Vector::Date(a) = v { Some(a) } else { None })?)
        }
        Physical::Str => strings(&choice, &arrays)?,
    })
}

/// For each row which value is chosen.
pub(crate) fn choose(conditions: &[Truth], len: usize) -> Vec<u32> {
    let default = conditions.len() as u32;
    let mut choice = vec![default; len];
    for (place, condition) in conditions.iter().enumerate() {
        let mut settle = |row: usize| {
            if choice[row] == default {
                choice[row] = place as u32;
            }
        };
        match condition {
            Truth::Never => {}
            Truth::Always => (0..len).for_each(&mut settle),
            Truth::Rows(rows) => rows.set_indices().for_each(&mut settle),
        }
    }
    choice
}

fn natives<T: ArrowPrimitiveType>(
    choice: &[u32],
    arrays: &[Vector],
    typed: impl Fn(&Vector) -> Option<&PrimitiveArray<T>>,
) -> Result<PrimitiveArray<T>> {
    let Some(arrays) = arrays.iter().map(typed).collect::<Option<Vec<_>>>() else {
        return internal_err!("the values of a case differ in type");
    };
    let rows = choice.iter().enumerate();
    Ok(rows
        .map(|(row, place)| {
            let array = arrays[*place as usize];
            array.is_valid(row).then(|| array.value(row))
        })
        .collect())
}

fn bools(choice: &[u32], arrays: &[Vector]) -> Result<Vector> {
    let mut typed: Vec<&BooleanArray> = Vec::with_capacity(arrays.len());
    for array in arrays {
        let Vector::Bool(array) = array else {
            return internal_err!("the values of a case differ in type");
        };
        typed.push(array);
    }
    let mut builder = BooleanBuilder::with_capacity(choice.len());
    for (row, place) in choice.iter().enumerate() {
        let array = typed[*place as usize];
        builder.append_option(array.is_valid(row).then(|| array.value(row)));
    }
    Ok(Vector::Bool(builder.finish()))
}

/// The usual case of a mapping to categories: the choice is the key.
fn constant_strings(choice: &[u32], values: &[Vector]) -> Result<Vector> {
    let mut entries: Vec<&str> = Vec::with_capacity(values.len());
    let mut keys: Vec<Option<i32>> = Vec::with_capacity(values.len());
    for value in values {
        keys.push(match value {
            Vector::Constant(Constant::Str(text)) => {
                let known = entries.iter().position(|entry| *entry == &**text);
                let key = known.unwrap_or_else(|| {
                    entries.push(text);
                    entries.len() - 1
                });
                Some(key as i32)
            }
            _ => None,
        });
    }
    let keys: Int32Array = choice.iter().map(|place| keys[*place as usize]).collect();
    Ok(Vector::Str(str_array(keys, Arc::new(StringArray::from(entries)))))
}

fn strings(choice: &[u32], arrays: &[Vector]) -> Result<Vector> {
    let mut columns = Vec::with_capacity(arrays.len());
    for array in arrays {
        let Vector::Str(array) = array else {
            return internal_err!("the values of a case differ in type");
        };
        columns.push(StrColumn::new(array)?);
    }
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    for (row, place) in choice.iter().enumerate() {
        builder.append_option(columns[*place as usize].get(row));
    }
    let array: ArrayRef = Arc::new(builder.finish());
    Vector::from_arrow(&array)
}
