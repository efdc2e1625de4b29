//! What a connector says of a supplier's extract: which raw tables and columns may be read, what each is, and the views
//! that make user-facing tables of them. Data only: it opens nothing. `peristyle-connectors` reads it from folders.

mod lineage;
mod provider;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use peristyle_policy::Name;
use peristyle_policy::patients::KeyType;

use crate::source::Extract;

pub(crate) use provider::RawTables;
pub(crate) use views::{Exactly, PlannedView};
pub use views::{ViewColumn, ViewError};

/// An extract: where its raw tables are, and the connector that reads them.
#[derive(Clone, Debug)]
pub struct ConnectedExtract {
    /// The connector
    pub connector: Connector,
    /// Where its raw tables are
    pub location: Extract,
}

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
    /// How other keys become a patient's
    pub links: BTreeMap<Name, Link>,
    /// The raw table that has every patient of the extract, where there is one: a link's patients must be in it
    pub everybody: Option<Arc<str>>,
}

/// How another key becomes a patient's: a raw table of patients has both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The raw table
    pub table: Arc<str>,
    /// Its column of the other key
    pub column: Arc<str>,
    /// What the other key is
    pub key_type: KeyType,
    /// How many patients may have one of these keys
    pub patients: PatientsPerKey,
}

/// How many patients may have one key of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatientsPerKey {
    /// One: the rows of a key with two are nobody's
    One,
    /// Several, each of whom the rows belong to
    Many,
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
    /// Whether the rows of each of its files are promised to ascend by the patient's key, as files may promise themselves.
    /// They are held to it where they are read
    pub sorted_by_patient: bool,
}

/// Whose rows a raw table has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowsOf {
    /// Of patients, whose key is in this column
    Patients(Arc<str>),
    /// Of patients, who are known by the key of a link
    Linked {
        /// The link
        by: Name,
        /// The column of its key
        column: Arc<str>,
    },
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
    /// The links of the linked tables that it names
    pub links: BTreeSet<Name>,
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
    /// The column of the patient's key, where its rows are of patients who are known by that.
    pub fn patient_column(&self) -> Option<&Arc<str>> {
        match &self.rows_of {
            RowsOf::Patients(column) => Some(column),
            RowsOf::Linked { .. } | RowsOf::Nobody => None,
        }
    }
}

impl Connector {
    /// The column by which a raw table's rows are known, and what is in it: the patient's key, or that of a link. `None`
    /// where its rows are nobody's, and of a link that there is not.
    pub fn key_of<'t>(&self, table: &'t RawTable) -> Option<(&'t Arc<str>, KeyType)> {
        match &table.rows_of {
            RowsOf::Patients(column) => Some((column, self.patient_key)),
            RowsOf::Linked { by, column } => self.links.get(by).map(|link| (column, link.key_type)),
            RowsOf::Nobody => None,
        }
    }

    /// The links that the views of some tables follow.
    pub fn links_of<'t>(&self, tables: impl IntoIterator<Item = &'t Arc<str>>) -> BTreeSet<&Name> {
        tables.into_iter().filter_map(|table| self.views.get(table)).flat_map(|view| &view.links).collect()
    }
}
