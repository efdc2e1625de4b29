//! The memory that sorting may take, shared so that no sort and no merge can keep another from ending.
//!
//! DataFusion's own fair pool lets those who can spill fill all of it, and a merge of spilled files takes whatever is
//! left, as many files at once as fit. Either way the next merge, which cannot spill, would find nothing and fail, or
//! not, as the threads happen to run. Here each has a share of its own.
//!
//! The shares: one third for rows that can be spilled, two thirds for merging, each divided equally among those who may
//! ask: those of every table that has been planned, whether or not it runs yet, since a share that shrank in a run would
//! be too small for what its owner had begun. A merge of rows in memory takes no more than their sort had reserved. With P partitions of a table there are P
//! merges and one that unites them, so a merge has 2/3 / (P + 1), never less than a sort's 1/3 / P.

use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// A pool with a share for every consumer.
#[derive(Debug)]
pub(crate) struct SortMemory {
    limit: usize,
    users: Mutex<Users>,
}

#[derive(Debug, Default)]
struct Users {
    sorts: usize,
    merges: usize,
    planned_sorts: usize,
    planned_merges: usize,
    reserved: usize,
}

impl SortMemory {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, users: Mutex::default() }
    }

    /// Counts the sorts of a table that will run: one for each partition.
    pub(crate) fn expect(&self, partitions: usize) {
        let mut users = self.users();
        users.planned_sorts += partitions;
        users.planned_merges += partitions + 1;
    }

    fn users(&self) -> MutexGuard<'_, Users> {
        // Sums of numbers: nothing that a panic elsewhere leaves half done.
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Display for SortMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sort memory of {} bytes", self.limit)
    }
}

impl MemoryPool for SortMemory {
    fn name(&self) -> &str {
        "sort"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        let mut users = self.users();
        let count = if consumer.can_spill() { &mut users.sorts } else { &mut users.merges };
        *count += 1;
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut users = self.users();
        let count = if consumer.can_spill() { &mut users.sorts } else { &mut users.merges };
        *count = count.saturating_sub(1);
    }

    fn grow(&self, _reservation: &MemoryReservation, additional: usize) {
        self.users().reserved += additional;
    }

    fn shrink(&self, _reservation: &MemoryReservation, shrink: usize) {
        let mut users = self.users();
        users.reserved = users.reserved.saturating_sub(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut users = self.users();
        let spilling = self.limit / 3;
        let share = if reservation.consumer().can_spill() {
            spilling / users.sorts.max(users.planned_sorts).max(1)
        } else {
            (self.limit - spilling) / users.merges.max(users.planned_merges).max(1)
        };
        if reservation.size() + additional > share {
            // Makes a sort spill, and a merge try with fewer files at once.
            return Err(DataFusionError::ResourcesExhausted("the share of memory for sorting is used up".to_owned()));
        }
        users.reserved += additional;
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.users().reserved
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}
