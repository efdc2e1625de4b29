//! The only crate that can open patient data: policy, permits and the guarded scan.
//!
//! ```text
//! VerifiedPolicy ──► ScanPermit ──► files open ──► GuardedTable ──► GuardedScanExec: read, mask, verify, conform
//!       (checked registers)                                              │
//! Enclave::ordered_scan ◄── PatientOrderExec ◄── DataFusion's plan ◄─────┘
//! ```
//!
//! What is absent: a way to a `SessionContext`, a way to a file without a permit, a permit without a policy, a policy
//! without its check, statistics of anything below the guard, and a cell's value in any error.

mod absences;
mod arrays;
mod bits;
mod conform;
pub mod connector;
mod cores;
mod decode;
mod delivery;
mod enclave;
mod error;
mod examine;
mod format;
mod guarded_scan;
mod guarded_table;
mod keyless;
mod leaf_rule;
mod patient_ids;
mod patient_order;
mod policy;
mod predicate;
mod problem;
mod processors;
mod request;
mod scan_counts;
mod scan_text;
mod session;
mod sort_memory;
mod source;
mod spill;
#[cfg(test)]
mod tests;

pub use absences::Absences;
pub use arrays::joined;
pub use connector::{ConnectedExtract, Connector, ViewColumn, ViewError};
pub use cores::{Core, Cores};
pub use enclave::Enclave;
pub use error::{Place, SourceError, ValueProblem};
pub use examine::{
    ColumnReport, FoundTable, IdentifierShape, Month, Months, TableReport, ViewNeeds, WantedTable, examine,
};
pub use guarded_table::GuardedTable;
pub use patient_ids::{PatientId, PatientIds, patient_id_type};
pub use peristyle_policy::patients::{KeyType, PatientKey};
pub use policy::{
    PolicyRun, RegisterError, Removed, ScanPermit, TableRemovals, VerifiedPolicy, VerifiedRegister, link_registers,
    read_link, read_registers,
};
pub use problem::{ReadProblem, StoreProblem, StudyProblem};
pub use request::{
    Categories, ColumnRequest, ColumnType, EnclaveOptions, FileFormat, IfMissing, Location, PATIENT_ID,
    PatientKeyColumn, RawConversion, TableActivation, TableRequest,
};
pub use scan_counts::{ScanCounts, scan_counts};
pub use scan_text::scans_without_files;
pub use source::{CsvOptions, Extract, FilePattern, LocationError, PatternError, SourceFile, StudyFiles, TableLayout};
