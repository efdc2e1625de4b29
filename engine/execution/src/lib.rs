//! The patient-block evaluator: a query graph over guarded tables, as a DataFusion plan.
//!
//! ```text
//!   Definition ─► program ─► PatientBlockExec ─► rows of a dataset, or sums of measures
//!                    │             ▲
//!                    └► requests ─► Enclave: tables ordered by patient
//! ```
//!
//! Every operation of ehrQL is per patient. So the tables are cut into blocks of whole patients, and each step of the
//! program runs once per block over Arrow arrays. See `docs/architecture.md`.

mod answers;
mod blame;
mod block_exec;
mod blocks;
mod code_index;
mod error;
mod evaluate;
mod explain;
mod kernels;
mod options;
mod program;
mod rows;
mod run;
mod study;
mod tables;
mod taint;
mod vector;

pub use answers::GREATEST_AMOUNTS;
pub use error::ExecutionError;
pub use explain::{explain_plan, explain_program, explain_scans};
pub use options::ExecutionOptions;
pub use study::{MeasureTotals, dataset_plan, measures_plan};
pub use tables::whole_table;
