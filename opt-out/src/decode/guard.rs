//! The guard itself: of rows as they were read, those that the permit and the predicate let through.

use std::cell::OnceCell;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{FilterBuilder, FilterPredicate};
use arrow::datatypes::{DataType, Int32Type, SchemaRef};

use super::columns::ReadColumns;
use super::order::{PatientSpan, disorder, first_wrong};
use super::pieces::{Origins, Piece};
use super::{GuardedBatch, ScanMetrics, ScanTask};
use crate::bits::narrowed;
use crate::conform::{Conformer, patients};
use crate::error::{Place, SourceError};
use crate::keyless::with_key;
use crate::patient_ids::{PatientId, PatientIds};
use crate::policy::{NotJudged, SeenPatients, SegmentTally, Verdict};
use crate::predicate::PredicateState;
use crate::request::PatientKeyColumn;
use crate::source::{CodedRows, RawBatch, RawColumn};

pub(super) struct Guard<'a> {
    task: &'a ScanTask,
    columns: &'a ReadColumns,
    place: &'a Place,
    metrics: &'a ScanMetrics,
    /// For the columns that the predicate asks about, and for the late ones
    tested: Vec<Conformer>,
    late: Vec<Conformer>,
    judge: Option<Conformer>,
    pub(super) tally: SegmentTally,
    predicate: Option<PredicateState<'a>>,
    entries: Option<KnownEntries>,
    last_patient: Option<PatientId>,
}

/// Which of some rows are kept, as bits and as what filters columns, which is made once for all of them.
pub(super) struct Mask {
    pub(super) bits: BooleanBuffer,
    filter: OnceCell<FilterPredicate>,
}

impl Mask {
    fn new(bits: BooleanBuffer) -> Self {
        Self { bits, filter: OnceCell::new() }
    }

    fn filter(&self) -> &FilterPredicate {
        self.filter.get_or_init(|| FilterBuilder::new(&BooleanArray::new(self.bits.clone(), None)).optimize().build())
    }

    fn ids(&self, ids: PatientIds) -> Option<PatientIds> {
        PatientIds::of(&self.filter().filter(&ids.into_array()).ok()?)
    }

    fn column(&self, column: &RawColumn) -> Option<RawColumn> {
        let kept = |array: &dyn Array| self.filter().filter(array).ok();
        match column {
            RawColumn::Missing => Some(RawColumn::Missing),
            RawColumn::Typed(array) => kept(array).map(RawColumn::Typed),
            RawColumn::Text(cells) => Some(RawColumn::Text(kept(cells)?.to_data().into())),
            RawColumn::Codes(codes) => codes.kept(&self.bits).map(RawColumn::Typed),
        }
    }

    pub(super) fn columns(&self, columns: &[RawColumn]) -> Option<Vec<RawColumn>> {
        columns.iter().map(|column| self.column(column)).collect()
    }
}

/// A dictionary, and for which of its entries the predicate is true.
struct KnownEntries {
    found: ArrayRef,
    held: Option<Arc<[bool]>>,
}

/// Rows of which some have been removed.
struct Kept {
    ids: Option<PatientIds>,
    /// Which of the rows that were read; all, where there is none
    mask: Option<Mask>,
    rows: usize,
}

