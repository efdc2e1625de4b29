//! Whole-system tests. `tests/README.md` says what is where, and how to add a case.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod cells;
mod cli;
mod columns;
mod docs;
mod document;
mod engine;
mod files;
mod guard;
mod oracle;
mod property;
mod s3;
mod shared;
mod spec;
mod tables;
