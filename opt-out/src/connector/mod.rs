//! What a connector says of a supplier's extract: which raw tables and columns may be read, what each is, and the views
//! that make user-facing tables of them. Data only: it opens nothing. `peristyle-connectors` reads it from folders.

mod lineage;
mod provider;
mod views;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use peristyle_policy::patients::KeyType;

pub(crate) use provider::RawTables;
pub(crate) use views::{Exactly, PlannedView};
pub use views::{ViewColumn, ViewError};

/// A connector: what may be read of an extract, and how it becomes user-facing tables.
#[derive(Clone, Debug)]
pub struct Connector {
    /// Its name: `tpp`
    pub name: Arc<str>,
    /// What patients are known by in all raw tables that have patients
    pub patient_key: KeyType,
    /// Raw tables by the supplier's names. A table that is not here does not exist
    pub raw: BTreeMap<Arc<str>, RawTable>,
    /// Views by the table's name: `ehrql.tables.core.patients`
    pub views: BTreeMap<Arc<str>, View>,
    /// Tables that the extract cannot give, with the reason
    pub missing: BTreeMap<Arc<str>, String>,
}

/// A raw table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTable {
    /// Whose rows they are
    pub rows_of: RowsOf,
    /// How practice activation applies
    pub activation: RawActivation,
    /// The columns that views may read, besides that of the patient's key. A column that is not here does not exist
    pub columns: Vec<RawColumnSpec>,
    /// Whether an extract may be without the table: it has no rows then
    pub may_be_absent: bool,
}

/// Whose rows a raw table has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowsOf {
    /// Of patients, whose key is in this column
    Patients(Arc<str>),
    /// Of nobody: a dictionary
    Nobody,
}

/// How practice activation applies to a raw table. There is no default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawActivation {
    /// It holds no GP activity
    NotApplied,
    /// Rows until the patient's cut-off, by this column; none without a date
    ByDate(Arc<str>),
    /// Rows of activated practices, by this column
    ByPractice(Arc<str>),
    /// Its rows leave only joined to rows of one of these tables, which state their own
    JoinedTo(Vec<Arc<str>>),
}

/// A column of a raw table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawColumnSpec {
    /// Its name
    pub name: Arc<str>,
    /// What it is (DESIGN, section 4)
    pub class: ColumnClass,
    /// What views see
    pub column_type: RawType,
    /// Values that stand for NULL, as the file has them
    pub null_values: Vec<NullValue>,
}

/// What a raw column is. Names, addresses, NHS numbers, free text and documents have no class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "named as manifests write them")]
pub enum ColumnClass {
    PatientKey,
    Code,
    Date,
    Number,
    Category,
    LinkKey,
}

/// The type that views see of a raw column, whatever the file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawType {
    /// Boolean
    Bool,
    /// Int64
    Int,
    /// Float64
    Float,
    /// Strings; out of integers as digits, out of bytes as lower-case hexadecimal digits
    Str,
    /// Date32; of moments the day
    Date,
    /// FixedSizeBinary(16)
    Bytes16,
}

/// A value that stands for NULL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NullValue {
    /// Of a column of integers
    Int(i64),
    /// Of a column of strings, or of what is text in the file
    Text(String),
    /// Of a column of dates or moments, in days since 1970-01-01
    Day(i32),
}

/// A view: one query over raw tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The file that it was written in, for errors
    pub file: Arc<str>,
    /// One `SELECT`
    pub sql: Arc<str>,
}

impl fmt::Display for ColumnClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ColumnClass::PatientKey => "patient_key",
            ColumnClass::Code => "code",
            ColumnClass::Date => "date",
            ColumnClass::Number => "number",
            ColumnClass::Category => "category",
            ColumnClass::LinkKey => "link_key",
        })
    }
}

impl RawTable {
    /// The column of the patient's key, where its rows are of patients.
    pub fn patient_column(&self) -> Option<&Arc<str>> {
        match &self.rows_of {
            RowsOf::Patients(column) => Some(column),
            RowsOf::Nobody => None,
        }
    }
}
