//! Decoding segments ahead, on blocking threads, and delivering their rows in order.
//!
//! ```text
//! segments of a partition:  [0] ── decode ──► bounded channel ──┐
//!                           [1] ── decode ──► bounded channel ──┼─► one after another, the order verified
//!                           [2]    waits until [0] or [1] ends  ┘   across the joints
//! ```
//! Memory: twice the segments that are decoded at a time × what a channel holds, whatever the size of a segment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use futures::stream::{self, Stream};
use tokio::sync::Notify;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use crate::cores::{Core, Cores};
use crate::decode::{GuardedBatch, RowTaker, ScanMetrics, ScanTask, decode_segment, disorder};
use crate::error::{Place, SourceError};
use crate::patient_ids::PatientId;
use crate::source::{Flow, SegmentRef};

/// Bytes of decoded rows that a segment may hold ready.
const READY_BYTES: usize = 4 << 20;

/// A segment that is being decoded, or has been and waits to be delivered.
struct Running {
    place: Place,
    ready: Receiver<Result<GuardedBatch, SourceError>>,
    thread: JoinHandle<()>,
}

/// How many segments are being decoded, and that one has ended: those before it may still be under way, and another can be
/// begun.
#[derive(Default)]
struct Decoding {
    segments: AtomicUsize,
    ended: Notify,
}

/// One of them, until this is dropped.
struct Decoded(Arc<Decoding>);

impl Decoding {
    fn begin(self: &Arc<Self>) -> Decoded {
        self.segments.fetch_add(1, Ordering::SeqCst);
        Decoded(Arc::clone(self))
    }
}

impl Drop for Decoded {
    fn drop(&mut self) {
        self.0.segments.fetch_sub(1, Ordering::SeqCst);
        self.0.ended.notify_one();
    }
}

/// Takes a segment's rows on its thread.
struct ToChannel<'a> {
    sender: &'a Sender<Result<GuardedBatch, SourceError>>,
    /// None where no core is taken
    cores: Option<Arc<Cores>>,
    core: Option<Core>,
}

impl ToChannel<'_> {
    /// Does something without the core, which others may need before it is done.
    fn without_core<T>(&mut self, wait: impl FnOnce(&Sender<Result<GuardedBatch, SourceError>>) -> T) -> T {
        self.core = None;
        let waited = wait(self.sender);
        self.core = self.cores.as_ref().map(Cores::hold_ahead);
        waited
    }
}

impl RowTaker for ToChannel<'_> {
    fn take(&mut self, batch: GuardedBatch) -> Flow {
        let sent = match self.sender.try_send(Ok(batch)) {
            Ok(()) => return Flow::GoOn,
            Err(TrySendError::Closed(_)) => return Flow::Stop,
            Err(TrySendError::Full(batch)) => self.without_core(|sender| sender.blocking_send(batch)),
        };
        if sent.is_ok() { Flow::GoOn } else { Flow::Stop }
    }

    fn give_way(&mut self) {
        if self.cores.as_ref().is_some_and(|cores| cores.are_wanted()) {
            self.without_core(|_| ());
        }
    }
}

/// A partition's segments on their way.
struct Delivery {
    task: Arc<ScanTask>,
    metrics: ScanMetrics,
    waiting: VecDeque<SegmentRef>,
    running: VecDeque<Running>,
    decoding: Arc<Decoding>,
    in_flight: usize,
    cores: Arc<Cores>,
    last_patient: Option<PatientId>,
}

/// The rows of a partition, segment after segment; up to `in_flight` segments are decoded at the same time, on `cores`.
pub(crate) fn deliver(
    task: Arc<ScanTask>,
    segments: Vec<SegmentRef>,
    (in_flight, cores): (usize, Arc<Cores>),
    metrics: ScanMetrics,
) -> impl Stream<Item = Result<RecordBatch, DataFusionError>> + Send {
    let (waiting, running) = (VecDeque::from(segments), VecDeque::new());
    let (decoding, in_flight) = (Arc::default(), in_flight.max(1));
    let delivery = Delivery { task, metrics, waiting, running, decoding, in_flight, cores, last_patient: None };
    stream::try_unfold(delivery, |mut delivery| async move {
        let next = delivery.next().await?;
        Ok(next.map(|rows| (rows, delivery)))
    })
}

impl Delivery {
    /// The next rows that are not none.
    async fn next(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        loop {
            self.start();
            let Some(first) = self.running.front_mut() else {
                return Ok(None);
            };
            let received = tokio::select! {
                biased;
                received = first.ready.recv() => received,
                () = self.decoding.ended.notified() => continue,
            };
            match received {
                Some(batch) => {
                    let batch = batch?;
                    self.verify_joint(&batch)?;
                    if batch.rows.num_rows() > 0 {
                        return Ok(Some(batch.rows));
                    }
                }
                None => self.finish_first().await?,
            }
        }
    }

    /// Starts decoding as many segments as may be in flight.
    fn start(&mut self) {
        while self.running.len() < 2 * self.in_flight && self.decoding.segments.load(Ordering::SeqCst) < self.in_flight
        {
            let Some(segment) = self.waiting.pop_front() else { return };
            let decoded = self.decoding.begin();
            let (sender, ready) = channel(self.ready_batches());
            let (task, metrics, cores) = (Arc::clone(&self.task), self.metrics.clone(), Arc::clone(&self.cores));
            let place = segment.file.place().clone();
            let thread = tokio::task::spawn_blocking(move || {
                let _decoded = decoded;
                // Whoever wanted the rows may have gone before the thread came.
                if sender.is_closed() {
                    return;
                }
                // Where bytes come from far away, most of the time is spent waiting for them, and no core is taken for it.
                let is_far_away = segment.file.stored().is_some_and(|file| file.is_far_away());
                let cores = (!is_far_away).then_some(cores);
                let mut taker = ToChannel { sender: &sender, core: cores.as_ref().map(Cores::hold_ahead), cores };
                let decoded = decode_segment(&task, &segment, &metrics, &mut taker);
                drop(taker);
                if let Err(error) = decoded {
                    // Nobody to tell is no failure: the plan was dropped.
                    let _ = sender.blocking_send(Err(error));
                }
            });
            self.running.push_back(Running { place, ready, thread });
        }
    }

    /// Batches that a channel may hold: a bound on bytes, counted by the widths of the columns.
    fn ready_batches(&self) -> usize {
        let width = |field: &Arc<arrow::datatypes::Field>| field.data_type().primitive_width().unwrap_or(4);
        let row_bytes: usize = self.task.read_schema.fields().iter().map(width).sum();
        (READY_BYTES / (row_bytes.max(1) * self.task.batch_rows.max(1))).clamp(2, 1024)
    }

    /// A segment has ended: make sure that it did not end by a panic, which would be rows lost.
    async fn finish_first(&mut self) -> Result<(), SourceError> {
        let Some(first) = self.running.pop_front() else { return Ok(()) };
        let table = Arc::clone(&self.task.source.table);
        first.thread.await.map_err(|_| SourceError::ReaderStopped { table, place: first.place })
    }

    /// The order across the joint of two segments.
    fn verify_joint(&mut self, batch: &GuardedBatch) -> Result<(), SourceError> {
        let Some(span) = &batch.span else { return Ok(()) };
        let source = &self.task.source;
        if let Some(before) = self.last_patient.replace(span.last.clone())
            && (before > span.first || (source.one_row_per_patient && before == span.first))
        {
            let place = self.running.front().map_or(&Place::Given, |first| &first.place);
            return Err(disorder(source, place, before == span.first, span.first_row));
        }
        Ok(())
    }
}
