//! The smallest or largest of several series, row by row; NULLs are skipped.

use std::cmp::Ordering;

use arrow::array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray, StringDictionaryBuilder};
use arrow::datatypes::Int32Type;
use datafusion::common::{Result, internal_err};

use crate::vector::{StrColumn, Vector};

/// `MinimumOf` if `better` is less, `MaximumOf` if it is greater. All sources are arrays of one type and length.
pub(crate) fn extreme_of(sources: &[Vector], better: Ordering) -> Result<Vector> {
    Ok(match sources.first() {
        Some(Vector::Int(_)) => Vector::Int(fold(
            sources,
            better,
            |v| if let Vector::Int(a) = v { Some(a) } else { None },
            |a, b| a.cmp(b),
        )?),
        Some(Vector::Date(_)) => Vector::Date(fold(
            sources,
            better,
            |v| if let Vector::Date(a) = v { Some(a) } else { None },
            |a, b| a.cmp(b),
        )?),
        Some(Vector::Float(_)) => Vector::Float(fold(
            sources,
            better,
            |v| if let Vector::Float(a) = v { Some(a) } else { None },
            |a, b| (a + 0.0).total_cmp(&(b + 0.0)),
        )?),
        Some(Vector::Str(_)) => strings(sources, better)?,
        _ => return internal_err!("a step expected comparable series"),
    })
}

fn fold<T: ArrowPrimitiveType>(
    sources: &[Vector],
    better: Ordering,
    typed: impl Fn(&Vector) -> Option<&PrimitiveArray<T>>,
    compare: impl Fn(&T::Native, &T::Native) -> Ordering,
) -> Result<PrimitiveArray<T>> {
    let mut best: Option<PrimitiveArray<T>> = None;
    for source in sources {
        let Some(source) = typed(source) else {
            return internal_err!("series of several types were compared");
        };
        best = Some(match best {
            None => source.clone(),
            Some(best) => best
                .iter()
                .zip(source.iter())
                .map(|(best, value)| match (best, value) {
                    (Some(best), Some(value)) => Some(if compare(&value, &best) == better { value } else { best }),
                    (best, value) => best.or(value),
                })
                .collect(),
        });
    }
    match best {
        Some(best) => Ok(best),
        None => internal_err!("nothing was compared"),
    }
}

fn strings(sources: &[Vector], better: Ordering) -> Result<Vector> {
    let mut columns = Vec::with_capacity(sources.len());
    for source in sources {
        let Vector::Str(array) = source else {
            return internal_err!("series of several types were compared");
        };
        columns.push(StrColumn::new(array)?);
    }
    let len = columns.first().map_or(0, |column| column.keys.len());
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    for row in 0..len {
        let mut best: Option<&str> = None;
        for value in columns.iter().filter_map(|column| column.get(row)) {
            if best.is_none_or(|best| value.cmp(best) == better) {
                best = Some(value);
            }
        }
        builder.append_option(best);
    }
    let array: ArrayRef = std::sync::Arc::new(builder.finish());
    Vector::from_arrow(&array)
}
