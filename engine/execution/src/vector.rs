//! What a step yields: a value for every row of its domain.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int32Array,
    Int64Array, PrimitiveArray, StringArray, UInt32Array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{TakeOptions, take};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int32Type, Int64Type};
use datafusion::common::{Result, internal_err};
use peristyle_model::graph::Constant;
use peristyle_model::types::Physical;

/// Strings and codes: keys into the block's dictionary. Entries are never NULL, but may occur twice.
pub(crate) type StrArray = DictionaryArray<Int32Type>;

/// A value a row. Constants stay constants until someone needs an array.
#[derive(Clone, Debug)]
pub(crate) enum Vector {
    /// NULL in every row
    Null,
    /// The same in every row
    Constant(Constant),
    Bool(BooleanArray),
    Int(Int64Array),
    Float(Float64Array),
    /// Days since 1970-01-01
    Date(Date32Array),
    Str(StrArray),
}

/// A side of a function of two series.
pub(crate) enum Operand<'a, T: ArrowPrimitiveType> {
    Constant(T::Native),
    Array(&'a PrimitiveArray<T>),
}

impl<T: ArrowPrimitiveType> Operand<'_, T> {
    pub(crate) fn nulls(&self) -> Option<&NullBuffer> {
        match self {
            Operand::Constant(_) => None,
            Operand::Array(array) => array.nulls(),
        }
    }
}

