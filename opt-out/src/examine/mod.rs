//! What an extract has, for whoever keeps it and wants to know before a study runs. No policy is asked, so no row leaves:
//! only names of columns, types, counts, the months of dates where there are enough of them, and what identifier values look like.

mod months;
mod needs;
mod shapes;
mod table;
mod text;

use std::sync::Arc;

use peristyle_policy::patients::TextComparison;

use crate::connector::{Connector, RawTable};
use crate::error::SourceError;
use crate::request::{ColumnRequest, FileFormat, Location, PatientKeyColumn, TableActivation, TableRequest};
use crate::source::Extract;

pub(crate) use months::DaySpan;
pub use months::{Month, Months};
pub use needs::ViewNeeds;
pub use shapes::IdentifierShape;

/// A table that may be there, and what is wanted of it.
#[derive(Clone, Debug)]
pub struct WantedTable {
    /// Its name in the extract
    pub name: Arc<str>,
    /// Whose rows they are
    pub patient_key: Option<PatientKeyColumn>,
    /// The columns that anybody wants; of one name there may be several, of different types
    pub columns: Vec<ColumnRequest>,
}

/// What was found of a table.
#[derive(Clone, Debug)]
pub struct TableReport {
    /// Its name in the extract
    pub name: Arc<str>,
    /// Its files, or why they cannot be read as a table
    pub found: Result<FoundTable, SourceError>,
}

/// A table whose files can be read.
#[derive(Clone, Debug)]
pub struct FoundTable {
    /// The format of its files
    pub format: FileFormat,
    /// How many files
    pub files: usize,
    /// Their bytes
    pub bytes: u64,
    /// Their rows, or what is wrong with one of them
    pub rows: Result<u64, SourceError>,
    /// Whether all files promise that their rows are in order of patient
    pub is_ordered: bool,
    /// What is wrong with the column of the patient's key
    pub patient_key_problem: Option<SourceError>,
    /// The wanted columns, in the order in which they were asked for
    pub columns: Vec<ColumnReport>,
    /// Columns that nobody asked for, which no run reads; without names where the first line of a file may be a row
    pub extra: Vec<String>,
}

/// What was found of a column.
#[derive(Clone, Debug)]
pub struct ColumnReport {
    /// Its name
    pub name: Arc<str>,
    /// Whether a file lacks it
    pub is_missing: bool,
    /// What a run that reads it would say
    pub problem: Option<SourceError>,
    /// From when to when its dates are
    pub months: Months,
    /// What most of its values look like, in the first rows, if that is an identifier of people
    pub looks_like: Option<IdentifierShape>,
}

/// Looks at tables of an extract: the heads of files, and all of those that are text. Keys that are texts are held to
/// `text_keys`. Blocks. What else is in the extract's folder comes second, by name.
///
/// # Errors
/// An extract that cannot be opened.
pub fn examine(
    extract: &Extract,
    wanted: &[WantedTable],
    text_keys: &TextComparison,
) -> Result<(Vec<TableReport>, Vec<String>), SourceError> {
    let opened = extract.open()?;
    let mut reports = Vec::with_capacity(wanted.len());
    let mut used = Vec::new();
    for table in wanted {
        let found = table::examine(&opened, table, text_keys, &mut used);
        reports.push(TableReport { name: Arc::clone(&table.name), found });
    }
    let is_used = |name: &str| used.iter().any(|path| path.starts_with(opened.path().join(name)));
    let unread = opened.names()?.into_iter().filter(|name| !is_used(name.trim_end_matches('/'))).collect();
    Ok((reports, unread))
}

impl Connector {
    /// All of its raw tables.
    pub fn wanted_tables(&self) -> Vec<WantedTable> {
        let wanted = |(name, table): (&Arc<str>, &RawTable)| {
            let TableRequest { patient_key, columns, .. } = self.request(name, table);
            WantedTable { name: Arc::clone(name), patient_key, columns }
        };
        self.raw.iter().map(wanted).collect()
    }
}

impl WantedTable {
    /// The request for some of its columns.
    fn request(&self, patient_key: Option<PatientKeyColumn>, columns: Vec<ColumnRequest>) -> TableRequest {
        TableRequest {
            name: Arc::clone(&self.name),
            location: Location::Table(Arc::clone(&self.name)),
            patient_key,
            activation: TableActivation::NotApplied,
            one_row_per_patient: false,
            columns,
        }
    }
}
