//! What a source of user-facing tables does not have, as whoever keeps it states.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::request::{ColumnRequest, IfMissing};

/// What is stated of a source of user-facing tables: that it has them not, or not all of their columns.
///
/// Without a statement, a column that is missing under a policy is an error: under another name, or lost on the way, it
/// would read as NULL, and everybody be alive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Absences {
    /// Tables, by the names that definitions have for them: `ehrql.tables.tpp.isaric`
    pub tables: BTreeSet<Arc<str>>,
    /// Columns, by the names that the tables have in the source: whichever module's table the files are read as
    pub columns: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}

impl Absences {
    /// Whether it is stated of a column of a source's table that it is absent.
    pub fn has_column(&self, table: &str, column: &str) -> bool {
        self.columns.get(table).is_some_and(|columns| columns.contains(column))
    }

    /// Columns of a source's table as they are read where its patients are real: a missing one is an error, but for those
    /// that are stated.
    pub fn hold(&self, table: &str, columns: &mut [ColumnRequest]) {
        let nullable = columns.iter_mut().filter(|column| column.if_missing == IfMissing::Null);
        for column in nullable.filter(|column| !self.has_column(table, &column.name)) {
            column.if_missing = IfMissing::RefuseUnlessStated;
        }
    }
}
