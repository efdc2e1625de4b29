//! One table's ordered rows, as they arrive.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{Result, internal_err};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use peristyle_opt_out::{Cores, PatientIds, PatientKey, joined};

use super::TableBlock;

/// A batch of which some rows have been used.
struct Pending {
    batch: RecordBatch,
    ids: PatientIds,
    /// Where the rows of each patient end
    ends: Vec<u32>,
    /// Patients before this one, and rows before this one, have been used
    patients_used: usize,
    rows_used: u32,
}

/// A table's stream and the rows that have arrived but have not been cut into a block.
pub(super) struct Feed {
    stream: SendableRecordBatchStream,
    cores: Arc<Cores>,
    schema: SchemaRef,
    pending: VecDeque<Pending>,
    exhausted: bool,
}

/// A look ahead at the patients whose rows have arrived, one after another, by keys that are quick to compare.
pub(super) struct Arrived<'f, K, F> {
    pending: std::collections::vec_deque::Iter<'f, Pending>,
    key_of: F,
    at: Option<&'f Pending>,
    patient: usize,
    start: u32,
    /// Whose the next rows are; none, when all have been looked at
    key: Option<K>,
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
                self.pending.push_back(Pending::new(batch)?);
                return Ok(());
            }
        }
        self.exhausted = true;
        Ok(())
    }

    /// Rows that have arrived and are not used.
    pub(super) fn rows_len(&self) -> usize {
        self.pending.iter().map(|pending| pending.batch.num_rows() - pending.rows_used as usize).sum()
    }

    /// Patients of whom rows have arrived that are not used; one may count twice, in two batches.
    pub(super) fn patients_len(&self) -> usize {
        self.pending.iter().map(|pending| pending.ends.len() - pending.patients_used).sum()
    }

    /// Whether rows have arrived that are not used.
    pub(super) fn has_rows(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// All rows of patients below this one have arrived; below none, of nobody. `None`: of every patient.
    pub(super) fn complete_below(&self) -> Option<Option<PatientKey<'_>>> {
        if self.exhausted {
            return None;
        }
        Some(self.pending.back().and_then(|pending| pending.ids.key(pending.batch.num_rows() - 1)))
    }

    /// The patients that have arrived and are not used. `key_of` gives the key of a row, which must have one.
    pub(super) fn arrived<'f, K, F>(&'f self, key_of: F) -> Result<Arrived<'f, K, F>>
    where
        K: Copy + Ord,
        F: Fn(&'f PatientIds, usize) -> Option<K>,
    {
        let pending = self.pending.iter();
        let mut arrived = Arrived { pending, key_of, at: None, patient: 0, start: 0, key: None };
        arrived.go_on()?;
        Ok(arrived)
    }

    /// Whether all patients that have arrived are known by integers.
    pub(super) fn is_of_ints(&self) -> bool {
        self.pending.iter().all(|pending| matches!(pending.ids, PatientIds::Int(_)))
    }

    /// Takes the next rows; `offsets` says where those of each patient begin, and where the last end.
    pub(super) fn take(&mut self, offsets: Vec<u32>) -> Result<TableBlock> {
        let mut wanted = offsets.last().copied().unwrap_or(0);
        let mut slices = Vec::new();
        while wanted > 0 {
            let Some(front) = self.pending.front_mut() else {
                return internal_err!("a block wants more rows than arrived");
            };
            let rows = wanted.min(front.batch.num_rows() as u32 - front.rows_used);
            slices.push(front.batch.slice(front.rows_used as usize, rows as usize));
            front.rows_used += rows;
            wanted -= rows;
            if front.rows_used as usize == front.batch.num_rows() {
                self.pending.pop_front();
            } else {
                front.patients_used = front.ends.partition_point(|end| *end <= front.rows_used);
            }
        }
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

impl Pending {
    fn new(batch: RecordBatch) -> Result<Self> {
        let Some(ids) = PatientIds::of(batch.column(0)) else {
            return internal_err!("a scan's first column is not the patient, or a row has none");
        };
        let mut ends = Vec::new();
        if !ids.runs(|end| ends.push(end as u32)) {
            return internal_err!("a scan's rows are not in order of patients");
        }
        Ok(Pending { batch, ids, ends, patients_used: 0, rows_used: 0 })
    }
}

impl<'f, K: Copy + Ord, F: Fn(&'f PatientIds, usize) -> Option<K>> Arrived<'f, K, F> {
    /// Whose the next rows are.
    pub(super) fn key(&self) -> Option<K> {
        self.key
    }

    /// How many rows this patient has, who may come again in the next batch; goes on to the one after.
    pub(super) fn rows_of(&mut self, patient: K) -> Result<u32> {
        let mut rows = 0;
        while self.key == Some(patient)
            && let Some(at) = self.at
            && let Some(end) = at.ends.get(self.patient)
        {
            rows += end - self.start;
            (self.patient, self.start) = (self.patient + 1, *end);
            self.go_on()?;
        }
        Ok(rows)
    }

    /// Looks at the patient at hand, or at the first one of the next batch.
    fn go_on(&mut self) -> Result<()> {
        while self.at.is_none_or(|at| self.patient == at.ends.len()) {
            let Some(next) = self.pending.next() else {
                self.key = None;
                return Ok(());
            };
            (self.at, self.patient, self.start) = (Some(next), next.patients_used, next.rows_used);
        }
        self.key = self.at.and_then(|at| (self.key_of)(&at.ids, self.start as usize));
        if self.key.is_none() { internal_err!("a row that has arrived has no patient") } else { Ok(()) }
    }
}
