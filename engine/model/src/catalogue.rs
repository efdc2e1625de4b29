//! The catalogue of user-facing tables: names, columns, constraints, permissions.

mod load;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use crate::graph::Constant;
use crate::text::{quoted, suggestion, suggestion_or_list};
use crate::types::ValueType;

/// How a table is named in a definition: the ehrQL module and the name in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// Such as `ehrql.tables.tpp`
    pub module: Arc<str>,
    /// Such as `clinical_events`
    pub name: Arc<str>,
}

/// What is known of a column's values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Constraint {
    /// One of these values and no other
    Categorical(Arc<[Constant]>),
    /// Never NULL
    NotNull,
    /// Each value once
    Unique,
    /// A date that is the first of a month
    FirstOfMonth,
    /// Matches a regular expression
    Regex(Arc<str>),
    /// Whole numbers from `minimum` to `maximum` in steps
    ClosedRange {
        /// Smallest value
        minimum: i64,
        /// Largest value
        maximum: i64,
        /// Distance of neighbours
        step: i64,
    },
    /// A range with open or closed ends
    GeneralRange {
        /// Lower end, if any
        minimum: Option<Constant>,
        /// Upper end, if any
        maximum: Option<Constant>,
        /// Whether the lower end belongs to it
        includes_minimum: bool,
        /// Whether the upper end belongs to it
        includes_maximum: bool,
    },
    /// A date not before those of other columns
    DateAfter(Arc<[Arc<str>]>),
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// Its name
    pub name: Arc<str>,
    /// The type of its values
    pub value_type: ValueType,
    /// What is known of its values
    pub constraints: Vec<Constraint>,
}

impl Column {
    /// The values that the column may have, if they are known.
    pub fn categories(&self) -> Option<&Arc<[Constant]>> {
        self.constraints.iter().find_map(|constraint| match constraint {
            Constraint::Categorical(values) => Some(values),
            _ => None,
        })
    }

    /// Whether the column is never NULL.
    pub fn is_not_null(&self) -> bool {
        self.constraints.contains(&Constraint::NotNull)
    }
}

/// Which date column practice activation is judged by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ActivationFilter {
    /// The table does not hold GP activity: its rows stay
    NotApplied,
    /// Rows are kept by this date column
    ByColumn(Arc<str>),
    /// The source does not say: whoever needs to know has to refuse
    Unstated,
}

/// A user-facing table, or an inline one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableSchema {
    /// How definitions name it
    pub name: TableName,
    /// The name of its file or folder in a directory of tables
    pub table: Arc<str>,
    /// One row per patient, or many
    pub one_row_per_patient: bool,
    /// The permission that a project needs to use it
    pub required_permission: Option<Arc<str>>,
    /// How practice activation applies to it
    pub activation: ActivationFilter,
    /// Columns, `patient_id` not among them
    pub columns: Vec<Column>,
}

impl TableSchema {
    /// The index of the column of that name.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| &*column.name == name)
    }
}

/// The format of a file of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named by their file endings")]
pub enum RowsFormat {
    Csv,
    CsvGz,
    Arrow,
}

/// A file that stands as the rows of an inline table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowsFile {
    /// As the definition writes it: relative to the study's folder, or absolute; it may lead out of that folder
    pub path: PathBuf,
    /// Its format
    pub format: RowsFormat,
    /// What each column must be: name, type, whether NULL may occur, categories
    pub columns: Vec<RowsColumn>,
    /// Whether a column that is missing reads as NULL
    pub allow_missing_columns: bool,
}

/// A column of a [`RowsFile`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowsColumn {
    /// Its name; `patient_id` is among them
    pub name: Arc<str>,
    /// The type of its values
    pub value_type: ValueType,
    /// Whether NULL may occur
    pub nullable: bool,
    /// The values it may have, if restricted
    pub categories: Option<Arc<[Constant]>>,
}

/// The project's own catalogue, as text.
const MODULES: [&str; 8] = [
    include_str!("../catalogue/core.toml"),
    include_str!("../catalogue/emis.toml"),
    include_str!("../catalogue/emisv2.toml"),
    include_str!("../catalogue/raw_core.toml"),
    include_str!("../catalogue/raw_emis.toml"),
    include_str!("../catalogue/raw_tpp.toml"),
    include_str!("../catalogue/smoketest.toml"),
    include_str!("../catalogue/tpp.toml"),
];

/// The tables that a definition may name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    tables: BTreeMap<TableName, Arc<TableSchema>>,
}

impl Catalogue {
    /// The project's own catalogue.
    pub fn builtin() -> &'static Catalogue {
        static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| {
            let modules = MODULES.iter().map(|text| load::module(text));
            // A test loads every file. Should one fail all the same, no table is known and every definition refused.
            Catalogue::from_tables(modules.collect::<Result<Vec<_>, _>>().unwrap_or_default().into_iter().flatten())
        });
        &BUILTIN
    }

    /// A catalogue of the given tables; of two with one name the later stays.
    pub fn from_tables(tables: impl IntoIterator<Item = TableSchema>) -> Catalogue {
        Catalogue { tables: tables.into_iter().map(|table| (table.name.clone(), Arc::new(table))).collect() }
    }

    /// The table of that name.
    pub fn table(&self, name: &TableName) -> Option<&Arc<TableSchema>> {
        self.tables.get(name)
    }

    /// Why there is no such table, and which one may be meant.
    pub(crate) fn unknown_table(&self, module: &str, name: &str) -> String {
        let mut in_module =
            self.tables.keys().filter(|table| &*table.module == module).map(|table| &*table.name).peekable();
        if in_module.peek().is_none() {
            let mut modules: Vec<&str> = self.tables.keys().map(|table| &*table.module).collect();
            modules.dedup();
            let near = suggestion_or_list(module, modules.into_iter());
            return format!(
                "the catalogue has no module {}, of which table {} is wanted{near}",
                quoted(module),
                quoted(name)
            );
        }
        let near = suggestion(name, in_module);
        let elsewhere: Vec<&str> =
            self.tables.keys().filter(|table| &*table.name == name).map(|table| &*table.module).collect();
        let elsewhere = if elsewhere.is_empty() || !near.is_empty() {
            near
        } else {
            format!(". There is one of that name in {}", elsewhere.join(", "))
        };
        format!("the catalogue's module {} has no table {}{elsewhere}", quoted(module), quoted(name))
    }

    /// All tables, by name.
    pub fn tables(&self) -> impl ExactSizeIterator<Item = &Arc<TableSchema>> {
        self.tables.values()
    }
}

#[cfg(test)]
mod tests;
