//! Functions of series, for one row: definition format, section 4.

use chrono::Datelike;

use crate::cells::Cell;

use super::document::Id;
use super::{calendar, numbers};

/// What a function gets.
#[derive(Clone, Debug)]
pub(super) enum Input {
    Cell(Cell),
    Set(Vec<Cell>),
}

impl Input {
    fn cell(&self) -> Cell {
        match self {
            Input::Cell(cell) => cell.clone(),
            Input::Set(_) => panic!("a set where a value should be"),
        }
    }
}

/// `cases` is needed for its shape alone: `row` has for each condition, then its value if it has one, in order.
pub(super) fn case(cases: &[(Id, Option<Id>)], has_default: bool, row: &[Input]) -> Cell {
    let mut inputs = row.iter();
    let mut next = |present: bool| if present { inputs.next().expect("an input").cell() } else { Cell::Null };
    for (_, value) in cases {
        let (condition, value) = (next(true), next(value.is_some()));
        match condition {
            Cell::Bool(true) => return value,
            fault @ Cell::Fault(_) => return fault,
            _ => (),
        }
    }
    next(has_default)
}

pub(super) fn function(name: &str, row: &[Input]) -> Cell {
    if name == "In" {
        return is_in(row);
    }
    let cells: Vec<Cell> = row.iter().map(Input::cell).collect();
    match name {
        "And" => return three_valued(&cells, false),
        "Or" => return three_valued(&cells, true),
        _ => (),
    }
    if let Some(fault) = cells.iter().find(|cell| matches!(cell, Cell::Fault(_))) {
        return fault.clone();
    }
    match name {
        "IsNull" => return Cell::Bool(cells[0].is_null()),
        "MinimumOf" | "MaximumOf" => {
            let values = cells.into_iter().filter(|cell| !cell.is_null());
            let extreme = if name == "MinimumOf" { values.min_by(Cell::order) } else { values.max_by(Cell::order) };
            return extreme.unwrap_or(Cell::Null);
        }
        _ => (),
    }
    if cells.iter().any(Cell::is_null) {
        return Cell::Null;
    }
    match cells.as_slice() {
        [source] => of_one(name, source),
        [lhs, rhs] => of_two(name, lhs, rhs),
        other => panic!("{name} of {} series", other.len()),
    }
}

/// The one truth value that decides, or else NULL if there is one, or else the other.
pub(super) fn three_valued(cells: &[Cell], deciding: bool) -> Cell {
    let find = |wanted: &dyn Fn(&Cell) -> bool| cells.iter().find(|cell| wanted(cell)).cloned();
    find(&|cell| *cell == Cell::Bool(deciding))
        .or_else(|| find(&|cell| matches!(cell, Cell::Fault(_))))
        .or_else(|| find(&Cell::is_null))
        .unwrap_or(Cell::Bool(!deciding))
}

fn is_in(row: &[Input]) -> Cell {
    let [Input::Cell(lhs), Input::Set(members)] = row else {
        panic!("In takes a series and a set");
    };
    if let Some(fault) = members.iter().chain([lhs]).find(|cell| matches!(cell, Cell::Fault(_))) {
        return fault.clone();
    }
    if members.is_empty() {
        return Cell::Bool(false);
    }
    if lhs.is_null() {
        return Cell::Null;
    }
    Cell::Bool(members.iter().any(|member| member.order(lhs).is_eq()))
}

