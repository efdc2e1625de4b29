//! The guard's own loop, over one segment: read, **mask**, verify the order, conform, apply the predicate.
//!
//! ```text
//! OpenedFile::read ─► raw rows ─► patients ─► mask by permit ─► order ─► conform ─► predicate ─► project
//!                     (everyone)              (permitted only from here on: by patient, then by row)
//! ```

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, BooleanBufferBuilder, RecordBatch, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{FilterBuilder, FilterPredicate, filter_record_batch};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};

use crate::conform::{Conformer, Fault, patients};
use crate::error::{Place, SourceError};
use crate::patient_ids::{PatientId, PatientIds};
use crate::policy::{NotJudged, ScanPermit, SeenPatients, SegmentTally, Verdict};
use crate::predicate::{PredicateState, ScanPredicate};
use crate::request::{ColumnRequest, PatientKeyColumn};
use crate::source::{Flow, RawBatch, RawColumn, ReadRequest, SegmentRef, TableSource};

/// What a scan is to do with every segment.
#[derive(Debug)]
pub(crate) struct ScanTask {
    pub(crate) source: Arc<TableSource>,
    pub(crate) permit: ScanPermit,
    /// Indices in the source of the columns that are read for whoever asked
    pub(crate) columns: Vec<usize>,
    /// `patient_id`, then those columns
    pub(crate) read_schema: SchemaRef,
    /// The column that the permit judges rows by, as it is to be read, and its index in the source
    pub(crate) judged_by: Option<(ColumnRequest, usize)>,
    pub(crate) predicate: Option<ScanPredicate>,
    /// Indices in the read schema of the columns that are delivered
    pub(crate) output: Vec<usize>,
    /// Whether the rows of each partition are promised to ascend by patient
    pub(crate) ordered: bool,
    pub(crate) batch_rows: usize,
}

/// What a scan counts, for operators of the engine: never for whoever wrote the definition.
#[derive(Clone, Debug)]
pub(crate) struct ScanMetrics {
    pub(crate) rows_read: Count,
    pub(crate) bytes_read: Count,
    pub(crate) rows_removed_by_policy: Count,
    pub(crate) rows_removed_by_predicate: Count,
    pub(crate) batches: Count,
    pub(crate) decode_time: Time,
}

impl ScanTask {
    /// A read of `patient_id` alone.
    pub(crate) fn of_patients(
        source: &Arc<TableSource>,
        permit: ScanPermit,
        judged_by: Option<(ColumnRequest, usize)>,
    ) -> Self {
        let patient_id = source.patient_key.as_ref().map(PatientKeyColumn::field);
        Self {
            source: Arc::clone(source),
            permit,
            columns: Vec::new(),
            read_schema: Arc::new(Schema::new(patient_id.into_iter().collect::<Vec<_>>())),
            judged_by,
            predicate: None,
            output: vec![0],
            ordered: false,
            batch_rows: 8192,
        }
    }
}

impl ScanMetrics {
    pub(crate) fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        Self {
            rows_read: counter("rows_read"),
            bytes_read: counter("bytes_read"),
            rows_removed_by_policy: counter("rows_removed_by_policy"),
            rows_removed_by_predicate: counter("rows_removed_by_predicate"),
            batches: counter("batches"),
            decode_time: MetricBuilder::new(metrics).subset_time("decode_time", partition),
        }
    }

    /// Counts that nobody looks at.
    pub(crate) fn unseen() -> Self {
        Self::new(&ExecutionPlanMetricsSet::new(), 0)
    }
}

/// First and last patient of some rows in order, and the number of the first row.
#[derive(Clone)]
pub(crate) struct PatientSpan {
    pub(crate) first: PatientId,
    pub(crate) last: PatientId,
    pub(crate) first_row: Option<u64>,
}

/// Rows that have passed the guard.
pub(crate) struct GuardedBatch {
    pub(crate) rows: RecordBatch,
    /// Of the permitted rows, before the predicate; None where no order is promised or there are none
    pub(crate) span: Option<PatientSpan>,
    /// The number of the first of the rows in its file, where it may be told
    pub(crate) first_row: Option<u64>,
}

