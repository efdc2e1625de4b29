//! Rows as multisets, numbers as Python compares them.

use std::collections::BTreeMap;
use std::fmt;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int32Type, Int64Type};
use peristyle_model::scalar::format_date;
use serde::Deserialize;
use serde_json::Value;

/// Rows that are shown of those that are missing, and of those that are too many.
const ROWS_SHOWN_MAX: usize = 5;

/// The rows of an output table, as recorded.
#[derive(Deserialize)]
pub(super) struct Expected {
    /// Their names; none where there are no rows
    columns: Option<Vec<String>>,
    rows: Vec<Vec<Value>>,
}

impl Expected {
    /// Rows as objects, or as lists, of these columns.
    pub(super) fn of(rows: &Value, columns: &[String]) -> Result<Self, String> {
        let row = |row: &Value| match row {
            Value::Array(cells) => Ok(cells.clone()),
            Value::Object(cells) => {
                Ok(columns.iter().map(|column| cells.get(column).cloned().unwrap_or(Value::Null)).collect())
            }
            other => Err(format!("an expected row is neither a list nor an object: {other}")),
        };
        let rows = rows.as_array().ok_or("the case's `expected` is no list of rows")?;
        Ok(Expected { columns: Some(columns.to_vec()), rows: rows.iter().map(row).collect::<Result<_, _>>()? })
    }

    /// Whatever the columns are called.
    pub(super) fn of_any_columns(self) -> Self {
        Expected { columns: None, ..self }
    }

    /// The patients of some rows but for those that are listed.
    pub(super) fn without(all: &[RecordBatch], listed: &Value) -> Result<Self, String> {
        let listed = Self::of(listed, &["patient_id".to_owned()])?;
        let listed: Vec<Cell> = listed.rows.iter().flatten().map(cell_of_json).collect();
        let patients = all.iter().flat_map(rows_of_batch).filter_map(|row| row.into_iter().next());
        let others = patients.filter(|patient| !listed.contains(patient));
        let json = |cell: Cell| match cell {
            Cell::Int(int) => Value::from(int),
            other => Value::from(other.plain()),
        };
        Ok(Expected { columns: None, rows: others.map(|cell| vec![json(cell)]).collect() })
    }
}

impl Cell {
    /// A text as it is.
    fn plain(self) -> String {
        match self {
            Cell::Str(text) => text,
            other => other.to_string(),
        }
    }
}

/// How far two floats may be apart.
#[derive(Clone, Copy)]
pub(super) struct Tolerance {
    relative: f64,
    absolute: f64,
}

impl Tolerance {
    /// Of cases whose answers two engines agreed on, roughly.
    pub(super) const GENERATED: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-5 };
    /// Of all others.
    pub(super) const EXACT: Tolerance = Tolerance { relative: 1e-9, absolute: 1e-12 };

    fn allows(self, one: f64, other: f64) -> bool {
        let apart = (one - other).abs();
        apart <= self.absolute || apart <= self.relative * one.abs().max(other.abs())
    }
}

/// A value of either side.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Null,
    /// As Python compares: `True == 1`
    Int(i64),
    Float(f64),
    /// Dates too, as ISO strings
    Str(String),
    /// Of no type that a table can have; equal to nothing but itself
    Other(String),
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Null => f.write_str("NULL"),
            Cell::Int(value) => write!(f, "{value}"),
            Cell::Float(value) => write!(f, "{value:?}"),
            Cell::Str(text) => write!(f, "{text:?}"),
            Cell::Other(text) => f.write_str(text),
        }
    }
}

type Row = Vec<Cell>;

/// What differs between the output tables and those that were recorded, readably.
pub(super) fn differences(answers: &[Vec<RecordBatch>], expected: &[Expected], tolerance: Tolerance) -> Vec<String> {
    if answers.len() != expected.len() {
        return vec![format!("{} output tables, expected {}", answers.len(), expected.len())];
    }
    let mut problems = Vec::new();
    for (index, (answer, expected)) in answers.iter().zip(expected).enumerate() {
        let table = if answers.len() == 1 { String::new() } else { format!("output table {}: ", index + 1) };
        problems.extend(table_differences(answer, expected, tolerance).map(|problem| format!("{table}{problem}")));
    }
    problems
}

