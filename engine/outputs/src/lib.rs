//! Result batches to files: exact types, whole files or none, measures with disclosure control.
//!
//! ```text
//! dataset plan ──► dataset::split ───────────────────────┐
//!                                                        ▼
//! measures plan ─► measures::finish ─► measures::split ─► TablesWriter::write, one batch and table at a time
//!                  (ratio, disclosure    (one table a         │ columns.rs: checked, in the exact output types,
//!                   control)              measure)            │             chunks of 64,000 rows
//!                                                             │ formats/:   Arrow, CSV, CSV.gz, Parquet
//!                                                             ▼
//!                                        a file without a name ── seal ── publish ──► the file that was asked for
//! ```
//!
//! What is absent: nothing here knows a source, a policy or DataFusion; no value of a patient's record is in any
//! [`OutputError`]; no file is seen before it is whole.

mod columns;
mod console;
pub mod dataset;
pub mod disclosure;
mod error;
mod formats;
pub mod measures;
mod metered;
mod mode;
mod partial;
mod place;
pub mod schema;
mod side_by_side;
mod target;
mod writer;

pub use disclosure::DisclosureControl;
pub use error::{OutputError, ValueFault};
pub use mode::{FileMode, InvalidFileMode};
pub use schema::{PatientKeys, TableSpec};
pub use target::{OutputFormat, OutputTarget};
pub use writer::{SealedTables, TablesWriter, WrittenTable};
