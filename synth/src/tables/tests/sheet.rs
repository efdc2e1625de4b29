//! Tables as text, so that what one layout says can be put beside what another one does.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::{Layout, Population, Table};

pub(super) type Row = Vec<Option<String>>;

/// Rows under named columns.
#[derive(Debug)]
pub(super) struct Sheet {
    names: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// The rows of a table of a layout.
pub(super) fn sheet(population: &Population, layout: Layout, name: &str) -> Sheet {
    let table = layout.table(name).unwrap_or_else(|| panic!("there is no {name}"));
    sheet_of(population, table)
}

pub(super) fn sheet_of(population: &Population, table: Table) -> Sheet {
    let batches = population.batches(table).unwrap();
    let batch = concat_batches(&batches[0].schema(), &batches).unwrap();
    Sheet { names: batch.schema().fields().iter().map(|field| field.name().clone()).collect(), rows: text(&batch) }
}

/// Cells as text: of moments the day, and numbers without the marks of their type.
fn text(batch: &RecordBatch) -> Vec<Row> {
    let plain = |array: &dyn Array| match array.data_type() {
        DataType::Dictionary(_, values) => cast(array, values).unwrap(),
        DataType::Timestamp(_, Some(zone)) => {
            assert_eq!(&**zone, "UTC");
            let moments = array.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<&str>);
            cast(&moments, &DataType::Date32).unwrap()
        }
        DataType::Timestamp(_, None) => cast(array, &DataType::Date32).unwrap(),
        DataType::Float32 | DataType::Decimal128(..) => cast(array, &DataType::Float64).unwrap(),
        _ => array.slice(0, array.len()),
    };
    let options = FormatOptions::default();
    let columns: Vec<_> = batch.columns().iter().map(|array| plain(array.as_ref())).collect();
    let cell = |array: &dyn Array, row: usize| {
        let formatter = ArrayFormatter::try_new(array, &options).unwrap();
        array.is_valid(row).then(|| formatter.value(row).to_string())
    };
    let column = |array: &dyn Array| -> Vec<Option<String>> { (0..array.len()).map(|row| cell(array, row)).collect() };
    let mut columns: Vec<_> = columns.iter().map(|array| column(array.as_ref()).into_iter()).collect();
    (0..batch.num_rows()).map(|_| columns.iter_mut().map(|column| column.next().unwrap()).collect()).collect()
}

impl Sheet {
    pub(super) fn at(&self, name: &str) -> usize {
        self.names.iter().position(|known| known == name).unwrap_or_else(|| panic!("no {name} in {:?}", self.names))
    }

    /// These columns of the rows.
    pub(super) fn select(&self, names: &[&str]) -> Vec<Row> {
        let places: Vec<usize> = names.iter().map(|name| self.at(name)).collect();
        self.rows.iter().map(|row| places.iter().map(|place| row[*place].clone()).collect()).collect()
    }

    /// The same without rows for which a column does not hold.
    pub(super) fn filter(mut self, name: &str, holds: impl Fn(&str) -> bool) -> Self {
        let place = self.at(name);
        self.rows.retain(|row| row[place].as_deref().is_some_and(&holds));
        self
    }

    /// NULL instead of values that stand for it.
    pub(super) fn null_if(mut self, name: &str, values: &[&str]) -> Self {
        let place = self.at(name);
        for row in &mut self.rows {
            row[place] = row[place].take().filter(|value| !values.contains(&value.as_str()));
        }
        self
    }

    /// Each value put through a function.
    pub(super) fn map(mut self, name: &str, change: impl Fn(Option<String>) -> Option<String>) -> Self {
        let place = self.at(name);
        for row in &mut self.rows {
            row[place] = change(row[place].take());
        }
        self
    }

    /// Left join: the other sheet's columns beside these, a row for each that has the same value in `by`.
    pub(super) fn join(self, other: &Sheet, by: &str) -> Sheet {
        let (own, theirs) = (self.at(by), other.at(by));
        let mut matching: HashMap<&str, Vec<&Row>> = HashMap::new();
        for row in &other.rows {
            matching.entry(row[theirs].as_deref().unwrap_or_default()).or_default().push(row);
        }
        let names = self.names.iter().cloned().chain(other.names.iter().map(|name| format!("{name}'"))).collect();
        let none = vec![None; other.names.len()];
        let mut rows = Vec::new();
        for row in self.rows {
            let found = matching.get(row[own].as_deref().unwrap_or_default()).cloned().unwrap_or_else(|| vec![&none]);
            rows.extend(found.into_iter().map(|other| row.iter().chain(other).cloned().collect()));
        }
        Sheet { names, rows }
    }

    /// The rows of both, in the columns that both have.
    pub(super) fn union(mut self, other: Sheet) -> Sheet {
        assert_eq!(self.names, other.names);
        self.rows.extend(other.rows);
        self
    }
}

/// Fails if the rows are not the same ones, in whichever order; says how they differ.
pub(super) fn assert_same(what: &str, mut got: Vec<Row>, mut want: Vec<Row>) {
    got.sort_unstable();
    want.sort_unstable();
    assert!(!want.is_empty(), "{what}: there are no rows to compare");
    if got == want {
        return;
    }
    let difference = got.iter().zip(&want).find(|(got, want)| got != want);
    panic!("{what}: {} rows, not {}; the first that differs: {difference:#?}", got.len(), want.len());
}