/// The numbers that rows have in their file. Where the policy hides patients they are not told: a number would count
/// hidden rows.
struct RowNumbers {
    first_row: Option<u64>,
}

impl RowNumbers {
    fn of(&self, index: usize) -> Option<u64> {
        self.first_row.map(|first| first + index as u64)
    }
}

/// Reads one segment, blocking, and hands on what the permit and the predicate let through.
pub(crate) fn decode_segment(
    task: &ScanTask,
    segment: &SegmentRef,
    metrics: &ScanMetrics,
    hand_on: &mut dyn FnMut(GuardedBatch) -> Flow,
) -> Result<(), SourceError> {
    let requests = task.columns.iter().filter_map(|&column| task.source.columns.get(column));
    let mut guard = Guard {
        task,
        place: segment.file.place(),
        metrics,
        conformers: requests.map(Conformer::new).collect(),
        judge: task.judged_by.as_ref().map(|(column, _)| Conformer::new(column)),
        tally: SegmentTally::default(),
        predicate: task.predicate.as_ref().map(PredicateState::new),
        last_patient: None,
    };
    // What rows are judged by comes last.
    let columns: Vec<usize> =
        task.columns.iter().copied().chain(task.judged_by.as_ref().map(|(_, column)| *column)).collect();
    let request = ReadRequest {
        segment: segment.segment,
        columns: &columns,
        batch_rows: task.batch_rows,
        bytes_read: metrics.bytes_read.clone(),
    };
    let mut timer = metrics.decode_time.timer();
    let read = segment.file.read(&task.permit, &request, &mut |raw| {
        let batch = guard.pass(raw)?;
        timer.stop();
        let flow = hand_on(batch);
        timer.restart();
        Ok(flow)
    });
    task.permit.tally().add(guard.tally);
    read
}

struct Guard<'a> {
    task: &'a ScanTask,
    place: &'a Place,
    metrics: &'a ScanMetrics,
    conformers: Vec<Conformer>,
    judge: Option<Conformer>,
    tally: SegmentTally,
    predicate: Option<PredicateState<'a>>,
    last_patient: Option<PatientId>,
}

