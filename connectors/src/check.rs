//! Views held against the catalogue.

use std::sync::Arc;

use peristyle_model::Catalogue;
use peristyle_model::types::ValueType;
use peristyle_opt_out::{ColumnType, ViewColumn};

use crate::error::{Fault, Problem};
use crate::manifest::Manifest;

/// Plans every view and holds it against the catalogue's columns and types. Gives all that is wrong; opens nothing. Not to
/// be called where asynchronous code runs.
pub fn check(manifest: &Manifest) -> Vec<Problem> {
    let errors = manifest.connector.check_views(&expected_columns).into_iter();
    errors
        .map(|error| {
            let line = line_in(&error.reason);
            let reason = format!("the view of `{}` {}", error.table, error.reason);
            Problem { file: error.file, line, fault: Fault::View { reason } }
        })
        .collect()
}

/// The line that the parser of SQL tells: "… at Line: 3, Column: 7".
fn line_in(reason: &str) -> Option<usize> {
    let (_, place) = reason.rsplit_once(" at Line: ")?;
    place.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The columns that a user-facing table has by the catalogue, such as `ehrql.tables.core.patients`; none where there is no
/// such table.
pub fn expected_columns(table: &str) -> Option<Vec<ViewColumn>> {
    let known = Catalogue::builtin().tables().find(|known| {
        table.strip_prefix(&*known.name.module).and_then(|rest| rest.strip_prefix('.')) == Some(&*known.name.name)
    })?;
    let columns = known.columns.iter().map(|column| ViewColumn {
        name: Arc::clone(&column.name),
        column_type: match column.value_type {
            ValueType::Bool => ColumnType::Bool,
            ValueType::Int => ColumnType::Int,
            ValueType::Float => ColumnType::Float,
            ValueType::Date => ColumnType::Date,
            ValueType::Str | ValueType::Code(_) | ValueType::MultiCode(_) => ColumnType::Str,
        },
    });
    Some(columns.collect())
}
