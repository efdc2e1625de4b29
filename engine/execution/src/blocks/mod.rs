//! Patient blocks: runs of whole patients, every table of the query cut at the same ones.
//!
//! ```text
//!   table A, ordered  ─► batches ─► runs of a patient ─┐
//!   table B, ordered  ─► batches ─► runs of a patient ─┼─► merge by patient ─► cut ─► Block, Block, …
//!   table C, ordered  ─► batches ─► runs of a patient ─┘
//! ```

mod align;
mod feed;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::RecordBatch;
use peristyle_opt_out::PatientId;

pub(crate) use align::BlockStream;

/// A table's rows for the patients of a block.
#[derive(Clone, Debug)]
pub(crate) struct TableBlock {
    /// `patient_id`, then the columns that the program reads
    pub(crate) batch: RecordBatch,
    /// For each patient of the block where its rows begin, and the end of the last
    pub(crate) offsets: Arc<[u32]>,
}

/// A run of whole patients.
#[derive(Clone)]
pub(crate) struct Block {
    /// Patient ids, ascending
    pub(crate) patients: Arc<[PatientId]>,
    /// One entry for each table of the program
    pub(crate) tables: Vec<TableBlock>,
}
