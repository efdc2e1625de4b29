//! What a Parquet file's metadata tells about the order of its rows. A promise only: the scan verifies it.

use arrow::datatypes::DataType;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::ORDERED_BY_KEY;
use crate::request::PATIENT_ID;

/// Smallest and largest patient of a row group. Unsigned numbers are ordered otherwise by some writers: not told.
pub(super) fn patient_range(group: &RowGroupMetaData, leaf: usize, found: &DataType) -> Option<(i64, i64)> {
    if !found.is_signed_integer() {
        return None;
    }
    match group.columns().get(leaf)?.statistics()? {
        Statistics::Int32(range) => Some((i64::from(*range.min_opt()?), i64::from(*range.max_opt()?))),
        Statistics::Int64(range) => Some((*range.min_opt()?, *range.max_opt()?)),
        _ => None,
    }
}

/// Whether the file promises that its rows ascend by patient from the first to the last: by its own key, or because
/// its row groups say that they are sorted so and their ranges follow each other. (`sorting_columns` speaks of one row
/// group, not of the file.)
pub(super) fn promises_order(metadata: &ParquetMetaData, leaf: usize, ranges: &[Option<(i64, i64)>]) -> bool {
    let pairs = metadata.file_metadata().key_value_metadata();
    let by_key =
        pairs.is_some_and(|p| p.iter().any(|p| p.key == ORDERED_BY_KEY && p.value.as_deref() == Some(PATIENT_ID)));
    if by_key {
        return true;
    }
    let groups = metadata.row_groups();
    let each_sorted = !groups.is_empty() && groups.iter().all(|group| is_sorted(group, leaf));
    let follows = |pair: &[Option<(i64, i64)>]| match pair {
        [Some((_, end)), Some((start, _))] => end <= start,
        _ => false,
    };
    each_sorted && ranges.windows(2).all(follows)
}

fn is_sorted(group: &RowGroupMetaData, leaf: usize) -> bool {
    let first = group.sorting_columns().and_then(|columns| columns.first());
    first.is_some_and(|first| usize::try_from(first.column_idx) == Ok(leaf) && !first.descending)
}
