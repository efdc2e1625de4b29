//! Rows that are known by another key than the patient's.

use std::sync::Arc;

use serde::Deserialize;

/// How another key becomes a patient's: a raw table of patients has both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The raw table
    pub table: Arc<str>,
    /// Its column of the other key
    pub column: Arc<str>,
    /// How many patients may have one of these keys
    pub patients: PatientsPerKey,
}

/// How many patients may have one key of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatientsPerKey {
    /// One: the rows of a key with two are nobody's
    One,
    /// Several, each of whom the rows belong to
    Many,
}

/// A raw table whose rows are of patients, known by another key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// The link's name
    pub by: Arc<str>,
    /// The table's column of the other key
    pub column: Arc<str>,
}

/// Why views of linked tables are refused for now. (The Guard masks by the patient's key alone.)
pub(crate) const NOT_YET: &str =
    "its rows are known by another key, which the Guard cannot hold against the opt-outs yet";
