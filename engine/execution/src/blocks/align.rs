//! Merging the tables by patient and cutting blocks.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use futures::Stream;
use futures::future::try_join_all;
use futures::stream::try_unfold;
use peristyle_opt_out::{Cores, PatientId};

use super::Block;
use super::feed::Feed;
use crate::options::ExecutionOptions;

/// The blocks of a set of tables, each ordered by patient.
pub(crate) struct BlockStream {
    feeds: Vec<Feed>,
    cores: Arc<Cores>,
    rows_max: usize,
    patients_max: usize,
    /// The last patient of the last block
    done_to: Option<PatientId>,
}

impl BlockStream {
    pub(crate) fn new(tables: Vec<SendableRecordBatchStream>, options: &ExecutionOptions, cores: Arc<Cores>) -> Self {
        BlockStream {
            feeds: tables.into_iter().map(|table| Feed::new(table, cores.clone())).collect(),
            cores,
            rows_max: options.block_rows_max.max(1),
            patients_max: options.block_patients_max.max(1),
            done_to: None,
        }
    }

    /// The blocks, in order of patients.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Block>> + Send {
        try_unfold(self, |mut blocks| async move { Ok(blocks.next().await?.map(|block| (block, blocks))) })
    }

    /// The next block, or none when all tables are exhausted.
    async fn next(&mut self) -> Result<Option<Block>> {
        loop {
            self.fill().await?;
            {
                let _core = self.cores.hold_briefly();
                let patients = self.cut();
                if !patients.is_empty() {
                    return self.take(patients).map(Some);
                }
            }
            // All that has arrived belongs to a patient of whom more may come: wait for the tables that hold it up.
            match self.bound() {
                None => return Ok(None),
                Some(bound) => self.pull_behind(bound.cloned()).await?,
            }
        }
    }

    /// All rows of patients below this one have arrived; below none, of nobody. `None`: of all patients.
    fn bound(&self) -> Option<Option<&PatientId>> {
        self.feeds.iter().filter_map(Feed::complete_below).min()
    }

    /// Waits for rows until there are enough for a block: filtered batches are small, and small blocks cost as many
    /// steps as large ones.
    async fn fill(&mut self) -> Result<()> {
        self.pull_where(|feed| !feed.has_rows()).await?;
        while self.feeds.iter().map(Feed::rows_len).sum::<usize>() < self.rows_max
            && self.feeds.iter().map(Feed::patients_len).max() < Some(self.patients_max)
        {
            match self.bound() {
                None => break,
                Some(bound) => self.pull_behind(bound.cloned()).await?,
            }
        }
        Ok(())
    }

    /// Waits for the tables that hold up the bound.
    async fn pull_behind(&mut self, bound: Option<PatientId>) -> Result<()> {
        self.pull_where(|feed| feed.complete_below() == Some(bound.as_ref())).await
    }

    async fn pull_where(&mut self, waiting: impl Fn(&Feed) -> bool) -> Result<()> {
        let feeds = self.feeds.iter_mut().filter(|feed| !feed.is_exhausted() && waiting(feed));
        try_join_all(feeds.map(Feed::pull)).await?;
        Ok(())
    }

    /// The patients of the next block: those of whom every row has arrived, as many as fit.
    fn cut(&self) -> Vec<PatientId> {
        let bound = self.bound();
        let mut arrived: Vec<_> = self.feeds.iter().map(|feed| feed.arrived().peekable()).collect();
        let mut patients = Vec::new();
        let mut rows = 0usize;
        while patients.len() < self.patients_max {
            let Some(patient) = arrived.iter_mut().filter_map(|runs| runs.peek().map(|run| run.0)).min() else {
                break;
            };
            if bound.is_some_and(|bound| Some(patient) >= bound) {
                break;
            }
            let mut patient_rows = 0usize;
            for runs in &mut arrived {
                while let Some((_, run_rows)) = runs.next_if(|run| run.0 == patient) {
                    patient_rows += run_rows as usize;
                }
            }
            // A patient is never split, however many rows there are.
            if !patients.is_empty() && rows + patient_rows > self.rows_max {
                break;
            }
            rows += patient_rows;
            patients.push(patient.clone());
        }
        patients
    }

    fn take(&mut self, patients: Vec<PatientId>) -> Result<Block> {
        debug_assert!(self.done_to.as_ref() < patients.first(), "blocks are in order of patients");
        self.done_to = patients.last().cloned();
        let tables = self.feeds.iter_mut().map(|feed| feed.take(&patients)).collect::<Result<_>>()?;
        Ok(Block { patients: patients.into(), tables })
    }
}
