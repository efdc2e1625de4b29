//! Merging the tables by patient and cutting blocks.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use futures::Stream;
use futures::future::try_join_all;
use futures::stream::try_unfold;
use peristyle_opt_out::{Cores, PatientId, PatientIds, PatientKey};

use super::Block;
use super::feed::{Arrived, Feed};
use crate::options::ExecutionOptions;

/// The patients of a block, and for each table where the rows of each begin, and the end of the last.
struct Cut {
    patients: Vec<PatientId>,
    offsets: Vec<Vec<u32>>,
}

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
                let cut = self.cut()?;
                if !cut.patients.is_empty() {
                    return self.take(cut).map(Some);
                }
            }
            // All that has arrived belongs to a patient of whom more may come: wait for the tables that hold it up.
            match self.bound() {
                None => return Ok(None),
                Some(bound) => self.pull_behind(bound.map(PatientId::from)).await?,
            }
        }
    }

    /// All rows of patients below this one have arrived; below none, of nobody. `None`: of all patients.
    fn bound(&self) -> Option<Option<PatientKey<'_>>> {
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
                Some(bound) => self.pull_behind(bound.map(PatientId::from)).await?,
            }
        }
        Ok(())
    }

    /// Waits for the tables that hold up the bound.
    async fn pull_behind(&mut self, bound: Option<PatientId>) -> Result<()> {
        self.pull_where(|feed| feed.complete_below() == Some(bound.as_ref().map(PatientId::as_key))).await
    }

    async fn pull_where(&mut self, waiting: impl Fn(&Feed) -> bool) -> Result<()> {
        let feeds = self.feeds.iter_mut().filter(|feed| !feed.is_exhausted() && waiting(feed));
        try_join_all(feeds.map(Feed::pull)).await?;
        Ok(())
    }

    /// The next block: the patients of whom every row has arrived, as many as fit.
    fn cut(&self) -> Result<Cut> {
        if self.feeds.iter().all(Feed::is_of_ints) {
            let int = |key: PatientKey<'_>| if let PatientKey::Int(key) = key { Some(key) } else { None };
            let bound = self.bound().map(|bound| bound.and_then(int));
            let key_of =
                |ids: &PatientIds, row| if let PatientIds::Int(keys) = ids { Some(keys.value(row)) } else { None };
            return self.cut_by(bound, key_of, PatientId::Int);
        }
        self.cut_by(self.bound(), PatientIds::key, PatientId::from)
    }

    fn cut_by<'f, K: Copy + Ord>(
        &'f self,
        bound: Option<Option<K>>,
        key_of: impl Fn(&'f PatientIds, usize) -> Option<K> + Copy,
        id: impl Fn(K) -> PatientId,
    ) -> Result<Cut> {
        let mut arrived = self.feeds.iter().map(|feed| feed.arrived(key_of)).collect::<Result<Vec<_>>>()?;
        let mut patients = Vec::new();
        let mut offsets = vec![vec![0_u32]; self.feeds.len()];
        let mut ends: Vec<u32> = vec![0; self.feeds.len()];
        let mut rows = 0usize;
        while patients.len() < self.patients_max {
            let Some(patient) = arrived.iter().filter_map(Arrived::key).min() else {
                break;
            };
            if bound.is_some_and(|bound| Some(patient) >= bound) {
                break;
            }
            for (end, arrived) in ends.iter_mut().zip(&mut arrived) {
                let rows_of_patient = arrived.rows_of(patient)?;
                *end += rows_of_patient;
                rows += rows_of_patient as usize;
            }
            // A patient is never split, however many rows there are.
            if !patients.is_empty() && rows > self.rows_max {
                break;
            }
            patients.push(id(patient));
            offsets.iter_mut().zip(&ends).for_each(|(offsets, end)| offsets.push(*end));
        }
        Ok(Cut { patients, offsets })
    }

    fn take(&mut self, Cut { patients, offsets }: Cut) -> Result<Block> {
        debug_assert!(self.done_to.as_ref() < patients.first(), "blocks are in order of patients");
        self.done_to = patients.last().cloned();
        let tables = self.feeds.iter_mut().zip(offsets).map(|(feed, offsets)| feed.take(offsets));
        Ok(Block { patients: patients.into(), tables: tables.collect::<Result<_>>()? })
    }
}
