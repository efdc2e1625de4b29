//! What a Parquet file's statistics tell about the dates of a column.

use arrow::datatypes::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::file::statistics::Statistics;

use crate::examine::DaySpan;

/// The first and the last day of a column of dates or moments; `None` where a row group does not tell.
pub(super) fn day_span(metadata: &ArrowReaderMetadata, column: &str) -> Option<DaySpan> {
    let schema = metadata.parquet_schema();
    let leaf = schema.columns().iter().position(|leaf| leaf.path().parts() == [column.to_owned()])?;
    let per_day: i64 = match metadata.schema().field_with_name(column).ok()?.data_type() {
        DataType::Date32 => 1,
        DataType::Date64 => 86_400_000,
        DataType::Timestamp(unit, _) => match unit {
            TimeUnit::Second => 86_400,
            TimeUnit::Millisecond => 86_400_000,
            TimeUnit::Microsecond => 86_400_000_000,
            TimeUnit::Nanosecond => 86_400_000_000_000,
        },
        _ => return None,
    };
    let mut span = DaySpan::default();
    for group in metadata.metadata().row_groups() {
        let statistics = group.columns().get(leaf)?.statistics()?;
        let dates = u64::try_from(group.num_rows()).ok()?.checked_sub(statistics.null_count_opt()?)?;
        if dates > 0 {
            let (first, last) = match statistics {
                Statistics::Int32(range) => (i64::from(*range.min_opt()?), i64::from(*range.max_opt()?)),
                Statistics::Int64(range) => (*range.min_opt()?, *range.max_opt()?),
                _ => return None,
            };
            let day = |number: i64| i32::try_from(number.div_euclid(per_day)).ok();
            span = span.and(DaySpan { ends: Some((day(first)?, day(last)?)), dates });
        }
    }
    Some(span)
}