impl Vector {
    /// Whether it is the same in every row.
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self, Vector::Null | Vector::Constant(_))
    }

    pub(crate) fn ints(&self) -> Result<Operand<'_, Int64Type>> {
        match self {
            Vector::Int(array) => Ok(Operand::Array(array)),
            Vector::Constant(Constant::Int(value)) => Ok(Operand::Constant(*value)),
            _ => internal_err!("a step expected whole numbers"),
        }
    }

    pub(crate) fn floats(&self) -> Result<Operand<'_, Float64Type>> {
        match self {
            Vector::Float(array) => Ok(Operand::Array(array)),
            Vector::Constant(Constant::Float(value)) => Ok(Operand::Constant(*value)),
            _ => internal_err!("a step expected floats"),
        }
    }

    pub(crate) fn dates(&self) -> Result<Operand<'_, Date32Type>> {
        match self {
            Vector::Date(array) => Ok(Operand::Array(array)),
            Vector::Constant(Constant::Date(value)) => Ok(Operand::Constant(*value)),
            _ => internal_err!("a step expected dates"),
        }
    }

    /// As an array of `len` rows. `physical` says which kind of NULLs an untyped NULL becomes.
    pub(crate) fn to_array(&self, len: usize, physical: Physical) -> Vector {
        match self {
            Vector::Null => match physical {
                Physical::Bool => Vector::Bool(BooleanArray::new_null(len)),
                Physical::Int => Vector::Int(Int64Array::new_null(len)),
                Physical::Float => Vector::Float(Float64Array::new_null(len)),
                Physical::Date => Vector::Date(Date32Array::new_null(len)),
                Physical::Str => {
                    Vector::Str(str_array(Int32Array::new_null(len), Arc::new(StringArray::from(Vec::<&str>::new()))))
                }
            },
            Vector::Constant(constant) => match constant {
                Constant::Bool(value) => {
                    let bits = if *value { BooleanBuffer::new_set(len) } else { BooleanBuffer::new_unset(len) };
                    Vector::Bool(BooleanArray::new(bits, None))
                }
                Constant::Int(value) => Vector::Int(Int64Array::from_value(*value, len)),
                Constant::Float(value) => Vector::Float(Float64Array::from_value(*value, len)),
                Constant::Date(value) => Vector::Date(Date32Array::from_value(*value, len)),
                Constant::Str(value) => Vector::Str(str_array(
                    Int32Array::from_value(0, len),
                    Arc::new(StringArray::from(vec![value.as_ref()])),
                )),
            },
            array => array.clone(),
        }
    }

    /// As an Arrow array of `len` rows; strings as a dictionary.
    pub(crate) fn to_arrow(&self, len: usize, physical: Physical) -> Result<ArrayRef> {
        Ok(match self.to_array(len, physical) {
            Vector::Bool(array) => Arc::new(array),
            Vector::Int(array) => Arc::new(array),
            Vector::Float(array) => Arc::new(array),
            Vector::Date(array) => Arc::new(array),
            Vector::Str(array) => Arc::new(array),
            Vector::Null | Vector::Constant(_) => return internal_err!("a constant was not made an array"),
        })
    }

    /// From a scanned column.
    pub(crate) fn from_arrow(array: &ArrayRef) -> Result<Vector> {
        Ok(match array.data_type() {
            DataType::Boolean => Vector::Bool(array.as_boolean().clone()),
            DataType::Int64 => Vector::Int(array.as_primitive::<Int64Type>().clone()),
            DataType::Float64 => Vector::Float(array.as_primitive::<Float64Type>().clone()),
            DataType::Date32 => Vector::Date(array.as_primitive::<Date32Type>().clone()),
            DataType::Dictionary(key, _) if **key == DataType::Int32 => {
                Vector::Str(array.as_dictionary::<Int32Type>().clone())
            }
            other => return internal_err!("a scan yielded a column of type {other}"),
        })
    }

    /// The rows at these places; a NULL place gives NULL. Constants need the places only where some are NULL.
    pub(crate) fn gather(&self, places: &UInt32Array, physical: Physical) -> Result<Vector> {
        if self.is_constant() {
            if places.null_count() == 0 || matches!(self, Vector::Null) {
                return Ok(self.clone());
            }
            let filled = UInt32Array::new(vec![0; places.len()].into(), places.nulls().cloned());
            return self.to_array(1, physical).gather(&filled, physical);
        }
        let unchecked = Some(TakeOptions { check_bounds: false });
        Vector::from_arrow(&match self {
            Vector::Bool(array) => take(array, places, unchecked)?,
            Vector::Int(array) => take(array, places, unchecked)?,
            Vector::Float(array) => take(array, places, unchecked)?,
            Vector::Date(array) => take(array, places, unchecked)?,
            Vector::Str(array) => take(array, places, unchecked)?,
            Vector::Null | Vector::Constant(_) => return internal_err!("a constant was gathered"),
        })
    }

    /// The single row of a vector of one row, as a constant.
    pub(crate) fn into_constant(self) -> Result<Vector> {
        let null = match &self {
            Vector::Null | Vector::Constant(_) => return Ok(self),
            Vector::Bool(array) => array.is_null(0),
            Vector::Int(array) => array.is_null(0),
            Vector::Float(array) => array.is_null(0),
            Vector::Date(array) => array.is_null(0),
            Vector::Str(array) => array.is_null(0),
        };
        if null {
            return Ok(Vector::Null);
        }
        Ok(Vector::Constant(match self {
            Vector::Bool(array) => Constant::Bool(array.value(0)),
            Vector::Int(array) => Constant::Int(array.value(0)),
            Vector::Float(array) => Constant::Float(array.value(0)),
            Vector::Date(array) => Constant::Date(array.value(0)),
            Vector::Str(array) => {
                let strings = StrColumn::new(&array)?;
                Constant::Str(strings.get(0).unwrap_or_default().into())
            }
            Vector::Null | Vector::Constant(_) => return internal_err!("a constant was met twice"),
        }))
    }

    /// Rows for which a condition is true: not false, not NULL. `None` if it is the same for all.
    pub(crate) fn truth(&self) -> Result<Truth> {
        Ok(match self {
            Vector::Null | Vector::Constant(Constant::Bool(false)) => Truth::Never,
            Vector::Constant(Constant::Bool(true)) => Truth::Always,
            Vector::Bool(array) => Truth::Rows(match array.nulls() {
                Some(nulls) if nulls.null_count() > 0 => array.values() & nulls.inner(),
                _ => array.values().clone(),
            }),
            _ => return internal_err!("a condition is not boolean"),
        })
    }
}

/// Where a condition holds.
pub(crate) enum Truth {
    Never,
    Always,
    Rows(BooleanBuffer),
}

/// A string array from keys and entries; the keys must be in range.
pub(crate) fn str_array(keys: Int32Array, entries: ArrayRef) -> StrArray {
    DictionaryArray::new(keys, entries)
}

/// Reading access to a string array.
pub(crate) struct StrColumn<'a> {
    pub(crate) keys: &'a Int32Array,
    pub(crate) entries: &'a StringArray,
}

impl<'a> StrColumn<'a> {
    pub(crate) fn new(array: &'a StrArray) -> Result<Self> {
        let Some(entries) = array.values().as_string_opt::<i32>() else {
            return internal_err!("a dictionary of strings holds something else");
        };
        Ok(StrColumn { keys: array.keys(), entries })
    }

    /// Whether to look at each entry once, and not at each row's. Not so where the dictionary is longer than the column, as
    /// that of a slice of a large batch is.
    pub(crate) fn is_worth_walking(&self) -> bool {
        self.entries.len() <= self.keys.len()
    }

    /// The string of a row; `None` for NULL.
    pub(crate) fn get(&self, row: usize) -> Option<&'a str> {
        if self.keys.is_null(row) { None } else { Some(self.entries.value(self.keys.value(row) as usize)) }
    }
}
