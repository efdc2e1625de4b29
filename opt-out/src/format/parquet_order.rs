//! What a Parquet file's metadata tells about the order of its rows. A promise only: the scan verifies it.

use arrow::datatypes::DataType;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::ORDERED_BY_KEY;
use crate::patient_ids::PatientId;
use crate::source::PatientRange;

/// Smallest and largest patient of a row group. Unsigned numbers are ordered otherwise by some writers: not told. Nor
/// are bounds of texts and bytes that were cut short.
pub(super) fn patient_range(group: &RowGroupMetaData, leaf: usize, found: &DataType) -> Option<PatientRange> {
    let range = group.columns().get(leaf)?.statistics()?;
    let int = |min: i64, max: i64| Some((PatientId::Int(min), PatientId::Int(max)));
    let exact = range.min_is_exact() && range.max_is_exact();
    match (range, found) {
        (Statistics::Int32(range), found) if found.is_signed_integer() => {
            int(i64::from(*range.min_opt()?), i64::from(*range.max_opt()?))
        }
        (Statistics::Int64(range), found) if found.is_signed_integer() => int(*range.min_opt()?, *range.max_opt()?),
        (Statistics::FixedLenByteArray(range), DataType::FixedSizeBinary(16)) if exact => {
            let key = |bytes: &[u8]| bytes.try_into().ok().map(PatientId::Bytes16);
            Some((key(range.min_opt()?.data())?, key(range.max_opt()?.data())?))
        }
        _ => None,
    }
}

/// Whether the file promises that its rows ascend by patient from the first to the last: by its own key, or because
/// its row groups say that they are sorted so and their ranges follow each other. (`sorting_columns` speaks of one row
/// group, not of the file.)
pub(super) fn promises_order(
    metadata: &ParquetMetaData,
    key: &str,
    leaf: usize,
    ranges: &[Option<PatientRange>],
) -> bool {
    let pairs = metadata.file_metadata().key_value_metadata();
    let by_key = pairs.is_some_and(|p| p.iter().any(|p| p.key == ORDERED_BY_KEY && p.value.as_deref() == Some(key)));
    if by_key {
        return true;
    }
    let groups = metadata.row_groups();
    let each_sorted = !groups.is_empty() && groups.iter().all(|group| is_sorted(group, leaf));
    let follows = |pair: &[Option<PatientRange>]| match pair {
        [Some((_, end)), Some((start, _))] => end <= start,
        _ => false,
    };
    each_sorted && ranges.windows(2).all(follows)
}

fn is_sorted(group: &RowGroupMetaData, leaf: usize) -> bool {
    let first = group.sorting_columns().and_then(|columns| columns.first());
    first.is_some_and(|first| usize::try_from(first.column_idx) == Ok(leaf) && !first.descending)
}
