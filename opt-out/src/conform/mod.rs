//! From a file's own types to the enclave's, value by value checked. Total: a value, NULL, or a fault without it.

mod bytes;
mod moments;
mod raw;
mod strings;
mod text;
mod typed;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use peristyle_policy::patients::{KeyType, TextComparison};

use crate::connector::NullValue;
use crate::error::{Place, SourceError, ValueProblem};
use crate::patient_ids::PatientIds;
use crate::request::{Categories, ColumnRequest, ColumnType, RawConversion};
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

    /// The error for a fault in a column; `number` is that of the row at an index, where it may be told.
    pub(crate) fn told(
        self,
        table: &Arc<str>,
        place: &Place,
        column: &Arc<str>,
        number: impl FnOnce(usize) -> Option<u64>,
    ) -> SourceError {
        let (table, place) = (Arc::clone(table), place.clone());
        match self {
            Fault::UnexpectedArray => SourceError::ReaderStopped { table, place },
            Fault::Value { index, problem } => {
                SourceError::Value { table, place, column: Arc::clone(column), row: number(index), problem }
            }
        }
    }
}

/// Whether a file's column of that type can be read as the wanted type. The widths may differ, the kind may not.
pub(crate) fn accepts(wanted: &ColumnRequest, found: &DataType) -> bool {
    if found.is_null() || (wanted.raw.is_some() && raw::accepts(wanted.column_type, found)) {
        return true;
    }
    match wanted.column_type {
        ColumnType::Bool => matches!(found, DataType::Boolean),
        ColumnType::Int => found.is_integer(),
        ColumnType::Float => {
            found.is_floating() || matches!(found, DataType::Decimal128(..) | DataType::Decimal256(..))
        }
        ColumnType::Date => matches!(found, DataType::Date32 | DataType::Date64),
        ColumnType::Day | ColumnType::Moment => {
            matches!(found, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
        }
        ColumnType::Bytes16 => matches!(
            found,
            DataType::FixedSizeBinary(_) | DataType::Binary | DataType::LargeBinary | DataType::BinaryView
        ),
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

    /// Whether days come out of a column of days as they are, whatever they are.
    pub(crate) fn takes_dates_as_they_are(&self) -> bool {
        let converted = self.column.raw.as_ref().is_some_and(|raw| !raw.null_values.is_empty());
        matches!(self.column.column_type, ColumnType::Date | ColumnType::Day) && !converted
    }

    /// An array of the column's [Arrow type](ColumnType::arrow_type), as long as `rows`.
    pub(crate) fn conform(&mut self, found: &RawColumn, rows: usize) -> Result<ArrayRef, Fault> {
        if let RawColumn::Codes(codes) = found {
            let array = codes.to_array().ok_or(Fault::UnexpectedArray)?;
            return self.conform(&RawColumn::Typed(array), rows);
        }
        match self.column.raw.clone() {
            None => self.conform_as_is(found, rows, &[]),
            Some(RawConversion { null_values }) => {
                let found = raw::prepared(found, self.column.column_type, &null_values)?;
                let array = self.conform_as_is(&found, rows, &null_values)?;
                raw::without(array, &null_values)
            }
        }
    }

    fn conform_as_is(&mut self, raw: &RawColumn, rows: usize, null_values: &[NullValue]) -> Result<ArrayRef, Fault> {
        let column_type = self.column.column_type;
        let array = match raw {
            RawColumn::Codes(_) => return Err(Fault::UnexpectedArray),
            RawColumn::Missing => return Ok(new_null_array(&column_type.arrow_type(), rows)),
            RawColumn::Typed(array) if array.data_type().is_null() => {
                return Ok(new_null_array(&column_type.arrow_type(), rows));
            }
            RawColumn::Typed(array) => match column_type {
                ColumnType::Bool => typed::bools(array)?,
                ColumnType::Int => Arc::new(typed::ints(array)?),
                ColumnType::Float => typed::floats(array)?,
                ColumnType::Date => typed::dates(array)?,
                ColumnType::Day => moments::days(array)?,
                ColumnType::Moment => Arc::new(moments::moments(array)?),
                ColumnType::Bytes16 => Arc::new(bytes::typed(array)?),
                ColumnType::Str => return strings::conform(array, &self.column, null_values, &mut self.entries),
            },
            RawColumn::Text(cells) => match column_type {
                ColumnType::Bool => text::bools(cells)?,
                ColumnType::Int => Arc::new(text::ints(cells)?),
                ColumnType::Float => text::floats(cells)?,
                ColumnType::Date => text::dates(cells)?,
                ColumnType::Day => moments::days_of_text(cells)?,
                ColumnType::Moment => Arc::new(moments::moments_of_text(cells)?),
                ColumnType::Bytes16 => Arc::new(bytes::text(cells)?),
                ColumnType::Str => {
                    let array = text::strings(cells)?;
                    return strings::conform(&array, &self.column, null_values, &mut self.entries);
                }
            },
        };
        if let Some(Categories::Int(categories)) = &self.column.categories {
            typed::check_categories(&array, categories)?;
        }
        Ok(array)
    }
}

/// Whose rows they are: keys of the wanted type, none of them NULL; texts in the form in which they are compared.
pub(crate) fn patients(raw: &RawColumn, key_type: KeyType, comparison: &TextComparison) -> Result<PatientIds, Fault> {
    let missing = |index| Fault::value(index, ValueProblem::PatientMissing);
    let ids = match key_type {
        KeyType::Int => PatientIds::Int(match raw {
            RawColumn::Typed(array) => typed::ints(array)?,
            RawColumn::Text(cells) => text::ints(cells)?,
            RawColumn::Codes(_) | RawColumn::Missing => return Err(Fault::UnexpectedArray),
        }),
        KeyType::Bytes16 => PatientIds::Bytes16(match raw {
            RawColumn::Typed(array) => bytes::typed(array)?,
            RawColumn::Text(cells) => bytes::text(cells)?,
            RawColumn::Codes(_) | RawColumn::Missing => return Err(Fault::UnexpectedArray),
        }),
        KeyType::Text => {
            let texts = match raw {
                RawColumn::Typed(array) => cast(array, &DataType::Utf8).map_err(|_| Fault::UnexpectedArray)?,
                RawColumn::Text(cells) => text::strings(cells)?,
                RawColumn::Codes(_) | RawColumn::Missing => return Err(Fault::UnexpectedArray),
            };
            if let Some(index) = typed::first_null(&texts) {
                return Err(missing(index));
            }
            let texts = texts.as_string_opt::<i32>().ok_or(Fault::UnexpectedArray)?;
            return Ok(PatientIds::Text(strings::compared(texts, comparison)?));
        }
    };
    let nulls = match &ids {
        PatientIds::Int(keys) => typed::first_null(keys),
        PatientIds::Bytes16(keys) => typed::first_null(keys),
        PatientIds::Text(keys) => typed::first_null(keys),
    };
    match nulls {
        Some(index) => Err(missing(index)),
        None => Ok(ids),
    }
}

impl crate::request::TableRequest {
    /// Refuses a request that no file could answer.
    pub(crate) fn check(&self) -> Result<(), SourceError> {
        let refuse = |reason: String| Err(SourceError::Request { table: Arc::clone(&self.name), reason });
        let mut names: Vec<&str> = self.columns.iter().map(|column| column.name.as_ref()).collect();
        names.extend(self.patient_key.as_ref().map(|key| key.name.as_ref()));
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