impl Guard<'_> {
    fn pass(&mut self, raw: RawBatch) -> Result<GuardedBatch, SourceError> {
        self.metrics.rows_read.add(raw.rows);
        self.metrics.batches.add(1);
        let numbers = RowNumbers { first_row: self.task.permit.hides_nothing().then_some(raw.first_row) };
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(raw.columns.len() + 1);
        let (rows, span, columns) = match &self.task.source.patient_key {
            Some(key) => {
                let (ids, columns) = self.permitted(key, raw, &numbers)?;
                let span = if self.task.ordered { self.verify_order(&ids, &numbers)? } else { None };
                let rows = ids.len();
                arrays.push(ids.into_array());
                (rows, span, columns)
            }
            // Nobody's rows: a supplier's dictionary.
            None => {
                self.tally.read(raw.rows, raw.rows);
                (raw.rows, None, raw.columns)
            }
        };
        for index in 0..self.conformers.len() {
            let (Some(conformer), Some(column)) = (self.conformers.get_mut(index), columns.get(index)) else {
                return Err(self.stopped());
            };
            match conformer.conform(column, rows) {
                Ok(array) => arrays.push(array),
                Err(fault) => {
                    let name = Arc::clone(conformer.column());
                    return Err(self.fault(&name, fault, &numbers));
                }
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.task.read_schema), arrays, &options)
            .map_err(|_| self.stopped())?;
        let kept = self.apply_predicate(batch)?;
        let rows = kept.project(&self.task.output).map_err(|_| self.stopped())?;
        Ok(GuardedBatch { rows, span, first_row: numbers.first_row })
    }

    /// The rows that may be seen: those of permitted patients, and of these the rows that the permit lets through. What
    /// rows are judged by is looked at only where the patient is permitted.
    fn permitted(
        &mut self,
        key: &PatientKeyColumn,
        raw: RawBatch,
        numbers: &RowNumbers,
    ) -> Result<(PatientIds, Vec<RawColumn>), SourceError> {
        let ids = patients(&raw.patients, key.key_type).map_err(|fault| self.fault(&key.name, fault, numbers))?;
        let permit = &self.task.permit;
        let mut columns = raw.columns;
        let judged_by = if self.judge.is_some() { columns.pop() } else { None };
        let verdict = if permit.hides_nothing() {
            Verdict::All
        } else {
            let judged = permit.enforcement().judge(&ids, &mut self.tally);
            let seen = judged.map_err(|error| self.refused(&error))?;
            match judged_by {
                Some(column) => self.judge_rows(&ids, &seen, column, numbers)?,
                None => seen.verdict(),
            }
        };
        let mask = match verdict {
            Verdict::All => {
                self.tally.read(raw.rows, raw.rows);
                return Ok((ids, columns));
            }
            Verdict::Some(mask) => BooleanArray::new(mask, None),
        };
        let passed = mask.true_count();
        self.tally.read(raw.rows, passed);
        self.metrics.rows_removed_by_policy.add(raw.rows - passed);
        // The runs of set bits are found once, for all columns.
        let mask = FilterBuilder::new(&mask).optimize().build();
        let ids = self.masked_ids(ids, &mask)?;
        let columns = columns.into_iter().map(|column| self.masked(column, &mask)).collect::<Result<_, _>>()?;
        Ok((ids, columns))
    }

    /// Narrows the verdict about patients to single rows. What rows are judged by is looked at only where the patient may
    /// be seen: dates as they are cannot fail, and all else is conformed for those rows alone.
    fn judge_rows(
        &mut self,
        ids: &PatientIds,
        seen: &SeenPatients,
        column: RawColumn,
        numbers: &RowNumbers,
    ) -> Result<Verdict, SourceError> {
        let permit = &self.task.permit;
        let judge = |of: &SeenPatients, column: &ArrayRef, tally: &mut SegmentTally| {
            permit.rows().judge(permit.enforcement(), of, column, tally)
        };
        let as_is = self.judge.as_ref().is_some_and(Conformer::takes_dates_as_they_are);
        let judged = match &column {
            RawColumn::Typed(dates) if as_is && *dates.data_type() == DataType::Date32 => {
                judge(seen, dates, &mut self.tally)
            }
            _ => {
                let Verdict::Some(mask) = seen.verdict() else {
                    let conformed = self.conformed_judge(&column, ids.len(), numbers)?;
                    let judged = judge(seen, &conformed, &mut self.tally);
                    return judged.map_err(|error| self.not_judged(error));
                };
                let rows = BooleanArray::new(mask.clone(), None);
                let filter = FilterBuilder::new(&rows).optimize().build();
                let column = self.masked(column, &filter)?;
                let conformed = self.conformed_judge(&column, rows.true_count(), numbers)?;
                match judge(&seen.only_seen(), &conformed, &mut self.tally) {
                    Ok(Verdict::All) => Ok(Verdict::Some(mask)),
                    Ok(Verdict::Some(kept)) => Ok(Verdict::Some(narrowed(&mask, &kept))),
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
        numbers: &RowNumbers,
    ) -> Result<ArrayRef, SourceError> {
        let stopped = self.stopped();
        let Some(judge) = &mut self.judge else { return Err(stopped) };
        let name = Arc::clone(judge.column());
        judge.conform(column, rows).map_err(|fault| self.fault(&name, fault, numbers))
    }

    fn not_judged(&self, error: NotJudged) -> SourceError {
        match error {
            NotJudged::Key(error) => self.refused(&error),
            NotJudged::UnexpectedArray => self.stopped(),
        }
    }

    fn masked_ids(&self, ids: PatientIds, mask: &FilterPredicate) -> Result<PatientIds, SourceError> {
        let kept = mask.filter(&ids.into_array()).map_err(|_| self.stopped())?;
        PatientIds::of(&kept).ok_or_else(|| self.stopped())
    }

    /// The rows that may be seen. The mask has no NULLs.
    fn masked(&self, column: RawColumn, mask: &FilterPredicate) -> Result<RawColumn, SourceError> {
        let kept = |array: &dyn Array| mask.filter(array).map_err(|_| self.stopped());
        match column {
            RawColumn::Missing => Ok(RawColumn::Missing),
            RawColumn::Typed(array) => kept(&array).map(RawColumn::Typed),
            RawColumn::Text(cells) => Ok(RawColumn::Text(kept(&cells)?.to_data().into())),
        }
    }

    /// Holds the promise of order against the rows; where a patient may have only one, looks for a second.
    fn verify_order(&mut self, ids: &PatientIds, numbers: &RowNumbers) -> Result<Option<PatientSpan>, SourceError> {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
            return Ok(None);
        };
        let one_row = self.task.source.one_row_per_patient;
        let wrong = |before: &PatientId, after: &PatientId| before > after || (one_row && before == after);
        let at = match self.last_patient.replace(last.clone()) {
            Some(before) if wrong(&before, &first) => Some((0, before == first)),
            _ => first_wrong(ids, one_row).map(|row| (row, ids.get(row - 1) == ids.get(row))),
        };
        match at {
            None => Ok(Some(PatientSpan { first, last, first_row: numbers.of(0) })),
            Some((index, same)) => Err(disorder(&self.task.source, self.place, same, numbers.of(index))),
        }
    }

    fn apply_predicate(&mut self, batch: RecordBatch) -> Result<RecordBatch, SourceError> {
        let Some(predicate) = &mut self.predicate else {
            return Ok(batch);
        };
        let kept = predicate.evaluate(&batch).ok_or_else(|| SourceError::ReaderStopped {
            table: Arc::clone(&self.task.source.table),
            place: self.place.clone(),
        })?;
        let removed = kept.len() - kept.count_set_bits();
        if removed == 0 {
            return Ok(batch);
        }
        self.metrics.rows_removed_by_predicate.add(removed);
        filter_record_batch(&batch, &BooleanArray::new(kept, None)).map_err(|_| self.stopped())
    }

    fn fault(&self, column: &Arc<str>, fault: Fault, numbers: &RowNumbers) -> SourceError {
        match fault {
            Fault::UnexpectedArray => self.stopped(),
            Fault::Value { index, problem } => SourceError::Value {
                table: Arc::clone(&self.task.source.table),
                place: self.place.clone(),
                column: Arc::clone(column),
                row: numbers.of(index),
                problem,
            },
        }
    }

    /// The policy's sets could not be asked: nothing is let through.
    fn refused(&self, error: &peristyle_policy::patients::PatientKeyError) -> SourceError {
        SourceError::Policy { table: Arc::clone(&self.task.source.table), reason: error.to_string() }
    }

    fn stopped(&self) -> SourceError {
        SourceError::ReaderStopped { table: Arc::clone(&self.task.source.table), place: self.place.clone() }
    }
}

/// Those of the set bits of `seen` for which, one after another, `kept` is set.
fn narrowed(seen: &BooleanBuffer, kept: &BooleanBuffer) -> BooleanBuffer {
    let mut rows = BooleanBufferBuilder::new(seen.len());
    rows.append_n(seen.len(), false);
    for (at, row) in seen.set_indices().enumerate() {
        if at < kept.len() && kept.value(at) {
            rows.set_bit(row, true);
        }
    }
    rows.finish()
}

/// The first row that may not follow the one before it.
fn first_wrong(ids: &PatientIds, one_row: bool) -> Option<usize> {
    let mut runs = 0;
    let in_order = ids.runs(|_| runs += 1);
    if in_order && (!one_row || runs == ids.len()) {
        return None;
    }
    (1..ids.len()).find(|&row| {
        let (before, after) = (ids.get(row - 1), ids.get(row));
        before > after || (one_row && before == after)
    })
}

/// The error for two neighbouring rows that may not follow each other: of one patient, or in the wrong order.
pub(crate) fn disorder(source: &TableSource, place: &Place, same_patient: bool, row: Option<u64>) -> SourceError {
    let (table, place) = (Arc::clone(&source.table), place.clone());
    if same_patient {
        let first_row = row.map(|row| row.saturating_sub(1)).filter(|&row| row > 0);
        return SourceError::DuplicatePatient { table, place: Some(place), row, first_row };
    }
    if place == Place::Given { SourceError::Unsorted { table } } else { SourceError::OutOfOrder { table, place, row } }
}
