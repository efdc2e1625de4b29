//! One table's ordered rows, as they arrive.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{Result, internal_err};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use peristyle_opt_out::{Cores, PatientId, PatientIds, joined};

use super::TableBlock;

/// Rows of one patient within a batch.
struct Run {
    patient: PatientId,
    end: u32,
}

/// A batch of which some rows have been used.
struct Pending {
    batch: RecordBatch,
    runs: Vec<Run>,
    /// Runs before this one have been used
    next_run: usize,
}

impl Pending {
    fn start(&self) -> u32 {
        if self.next_run == 0 { 0 } else { self.runs[self.next_run - 1].end }
    }
}

/// A table's stream and the rows that have arrived but have not been cut into a block.
pub(super) struct Feed {
    stream: SendableRecordBatchStream,
    cores: Arc<Cores>,
    schema: SchemaRef,
    pending: VecDeque<Pending>,
    exhausted: bool,
}

impl Feed {
    pub(super) fn new(stream: SendableRecordBatchStream, cores: Arc<Cores>) -> Self {
        let schema = stream.schema();
        Feed { stream, cores, schema, pending: VecDeque::new(), exhausted: false }
    }

    /// Waits for one more batch with rows.
    pub(super) async fn pull(&mut self) -> Result<()> {
        while let Some(batch) = self.stream.next().await {
            let batch = batch?;
            if batch.num_rows() > 0 {
                let _core = self.cores.hold_briefly();
                let runs = runs(&batch)?;
                self.pending.push_back(Pending { batch, runs, next_run: 0 });
                return Ok(());
            }
        }
        self.exhausted = true;
        Ok(())
    }

    /// Rows that have arrived and are not used.
    pub(super) fn rows_len(&self) -> usize {
        self.pending.iter().map(|pending| pending.batch.num_rows() - pending.start() as usize).sum()
    }

    /// Patients of whom rows have arrived that are not used; one may count twice, in two batches.
    pub(super) fn patients_len(&self) -> usize {
        self.pending.iter().map(|pending| pending.runs.len() - pending.next_run).sum()
    }

    /// Whether rows have arrived that are not used.
    pub(super) fn has_rows(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// All rows of patients below this one have arrived; below none, of nobody. `None`: of every patient.
    pub(super) fn complete_below(&self) -> Option<Option<&PatientId>> {
        if self.exhausted {
            return None;
        }
        let last = self.pending.back().and_then(|pending| pending.runs.last());
        Some(last.map(|run| &run.patient))
    }

    /// The patients that have arrived with their number of rows; a patient may come twice, in two batches.
    pub(super) fn arrived(&self) -> impl Iterator<Item = (&PatientId, u32)> {
        self.pending.iter().flat_map(|pending| {
            let mut start = pending.start();
            pending.runs[pending.next_run..].iter().map(move |run| {
                let rows = run.end - start;
                start = run.end;
                (&run.patient, rows)
            })
        })
    }

    /// Takes the rows of these patients, ascending; every row that has arrived of a patient up to the last of them.
    pub(super) fn take(&mut self, patients: &[PatientId]) -> Result<TableBlock> {
        let mut slices = Vec::new();
        let mut offsets = Vec::with_capacity(patients.len() + 1);
        offsets.push(0u32);
        let mut rows_before = 0u32;
        let mut place = 0;
        let last = patients.last();
        while let Some(front) = self.pending.front_mut() {
            let start = front.start();
            while let Some(run) = front.runs.get(front.next_run)
                && Some(&run.patient) <= last
            {
                while place < patients.len() && patients[place] < run.patient {
                    place += 1;
                    offsets.push(rows_before + front.start() - start);
                }
                front.next_run += 1;
            }
            let end = front.start();
            if end > start {
                slices.push(front.batch.slice(start as usize, (end - start) as usize));
                rows_before += end - start;
            }
            if front.next_run < front.runs.len() {
                break;
            }
            self.pending.pop_front();
        }
        offsets.resize(patients.len() + 1, rows_before);
        let batch = match slices.len() {
            0 => RecordBatch::new_empty(self.schema.clone()),
            1 => slices.swap_remove(0),
            _ => {
                let column =
                    |index: usize| joined(&slices.iter().map(|slice| slice.column(index).clone()).collect::<Vec<_>>());
                let columns = (0..self.schema.fields().len()).map(column).collect::<Result<_, _>>()?;
                RecordBatch::try_new(self.schema.clone(), columns)?
            }
        };
        Ok(TableBlock { batch, offsets: offsets.into() })
    }
}

/// Where the rows of each patient end.
fn runs(batch: &RecordBatch) -> Result<Vec<Run>> {
    let Some(ids) = PatientIds::of(batch.column(0)) else {
        return internal_err!("a scan's first column is not the patient, or a row has none");
    };
    let mut runs: Vec<Run> = Vec::new();
    let in_order = ids.runs(|end| {
        // A run has at least one row.
        runs.extend(ids.get(end - 1).map(|patient| Run { patient, end: end as u32 }));
    });
    if in_order { Ok(runs) } else { internal_err!("a scan's rows are not in order of patients") }
}
