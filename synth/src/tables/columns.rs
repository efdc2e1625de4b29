//! Columns that several tables have in common.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Builder, RecordBatch, StringArray};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;

use crate::dice::Dice;

/// A column of strings from a fixed set, held as indices into it.
pub(crate) struct Coded {
    keys: Int32Builder,
    values: ArrayRef,
}

impl Coded {
    /// A column whose values are among these.
    pub(crate) fn new(values: &ArrayRef) -> Self {
        Coded { keys: Int32Builder::new(), values: Arc::clone(values) }
    }

    /// A column whose values are among these few.
    pub(crate) fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Coded { keys: Int32Builder::new(), values: Arc::new(StringArray::from_iter_values(values)) }
    }

    pub(crate) fn push(&mut self, index: Option<i32>) {
        self.keys.append_option(index);
    }

    pub(crate) fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(DictionaryArray::try_new(self.keys.finish(), Arc::clone(&self.values))?))
    }
}

/// The value, but NULL so many times out of one.
pub(crate) fn or_null<T>(value: T, null_rate: f64, dice: &mut Dice) -> Option<T> {
    (!dice.chance(null_rate)).then_some(value)
}

/// A batch of `patient_id`, which is never NULL, and the other columns, which may be.
pub(crate) fn batch<const N: usize>(
    patient_id: ArrayRef,
    columns: [(&str, ArrayRef); N],
) -> Result<RecordBatch, ArrowError> {
    batch_of(patient_id, columns.into())
}

/// As [`batch`], where the number of columns is not written out.
pub(crate) fn batch_of(patient_id: ArrayRef, columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, ArrowError> {
    let mut fields = vec![Field::new("patient_id", patient_id.data_type().clone(), false)];
    let mut arrays = vec![patient_id];
    for (name, array) in columns {
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}
