//! The ledger as its users meet it: written, crashed into, shared, tampered with, and shown.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod counts;
mod faults;
mod processes;
mod property;
mod samples;
mod tampering;
mod torn;
mod views;
mod words;
