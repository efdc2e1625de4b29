//! The command line as its users see it: exit status, stdout and stderr of the built binary, as snapshots.

mod checked_sources;
mod conformance;
mod connectors;
mod definitions;
mod governed;
mod interruptions;
mod layouts;
mod linked;
mod missing_columns;
mod mistaken;
mod outputs;
pub(crate) mod place;
mod policy;
mod python;
mod runs;
mod sandbox;
mod sources;
mod stores;
mod study_files;
mod two_sources;
pub(crate) mod under_way;

pub(crate) use sandbox::{Run, Sandbox, binary, without_digests};
