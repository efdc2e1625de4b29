//! Reads the project's own catalogue: `engine/model/catalogue/*.toml`, one file a module.
//!
//! A file names its `module`, then has a `[table.NAME]` for each table:
//! - `rows`: `"one"` or `"many"` per patient;
//! - `table`: the name of the file or folder in a directory of tables, where it is not `NAME`;
//! - `activation`: `"not applied"` (no GP activity), `{ by = "COLUMN" }`, or `"unstated"`;
//! - `permission`: what a project needs to use it, if anything;
//! - `columns`: each with `name` and `type`, and what is known of its values: `not_null`, `unique`, `first_of_month`,
//!   `categories`, `range` (`from`, `to`, `step`), `regex`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;

use super::{ActivationFilter, Column, Constraint, TableName, TableSchema};
use crate::graph::Constant;
use crate::types::ValueType;

/// What is wrong with a file of the catalogue.
#[derive(Debug, thiserror::Error)]
pub(super) enum CatalogueError {
    #[error("is not a catalogue file: {0}")]
    Form(#[from] toml::de::Error),
    #[error("table {table}: {message}")]
    Table { table: String, message: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModuleText {
    module: String,
    table: BTreeMap<String, TableText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableText {
    rows: Rows,
    table: Option<String>,
    activation: Activation,
    permission: Option<String>,
    columns: Vec<ColumnText>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Rows {
    One,
    Many,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Activation {
    Word(ActivationWord),
    Column(ActivationColumn),
}

#[derive(Deserialize)]
enum ActivationWord {
    #[serde(rename = "not applied")]
    NotApplied,
    #[serde(rename = "unstated")]
    Unstated,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivationColumn {
    by: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnText {
    name: String,
    #[serde(rename = "type")]
    type_name: String,
    #[serde(default)]
    not_null: bool,
    #[serde(default)]
    unique: bool,
    #[serde(default)]
    first_of_month: bool,
    categories: Option<Vec<Category>>,
    range: Option<RangeText>,
    regex: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Category {
    Int(i64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RangeText {
    from: i64,
    to: i64,
    #[serde(default = "one")]
    step: i64,
}

fn one() -> i64 {
    1
}

/// The tables of one file.
pub(super) fn module(text: &str) -> Result<Vec<TableSchema>, CatalogueError> {
    let ModuleText { module, table } = toml::from_str(text)?;
    let module: Arc<str> = module.into();
    table
        .into_iter()
        .map(|(name, text)| {
            schema(&module, &name, text).map_err(|message| CatalogueError::Table { table: name, message })
        })
        .collect()
}

fn schema(module: &Arc<str>, name: &str, text: TableText) -> Result<TableSchema, String> {
    let mut names = HashSet::from(["patient_id".to_owned()]);
    if let Some(column) = text.columns.iter().find(|column| !names.insert(column.name.clone())) {
        return Err(format!("column {} is given twice, or by nature", column.name));
    }
    let columns = text.columns.into_iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let activation = match text.activation {
        Activation::Word(ActivationWord::NotApplied) => ActivationFilter::NotApplied,
        Activation::Word(ActivationWord::Unstated) => ActivationFilter::Unstated,
        Activation::Column(ActivationColumn { by }) => {
            if !columns.iter().any(|column| *column.name == *by && column.value_type == ValueType::Date) {
                return Err(format!("activation is by {by}, which is not a date column of the table"));
            }
            ActivationFilter::ByColumn(by.into())
        }
    };
    Ok(TableSchema {
        name: TableName { module: Arc::clone(module), name: name.into() },
        table: text.table.as_deref().unwrap_or(name).into(),
        one_row_per_patient: text.rows == Rows::One,
        required_permission: text.permission.map(Arc::from),
        activation,
        columns,
    })
}

fn column(text: ColumnText) -> Result<Column, String> {
    let (name, type_name) = (text.name, text.type_name);
    let value_type =
        ValueType::from_name(&type_name).ok_or_else(|| format!("column {name}: {type_name} is not a type"))?;
    let mut constraints = Vec::new();
    if let Some(categories) = text.categories {
        let category = |category| match category {
            Category::Int(value) => Constant::Int(value),
            Category::Text(text) => Constant::Str(text.into()),
        };
        let categories: Arc<[Constant]> = categories.into_iter().map(category).collect();
        if categories.iter().any(|category| category.physical() != value_type.physical()) {
            return Err(format!("column {name}: a category is not of type {type_name}"));
        }
        constraints.push(Constraint::Categorical(categories));
    }
    if let Some(RangeText { from: minimum, to: maximum, step }) = text.range {
        if value_type != ValueType::Int || minimum > maximum || step < 1 {
            return Err(format!("column {name}: the range is not one of whole numbers"));
        }
        constraints.push(Constraint::ClosedRange { minimum, maximum, step });
    }
    if text.first_of_month && value_type != ValueType::Date {
        return Err(format!("column {name}: only a date can be the first of a month"));
    }
    constraints.extend(text.regex.map(|regex| Constraint::Regex(regex.into())));
    let flags = [
        (text.first_of_month, Constraint::FirstOfMonth),
        (text.unique, Constraint::Unique),
        (text.not_null, Constraint::NotNull),
    ];
    constraints.extend(flags.into_iter().filter_map(|(set, constraint)| set.then_some(constraint)));
    Ok(Column { name: name.into(), value_type, constraints })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_file_with_a_fault_is_refused() {
        let file = |table: &str| format!("module = \"m\"\n[table.t]\n{table}");
        let good = "rows = \"one\"\nactivation = \"not applied\"\ncolumns = [{ name = \"a\", type = \"int\" }]";
        assert_eq!(module(&file(good)).unwrap().len(), 1);
        let cases = [
            ("activation = \"not applied\"\ncolumns = []", "missing field `rows`"),
            ("rows = \"one\"\ncolumns = []", "missing field `activation`"),
            ("rows = \"one\"\nactivation = \"no\"\ncolumns = []", "did not match"),
            ("rows = \"few\"\nactivation = \"unstated\"\ncolumns = []", "unknown variant `few`"),
            (&good.replace("int", "integer"), "table t: column a: integer is not a type"),
            (&good.replace("\"a\"", "\"patient_id\""), "table t: column patient_id is given twice, or by nature"),
            (&good.replace("\"not applied\"", "{ by = \"a\" }"), "activation is by a, which is not a date column"),
            (&good.replace(" }]", ", nullable = true }]"), "unknown field `nullable`"),
            (&good.replace(" }]", ", categories = [\"x\"] }]"), "column a: a category is not of type int"),
            (
                &good.replace(" }]", ", range = { from = 2, to = 1 } }]"),
                "column a: the range is not one of whole numbers",
            ),
            (&good.replace(" }]", ", first_of_month = true }]"), "column a: only a date"),
        ];
        for (table, expected) in cases {
            let refusal = module(&file(table)).unwrap_err().to_string();
            assert!(refusal.contains(expected), "{table}\n{refusal}");
        }
    }
}
