//! Aggregations: definition format, section 4. NULLs are skipped.

use crate::cells::Cell;

use super::evaluate::Yield;
use super::{calendar, numbers};

pub(super) fn aggregate(name: &str, maximum_gap_days: i64, cells: Vec<Cell>) -> Yield {
    let mut values: Vec<Cell> = cells.into_iter().filter(|cell| !cell.is_null()).collect();
    if name == "CombineAsSet" {
        return Yield::Set(values);
    }
    if let Some(fault) = values.iter().find(|cell| matches!(cell, Cell::Fault(_))) {
        return Yield::One(fault.clone());
    }
    values.sort_by(Cell::order);
    Yield::One(match name {
        "CountDistinct" => {
            values.dedup_by(|a, b| a.order(b).is_eq());
            Cell::Int(values.len() as i64)
        }
        "CountEpisodes" => {
            let starts = values.windows(2).filter(|pair| match pair {
                [Cell::Date(earlier), Cell::Date(later)] => {
                    calendar::difference_in_days(*later, *earlier) > maximum_gap_days
                }
                other => panic!("episodes of {other:?}"),
            });
            Cell::Int(starts.count() as i64 + i64::from(!values.is_empty()))
        }
        "Min" => values.first().cloned().unwrap_or(Cell::Null),
        "Max" => values.last().cloned().unwrap_or(Cell::Null),
        "Sum" | "Mean" if values.is_empty() => Cell::Null,
        "Sum" => sum(&values),
        "Mean" => mean(&values),
        other => panic!("the oracle knows no aggregation {other}"),
    })
}

fn sum(values: &[Cell]) -> Cell {
    if matches!(values[0], Cell::Int(_)) {
        numbers::int(ints(values).sum())
    } else {
        numbers::exact_sum(&floats(values))
    }
}

fn mean(values: &[Cell]) -> Cell {
    let sum = match values[0] {
        Cell::Int(_) => numbers::float(ints(values).sum::<i128>() as f64),
        _ => numbers::exact_sum(&floats(values)),
    };
    match sum {
        Cell::Float(sum) => numbers::float(sum / values.len() as f64),
        // Only the sum is beyond the range; a power of two scales it exactly.
        _ => {
            const SCALE: f64 = 1024.0;
            let scaled: Vec<f64> = floats(values).iter().map(|value| value / SCALE).collect();
            match numbers::exact_sum(&scaled) {
                Cell::Float(sum) => numbers::float(sum / values.len() as f64 * SCALE),
                fault => fault,
            }
        }
    }
}

fn ints(values: &[Cell]) -> impl Iterator<Item = i128> {
    values.iter().map(|cell| match cell {
        Cell::Int(value) => i128::from(*value),
        other => panic!("an int, not {other:?}"),
    })
}

fn floats(values: &[Cell]) -> Vec<f64> {
    let float = |cell: &Cell| match cell {
        Cell::Float(value) => *value,
        other => panic!("a float, not {other:?}"),
    };
    values.iter().map(float).collect()
}