fn table_differences(answer: &[RecordBatch], expected: &Expected, tolerance: Tolerance) -> Option<String> {
    let got: Vec<Row> = answer.iter().flat_map(rows_of_batch).collect();
    let want: Vec<Row> = expected.rows.iter().map(|row| row.iter().map(cell_of_json).collect()).collect();
    if let (Some(names), Some(batch)) = (&expected.columns, answer.first()) {
        let schema = batch.schema();
        let own: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        if own != *names {
            return Some(format!("columns {}, expected {}", own.join(", "), names.join(", ")));
        }
    }
    let (missing, extra) = unmatched(&want, &got, tolerance);
    if missing.is_empty() && extra.is_empty() {
        return None;
    }
    let mut text = format!("{} rows, expected {}", got.len(), want.len());
    for (what, rows) in [("missing", missing), ("extra", extra)] {
        for row in rows.iter().take(ROWS_SHOWN_MAX) {
            let cells: Vec<String> = row.iter().map(Cell::to_string).collect();
            text.push_str(&format!("\n{what}: ({})", cells.join(", ")));
        }
        if rows.len() > ROWS_SHOWN_MAX {
            text.push_str(&format!("\n{what}: {} more", rows.len() - ROWS_SHOWN_MAX));
        }
    }
    Some(text)
}

/// The rows of either side that have no partner on the other. Only rows that agree in all but floats are held against
/// each other, so that this stays quick.
fn unmatched<'a>(want: &'a [Row], got: &'a [Row], tolerance: Tolerance) -> (Vec<&'a Row>, Vec<&'a Row>) {
    let mut left: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in got {
        left.entry(key(row)).or_default().push(row);
    }
    let mut missing = Vec::new();
    for row in want {
        let candidates = left.entry(key(row)).or_default();
        match candidates.iter().position(|candidate| is_same(row, candidate, tolerance)) {
            Some(index) => _ = candidates.swap_remove(index),
            None => missing.push(row),
        }
    }
    (missing, left.into_values().flatten().collect())
}

/// Everything of a row that compares exactly. Numbers do not: one side's whole number may be the other side's float.
fn key(row: &Row) -> String {
    let exact = row.iter().map(|cell| match cell {
        Cell::Int(_) | Cell::Float(_) => "#".to_owned(),
        other => other.to_string(),
    });
    // The patient is what tells rows apart best.
    let patient = row.first().map(Cell::to_string).unwrap_or_default();
    std::iter::once(patient).chain(exact.skip(1)).collect::<Vec<_>>().join("\u{1f}")
}

fn is_same(one: &Row, other: &Row, tolerance: Tolerance) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|pair| match pair {
            (Cell::Float(one), Cell::Float(other)) => tolerance.allows(*one, *other),
            (Cell::Int(whole), Cell::Float(float)) | (Cell::Float(float), Cell::Int(whole)) => {
                tolerance.allows(*whole as f64, *float)
            }
            (one, other) => one == other,
        })
}

fn cell_of_json(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Int(i64::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Cell::Int(whole),
            (None, Some(float)) => Cell::Float(float),
            (None, None) => Cell::Other(number.to_string()),
        },
        Value::String(text) => Cell::Str(text.clone()),
        // Bytes.
        Value::Object(object) if object.len() == 1 && object.get("hex").is_some_and(Value::is_string) => {
            Cell::Str(object.get("hex").and_then(Value::as_str).unwrap_or_default().to_owned())
        }
        other => Cell::Other(other.to_string()),
    }
}

fn rows_of_batch(batch: &RecordBatch) -> Vec<Row> {
    let columns: Vec<Vec<Cell>> = batch.columns().iter().map(|array| cells_of_array(array)).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect()
}

