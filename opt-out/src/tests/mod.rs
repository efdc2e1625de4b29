//! The crate's tests: rows in, one scan, rows out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bytes;
mod errors;
pub(crate) mod fixtures;
mod formats;
mod guard;
mod keys;
mod linked;
mod moments;
mod order;
mod plans;
mod policy;
mod rare;
mod recording;
mod refused;
mod sorting;