fn of_one(name: &str, source: &Cell) -> Cell {
    match (name, source) {
        ("Not", Cell::Bool(value)) => Cell::Bool(!value),
        ("Negate", Cell::Int(value)) => numbers::int(-i128::from(*value)),
        ("Negate", Cell::Float(value)) => Cell::Float(-value),
        ("Absolute", Cell::Int(value)) => numbers::int(i128::from(*value).abs()),
        ("Absolute", Cell::Float(value)) => Cell::Float(value.abs()),
        ("CastToInt", Cell::Int(value)) => Cell::Int(*value),
        ("CastToInt", Cell::Float(value)) => numbers::truncate(*value),
        ("CastToInt", Cell::Bool(value)) => Cell::Int(i64::from(*value)),
        ("CastToFloat", Cell::Int(value)) => Cell::Float(*value as f64),
        ("CastToFloat", Cell::Float(value)) => Cell::Float(*value),
        ("YearFromDate", Cell::Date(date)) => Cell::Int(date.year().into()),
        ("MonthFromDate", Cell::Date(date)) => Cell::Int(date.month().into()),
        ("DayFromDate", Cell::Date(date)) => Cell::Int(date.day().into()),
        ("ToFirstOfYear", Cell::Date(date)) => Cell::Date(date.with_ordinal(1).expect("every year has a first day")),
        ("ToFirstOfMonth", Cell::Date(date)) => Cell::Date(date.with_day(1).expect("every month has a first day")),
        (name, source) => panic!("{name} of {source:?}"),
    }
}

fn of_two(name: &str, lhs: &Cell, rhs: &Cell) -> Cell {
    match name {
        "EQ" => return Cell::Bool(lhs.order(rhs).is_eq()),
        "NE" => return Cell::Bool(lhs.order(rhs).is_ne()),
        "LT" => return Cell::Bool(lhs.order(rhs).is_lt()),
        "LE" => return Cell::Bool(lhs.order(rhs).is_le()),
        "GT" => return Cell::Bool(lhs.order(rhs).is_gt()),
        "GE" => return Cell::Bool(lhs.order(rhs).is_ge()),
        _ => (),
    }
    match (lhs, rhs) {
        (Cell::Int(lhs), Cell::Int(rhs)) => of_ints(name, *lhs, *rhs),
        (Cell::Float(lhs), Cell::Float(rhs)) => of_floats(name, *lhs, *rhs),
        (Cell::Date(lhs), Cell::Int(rhs)) => match name {
            "DateAddDays" => calendar::add_days(*lhs, *rhs),
            "DateAddMonths" => calendar::add_months(*lhs, *rhs),
            "DateAddYears" => calendar::add_years(*lhs, *rhs),
            other => panic!("{other} of a date and an int"),
        },
        (Cell::Date(lhs), Cell::Date(rhs)) => Cell::Int(match name {
            "DateDifferenceInDays" => calendar::difference_in_days(*lhs, *rhs),
            "DateDifferenceInMonths" => calendar::difference_in_months(*lhs, *rhs),
            "DateDifferenceInYears" => calendar::difference_in_years(*lhs, *rhs),
            other => panic!("{other} of dates"),
        }),
        (Cell::Str(lhs), Cell::Str(rhs)) if name == "StringContains" => Cell::Bool(lhs.contains(rhs.as_str())),
        (lhs, rhs) => panic!("{name} of {lhs:?} and {rhs:?}"),
    }
}

fn of_ints(name: &str, lhs: i64, rhs: i64) -> Cell {
    let (wide_lhs, wide_rhs) = (i128::from(lhs), i128::from(rhs));
    match name {
        "Add" => numbers::int(wide_lhs + wide_rhs),
        "Subtract" => numbers::int(wide_lhs - wide_rhs),
        "Multiply" => numbers::int(wide_lhs * wide_rhs),
        "TrueDivide" => numbers::true_divide(lhs as f64, rhs as f64),
        "FloorDivide" => numbers::floor_divide_ints(lhs, rhs),
        "Power" => numbers::power(lhs as f64, rhs as f64),
        other => panic!("{other} of ints"),
    }
}

fn of_floats(name: &str, lhs: f64, rhs: f64) -> Cell {
    match name {
        "Add" => numbers::float(lhs + rhs),
        "Subtract" => numbers::float(lhs - rhs),
        "Multiply" => numbers::float(lhs * rhs),
        "TrueDivide" => numbers::true_divide(lhs, rhs),
        "FloorDivide" => numbers::floor_divide_floats(lhs, rhs),
        "Power" => numbers::power(lhs, rhs),
        other => panic!("{other} of floats"),
    }
}
