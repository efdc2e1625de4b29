//! From a file's own types to the enclave's, value by value checked. Total: a value, NULL, or a fault without it.

mod strings;
mod text;
mod typed;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, new_null_array};
use arrow::datatypes::DataType;

use crate::error::{SourceError, ValueProblem};
use crate::request::{Categories, ColumnRequest, ColumnType};
use crate::source::RawColumn;
use strings::DictionaryEntries;

/// A cell that cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// At this index of the array
    Value { index: usize, problem: ValueProblem },
    /// The array is not of a type that was accepted when its file was opened
    UnexpectedArray,
}

impl Fault {
    fn value(index: usize, problem: ValueProblem) -> Self {
        Fault::Value { index, problem }
    }
}

/// Whether a file's column of that type can be read as the wanted type. The widths may differ, the kind may not.
pub(crate) fn accepts(wanted: ColumnType, found: &DataType) -> bool {
    if found.is_null() {
        return true;
    }
    match wanted {
        ColumnType::Bool => matches!(found, DataType::Boolean),
        ColumnType::Int => found.is_integer(),
        ColumnType::Float => found.is_floating(),
        ColumnType::Date => matches!(found, DataType::Date32 | DataType::Date64),
        ColumnType::Str => match found {
            DataType::Dictionary(_, entries) => is_string(entries),
            other => is_string(other),
        },
    }
}

fn is_string(found: &DataType) -> bool {
    matches!(found, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// A type's name for a message; nested ones are cut short.
pub(crate) fn type_name(found: &DataType) -> String {
    match found {
        nested if nested.is_nested() => "a nested type".to_owned(),
        other => other.to_string(),
    }
}

/// Conforms the batches of one column, one after another.
#[derive(Debug)]
pub(crate) struct Conformer {
    column: ColumnRequest,
    /// The entries of the last dictionary: most batches of a file share one
    entries: Option<DictionaryEntries>,
}

impl Conformer {
    pub(crate) fn new(column: &ColumnRequest) -> Self {
        Self { column: column.clone(), entries: None }
    }

    /// The column's name, for errors.
    pub(crate) fn column(&self) -> &Arc<str> {
        &self.column.name
    }

    /// An array of the column's [Arrow type](ColumnType::arrow_type), as long as `rows`.
    pub(crate) fn conform(&mut self, raw: &RawColumn, rows: usize) -> Result<ArrayRef, Fault> {
        let column_type = self.column.column_type;
        let array = match raw {
            RawColumn::Missing => return Ok(new_null_array(&column_type.arrow_type(), rows)),
            RawColumn::Typed(array) if array.data_type().is_null() => {
                return Ok(new_null_array(&column_type.arrow_type(), rows));
            }
            RawColumn::Typed(array) => match column_type {
                ColumnType::Bool => typed::bools(array)?,
                ColumnType::Int => Arc::new(typed::ints(array)?),
                ColumnType::Float => typed::floats(array)?,
                ColumnType::Date => typed::dates(array)?,
                ColumnType::Str => {
                    return strings::conform(array, self.column.categories.as_ref(), &mut self.entries);
                }
            },
            RawColumn::Text(cells) => match column_type {
                ColumnType::Bool => text::bools(cells)?,
                ColumnType::Int => Arc::new(text::ints(cells)?),
                ColumnType::Float => text::floats(cells)?,
                ColumnType::Date => text::dates(cells)?,
                ColumnType::Str => {
                    let array = text::strings(cells)?;
                    return strings::conform(&array, self.column.categories.as_ref(), &mut self.entries);
                }
            },
        };
        if let Some(Categories::Int(categories)) = &self.column.categories {
            typed::check_categories(&array, categories)?;
        }
        Ok(array)
    }
}

/// Whose rows they are: whole numbers, none of them NULL.
pub(crate) fn patients(raw: &RawColumn) -> Result<Int64Array, Fault> {
    let patients = match raw {
        RawColumn::Typed(array) => typed::ints(array)?,
        RawColumn::Text(cells) => text::ints(cells)?,
        RawColumn::Missing => return Err(Fault::UnexpectedArray),
    };
    match typed::first_null(&patients) {
        Some(index) => Err(Fault::value(index, ValueProblem::PatientMissing)),
        None => Ok(patients),
    }
}

impl crate::request::TableRequest {
    /// Refuses a request that no file could answer.
    pub(crate) fn check(&self) -> Result<(), SourceError> {
        let refuse = |reason: String| Err(SourceError::Request { table: Arc::clone(&self.name), reason });
        let mut names: Vec<&str> = self.columns.iter().map(|column| column.name.as_ref()).collect();
        names.push(crate::request::PATIENT_ID);
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find_map(|pair| (pair.first() == pair.last()).then(|| pair.first())) {
            return refuse(format!("column `{}` is asked for twice", twice.copied().unwrap_or_default()));
        }
        for column in &self.columns {
            let fits = match &column.categories {
                None => true,
                Some(Categories::Str(_)) => column.column_type == ColumnType::Str,
                Some(Categories::Int(_)) => column.column_type == ColumnType::Int,
            };
            if !fits {
                let name = &column.name;
                return refuse(format!("the values that column `{name}` may have are not of its type"));
            }
        }
        Ok(())
    }
}
