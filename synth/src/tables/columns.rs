//! A table's rows as they are being made: columns that are declared once and filled row by row, from left to right.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, FixedSizeBinaryBuilder, Float32Builder, Float64Builder,
    Int32Builder, Int64Builder, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondBuilder,
    TimestampMillisecondBuilder,
};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use peristyle_model::scalar::DATE_MAX;

use super::cells::Cells;

/// A note on a column for the writer: its values number rows. It is in no file.
pub(crate) const NUMBERS_ROWS: &str = "synth.numbers_rows";
/// A note on a column for the writer: code lists look for its values. It is in no file.
pub(crate) const LOOKED_UP: &str = "synth.looked_up";

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

struct Column {
    name: String,
    nullable: bool,
    note: Option<&'static str>,
    cells: Cells,
}

/// Columns, and the one that the next value belongs to. A value of a type that its column does not have is left out:
/// the columns then have different lengths, and [`Columns::take`] fails.
#[derive(Default)]
pub(crate) struct Columns {
    columns: Vec<Column>,
    next: usize,
}

/// Declares columns, in order. Values may be NULL where nothing else is said.
impl Columns {
    fn with(mut self, name: &str, cells: Cells) -> Self {
        self.columns.push(Column { name: name.to_owned(), nullable: true, note: None, cells });
        self
    }

    fn noted(mut self, note: &'static str) -> Self {
        if let Some(column) = self.columns.last_mut() {
            column.note = Some(note);
        }
        self
    }

    /// The last column is never NULL.
    pub(crate) fn required(mut self) -> Self {
        if let Some(column) = self.columns.last_mut() {
            column.nullable = false;
        }
        self
    }

    /// The patients of user-facing tables, and others that integers name: never NULL.
    pub(crate) fn patient(self, name: &str) -> Self {
        self.id(name).required()
    }

    /// Whole numbers that number rows, or nearly so, and ascend with patients.
    pub(crate) fn id(self, name: &str) -> Self {
        self.int(name).noted(NUMBERS_ROWS)
    }

    pub(crate) fn int(self, name: &str) -> Self {
        self.with(name, Cells::Int(Int64Builder::new()))
    }

    /// Whole numbers of 32 bits.
    pub(crate) fn small(self, name: &str) -> Self {
        self.with(name, Cells::Small(Int32Builder::new()))
    }

    pub(crate) fn float(self, name: &str) -> Self {
        self.with(name, Cells::Float(Float64Builder::new()))
    }

    /// Floats of 32 bits, as SQL Server's REAL.
    pub(crate) fn real(self, name: &str) -> Self {
        self.with(name, Cells::Real(Float32Builder::new()))
    }

    /// DECIMAL(19, 3).
    pub(crate) fn thousandths(self, name: &str) -> Self {
        // 128 bits hold 19 digits: this does not fail.
        let cells = Decimal128Builder::new().with_precision_and_scale(19, 3).unwrap_or_default();
        self.with(name, Cells::Thousandths(cells))
    }

    pub(crate) fn date(self, name: &str) -> Self {
        self.with(name, Cells::Date(Date32Builder::new()))
    }

    /// Moments in milliseconds without time zone, as SQL Server's DATETIME: never NULL.
    pub(crate) fn moment(self, name: &str) -> Self {
        self.with(name, Cells::Moment(TimestampMillisecondBuilder::new())).required()
    }

    /// Moments in microseconds, as Trino's TIMESTAMP(6).
    pub(crate) fn stamp(self, name: &str) -> Self {
        self.with(name, Cells::Stamp(TimestampMicrosecondBuilder::new()))
    }

    /// Moments in microseconds of UTC, as Trino's TIMESTAMP(6) WITH TIME ZONE.
    pub(crate) fn zoned_stamp(self, name: &str) -> Self {
        self.with(name, Cells::Stamp(TimestampMicrosecondBuilder::new().with_timezone("UTC")))
    }

    /// Values among these, given by index.
    pub(crate) fn coded(self, name: &str, values: &ArrayRef) -> Self {
        self.with(name, Cells::Coded(Int32Builder::new(), Arc::clone(values)))
    }

    /// Clinical codes among these, given by index.
    pub(crate) fn code(self, name: &str, codes: &ArrayRef) -> Self {
        self.coded(name, codes).looked_up()
    }

    /// The last column's values are looked for by code lists.
    pub(crate) fn looked_up(self) -> Self {
        self.noted(LOOKED_UP)
    }

