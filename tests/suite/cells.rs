//! One value of a table, as the tests see it: plain, with no Arrow in sight.

use std::cmp::Ordering;
use std::fmt;

use chrono::NaiveDate;

/// A value, NULL, or what the oracle puts where there can be no value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Date(NaiveDate),
    Str(String),
    /// No value can be computed: the answer has to be an error if anyone asks for it
    Fault(Fault),
}

/// Why there can be no value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    IntOverflow,
    FloatOverflow,
    DateRange,
    /// Which rows a frame has hangs on a value that cannot be computed
    UnknownRows,
}

impl Cell {
    pub(crate) fn is_null(&self) -> bool {
        *self == Cell::Null
    }

    /// NULLs first, then by value. Both must be of one type.
    pub(crate) fn order(&self, other: &Cell) -> Ordering {
        match (self, other) {
            (Cell::Null, Cell::Null) => Ordering::Equal,
            (Cell::Null, _) => Ordering::Less,
            (_, Cell::Null) => Ordering::Greater,
            (Cell::Bool(a), Cell::Bool(b)) => a.cmp(b),
            (Cell::Int(a), Cell::Int(b)) => a.cmp(b),
            (Cell::Float(a), Cell::Float(b)) => a.partial_cmp(b).expect("no float here is NaN"),
            (Cell::Date(a), Cell::Date(b)) => a.cmp(b),
            (Cell::Str(a), Cell::Str(b)) => a.chars().cmp(b.chars()),
            (Cell::Fault(_), _) | (_, Cell::Fault(_)) => Ordering::Equal,
            (a, b) => panic!("{a:?} and {b:?} have no order"),
        }
    }

    /// Equal, but for the last digits of floats.
    pub(crate) fn is_close(&self, other: &Cell, relative_tolerance: f64) -> bool {
        match (self, other) {
            (Cell::Float(a), Cell::Float(b)) => a == b || (a - b).abs() <= relative_tolerance * a.abs().max(b.abs()),
            (a, b) => a == b,
        }
    }

    /// From a value of a vector or a definition, by the name of its type.
    pub(crate) fn from_json(json: &serde_json::Value, type_name: &str) -> Cell {
        use serde_json::Value as Json;
        match (json, type_name) {
            (Json::Null, _) => Cell::Null,
            (Json::Bool(value), _) => Cell::Bool(*value),
            (Json::Number(value), "float") => Cell::Float(value.as_f64().expect("a float")),
            (Json::Number(value), "int") => Cell::Int(value.as_i64().unwrap_or_else(|| {
                let float = value.as_f64().expect("a number");
                assert_eq!(float.fract(), 0.0, "an int column holds {float}");
                float as i64
            })),
            (Json::Number(value), _) => match value.as_i64() {
                Some(value) => Cell::Int(value),
                None => Cell::Float(value.as_f64().expect("a float")),
            },
            (Json::String(text), "date") => Cell::Date(parse_date(text).expect("a date")),
            (Json::String(text), _) => Cell::Str(text.clone()),
            (other, _) => panic!("not a cell: {other}"),
        }
    }
}

/// Reads `YYYY-MM-DD`.
pub(crate) fn parse_date(text: &str) -> Option<NaiveDate> {
    let shape = text.len() == 10 && text.is_char_boundary(4) && text.is_char_boundary(7);
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    shape.then_some(date)
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Null => Ok(()),
            Cell::Bool(value) => f.write_str(if *value { "T" } else { "F" }),
            Cell::Int(value) => write!(f, "{value}"),
            Cell::Float(value) => write!(f, "{value:?}"),
            Cell::Date(value) => write!(f, "{}", value.format("%Y-%m-%d")),
            Cell::Str(value) if value.is_empty() => f.write_str("\"\""),
            Cell::Str(value) => f.write_str(value),
            Cell::Fault(fault) => write!(f, "<{fault:?}>"),
        }
    }
}
