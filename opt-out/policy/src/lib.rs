//! Policy, in words and sets: the policy file, permissions, patient sets, practice activation, emergency set-asides, and
//! which rules a run is under.
//!
//! Nothing here opens a patient table. `peristyle-opt-out` reads the registers, checks them against what is said here,
//! and enforces the outcome at the scan.

pub mod activation;
pub mod patients;
pub mod permissions;
pub mod practices;

mod day;
mod digest;
mod name;
mod rule;

pub use day::Day;
pub use digest::Digest;
pub use name::{NAME_CHARACTERS_MAX, Name, NotAName};
pub use rule::Rule;
