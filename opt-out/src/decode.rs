//! The guard's own loop, over one segment: read, **mask**, verify the order, conform, apply the predicate.
//!
//! ```text
//! OpenedFile::read ─► raw rows ─► patients ─► mask by permit ─► order ─► conform ─► predicate ─► project
//!                     (everyone)              (permitted only from here on)
//! ```

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::{filter, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};

use crate::conform::{Conformer, Fault, patients};
use crate::error::{Place, SourceError};
use crate::policy::ScanPermit;
use crate::predicate::{PredicateState, ScanPredicate};
use crate::request::PATIENT_ID;
use crate::source::{Flow, RawBatch, RawColumn, ReadRequest, SegmentRef, TableSource};

/// What a scan is to do with every segment.
#[derive(Debug)]
pub(crate) struct ScanTask {
    pub(crate) source: Arc<TableSource>,
    pub(crate) permit: ScanPermit,
    /// Indices in the request of the columns that are read
    pub(crate) columns: Vec<usize>,
    /// `patient_id`, then those columns
    pub(crate) read_schema: SchemaRef,
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
    /// The schema of a read of `patient_id` alone.
    pub(crate) fn schema_of_patients() -> Schema {
        Schema::new(vec![Field::new(PATIENT_ID, DataType::Int64, false)])
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
#[derive(Clone, Copy, Debug)]
pub(crate) struct PatientSpan {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) first_row: Option<u64>,
}

/// Rows that have passed the guard.
#[derive(Debug)]
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
        predicate: task.predicate.as_ref().map(PredicateState::new),
        last_patient: None,
    };
    let request = ReadRequest {
        segment: segment.segment,
        columns: &task.columns,
        batch_rows: task.batch_rows,
        bytes_read: metrics.bytes_read.clone(),
    };
    let mut timer = metrics.decode_time.timer();
    segment.file.read(&task.permit, &request, &mut |raw| {
        let batch = guard.pass(raw)?;
        timer.stop();
        let flow = hand_on(batch);
        timer.restart();
        Ok(flow)
    })
}

struct Guard<'a> {
    task: &'a ScanTask,
    place: &'a Place,
    metrics: &'a ScanMetrics,
    conformers: Vec<Conformer>,
    predicate: Option<PredicateState<'a>>,
    last_patient: Option<i64>,
}

impl Guard<'_> {
    fn pass(&mut self, raw: RawBatch) -> Result<GuardedBatch, SourceError> {
        self.metrics.rows_read.add(raw.rows);
        self.metrics.batches.add(1);
        let permitted = self.task.permit.permitted();
        let numbers = RowNumbers { first_row: permitted.is_everyone().then_some(raw.first_row) };
        let patient_ids =
            patients(&raw.patients).map_err(|fault| self.fault(&Arc::from(PATIENT_ID), fault, &numbers))?;
        let (patient_ids, columns) = match permitted.mask(&patient_ids) {
            None => (patient_ids, raw.columns),
            Some(mask) => self.masked(&patient_ids, raw.columns, &mask)?,
        };

        let span = if self.task.ordered { self.verify_order(&patient_ids, &numbers)? } else { None };
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len() + 1);
        let rows = patient_ids.len();
        arrays.push(Arc::new(patient_ids));
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

    /// The rows that may be seen. The mask has no NULLs.
    fn masked(
        &self,
        patient_ids: &Int64Array,
        columns: Vec<RawColumn>,
        mask: &BooleanArray,
    ) -> Result<(Int64Array, Vec<RawColumn>), SourceError> {
        self.metrics.rows_removed_by_policy.add(mask.len() - mask.true_count());
        let kept = |array: &dyn Array| filter(array, mask).map_err(|_| self.stopped());
        let masked = |column: RawColumn| match column {
            RawColumn::Missing => Ok(RawColumn::Missing),
            RawColumn::Typed(array) => kept(&array).map(RawColumn::Typed),
            RawColumn::Text(cells) => Ok(RawColumn::Text(kept(&cells)?.to_data().into())),
        };
        let columns = columns.into_iter().map(masked).collect::<Result<_, _>>()?;
        Ok((kept(patient_ids)?.to_data().into(), columns))
    }

    /// Holds the promise of order against the rows; where a patient may have only one, looks for a second.
    fn verify_order(&mut self, ids: &Int64Array, numbers: &RowNumbers) -> Result<Option<PatientSpan>, SourceError> {
        let values = ids.values();
        let (Some(&first), Some(&last)) = (values.first(), values.last()) else {
            return Ok(None);
        };
        let one_row = self.task.source.one_row_per_patient;
        let wrong = |before: i64, after: i64| before > after || (one_row && before == after);
        let at = match self.last_patient.replace(last) {
            Some(before) if wrong(before, first) => Some((0, before, first)),
            _ => values
                .windows(2)
                .position(|pair| matches!(pair, [before, after] if wrong(*before, *after)))
                .and_then(|index| Some((index + 1, *values.get(index)?, *values.get(index + 1)?))),
        };
        match at {
            None => Ok(Some(PatientSpan { first, last, first_row: numbers.of(0) })),
            Some((index, before, after)) => {
                Err(disorder(&self.task.source, self.place, (before, after), numbers.of(index)))
            }
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

    fn stopped(&self) -> SourceError {
        SourceError::ReaderStopped { table: Arc::clone(&self.task.source.table), place: self.place.clone() }
    }
}

/// The error for two neighbouring rows that may not follow each other.
pub(crate) fn disorder(
    source: &TableSource,
    place: &Place,
    (before, after): (i64, i64),
    row: Option<u64>,
) -> SourceError {
    let (table, place) = (Arc::clone(&source.table), place.clone());
    if before == after {
        let first_row = row.map(|row| row.saturating_sub(1)).filter(|&row| row > 0);
        return SourceError::DuplicatePatient { table, place: Some(place), row, first_row };
    }
    if place == Place::Given { SourceError::Unsorted { table } } else { SourceError::OutOfOrder { table, place, row } }
}
