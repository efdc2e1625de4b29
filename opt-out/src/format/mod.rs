//! Readers, one for each format. They find rows and say what is wrong with a file; they judge no values.

pub(crate) mod csv;
mod csv_records;
pub(crate) mod given;
pub(crate) mod ipc;
pub(crate) mod parquet;
mod parquet_chunks;
mod parquet_codes;
mod parquet_days;
mod parquet_deciding;
mod parquet_entries;
mod parquet_hybrid;
mod parquet_order;

/// The key of a file's or schema's metadata by which it promises that its rows ascend by a column.
pub(crate) const ORDERED_BY_KEY: &str = "peristyle.ordered_by";
