//! The ledger as its users meet it: written, crashed into, shared, tampered with, and shown.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clock;
mod counts;
mod faults;
mod forger;
mod processes;
mod property;
mod samples;
mod sealed;
mod tampering;
mod torn;
mod views;
mod words;
