//! Policy, in words and sets: the policy file, permissions, patient sets, practice activation, emergency set-asides, and
//! which rules a run is under.
//!
//! Nothing here opens a patient table. `peristyle-opt-out` reads the registers, checks them against what is said here,
//! and enforces the outcome at the scan.

pub mod activation;
pub mod counts;
pub mod files;
pub mod outcome;
pub mod patients;
pub mod permissions;
pub mod policy;
pub mod practices;
pub mod register;
pub mod set_aside;

mod applied;
mod day;
mod digest;
mod name;
mod rule;
mod secret_file;

pub use applied::{Applied, LiftReason, Lifted};
pub use day::Day;
pub use digest::Digest;
pub use name::{NAME_CHARACTERS_MAX, Name, NotAName};
pub use outcome::{AppliedRules, all_rules, applied_rules};
pub use policy::{Policy, PolicyError};
pub use rule::Rule;
pub use secret_file::{SecretFileError, SecretKind};

#[cfg(test)]
mod fixtures;
