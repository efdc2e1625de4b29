//! The guard itself: of rows as they were read, those that the permit and the predicate let through.

mod entries;
mod mask;
mod permitted;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;

use super::columns::{Placed, ReadColumns};
use super::order::{PatientSpan, disorder, first_wrong};
use super::pieces::{Origins, Piece};
use super::texts::Rekeyed;
use super::{GuardedBatch, ScanMetrics, ScanTask};
use crate::bits::narrowed;
use crate::conform::Conformer;
use crate::error::{Place, SourceError};
use crate::patient_ids::{PatientId, PatientIds};
use crate::policy::{NotJudged, SegmentTally};
use crate::predicate::PredicateState;
use crate::source::{RawBatch, RawColumn};
use entries::KnownEntries;
use mask::{Kept, Mask, kept_of};
use permitted::{JudgedEntries, Permitted};

pub(super) struct Guard<'a> {
    task: &'a ScanTask,
    columns: &'a ReadColumns,
    place: &'a Place,
    metrics: &'a ScanMetrics,
    /// For the columns that the predicate asks about, and for the late ones
    tested: Vec<Conformer>,
    late: Vec<Conformer>,
    /// For the columns that the predicate asks about: where it says which texts wanted rows may have
    rekeyed: Vec<Option<Rekeyed>>,
    judge: Option<Conformer>,
    judged: Option<JudgedEntries>,
    pub(super) tally: SegmentTally,
    predicate: Option<PredicateState<'a>>,
    entries: Option<KnownEntries>,
    last_patient: Option<PatientId>,
}

impl<'a> Guard<'a> {
    pub(super) fn new(
        task: &'a ScanTask,
        columns: &'a ReadColumns,
        place: &'a Place,
        metrics: &'a ScanMetrics,
    ) -> Self {
        let conformer = |read: usize| {
            let source = columns.sources.get(read).and_then(|source| task.source.columns.get(*source));
            source.map(Conformer::new)
        };
        let rekeyed = |placed: &Placed| {
            let field = task.read_schema.fields().get(placed.delivered)?;
            task.texts.of_column(field.name())
        };
        Self {
            task,
            columns,
            place,
            metrics,
            tested: columns.tested.iter().filter_map(|placed| conformer(placed.read)).collect(),
            late: columns.late.iter().filter_map(|placed| conformer(placed.read)).collect(),
            rekeyed: columns.tested.iter().map(rekeyed).collect(),
            judge: task.judged_by.as_ref().map(|(column, _)| Conformer::new(column)),
            judged: None,
            tally: SegmentTally::default(),
            predicate: task.predicate.as_ref().map(PredicateState::new),
            entries: None,
            last_patient: None,
        }
    }

    /// Of rows of which the deciding columns have been read, those that are wanted; and which they are, all where that is
    /// not said.
    pub(super) fn decide(&mut self, raw: &RawBatch) -> Result<(Piece, Option<Mask>), SourceError> {
        self.metrics.rows_read.add(raw.rows);
        self.metrics.batches.add(1);
        let numbers = self.task.permit.tells_rows().then_some(raw.first_row);
        let permitted = self.permitted(raw, numbers)?;
        let span = if self.task.ordered { self.verify_order(&permitted, numbers)? } else { None };
        let by_entry = self.by_entry(raw)?;
        let (kept, tested) = match by_entry {
            Some(by_entry) => self.wanted_of_codes(permitted, &by_entry)?,
            None => {
                let tested = self.conformed(&permitted, raw, numbers)?;
                self.wanted(permitted, tested)?
            }
        };
        let tested = self.rekeyed(tested)?;
        let mask = kept.mask.as_ref();
        let carried = self.columns.carried().map(|read| kept_of(mask, raw.columns.get(read)?));
        let carried = carried.collect::<Option<Vec<_>>>().ok_or_else(|| self.stopped())?;
        let origins = match numbers {
            Some(first_row) => Origins::of(kept.rows, first_row, kept.mask.as_ref().map(|mask| &mask.bits)),
            None => Origins::untold(),
        };
        Ok((Piece { rows: kept.rows, ids: kept.ids, tested, carried, span, origins }, kept.mask))
    }

    /// The columns that the predicate asks about, of wanted rows, as the scan delivers them.
    fn rekeyed(&mut self, tested: Vec<ArrayRef>) -> Result<Vec<ArrayRef>, SourceError> {
        let rekeyed = tested.into_iter().zip(&mut self.rekeyed).map(|(array, rekeyed)| match rekeyed {
            Some(rekeyed) => rekeyed.rekeyed(&array),
            None => Some(array),
        });
        // A row that is wanted has one of the wanted texts.
        rekeyed.collect::<Option<Vec<_>>>().ok_or_else(|| stopped(self.task, self.place))
    }

    /// The columns that the predicate asks about, of the rows that may be seen.
    fn conformed(
        &mut self,
        permitted: &Permitted,
        raw: &RawBatch,
        numbers: Option<u64>,
    ) -> Result<Vec<ArrayRef>, SourceError> {
        let mut tested = Vec::with_capacity(self.tested.len());
        for at in 0..self.tested.len() {
            let column = self.columns.tested.get(at).and_then(|placed| raw.columns.get(placed.read));
            let (Some(conformer), Some(column)) = (self.tested.get_mut(at), column) else {
                return Err(self.stopped());
            };
            let column = kept_of(permitted.mask.as_ref(), column).ok_or_else(|| stopped(self.task, self.place))?;
            // Nothing is told of where, unless all rows may be seen: then the index is the row's.
            tested.push(conformer.conform(&column, permitted.rows).map_err(|fault| {
                fault.told(&self.task.source.table, self.place, conformer.column(), |index| {
                    numbers.map(|first| first + index as u64)
                })
            })?);
        }
        Ok(tested)
    }

