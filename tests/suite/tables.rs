//! Tables that go in, and answers that come out.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value as Json;

use crate::cells::Cell;

/// A column of an input table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// As a definition names it: `int`, `SNOMEDCTCode`
    pub(crate) type_name: String,
    /// The only values that it may have
    pub(crate) categories: Option<Vec<String>>,
}

impl Column {
    pub(crate) fn new(name: impl Into<String>, type_name: impl Into<String>) -> Self {
        Column { name: name.into(), type_name: type_name.into(), categories: None }
    }
}

/// A user-facing table with its rows.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) module: String,
    pub(crate) name: String,
    pub(crate) one_row_per_patient: bool,
    pub(crate) columns: Vec<Column>,
    /// Patient, then a cell for each column
    pub(crate) rows: Vec<(i64, Vec<Cell>)>,
}

impl Table {
    pub(crate) fn column_index(&self, name: &str) -> usize {
        self.columns
            .iter()
            .position(|column| column.name == name)
            .unwrap_or_else(|| panic!("table {} has no column {name}", self.name))
    }

    /// From a table of a test vector.
    pub(crate) fn from_vector(json: &Json) -> Table {
        let text = |key: &str| json[key].as_str().expect("a text").to_owned();
        let columns: Vec<Column> = json["columns"]
            .as_array()
            .expect("columns")
            .iter()
            .map(|pair| Column::new(pair[0].as_str().expect("a name"), pair[1].as_str().expect("a type")))
            .collect();
        let rows = json["rows"].as_array().expect("rows").iter().map(|row| {
            let row = row.as_array().expect("a row");
            let cells = columns.iter().zip(&row[1..]);
            (row[0].as_i64().expect("a patient"), cells.map(|(c, json)| Cell::from_json(json, &c.type_name)).collect())
        });
        Table {
            module: text("module"),
            name: text("name"),
            one_row_per_patient: json["one_row_per_patient"].as_bool().expect("a bool"),
            rows: rows.collect(),
            columns,
        }
    }
}

/// A table of results. Patients are a column like any other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// `dataset`, the name of an event table, or `measures`
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

impl Answer {
    /// In an order that hangs on nothing but the rows.
    pub(crate) fn sorted(mut self) -> Self {
        self.rows.sort_by(|a, b| {
            a.iter().zip(b).map(|(a, b)| a.order(b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        });
        self
    }

    /// Whether it has the rows of `other`, in whatever order.
    pub(crate) fn same_rows(&self, other: &Answer, relative_tolerance: f64) -> bool {
        let (a, b) = (self.clone().sorted(), other.clone().sorted());
        a.columns == b.columns
            && a.rows.len() == b.rows.len()
            && a.rows.iter().zip(&b.rows).all(|(a, b)| a.iter().zip(b).all(|(a, b)| a.is_close(b, relative_tolerance)))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(Cell::to_string).collect()).collect();
        f.write_str(&text_table(&self.columns, &rows))
    }
}

/// Columns under their names, padded: how a failing case shows what it wanted and what it got.
pub(crate) fn text_table(columns: &[String], rows: &[Vec<String>]) -> String {
    let width = |index: usize| {
        rows.iter().chain([&columns.to_vec()]).map(|row| row[index].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &[String]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("    {}\n", cells.join(" | ").trim_end())
    };
    let mut text = line(columns);
    rows.iter().for_each(|row| text.push_str(&line(row)));
    text
}