    /// Strings among these few, given by index.
    pub(crate) fn category<'s>(self, name: &str, values: impl IntoIterator<Item = &'s str>) -> Self {
        let values: ArrayRef = Arc::new(StringArray::from_iter_values(values));
        self.coded(name, &values)
    }

    pub(crate) fn text(self, name: &str) -> Self {
        self.with(name, Cells::Text(StringBuilder::new()))
    }

    pub(crate) fn flag(self, name: &str) -> Self {
        self.with(name, Cells::Flag(BooleanBuilder::new()))
    }

    /// Keys of 16 bytes: never NULL.
    pub(crate) fn key(self, name: &str) -> Self {
        self.with(name, Cells::Key(FixedSizeBinaryBuilder::new(16))).required()
    }
}

/// Fills rows.
impl Columns {
    fn cells(&mut self) -> Option<&mut Cells> {
        let at = self.next;
        self.next = if at + 1 >= self.columns.len() { 0 } else { at + 1 };
        self.columns.get_mut(at).map(|column| &mut column.cells)
    }

    /// A whole number, of 64 or 32 bits as the column has it.
    pub(crate) fn push_int(&mut self, value: impl Into<Option<i64>>) -> &mut Self {
        let value = value.into();
        match self.cells() {
            Some(Cells::Int(cells)) => cells.append_option(value),
            Some(Cells::Small(cells)) => cells.append_option(value.and_then(|value| i32::try_from(value).ok())),
            _ => {}
        }
        self
    }

    /// A number that 32 bits and three decimals both hold, in the type that the column has.
    pub(crate) fn push_number(&mut self, value: impl Into<Option<f32>>) -> &mut Self {
        let value = value.into();
        match self.cells() {
            Some(Cells::Float(cells)) => cells.append_option(value.map(f64::from)),
            Some(Cells::Real(cells)) => cells.append_option(value),
            Some(Cells::Thousandths(cells)) => {
                cells.append_option(value.map(|value| (f64::from(value) * 1_000.0).round() as i128));
            }
            _ => {}
        }
        self
    }

    /// A day; in a column of moments its midnight, and in one that has no NULL the end of time instead.
    pub(crate) fn push_day(&mut self, day: impl Into<Option<i32>>) -> &mut Self {
        self.push_moment(day, 0)
    }

    /// As [`push_day`](Self::push_day), so many minutes after midnight in a column of moments.
    pub(crate) fn push_moment(&mut self, day: impl Into<Option<i32>>, minutes: i64) -> &mut Self {
        let day = day.into();
        let milliseconds = |day: i32| i64::from(day) * DAY_MS + minutes * MINUTE_MS;
        match self.cells() {
            Some(Cells::Date(cells)) => cells.append_option(day),
            Some(Cells::Moment(cells)) => {
                cells.append_value(day.map_or(i64::from(DATE_MAX) * DAY_MS, milliseconds));
            }
            Some(Cells::Stamp(cells)) => cells.append_option(day.map(|day| milliseconds(day) * 1_000)),
            _ => {}
        }
        self
    }

    /// The index of a value.
    pub(crate) fn push_index(&mut self, index: impl Into<Option<i32>>) -> &mut Self {
        if let Some(Cells::Coded(cells, _)) = self.cells() {
            cells.append_option(index.into());
        }
        self
    }

    pub(crate) fn push_text<'s>(&mut self, text: impl Into<Option<&'s str>>) -> &mut Self {
        if let Some(Cells::Text(cells)) = self.cells() {
            cells.append_option(text.into());
        }
        self
    }

    pub(crate) fn push_flag(&mut self, flag: impl Into<Option<bool>>) -> &mut Self {
        if let Some(Cells::Flag(cells)) = self.cells() {
            cells.append_option(flag.into());
        }
        self
    }

    pub(crate) fn push_key(&mut self, key: [u8; 16]) -> &mut Self {
        if let Some(Cells::Key(cells)) = self.cells() {
            // The column was declared with sixteen bytes: this does not fail.
            let _ = cells.append_value(key);
        }
        self
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.columns.first().map_or(0, |column| column.cells.len())
    }

    /// Takes the rows.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut fields = Vec::with_capacity(self.columns.len());
        let mut arrays = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            let array = column.cells.finish()?;
            let notes: HashMap<_, _> = column.note.iter().map(|note| ((*note).to_owned(), String::new())).collect();
            let field = Field::new(&column.name, array.data_type().clone(), column.nullable).with_metadata(notes);
            fields.push(field);
            arrays.push(array);
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
    }
}
