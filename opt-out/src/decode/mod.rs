//! The guard's own loop, over one segment: read, **mask**, verify the order, conform, apply the predicate.
//!
//! ```text
//! OpenedFile::read ─► raw rows ─► patients ─► mask by permit ─► order ─► predicate ─► other columns ─► project
//!                     (everyone)              (permitted only from here on: by patient, then by row)
//! ```
//! Columns that decide which rows are wanted are read first, where a format can read the others for some rows alone.
//! Where a predicate asks about one column of codes, it is asked once for each entry of the dictionary; for rows it is then
//! a look at their keys, as bits, which are joined with the mask: a row that is hidden is never made, and never compared.

mod columns;
mod guard;
mod order;
mod pieces;
mod texts;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, ScopedTimerGuard, Time};

use crate::error::SourceError;
use crate::policy::ScanPermit;
use crate::predicate::ScanPredicate;
use crate::request::{ColumnRequest, PatientKeyColumn};
use crate::source::{CodedRows, Flow, RawBatch, RawColumn, ReadRequest, RowSink, SegmentRef, TableSource};
use columns::ReadColumns;
use guard::Guard;
pub(crate) use order::{PatientSpan, disorder};
use pieces::Pieces;
pub(crate) use texts::WantedTexts;

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
    /// What it says of the texts of wanted rows
    pub(crate) texts: WantedTexts,
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
    pub(crate) rows_pruned: Count,
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
            texts: WantedTexts::default(),
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
            rows_pruned: counter("rows_pruned"),
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

/// Rows that have passed the guard.
pub(crate) struct GuardedBatch {
    pub(crate) rows: RecordBatch,
    /// Of the permitted rows, before the predicate; None where no order is promised or there are none
    pub(crate) span: Option<PatientSpan>,
    /// The number of the first of the rows in its file, where it may be told
    pub(crate) first_row: Option<u64>,
}

/// Takes what the guard lets through.
pub(crate) trait RowTaker {
    /// Takes rows, in order.
    fn take(&mut self, batch: GuardedBatch) -> Flow;

    /// A moment at which whoever waits for the thread's core may have it.
    fn give_way(&mut self) {}
}

impl<F: FnMut(GuardedBatch) -> Flow> RowTaker for F {
    fn take(&mut self, batch: GuardedBatch) -> Flow {
        self(batch)
    }
}

/// Reads one segment, blocking, and hands on what the permit and the predicate let through.
pub(crate) fn decode_segment(
    task: &ScanTask,
    segment: &SegmentRef,
    metrics: &ScanMetrics,
    taker: &mut dyn RowTaker,
) -> Result<(), SourceError> {
    let columns = ReadColumns::of(task);
    let request = ReadRequest {
        segment: segment.segment,
        columns: &columns.sources,
        batch_rows: task.batch_rows,
        bytes_read: metrics.bytes_read.clone(),
    };
    let mut passing = Passing {
        guard: Guard::new(task, &columns, segment.file.place(), metrics),
        pieces: Pieces::new(task.batch_rows),
        deciding: columns.deciding,
        batch_rows: task.batch_rows.max(1),
        timer: metrics.decode_time.timer(),
        taker,
    };
    let decides = task.predicate.is_some() || !task.permit.hides_nothing();
    let read = if decides {
        segment.file.read_deciding(&task.permit, &request, columns.deciding, &mut passing)
    } else {
        segment.file.read(&task.permit, &request, &mut |raw| passing.whole(raw))
    };
    let read = read.and_then(|()| passing.finish());
    task.permit.tally().add(std::mem::take(&mut passing.guard.tally));
    read
}

/// Rows on their way through the guard.
struct Passing<'a> {
    guard: Guard<'a>,
    pieces: Pieces,
    deciding: usize,
    batch_rows: usize,
    timer: ScopedTimerGuard<'a>,
    taker: &'a mut dyn RowTaker,
}

impl Passing<'_> {
    fn hand_on(&mut self, batch: GuardedBatch) -> Flow {
        self.timer.stop();
        let flow = self.taker.take(batch);
        self.timer.restart();
        flow
    }

    fn give_way(&mut self) {
        self.timer.stop();
        self.taker.give_way();
        self.timer.restart();
    }

    /// What is left to say when a segment has ended: whose rows they were, if none of them was wanted.
    fn finish(&mut self) -> Result<(), SourceError> {
        let Some(span) = self.pieces.take_span() else { return Ok(()) };
        let schema = self.guard.schema()?;
        self.hand_on(GuardedBatch { rows: RecordBatch::new_empty(schema), span: Some(span), first_row: None });
        Ok(())
    }
}

impl RowSink for Passing<'_> {
    fn whole(&mut self, raw: RawBatch) -> Result<Flow, SourceError> {
        let (piece, mask) = self.guard.decide(&raw)?;
        let others = raw.columns.get(self.deciding..).unwrap_or_default();
        let masked: Vec<RawColumn> = match &mask {
            Some(mask) => mask.columns(others).ok_or_else(|| self.guard.stopped())?,
            None => others.to_vec(),
        };
        let batch = self.guard.complete((0, piece), &masked)?;
        Ok(self.hand_on(batch))
    }

    fn may_want(&mut self, column: usize, entries: &ArrayRef, rows: usize) -> Result<bool, SourceError> {
        self.guard.may_want(column, entries, rows)
    }

    fn may_want_rows(&mut self, column: usize, codes: &CodedRows, rows: usize) -> Result<bool, SourceError> {
        self.give_way();
        self.guard.may_want_rows(column, codes, rows)
    }

    fn decide(&mut self, raw: RawBatch) -> Result<Option<BooleanBuffer>, SourceError> {
        self.give_way();
        let (piece, mask) = self.guard.decide(&raw)?;
        self.pieces.push(piece).ok_or_else(|| self.guard.stopped())?;
        Ok(mask.map(|mask| mask.bits))
    }

    fn complete(&mut self, rows: usize, columns: Vec<RawColumn>) -> Result<Flow, SourceError> {
        self.pieces.join().ok_or_else(|| self.guard.stopped())?;
        let mut start = 0;
        while start < rows {
            // More rows than were wanted: the reader has lost its place, and nothing that it says is to be trusted.
            let rows_max = self.batch_rows.min(rows - start);
            let (first, mut piece) = self.pieces.next(rows_max).ok_or_else(|| self.guard.stopped())?;
            piece.span = self.pieces.take_span();
            let others: Vec<RawColumn> = columns.iter().map(|column| column.slice(start, piece.rows)).collect();
            start += piece.rows;
            let batch = self.guard.complete((first, piece), &others)?;
            if self.hand_on(batch) == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::GoOn)
    }

    fn completed(&self) -> Result<(), SourceError> {
        if self.pieces.is_empty() { Ok(()) } else { Err(self.guard.stopped()) }
    }
}
