//! Views: one query each over raw tables, planned and held against what the user-facing table must be.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::TableReference;
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};

use super::{Connector, View, lineage};
use crate::patient_ids::patient_id_type;
use crate::request::{ColumnType, PATIENT_ID};

/// A column that a user-facing table must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewColumn {
    /// Its name
    pub name: Arc<str>,
    /// Its type
    pub column_type: ColumnType,
}

/// A view that cannot stand for its table. It holds no record's value: nothing has been opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: the view of `{table}` {reason}")]
pub struct ViewError {
    /// The user-facing table
    pub table: Arc<str>,
    /// Where the view is written
    pub file: Arc<str>,
    /// What is wrong, and what to do
    pub reason: String,
}

/// A view whose plan was checked, but for its columns.
pub(crate) struct PlannedView(pub(crate) DataFrame);

impl Connector {
    /// Plans every view over the raw tables as the manifest has them, and holds it against the columns that `expected`
    /// tells for the table. Opens nothing. Not to be called where asynchronous code runs.
    pub fn check_views(&self, expected: &dyn Fn(&str) -> Option<Vec<ViewColumn>>) -> Vec<ViewError> {
        let (context, mut errors) = self.empty_session();
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return errors };
        for (table, view) in &self.views {
            let error = |reason: String| ViewError { table: Arc::clone(table), file: Arc::clone(&view.file), reason };
            let planned = runtime.block_on(self.plan(&context, view));
            let checked = planned.and_then(|planned| match expected(table) {
                Some(columns) => self.check_columns(&planned, &columns, Exactly::These),
                None => {
                    Err("is of a table that the catalogue does not know: remove it, or correct its name".to_owned())
                }
            });
            errors.extend(checked.err().map(error));
        }
        errors
    }

    /// A session of the raw tables as the manifest has them, without rows.
    pub(crate) fn empty_session(&self) -> (SessionContext, Vec<ViewError>) {
        let context = SessionContext::new_with_config(SessionConfig::new().with_information_schema(false));
        let mut errors = Vec::new();
        for (name, table) in &self.raw {
            let empty = EmptyTable::new(self.request(name, table).schema());
            let registered = context.register_table(TableReference::bare(name.as_ref()), Arc::new(empty));
            if registered.is_err() {
                let reason = "cannot be planned: a raw table of this name cannot be registered".to_owned();
                errors.push(ViewError { table: Arc::clone(name), file: "manifest.toml".into(), reason });
            }
        }
        (context, errors)
    }

    /// Plans a view in a session that has the raw tables, and checks where its rows come from.
    pub(crate) async fn plan(&self, context: &SessionContext, view: &View) -> Result<PlannedView, String> {
        let only_queries = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let planned = context.sql_with_options(&view.sql, only_queries).await;
        let rows = planned.map_err(|error| format!("cannot be planned: {}", first_line(&error.strip_backtrace())))?;
        let plan = rows.logical_plan();
        let key = plan.schema().fields().iter().position(|field| field.name() == PATIENT_ID);
        let Some(key) = key else { return Err(format!("has no column `{PATIENT_ID}`")) };
        if !lineage::is_patient_key(self, plan, key) {
            return Err(format!(
                "bypasses the patient's key: its `{PATIENT_ID}` must be a raw table's column of the patient's key, as it is"
            ));
        }
        if let Some(table) = lineage::unjoined(self, plan) {
            return Err(format!(
                "lets rows of `{table}` leave unjoined, which the manifest allows only joined (`joined_to`): join it by an \
                 inner join, or on the side that is not kept"
            ));
        }
        match lineage::fickle_function(plan) {
            Ok(None) => {}
            Ok(Some(name)) => return Err(format!("calls `{name}`, whose answer is not always the same: leave it out")),
            Err(error) => return Err(format!("cannot be looked through: {}", first_line(&error.strip_backtrace()))),
        }
        Ok(PlannedView(rows))
    }

    /// Whether a view has columns, and of the right types; exactly these, or at least.
    pub(crate) fn check_columns(
        &self,
        view: &PlannedView,
        columns: &[ViewColumn],
        exactly: Exactly,
    ) -> Result<(), String> {
        let schema = view.0.schema();
        let found = |name: &str| schema.fields().iter().find(|field| field.name() == name);
        let key = patient_id_type(self.patient_key);
        if found(PATIENT_ID).is_none_or(|field| *field.data_type() != key) {
            return Err(format!("has a `{PATIENT_ID}` of another type than the manifest's `patient_key`"));
        }
        for column in columns {
            let Some(field) = found(&column.name) else {
                return Err(format!("lacks the column `{}` ({})", column.name, column.column_type));
            };
            if !is_of(column.column_type, field.data_type()) {
                let (name, wanted, found) = (&column.name, column.column_type, field.data_type());
                return Err(format!(
                    "has `{name}` as {found}, but {wanted} is wanted: CAST it to {}",
                    sql_type(column.column_type)
                ));
            }
        }
        let known = |name: &str| name == PATIENT_ID || columns.iter().any(|column| *column.name == *name);
        match schema.fields().iter().find(|field| !known(field.name())) {
            Some(surplus) if exactly == Exactly::These => {
                Err(format!("has a column `{}` that the table does not have: leave it out", surplus.name()))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a view may have more columns than are asked about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exactly {
    These,
    AtLeastThese,
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn is_of(wanted: ColumnType, found: &DataType) -> bool {
    let is_string = |found: &DataType| matches!(found, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match (wanted, found) {
        (ColumnType::Str, DataType::Dictionary(_, entries)) => is_string(entries),
        (ColumnType::Str, found) => is_string(found),
        (wanted, found) => wanted.arrow_type() == *found,
    }
}

fn sql_type(wanted: ColumnType) -> &'static str {
    match wanted {
        ColumnType::Bool => "BOOLEAN",
        ColumnType::Int => "BIGINT",
        ColumnType::Float => "DOUBLE",
        ColumnType::Date | ColumnType::Day => "DATE",
        ColumnType::Str => "VARCHAR",
        ColumnType::Moment => "TIMESTAMP",
        ColumnType::Bytes16 => "a key of 16 bytes, as the raw table has it",
    }
}