impl Kept {
    /// The rows of a column that was read.
    fn column(&self, column: &RawColumn) -> Option<RawColumn> {
        match (&self.mask, column) {
            (Some(mask), column) => mask.column(column),
            (None, RawColumn::Codes(codes)) => codes.to_array().map(RawColumn::Typed),
            (None, column) => Some(column.clone()),
        }
    }
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
        Self {
            task,
            columns,
            place,
            metrics,
            tested: columns.tested.iter().filter_map(|placed| conformer(placed.read)).collect(),
            late: columns.late.iter().filter_map(|placed| conformer(placed.read)).collect(),
            judge: task.judged_by.as_ref().map(|(column, _)| Conformer::new(column)),
            tally: SegmentTally::default(),
            predicate: task.predicate.as_ref().map(PredicateState::new),
            entries: None,
            last_patient: None,
        }
    }

    /// Whether any of the next rows may be wanted, of which a column has only these entries, or no value. They are left
    /// out only where nothing is hidden: what the policy removes is counted over all rows, whatever is asked of them.
    pub(super) fn may_want(&mut self, read: usize, entries: &ArrayRef, rows: usize) -> Result<bool, SourceError> {
        let tested = self.columns.tested.iter().position(|placed| placed.read == read);
        let (Some(at), Some(predicate), true) = (
            tested,
            self.predicate.as_mut(),
            self.task.permit.hides_nothing() && self.task.source.patient_key.is_some(),
        ) else {
            return Ok(true);
        };
        let Some(conformer) = self.tested.get_mut(at) else { return Ok(true) };
        let each = each_entry(entries).ok_or_else(|| stopped(self.task, self.place))?;
        let may = match conformer.conform(&RawColumn::Typed(each), entries.len() + 1) {
            Ok(each) => predicate.may_hold(conformer.column(), &each),
            // An entry that cannot be taken is a fault of the row that has it, if one has.
            Err(_) => true,
        };
        if !may {
            self.metrics.rows_pruned.add(rows);
            self.tally.read(rows, rows);
        }
        Ok(may)
    }

    /// Of rows of which the deciding columns have been read, those that are wanted; and which they are, all where that is
    /// not said.
    pub(super) fn decide(&mut self, raw: &RawBatch) -> Result<(Piece, Option<Mask>), SourceError> {
        self.metrics.rows_read.add(raw.rows);
        self.metrics.batches.add(1);
        let numbers = self.task.permit.hides_nothing().then_some(raw.first_row);
        let permitted = self.permitted(raw, numbers)?;
        let span = match &permitted.ids {
            Some(ids) if self.task.ordered => self.verify_order(ids, numbers)?,
            _ => None,
        };
        let by_entry = self.by_entry(raw)?;
        let (kept, tested) = match by_entry {
            Some((codes, held)) => self.wanted_of_codes(permitted, codes, &held)?,
            None => {
                let tested = self.conformed(&permitted, raw, numbers)?;
                self.wanted(permitted, tested)?
            }
        };
        let carried = self.columns.carried().map(|read| kept.column(raw.columns.get(read)?));
        let carried = carried.collect::<Option<Vec<_>>>().ok_or_else(|| self.stopped())?;
        let origins = match numbers {
            Some(first_row) => Origins::of(kept.rows, first_row, kept.mask.as_ref().map(|mask| &mask.bits)),
            None => Origins::untold(),
        };
        Ok((Piece { rows: kept.rows, ids: kept.ids, tested, carried, span, origins }, kept.mask))
    }

    /// The columns that the predicate asks about, of the rows that may be seen.
    fn conformed(
        &mut self,
        permitted: &Kept,
        raw: &RawBatch,
        numbers: Option<u64>,
    ) -> Result<Vec<ArrayRef>, SourceError> {
        let mut tested = Vec::with_capacity(self.tested.len());
        for at in 0..self.tested.len() {
            let column = self.columns.tested.get(at).and_then(|placed| raw.columns.get(placed.read));
            let (Some(conformer), Some(column)) = (self.tested.get_mut(at), column) else {
                return Err(self.stopped());
            };
            let column = permitted.column(column).ok_or_else(|| stopped(self.task, self.place))?;
            // Nothing is told of where, unless all rows may be seen: then the index is the row's.
            tested.push(conformer.conform(&column, permitted.rows).map_err(|fault| {
                fault.told(&self.task.source.table, self.place, conformer.column(), |index| {
                    numbers.map(|first| first + index as u64)
                })
            })?);
        }
        Ok(tested)
    }

    /// Where all that the predicate asks about is one column of codes: that column, and for which entries the predicate
    /// is true, that of no value last. None where an entry cannot be taken: whether a row has it is then looked at.
    fn by_entry<'r>(&mut self, raw: &'r RawBatch) -> Result<Option<(&'r CodedRows, Arc<[bool]>)>, SourceError> {
        let ([placed], [conformer], Some(predicate)) =
            (self.columns.tested.as_slice(), self.tested.as_mut_slice(), self.predicate.as_mut())
        else {
            return Ok(None);
        };
        let Some(RawColumn::Codes(codes)) = raw.columns.get(placed.read) else { return Ok(None) };
        let codes = codes.as_ref();
        if let Some(known) = &self.entries
            && Arc::ptr_eq(&known.found, codes.entries())
        {
            return Ok(known.held.clone().map(|held| (codes, held)));
        }
        let each = each_entry(codes.entries()).ok_or_else(|| stopped(self.task, self.place))?;
        let held = match conformer.conform(&RawColumn::Typed(each), codes.entries().len() + 1) {
            Ok(each) => {
                let held = predicate.evaluate_column(conformer.column(), &each);
                Some(held.ok_or_else(|| stopped(self.task, self.place))?.iter().collect::<Arc<[bool]>>())
            }
            Err(_) => None,
        };
        self.entries = Some(KnownEntries { found: Arc::clone(codes.entries()), held: held.clone() });
        Ok(held.map(|held| (codes, held)))
    }

    /// Of rows that may be seen, those of which the predicate is true, which is known for each entry.
    fn wanted_of_codes(
        &mut self,
        permitted: Kept,
        codes: &CodedRows,
        held: &[bool],
    ) -> Result<(Kept, Vec<ArrayRef>), SourceError> {
        let stopped = || stopped(self.task, self.place);
        let [conformer] = self.tested.as_mut_slice() else { return Err(stopped()) };
        let (of_none, of_entry) = held.split_last().ok_or_else(stopped)?;
        let held = codes.holding(of_entry, *of_none);
        let wanted = match &permitted.mask {
            Some(mask) => Mask::new(&mask.bits & &held),
            None => Mask::new(held),
        };
        let rows = wanted.bits.count_set_bits();
        self.metrics.rows_removed_by_predicate.add(permitted.rows - rows);
        let ids = match (permitted.ids, &permitted.mask) {
            (Some(ids), Some(mask)) => {
                // Of the bits those of the rows that may be seen, which are what there are ids of.
                let bits =
                    mask.filter().filter(&BooleanArray::new(wanted.bits.clone(), None)).map_err(|_| stopped())?;
                let bits = bits.as_boolean_opt().ok_or_else(stopped)?.values().clone();
                Some(Mask::new(bits).ids(ids).ok_or_else(stopped)?)
            }
            (Some(ids), None) => Some(wanted.ids(ids).ok_or_else(stopped)?),
            (None, _) => None,
        };
        let array = codes.kept(&wanted.bits).ok_or_else(stopped)?;
        let array = conformer.conform(&RawColumn::Typed(array), rows).map_err(|_| stopped())?;
        Ok((Kept { ids, mask: Some(wanted), rows }, vec![array]))
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

    /// The rows that may be seen: those of permitted patients, and of these the rows that the permit lets through. What
    /// rows are judged by is looked at only where the patient is permitted.
    fn permitted(&mut self, raw: &RawBatch, numbers: Option<u64>) -> Result<Kept, SourceError> {
        let Some(key) = &self.task.source.patient_key else {
            // Nobody's rows: a supplier's dictionary.
            self.tally.read(raw.rows, raw.rows);
            return Ok(Kept { ids: None, mask: None, rows: raw.rows });
        };
        let permit = &self.task.permit;
        if permit.enforcement().is_of_link()
            && let Some(keyed) = with_key(&raw.patients, raw.rows)
        {
            return self.permitted_of_keyed(raw, Mask::new(keyed), numbers);
        }
        let ids = self.ids(key, raw, numbers)?;
        let verdict = if permit.hides_nothing() {
            Verdict::All
        } else {
            let judged = permit.enforcement().judge(&ids, &mut self.tally);
            let seen = judged.map_err(|error| self.refused(&error))?;
            match self.columns.judged_by {
                Some(column) => {
                    let column = raw.columns.get(column).ok_or_else(|| self.stopped())?;
                    self.judge_rows(&ids, &seen, column, numbers)?
                }
                None => seen.verdict(),
            }
        };
        let Verdict::Some(bits) = verdict else {
            self.tally.read(raw.rows, raw.rows);
            return Ok(Kept { ids: Some(ids), mask: None, rows: raw.rows });
        };
        let mask = Mask::new(bits);
        let rows = mask.filter().count();
        self.tally.read(raw.rows, rows);
        self.metrics.rows_removed_by_policy.add(raw.rows - rows);
        let ids = mask.ids(ids).ok_or_else(|| self.stopped())?;
        Ok(Kept { ids: Some(ids), mask: Some(mask), rows })
    }

    /// The same of rows that are known by the key of a link, which some of them have not.
    fn permitted_of_keyed(&mut self, raw: &RawBatch, keyed: Mask, numbers: Option<u64>) -> Result<Kept, SourceError> {
        let patients = keyed.column(&raw.patients).ok_or_else(|| self.stopped())?;
        let columns = keyed.columns(&raw.columns).ok_or_else(|| self.stopped())?;
        let rows = RawBatch { first_row: raw.first_row, rows: keyed.filter().count(), patients, columns };
        self.tally.without_key(raw.rows - rows.rows);
        self.metrics.rows_removed_by_policy.add(raw.rows - rows.rows);
        // All of these have a key.
        let kept = self.permitted(&rows, numbers)?;
        let mask = match kept.mask {
            Some(mask) => Mask::new(narrowed(&keyed.bits, &mask.bits)),
            None => keyed,
        };
        Ok(Kept { mask: Some(mask), ..kept })
    }

    fn ids(&self, key: &PatientKeyColumn, raw: &RawBatch, numbers: Option<u64>) -> Result<PatientIds, SourceError> {
        let number = |index| numbers.map(|first| first + index as u64);
        patients(&raw.patients, key.key_type)
            .map_err(|fault| fault.told(&self.task.source.table, self.place, &key.name, number))
    }

    /// Narrows the verdict about patients to single rows. What rows are judged by is looked at only where the patient may
    /// be seen: dates as they are cannot fail, and all else is conformed for those rows alone.
    fn judge_rows(
        &mut self,
        ids: &PatientIds,
        seen: &SeenPatients,
        column: &RawColumn,
        numbers: Option<u64>,
    ) -> Result<Verdict, SourceError> {
        let permit = &self.task.permit;
        let judge = |of: &SeenPatients, column: &ArrayRef, tally: &mut SegmentTally| {
            permit.rows().judge(permit.enforcement(), of, column, tally)
        };
        let as_is = self.judge.as_ref().is_some_and(Conformer::takes_dates_as_they_are);
        let judged = match column {
            RawColumn::Typed(dates) if as_is && *dates.data_type() == DataType::Date32 => {
                judge(seen, dates, &mut self.tally)
            }
            _ => {
                let Verdict::Some(bits) = seen.verdict() else {
                    let conformed = self.conformed_judge(column, ids.len(), numbers)?;
                    let judged = judge(seen, &conformed, &mut self.tally);
                    return judged.map_err(|error| self.not_judged(error));
                };
                let mask = Mask::new(bits);
                let column = mask.column(column).ok_or_else(|| self.stopped())?;
                let conformed = self.conformed_judge(&column, mask.filter().count(), numbers)?;
                match judge(&seen.only_seen(), &conformed, &mut self.tally) {
                    Ok(Verdict::All) => Ok(Verdict::Some(mask.bits)),
                    Ok(Verdict::Some(kept)) => Ok(Verdict::Some(narrowed(&mask.bits, &kept))),
                    Err(error) => Err(error),
                }
            }
        };
        judged.map_err(|error| self.not_judged(error))
    }

    fn conformed_judge(
        &mut self,
        column: &RawColumn,
        rows: usize,
        numbers: Option<u64>,
    ) -> Result<ArrayRef, SourceError> {
        let Some(judge) = &mut self.judge else { return Err(self.stopped()) };
        let number = |index| numbers.map(|first| first + index as u64);
        judge
            .conform(column, rows)
            .map_err(|fault| fault.told(&self.task.source.table, self.place, judge.column(), number))
    }

    /// Of rows that may be seen, those of which the predicate is true.
    fn wanted(&mut self, permitted: Kept, tested: Vec<ArrayRef>) -> Result<(Kept, Vec<ArrayRef>), SourceError> {
        let Some(predicate) = &mut self.predicate else { return Ok((permitted, tested)) };
        let stopped = || stopped(self.task, self.place);
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
    fn verify_order(&mut self, ids: &PatientIds, numbers: Option<u64>) -> Result<Option<PatientSpan>, SourceError> {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
            return Ok(None);
        };
        let number = |index: usize| numbers.map(|first| first + index as u64);
        let one_row = self.task.source.one_row_per_patient;
        let wrong = |before: &PatientId, after: &PatientId| before > after || (one_row && before == after);
        let at = match self.last_patient.replace(last.clone()) {
            Some(before) if wrong(&before, &first) => Some((0, before == first)),
            _ => first_wrong(ids, one_row).map(|row| (row, ids.get(row - 1) == ids.get(row))),
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

/// A row of each entry, and one without a value.
fn each_entry(entries: &ArrayRef) -> Option<ArrayRef> {
    let keys: Int32Array = (0..i32::try_from(entries.len()).ok()?).map(Some).chain([None]).collect();
    Some(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(entries)).ok()?))
}

fn stopped(task: &ScanTask, place: &Place) -> SourceError {
    SourceError::ReaderStopped { table: Arc::clone(&task.source.table), place: place.clone() }
}
