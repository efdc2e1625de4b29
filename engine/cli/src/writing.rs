//! Writing an answer on a thread of its own: rows are encoded while the next ones are computed.

use std::sync::Arc;

use arrow::array::RecordBatch;
use peristyle_model::EventTable;
use peristyle_opt_out::Cores;
use peristyle_outputs::{OutputError, TablesWriter, dataset};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinHandle;

use crate::exit::ExitStatus;
use crate::failure::Failure;

/// What is said of a thread that panicked.
pub(crate) const ENDED_EARLY: &str = "a thread ended early, so the answer is not written";

/// Batches that may wait for the thread: each is as long as a block of patients.
const WAITING_MAX: usize = 2;

/// A dataset that is being written.
pub(crate) struct DatasetWriting {
    batches: Sender<RecordBatch>,
    thread: JoinHandle<Result<TablesWriter, OutputError>>,
}

impl DatasetWriting {
    /// Starts the thread. When this is dropped before its end, the thread ends, and what it wrote is removed.
    pub(crate) fn begin(mut writer: TablesWriter, events: Arc<[EventTable]>, cores: Arc<Cores>) -> Self {
        let (batches, mut waiting) = channel::<RecordBatch>(WAITING_MAX);
        let thread = tokio::task::spawn_blocking(move || {
            while let Some(batch) = waiting.blocking_recv() {
                let _core = cores.hold();
                for (table, batch) in dataset::split(&batch, &events)?.iter().enumerate() {
                    writer.write(table, batch)?;
                }
            }
            Ok(writer)
        });
        Self { batches, thread }
    }

    /// Hands rows on. Whether the thread still takes any: if not, [`end`](Self::end) says why.
    pub(crate) async fn write(&mut self, batch: RecordBatch) -> bool {
        self.batches.send(batch).await.is_ok()
    }

    /// All rows have been handed on. The tables, to be sealed, or what went wrong on the way.
    pub(crate) async fn end(self) -> Result<TablesWriter, Failure> {
        drop(self.batches);
        match self.thread.await {
            Ok(written) => Ok(written?),
            Err(_) => Err(Failure::new(ExitStatus::Failure, ENDED_EARLY)),
        }
    }
}
