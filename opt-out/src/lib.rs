//! The only crate that can open patient data: policy, permits, and the guarded scan.

mod enclave;
mod error;
mod policy;
mod request;

pub use enclave::Enclave;
pub use error::SourceError;
pub use policy::{ScanPermit, VerifiedPolicy};
pub use request::{
    Categories, ColumnRequest, ColumnType, EnclaveOptions, FileFormat, Location, PATIENT_ID, TableRequest,
};
