//! Aggregations: many rows of a patient to one value. NULLs are skipped.

use std::cmp::Ordering;

use arrow::array::{
    Array, ArrowPrimitiveType, BooleanArray, BooleanBufferBuilder, Float64Array, Int32Array, Int64Array, PrimitiveArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::common::{Result, internal_err};
use peristyle_model::graph::Aggregation;
use peristyle_model::scalar::Fault;

use super::FaultRows;
use super::fsum::{exact_mean, exact_sum};
use crate::rows::DomainRows;
use crate::vector::{StrColumn, Vector, str_array};

/// Aggregates `source`, an array over `rows`, to one value a patient. Faults are by patient.
pub(crate) fn aggregate(
    aggregation: Aggregation,
    source: &Vector,
    rows: &DomainRows,
    faults: &mut FaultRows,
) -> Result<Vector> {
    let offsets = rows.offsets();
    match (aggregation, source) {
        (Aggregation::CountDistinct, source) => count_distinct(source, offsets).map(Vector::Int),
        (Aggregation::CountEpisodes { maximum_gap_days }, Vector::Date(dates)) => {
            Ok(Vector::Int(per_patient_count(offsets, |rows| {
                let mut days: Vec<i32> = valid_values(dates, rows).collect();
                days.sort_unstable();
                let gaps = days.windows(2).filter(|pair| i64::from(pair[1]) - i64::from(pair[0]) > maximum_gap_days);
                if days.is_empty() { 0 } else { 1 + gaps.count() }
            })))
        }
        (Aggregation::Min, source) => extreme(source, offsets, Ordering::Less),
        (Aggregation::Max, source) => extreme(source, offsets, Ordering::Greater),
        (Aggregation::Sum, Vector::Int(array)) => Ok(sum_ints(array, offsets, faults)),
        (Aggregation::Sum, Vector::Float(array)) => Ok(sum_floats(array, offsets, faults)),
        (Aggregation::Mean, Vector::Float(array)) => Ok(mean_floats(array, offsets)),
        (Aggregation::Mean, Vector::Int(array)) => Ok(mean_ints(array, offsets)),
        _ => internal_err!("an aggregation met a type that it does not take"),
    }
}

type RowRange = std::ops::Range<usize>;

fn ranges(offsets: &[u32]) -> impl Iterator<Item = RowRange> {
    offsets.windows(2).map(|pair| pair[0] as usize..pair[1] as usize)
}

fn valid_values<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    rows: RowRange,
) -> impl Iterator<Item = T::Native> + Clone {
    rows.filter(|row| array.is_valid(*row)).map(|row| array.value(row))
}

/// A value for each patient, of the rows of those who have any; none for the others. Of most lists most patients have no
/// row: only those who do are walked.
fn per_patient<T: ArrowPrimitiveType>(
    offsets: &[u32],
    mut value: impl FnMut(usize, RowRange) -> Option<T::Native>,
) -> PrimitiveArray<T> {
    let len = offsets.len().saturating_sub(1);
    let present = BooleanBuffer::collect_bool(len, |patient| offsets[patient] < offsets[patient + 1]);
    let (mut values, mut without) = (vec![T::Native::default(); len], Vec::new());
    for patient in present.set_indices() {
        match value(patient, offsets[patient] as usize..offsets[patient + 1] as usize) {
            Some(value) => values[patient] = value,
            None => without.push(patient),
        }
    }
    let valid = if without.is_empty() {
        present
    } else {
        let mut valid = BooleanBufferBuilder::new(len);
        valid.append_buffer(&present);
        without.into_iter().for_each(|patient| valid.set_bit(patient, false));
        valid.finish()
    };
    PrimitiveArray::new(values.into(), Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0))
}

