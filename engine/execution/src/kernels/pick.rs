//! First or last row of each patient, by several keys.

use std::cmp::Ordering;

use arrow::array::Array;
use arrow::buffer::BooleanBuffer;
use datafusion::common::{Result, internal_err};
use peristyle_model::graph::Position;

use crate::rows::{Among, DomainRows, PatientRows};
use crate::vector::{StrColumn, Vector};

type Compare<'a> = Box<dyn Fn(usize, usize) -> Ordering + 'a>;

/// Compares two rows by a key: NULLs first, strings by code point, `false` < `true`. `None` if no two rows differ.
fn comparison(key: &Vector) -> Result<Option<Compare<'_>>> {
    fn nulls_first<'a>(array: &'a dyn Array, compare: impl Fn(usize, usize) -> Ordering + 'a) -> Option<Compare<'a>> {
        if array.null_count() == 0 {
            return Some(Box::new(compare));
        }
        Some(Box::new(move |a, b| match (array.is_valid(a), array.is_valid(b)) {
            (true, true) => compare(a, b),
            (a, b) => a.cmp(&b),
        }))
    }
    Ok(match key {
        Vector::Null | Vector::Constant(_) => None,
        Vector::Int(array) => {
            let values = array.values();
            nulls_first(array, |a, b| values[a].cmp(&values[b]))
        }
        Vector::Date(array) => {
            let values = array.values();
            nulls_first(array, |a, b| values[a].cmp(&values[b]))
        }
        Vector::Float(array) => {
            let values = array.values();
            nulls_first(array, |a, b| (values[a] + 0.0).total_cmp(&(values[b] + 0.0)))
        }
        Vector::Bool(array) => {
            let values = array.values();
            nulls_first(array, |a, b| values.value(a).cmp(&values.value(b)))
        }
        Vector::Str(array) => {
            let column = StrColumn::new(array)?;
            let keys = array.keys().values();
            nulls_first(
                array,
                move |a, b| {
                    if keys[a] == keys[b] { Ordering::Equal } else { column.get(a).cmp(&column.get(b)) }
                },
            )
        }
    })
}

/// Compares two rows by several keys, the highest priority first.
pub(crate) fn by_keys(keys: &[Vector]) -> Result<impl Fn(usize, usize) -> Ordering> {
    let mut comparisons = Vec::with_capacity(keys.len());
    for key in keys {
        comparisons.extend(comparison(key)?);
    }
    Ok(move |a, b| {
        comparisons.iter().map(|compare| compare(a, b)).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    })
}

/// For each patient the row that comes first or last when sorted by `keys`, the highest priority first. Filters have
/// kept `rows` of `whole`, by whose rows the keys are.
///
/// Rows that are equal in every key are equal in every column that anyone selects from the pick.
pub(crate) fn pick(rows: &DomainRows, whole: &DomainRows, keys: &[Vector], position: Position) -> Result<PatientRows> {
    let better = match position {
        Position::First => Ordering::Less,
        Position::Last => Ordering::Greater,
    };
    let compare = by_keys(keys)?;
    let Some(among) = rows.among(whole) else {
        return internal_err!("rows are picked by keys of other rows");
    };
    let present: BooleanBuffer = rows.exists();
    let places = match keys.first() {
        // Nearly every pick is by date: compared where it stands, and the other keys are asked where dates are equal.
        Some(Vector::Date(dates)) if dates.null_count() == 0 => {
            let dates = dates.values();
            best_rows(whole, &among, &present, |row, best| match dates[row].cmp(&dates[best]) {
                Ordering::Equal => compare(row, best) == better,
                ordering => ordering == better,
            })
        }
        _ => best_rows(whole, &among, &present, |row, best| compare(row, best) == better),
    };
    Ok(PatientRows::new(places, Some(present)))
}

/// For each patient the table's row of the best row; anything where the patient has none.
fn best_rows(
    whole: &DomainRows,
    among: &Among<'_>,
    present: &BooleanBuffer,
    is_better: impl Fn(usize, usize) -> bool,
) -> Vec<u32> {
    match among {
        Among::All => best_of_kept(whole, present, |_| true, is_better),
        Among::None => vec![0; present.len()],
        Among::These(bits) => best_of_kept(whole, present, |row| bits.value(row), is_better),
    }
}

fn best_of_kept(
    whole: &DomainRows,
    present: &BooleanBuffer,
    is_kept: impl Fn(usize) -> bool,
    is_better: impl Fn(usize, usize) -> bool,
) -> Vec<u32> {
    let offsets = whole.offsets();
    let selected = whole.selected();
    let mut places = vec![0; present.len()];
    // Of most lists most patients have no row: only those who do are walked.
    for patient in present.set_indices() {
        let range = offsets[patient] as usize..offsets[patient + 1] as usize;
        let mut kept = range.filter(|row| is_kept(*row));
        let best = kept.next().map(|first| kept.fold(first, |best, row| if is_better(row, best) { row } else { best }));
        if let Some(best) = best {
            places[patient] = selected.map_or(best as u32, |selected| selected.value(best));
        }
    }
    places
}