    /// The wanted rows with all their columns. `others` are the columns that did not decide, of these rows alone;
    /// `first` is the index of the first of them among those whose origins the piece knows.
    pub(super) fn complete(
        &mut self,
        (first, piece): (usize, Piece),
        others: &[RawColumn],
    ) -> Result<GuardedBatch, SourceError> {
        let fields = self.task.read_schema.fields().len();
        let mut arrays: Vec<Option<ArrayRef>> = vec![None; fields];
        let mut put = |at: usize, array: ArrayRef| {
            if let Some(to) = arrays.get_mut(at) {
                *to = Some(array);
            }
        };
        if let Some(ids) = piece.ids {
            put(0, ids.into_array());
        }
        for (placed, array) in self.columns.tested.iter().zip(piece.tested) {
            put(placed.delivered, array);
        }
        let mut carried = piece.carried.iter();
        for (placed, conformer) in self.columns.late.iter().zip(&mut self.late) {
            let column = match placed.read.checked_sub(self.columns.deciding) {
                Some(other) => others.get(other),
                None => carried.next(),
            };
            let column = column.ok_or_else(|| stopped(self.task, self.place))?;
            let array = conformer.conform(column, piece.rows).map_err(|fault| {
                fault.told(&self.task.source.table, self.place, conformer.column(), |index| {
                    piece.origins.number(first + index)
                })
            })?;
            put(placed.delivered, array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(piece.rows));
        let arrays = arrays.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| self.stopped())?;
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.task.read_schema), arrays, &options)
            .map_err(|_| self.stopped())?;
        let rows = batch.project(&self.task.output).map_err(|_| self.stopped())?;
        Ok(GuardedBatch { rows, span: piece.span, first_row: piece.origins.first_of_all() })
    }

    /// Of rows that may be seen, those of which the predicate is true.
    fn wanted(&mut self, permitted: Permitted, tested: Vec<ArrayRef>) -> Result<(Kept, Vec<ArrayRef>), SourceError> {
        let stopped = || stopped(self.task, self.place);
        let permitted = Kept { ids: permitted.ids().ok_or_else(stopped)?, mask: permitted.mask, rows: permitted.rows };
        let Some(predicate) = &mut self.predicate else { return Ok((permitted, tested)) };
        let key = permitted.ids.clone().map(PatientIds::into_array);
        let options = RecordBatchOptions::new().with_row_count(Some(permitted.rows));
        let schema = Arc::clone(&self.columns.tested_schema);
        let arrays = key.into_iter().chain(tested.iter().cloned()).collect();
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options).map_err(|_| stopped())?;
        let kept = predicate.evaluate(&batch).ok_or_else(stopped)?;
        let rows = kept.count_set_bits();
        if rows == permitted.rows {
            return Ok((permitted, tested));
        }
        self.metrics.rows_removed_by_predicate.add(permitted.rows - rows);
        let kept = Mask::new(kept);
        let tested = tested.iter().map(|array| kept.filter().filter(array)).collect::<Result<Vec<_>, _>>();
        let ids = permitted.ids.map(|ids| kept.ids(ids).ok_or_else(stopped)).transpose()?;
        let mask = match &permitted.mask {
            Some(mask) => Mask::new(narrowed(&mask.bits, &kept.bits)),
            None => kept,
        };
        Ok((Kept { ids, mask: Some(mask), rows }, tested.map_err(|_| stopped())?))
    }

    /// Holds the promise of order against the rows; where a patient may have only one, looks for a second.
    fn verify_order(
        &mut self,
        permitted: &Permitted,
        numbers: Option<u64>,
    ) -> Result<Option<PatientSpan>, SourceError> {
        let one_row = self.task.source.one_row_per_patient;
        let Some(ids) = permitted.in_order(one_row).ok_or_else(|| self.stopped())? else { return Ok(None) };
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
            return Ok(None);
        };
        // Where something is hidden no row has a number, so that an index is of a row where it is told.
        let number = |index: usize| numbers.map(|first| first + index as u64);
        let wrong = |before: &PatientId, after: &PatientId| before > after || (one_row && before == after);
        let at = match self.last_patient.replace(last.clone()) {
            Some(before) if wrong(&before, &first) => Some((0, before == first)),
            _ => first_wrong(&ids, one_row).map(|row| (row, ids.get(row - 1) == ids.get(row))),
        };
        match at {
            None => Ok(Some(PatientSpan { first, last, first_row: number(0) })),
            Some((index, same)) => Err(disorder(&self.task.source, self.place, same, number(index))),
        }
    }

    fn not_judged(&self, error: NotJudged) -> SourceError {
        match error {
            NotJudged::Key(error) => self.refused(&error),
            NotJudged::UnexpectedArray => self.stopped(),
        }
    }

    /// The policy's sets could not be asked: nothing is let through.
    fn refused(&self, error: &peristyle_policy::patients::PatientKeyError) -> SourceError {
        SourceError::Policy { table: Arc::clone(&self.task.source.table), reason: error.to_string() }
    }

    /// Of the rows that are delivered.
    pub(super) fn schema(&self) -> Result<SchemaRef, SourceError> {
        self.task.read_schema.project(&self.task.output).map(Arc::new).map_err(|_| self.stopped())
    }

    pub(super) fn stopped(&self) -> SourceError {
        stopped(self.task, self.place)
    }
}

fn stopped(task: &ScanTask, place: &Place) -> SourceError {
    SourceError::ReaderStopped { table: Arc::clone(&task.source.table), place: place.clone() }
}
