//! One case, from its JSON to what differed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use arrow::array::RecordBatch;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use peristyle_execution::MeasureTotals;
use peristyle_model::catalogue::{ActivationFilter, Column, TableName, TableSchema};
use peristyle_model::types::ValueType;
use peristyle_model::{Catalogue, Definition, Limits};
use peristyle_opt_out::{Enclave, VerifiedPolicy};
use peristyle_outputs::{DisclosureControl, dataset, measures};
use serde::Deserialize;
use serde_json::Value;

use super::compare::{Expected, Tolerance, differences};
use super::read::Line;
use super::supplier;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::{definition, run, tables};

/// A table of a case.
#[derive(Deserialize)]
struct CaseTable {
    module: String,
    name: String,
    table: String,
    one_row_per_patient: bool,
    #[serde(default)]
    required_permission: Option<String>,
    #[serde(default)]
    activation_filter_field: Value,
    columns: Vec<(String, String)>,
    rows: Vec<Vec<Value>>,
}

/// A file that a definition reads.
#[derive(Deserialize)]
struct CaseFile {
    base64: String,
}

/// One output table or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum CaseExpected {
    One(Expected),
    Several(Vec<Expected>),
}

/// Runs a case in a folder of its own, which is gone afterwards. What differed; nothing if it passed.
pub(super) async fn run(line: &Line, folder: &Path, settings: &Settings) -> Vec<String> {
    let problems = match run_in(line, folder, settings).await {
        Ok(problems) => problems,
        Err(problem) => vec![problem],
    };
    // What is left goes with the folder of all cases.
    let _ = fs::remove_dir_all(folder);
    problems
}

async fn run_in(line: &Line, folder: &Path, settings: &Settings) -> Result<Vec<String>, String> {
    let kind: String = line.read("kind")?;
    match kind.as_str() {
        "query" | "measures" => {}
        "mapping" | "backend_query" => return supplier::run_in(line, &kind, folder, settings).await,
        other => return Err(format!("kind not supported yet: {other}")),
    }
    let setting = Setting::make(line, folder)?;
    let document = line.text("definition")?.ok_or("the case has no `definition`")?;
    let definition = Definition::parse(document.as_bytes(), &setting.catalogue, &Limits::default())
        .map_err(|error| told(Failure::from(error)))?;
    let answers = setting.answers(&definition, &kind, settings).await.map_err(told)?;
    let expected = match line.read("expected")? {
        CaseExpected::One(expected) => vec![expected],
        CaseExpected::Several(expected) => expected,
    };
    let tolerance = if line.id.starts_with("generated/") { Tolerance::GENERATED } else { Tolerance::EXACT };
    Ok(differences(&answers, &expected, tolerance))
}

/// A folder that cannot be made.
pub(super) fn folder_failed(error: std::io::Error) -> String {
    format!("cannot make the case's folder: {error}")
}

pub(super) fn told(failure: Failure) -> String {
    let causes: String = failure.causes.iter().map(|cause| format!("\ncaused by: {cause}")).collect();
    format!("error (status {}): {}{causes}", failure.status.code(), failure.message)
}

/// What a case's definition finds around it.
struct Setting {
    catalogue: Catalogue,
    tables: PathBuf,
    root: PathBuf,
}

impl Setting {
    fn make(line: &Line, folder: &Path) -> Result<Self, String> {
        let (tables, root) = (folder.join("tables"), folder.join("root"));
        fs::create_dir_all(&tables).and_then(|()| fs::create_dir_all(&root)).map_err(folder_failed)?;
        for (name, file) in line.read_or_default::<BTreeMap<String, CaseFile>>("files")? {
            write_file(&root, &name, &file)?;
        }
        let mut schemas = Vec::new();
        for table in line.read::<Vec<CaseTable>>("tables")? {
            let schema = schema(&table)?;
            tables::write(&tables, &schema, &table.rows)?;
            schemas.push(schema);
        }
        Ok(Setting { catalogue: Catalogue::from_tables(schemas), tables, root })
    }

    /// The rows of each output table.
    async fn answers(
        &self,
        definition: &Definition,
        kind: &str,
        settings: &Settings,
    ) -> Result<Vec<Vec<RecordBatch>>, Failure> {
        let settings = Settings { root: Some(self.root.clone()), ..settings.clone() };
        let policy = VerifiedPolicy::dummy_tables();
        let enclave = Enclave::open_tables(&self.tables, policy, settings.enclave())?;
        if kind == "measures" {
            self.measures(definition, &enclave, &settings).await
        } else {
            self.dataset(definition, &enclave, &settings).await
        }
    }

    async fn dataset(
        &self,
        definition: &Definition,
        enclave: &Enclave,
        settings: &Settings,
    ) -> Result<Vec<Vec<RecordBatch>>, Failure> {
        let wanted = definition::dataset(definition)?;
        let options = settings.execution();
        let plan = peristyle_execution::dataset_plan(definition, wanted, enclave, &options).await?;
        let mut answers = vec![Vec::new(); wanted.events.len() + 1];
        run::stream(&plan, enclave, |batch| {
            for (answer, batch) in answers.iter_mut().zip(dataset::split(&batch, &wanted.events)?) {
                answer.push(batch);
            }
            Ok(())
        })
        .await?;
        Ok(answers)
    }

    async fn measures(
        &self,
        definition: &Definition,
        enclave: &Enclave,
        settings: &Settings,
    ) -> Result<Vec<Vec<RecordBatch>>, Failure> {
        let wanted = definition::measures(definition)?;
        let options = settings.execution();
        let totals = MeasureTotals::Sums;
        let plan = peristyle_execution::measures_plan(definition, wanted, enclave, &options, totals).await?;
        let mut answer = Vec::new();
        run::stream(&plan, enclave, |batch| {
            answer.push(measures::finish(&batch, DisclosureControl::Off)?);
            Ok(())
        })
        .await?;
        Ok(vec![answer])
    }
}

fn schema(table: &CaseTable) -> Result<TableSchema, String> {
    if !table.table.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(format!("table `{}`: its name cannot be a file's", table.table));
    }
    let column = |(name, value_type): &(String, String)| {
        let value_type = ValueType::from_name(value_type)
            .ok_or_else(|| format!("table `{}`: `{value_type}` is no type", table.table))?;
        Ok(Column { name: name.as_str().into(), value_type, constraints: Vec::new() })
    };
    Ok(TableSchema {
        name: TableName { module: table.module.as_str().into(), name: table.name.as_str().into() },
        table: table.table.as_str().into(),
        one_row_per_patient: table.one_row_per_patient,
        required_permission: table.required_permission.as_deref().map(Into::into),
        activation: match &table.activation_filter_field {
            Value::String(column) => ActivationFilter::ByColumn(column.as_str().into()),
            Value::Bool(false) => ActivationFilter::NotApplied,
            _ => ActivationFilter::Unstated,
        },
        columns: table.columns.iter().map(column).collect::<Result<_, String>>()?,
    })
}

/// Files lie below the root and nowhere else.
fn write_file(root: &Path, name: &str, file: &CaseFile) -> Result<(), String> {
    let path = Path::new(name);
    if path.components().any(|component| !matches!(component, Component::Normal(_))) {
        return Err(format!("file `{name}`: is not a path below the root"));
    }
    let bytes = STANDARD.decode(&file.base64).map_err(|error| format!("file `{name}`: {error}"))?;
    let path = root.join(path);
    let write = || fs::create_dir_all(path.parent().unwrap_or(root)).and_then(|()| fs::write(&path, bytes));
    write().map_err(|error| format!("file `{name}`: {error}"))
}