fn cells_of_array(array: &dyn Array) -> Vec<Cell> {
    fn cells<T>(values: impl Iterator<Item = Option<T>>, cell: impl Fn(T) -> Cell) -> Vec<Cell> {
        values.map(|value| value.map_or(Cell::Null, &cell)).collect()
    }
    match array.data_type() {
        DataType::Boolean => cells(array.as_boolean().iter(), |value| Cell::Int(i64::from(value))),
        DataType::Int64 => cells(array.as_primitive::<Int64Type>().iter(), Cell::Int),
        DataType::Float64 => cells(array.as_primitive::<Float64Type>().iter(), Cell::Float),
        DataType::Date32 => cells(array.as_primitive::<Date32Type>().iter(), |days| Cell::Str(format_date(days))),
        DataType::FixedSizeBinary(_) => cells(array.as_fixed_size_binary().iter(), |bytes| {
            Cell::Str(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
        }),
        DataType::Utf8 => cells(array.as_string::<i32>().iter(), |text| Cell::Str(text.to_owned())),
        DataType::Dictionary(_, _) => match array.as_any_dictionary_opt().map(|dictionary| dictionary.values()) {
            Some(values) if values.data_type() == &DataType::Utf8 => {
                let texts = values.as_string::<i32>();
                let keys = array.as_dictionary::<Int32Type>().keys();
                cells(keys.iter(), |key| Cell::Str(texts.value(key as usize).to_owned()))
            }
            _ => vec![Cell::Other(format!("a {}", array.data_type())); array.len()],
        },
        other => vec![Cell::Other(format!("a {other}")); array.len()],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use arrow::array::{BooleanArray, Date32Array, Float64Array, Int64Array, StringArray};
    use serde_json::json;
    use std::sync::Arc;

    fn answer() -> Vec<RecordBatch> {
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("patient_id", Arc::new(Int64Array::from(vec![1, 2, 2])) as Arc<dyn Array>, false),
            ("f", Arc::new(Float64Array::from(vec![Some(0.1), Some(0.0), Some(2.0)])), true),
            ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])), true),
            ("d", Arc::new(Date32Array::from(vec![Some(0), None, None])), true),
            ("s", Arc::new(StringArray::from(vec![Some("x"), Some(""), None])), true),
        ]);
        vec![batch.unwrap()]
    }

    fn problems(columns: Value, rows: Value, tolerance: Tolerance) -> Vec<String> {
        let expected = serde_json::from_value(json!({"columns": columns, "rows": rows})).unwrap();
        differences(&[answer()], &[expected], tolerance)
    }

    #[test]
    fn rows_are_compared_as_multisets_of_values() {
        let names = json!(["patient_id", "f", "b", "d", "s"]);
        let first = json!([1, 0.1, true, "1970-01-01", "x"]);
        let (second, third) = (json!([2, 0, null, null, ""]), json!([2, 2, 0, null, null]));
        let same = [
            json!([first, second, third]),
            json!([third, first, second]),
            json!([second, third, [1, 0.10000000001, 1, "1970-01-01", "x"]]),
            json!([[2, 1e-13, null, null, ""], third, first]),
        ];
        for rows in same {
            assert_eq!(problems(names.clone(), rows.clone(), Tolerance::EXACT), [""; 0], "{rows}");
        }
        let roughly = json!([first, [2, 0.000_009, null, null, ""], [2, 2.000_01, 0, null, null]]);
        assert_eq!(problems(names.clone(), roughly.clone(), Tolerance::GENERATED), [""; 0]);
        assert_eq!(problems(names.clone(), roughly, Tolerance::EXACT).len(), 1);
        for (rows, problem) in [
            (json!([first, second]), "3 rows, expected 2\nextra: (2, 2.0, 0, NULL, NULL)"),
            (json!([first, second, third, third]), "3 rows, expected 4\nmissing: (2, 2, 0, NULL, NULL)"),
            (
                json!([first, second, [2, 2, 0, null, ""]]),
                "3 rows, expected 3\nmissing: (2, 2, 0, NULL, \"\")\nextra: (2, 2.0, 0, NULL, NULL)",
            ),
        ] {
            assert_eq!(problems(names.clone(), rows, Tolerance::EXACT), [problem]);
        }
    }

    #[test]
    fn columns_and_tables_count() {
        let swapped = problems(json!(["patient_id", "b", "f", "d", "s"]), json!([]), Tolerance::EXACT);
        assert_eq!(swapped, ["columns patient_id, f, b, d, s, expected patient_id, b, f, d, s"]);
        assert_eq!(problems(Value::Null, json!([]), Tolerance::EXACT).len(), 1);
        assert_eq!(differences(&[], &[], Tolerance::EXACT), [""; 0]);
        assert_eq!(differences(&[answer()], &[], Tolerance::EXACT), ["1 output tables, expected 0"]);
    }
}
