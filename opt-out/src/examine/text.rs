//! Text says nothing of itself: rows are counted by reading them, and only reading shows whether a column is what it should
//! be. What is read is looked at and dropped.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::{max, min};
use arrow::datatypes::Date32Type;
use datafusion::physical_plan::metrics::Count;
use peristyle_policy::patients::TextComparison;

use super::WantedTable;
use super::months::{DaySpan, Months};
use crate::conform::{Conformer, Fault, patients};
use crate::error::SourceError;
use crate::policy::ScanPermit;
use crate::request::{ColumnRequest, ColumnType, PatientKeyColumn};
use crate::source::{Flow, FoundFiles, OpenedFile, RawBatch, ReadRequest, SourceDirectory};

/// Rows read at a time.
const BATCH_ROWS: usize = 8192;

/// What came of reading a table's text.
pub(super) struct ReadText {
    pub(super) rows: u64,
    /// What is wrong with a patient's key
    pub(super) key: Option<SourceError>,
    /// Of each column: what is wrong with a value, and from when to when its dates are
    pub(super) columns: Vec<(Option<SourceError>, Months)>,
}

struct Column {
    conformer: Conformer,
    problem: Option<SourceError>,
    /// Of columns of dates
    days: Option<DaySpan>,
}

/// The columns of a table that are looked at.
pub(super) struct LookedAt<'a> {
    /// The patient's key
    pub(super) key: Option<&'a PatientKeyColumn>,
    /// How it is compared, where it is a text
    pub(super) text_keys: &'a TextComparison,
    /// Columns that every file has
    pub(super) columns: &'a [ColumnRequest],
}

/// Reads every row.
pub(super) fn read(
    opened: &SourceDirectory,
    wanted: &WantedTable,
    found: &FoundFiles,
    looked_at: &LookedAt<'_>,
    permit: &ScanPermit,
) -> Result<ReadText, SourceError> {
    let LookedAt { key, text_keys, columns: there } = *looked_at;
    let mut key_problem = None;
    let mut columns: Vec<Column> = there.iter().map(Column::new).collect();
    // Several may ask for one column in different types, so each is read for itself where that is so.
    let mut asked: Vec<ColumnRequest> = Vec::new();
    let mut at = Vec::with_capacity(there.len());
    for column in there {
        at.push(asked.iter().position(|known| known.name == column.name).unwrap_or(asked.len()));
        if at.last() == Some(&asked.len()) {
            asked.push(column.clone());
        }
    }
    let all: Vec<usize> = (0..asked.len()).collect();
    let files = found.open(&wanted.request(key.cloned(), asked), opened.store().as_ref(), permit)?;
    let mut rows = 0;
    for file in &files {
        for segment in 0..file.segments().len() {
            let request = ReadRequest { segment, columns: &all, batch_rows: BATCH_ROWS, bytes_read: Count::new() };
            file.read(permit, &request, &mut |batch: RawBatch| {
                rows += batch.rows as u64;
                if let (Some(key), None) = (key, &key_problem) {
                    let fault = patients(&batch.patients, key.key_type, text_keys).err();
                    key_problem = fault.map(|fault| in_words(wanted, file.as_ref(), &key.name, &batch, fault));
                }
                for (column, at) in columns.iter_mut().zip(&at) {
                    column.look_at(wanted, file.as_ref(), &batch, *at);
                }
                Ok(Flow::GoOn)
            })?;
        }
    }
    let told = |column: Column| (column.problem, column.days.map_or(Months::NotDates, DaySpan::months));
    Ok(ReadText { rows, key: key_problem, columns: columns.into_iter().map(told).collect() })
}

impl Column {
    fn new(column: &ColumnRequest) -> Self {
        let is_of_dates = matches!(column.column_type, ColumnType::Date | ColumnType::Day);
        Self { conformer: Conformer::new(column), problem: None, days: is_of_dates.then(DaySpan::default) }
    }

    fn look_at(&mut self, wanted: &WantedTable, file: &dyn OpenedFile, batch: &RawBatch, at: usize) {
        let (None, Some(raw)) = (&self.problem, batch.columns.get(at)) else { return };
        match self.conformer.conform(raw, batch.rows) {
            Ok(array) => {
                if let (Some(days), Some(dates)) = (&mut self.days, array.as_primitive_opt::<Date32Type>()) {
                    let found = (dates.len() - dates.null_count()) as u64;
                    *days = days.and(DaySpan { ends: min(dates).zip(max(dates)), dates: found });
                }
            }
            Err(fault) => {
                let name = Arc::clone(self.conformer.column());
                self.problem = Some(in_words(wanted, file, &name, batch, fault));
            }
        }
    }
}

fn in_words(
    wanted: &WantedTable,
    file: &dyn OpenedFile,
    column: &Arc<str>,
    batch: &RawBatch,
    fault: Fault,
) -> SourceError {
    fault.told(&wanted.name, file.place(), column, |index| Some(batch.first_row + index as u64))
}
