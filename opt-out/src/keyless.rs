//! Rows of a linked table that have no key: whose they are, nobody can say. They go before anything else is looked at.

use arrow::array::Array;
use arrow::buffer::{BooleanBuffer, NullBuffer};

use crate::source::RawColumn;

/// Which of the rows have a key; nothing where all have one.
pub(crate) fn with_key(keys: &RawColumn, rows: usize) -> Option<BooleanBuffer> {
    let nulls = match keys {
        RawColumn::Typed(keys) => keys.logical_nulls(),
        RawColumn::Text(keys) => keys.logical_nulls(),
        RawColumn::Codes(_) | RawColumn::Missing => Some(NullBuffer::new_null(rows)),
    };
    nulls.filter(|nulls| nulls.null_count() > 0).map(|nulls| nulls.inner().clone())
}