fn per_patient_count(offsets: &[u32], count: impl Fn(RowRange) -> usize) -> Int64Array {
    ranges(offsets).map(|rows| if rows.is_empty() { 0 } else { count(rows) as i64 }).collect::<Vec<_>>().into()
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> usize {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.dedup();
    values.len()
}

fn count_distinct(source: &Vector, offsets: &[u32]) -> Result<Int64Array> {
    Ok(match source {
        Vector::Int(array) => per_patient_count(offsets, |rows| distinct(valid_values(array, rows))),
        Vector::Date(array) => per_patient_count(offsets, |rows| distinct(valid_values(array, rows))),
        Vector::Float(array) => per_patient_count(offsets, |rows| {
            // Adding zero makes -0.0 and 0.0 one; nothing else changes, and no float here is NaN.
            distinct(valid_values(array, rows).map(|value| (value + 0.0).to_bits()))
        }),
        Vector::Bool(array) => per_patient_count(offsets, |rows| {
            distinct(rows.filter(|row| array.is_valid(*row)).map(|row| array.value(row)))
        }),
        Vector::Str(array) => {
            let column = StrColumn::new(array)?;
            per_patient_count(offsets, |rows| distinct(rows.filter_map(|row| column.get(row))))
        }
        Vector::Null | Vector::Constant(_) => return internal_err!("a constant was aggregated"),
    })
}

/// Of a patient's rows the one with the extreme value; `better` is how it compares to the others.
fn extreme_row(
    rows: RowRange,
    is_valid: impl Fn(usize) -> bool,
    compare: impl Fn(usize, usize) -> Ordering,
    better: Ordering,
) -> Option<usize> {
    let mut best = None;
    for row in rows {
        if is_valid(row) && best.is_none_or(|best| compare(row, best) == better) {
            best = Some(row);
        }
    }
    best
}

fn extreme_values<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    offsets: &[u32],
    better: Ordering,
    compare: impl Fn(T::Native, T::Native) -> Ordering,
) -> PrimitiveArray<T> {
    let values = array.values();
    let compare = |row, best| compare(values[row], values[best]);
    per_patient(offsets, |_, rows| extreme_row(rows, |row| array.is_valid(row), compare, better).map(|row| values[row]))
}

fn extreme(source: &Vector, offsets: &[u32], better: Ordering) -> Result<Vector> {
    Ok(match source {
        Vector::Int(array) => Vector::Int(extreme_values(array, offsets, better, |a, b| a.cmp(&b))),
        Vector::Date(array) => Vector::Date(extreme_values(array, offsets, better, |a, b| a.cmp(&b))),
        Vector::Float(array) => {
            Vector::Float(extreme_values(array, offsets, better, |a, b| (a + 0.0).total_cmp(&(b + 0.0))))
        }
        Vector::Str(array) => {
            let column = StrColumn::new(array)?;
            let compare = |row: usize, best: usize| match (column.get(row), column.get(best)) {
                _ if column.keys.value(row) == column.keys.value(best) => Ordering::Equal,
                (row, best) => row.cmp(&best),
            };
            let keys: Int32Array = per_patient(offsets, |_, rows| {
                extreme_row(rows, |row| array.is_valid(row), compare, better).map(|row| column.keys.value(row))
            });
            Vector::Str(str_array(keys, array.values().clone()))
        }
        Vector::Bool(_) | Vector::Null | Vector::Constant(_) => {
            return internal_err!("an aggregation met a type that it does not take");
        }
    })
}

/// Their sum and number. 128 bits hold the sum of any number of rows that fits in memory, so that order cannot matter.
fn sum_and_count(array: &Int64Array, rows: RowRange) -> (i128, usize) {
    valid_values(array, rows).fold((0, 0), |(sum, count), value| (sum + i128::from(value), count + 1))
}

fn sum_ints(array: &Int64Array, offsets: &[u32], faults: &mut FaultRows) -> Vector {
    Vector::Int(per_patient(offsets, |patient, rows| {
        let (sum, count) = sum_and_count(array, rows);
        let fitting = i64::try_from(sum);
        if fitting.is_err() {
            faults.note(patient, Fault::IntOverflow);
        }
        fitting.ok().filter(|_| count > 0)
    }))
}

fn mean_ints(array: &Int64Array, offsets: &[u32]) -> Vector {
    Vector::Float(per_patient(offsets, |_, rows| {
        let (sum, count) = sum_and_count(array, rows);
        (count > 0).then(|| sum as f64 / count as f64)
    }))
}

fn sum_floats(array: &Float64Array, offsets: &[u32], faults: &mut FaultRows) -> Vector {
    Vector::Float(per_patient(offsets, |patient, rows| {
        let values = valid_values(array, rows);
        values.clone().next()?;
        exact_sum(values).inspect_err(|fault| faults.note(patient, *fault)).ok()
    }))
}

fn mean_floats(array: &Float64Array, offsets: &[u32]) -> Vector {
    let values = array.values();
    Vector::Float(match array.null_count() {
        0 => per_patient(offsets, |_, rows| exact_mean(values[rows].iter().copied())),
        _ => per_patient(offsets, |_, rows| exact_mean(valid_values(array, rows))),
    })
}

/// Whether each patient has a row.
pub(crate) fn exists(present: BooleanBuffer) -> Vector {
    Vector::Bool(BooleanArray::new(present, None::<NullBuffer>))
}

/// Rows of each patient.
pub(crate) fn count(rows: &DomainRows) -> Vector {
    Vector::Int(rows.offsets().windows(2).map(|pair| i64::from(pair[1] - pair[0])).collect::<Vec<_>>().into())
}
