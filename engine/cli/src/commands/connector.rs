//! `connector …`: for authors of connectors. No extract is opened.

use std::collections::BTreeMap;

use peristyle_connectors::{Manifest, Problem, ScaffoldError, builtin, check, load, scaffold};
use peristyle_opt_out::connector::{ColumnClass, Link, PatientsPerKey, RawActivation, RawTable, RowsOf};
use peristyle_policy::Name;

use crate::args::{ConnectorCommand, ConnectorNew};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::text_table::columns;
use crate::ui;

/// Runs the command that was given.
pub(super) fn run(command: &ConnectorCommand) -> Result<ExitStatus, Failure> {
    match command {
        ConnectorCommand::Check(command) => examine(&command.connector),
        ConnectorCommand::New(command) => begin(command),
        ConnectorCommand::List => list(),
    }
}

fn loaded(name_or_folder: &str) -> Result<Manifest, Failure> {
    load(name_or_folder).map_err(|error| Failure::new(ExitStatus::Files, error.to_string()))
}

fn examine(name_or_folder: &str) -> Result<ExitStatus, Failure> {
    let manifest = loaded(name_or_folder)?;
    let problems = check(&manifest);
    let name = &manifest.connector.name;
    ui::show(&description(&manifest))?;
    if problems.is_empty() {
        ui::show(&format!("\nconnector `{name}` passes\n"))?;
        return Ok(ExitStatus::Success);
    }
    let lines = problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n");
    Err(Failure::new(ExitStatus::Files, format!("connector `{name}` does not pass\n{lines}")))
}

/// What a connector has: raw tables, modules, and what is missing.
fn description(manifest: &Manifest) -> String {
    let connector = &manifest.connector;
    let mut text =
        format!("connector `{}`, patients by {}\n\nraw tables\n", connector.name, connector.patient_key.key());
    let mut rows: Vec<Vec<String>> = connector.raw.iter().map(|(name, table)| raw_row(name, table)).collect();
    rows.sort();
    let headings = ["table", "rows of", "practice activation", "#code", "#date", "#number", "#category", "#link_key"];
    text.push_str(&columns(&headings, &rows));
    text.push_str("\nmodules\n");
    text.push_str(&columns(&["module", "#views", "#missing"], &modules(manifest)));
    if !connector.missing.is_empty() {
        let missing = connector.missing.iter();
        let missing: Vec<Vec<String>> =
            missing.map(|(table, because)| vec![table.to_string(), because.clone()]).collect();
        text.push_str(&format!("\nmissing\n{}", columns(&["table", "because"], &missing)));
    }
    if !connector.links.is_empty() {
        let links: Vec<Vec<String>> = connector.links.iter().map(link_row).collect();
        text.push_str(&format!("\nlinks\n{}", columns(&["link", "raw table", "other key", "patients a key"], &links)));
    }
    let reviewed: Vec<Vec<String>> = manifest
        .reviewed
        .iter()
        .flat_map(|(table, columns)| columns.iter().map(move |(column, why)| (table, column, why)))
        .map(|(table, column, why)| vec![table.to_string(), column.to_string(), why.clone()])
        .collect();
    if !reviewed.is_empty() {
        let rows = columns(&["raw table", "column", "identifies nobody: why"], &reviewed);
        text.push_str(&format!("\nreviewed\n{rows}"));
    }
    if !manifest.registers.is_empty() {
        let registers = manifest.registers.iter();
        let registers: Vec<Vec<String>> =
            registers.map(|(register, table)| vec![register.key().to_owned(), table.to_string()]).collect();
        text.push_str(&format!("\nregisters\n{}", columns(&["register", "raw table"], &registers)));
    }
    text
}

fn raw_row(name: &str, table: &RawTable) -> Vec<String> {
    let mut rows_of = match &table.rows_of {
        RowsOf::Patients(key) => format!("patients, by {key}"),
        RowsOf::Linked { by, column } => format!("patients, by {column} through link {by}"),
        RowsOf::Nobody => "nobody".to_owned(),
    };
    if table.may_be_absent {
        rows_of.push_str("; may be absent");
    }
    if table.sorted_by_patient {
        rows_of.push_str("; sorted");
    }
    let activation = match &table.activation {
        _ if table.rows_of == RowsOf::Nobody => "–".to_owned(),
        RawActivation::NotApplied => "not applied".to_owned(),
        RawActivation::ByDate(column) => format!("by date, {column}"),
        RawActivation::ByPractice(column) => format!("by practice, {column}"),
        RawActivation::JoinedTo(tables) => format!("joined to {}", tables.join(" or ")),
    };
    let classes =
        [ColumnClass::Code, ColumnClass::Date, ColumnClass::Number, ColumnClass::Category, ColumnClass::LinkKey];
    let count = |class| match table.columns.iter().filter(|column| column.class == class).count() {
        0 => "–".to_owned(),
        count => count.to_string(),
    };
    let cells = [name.to_owned(), rows_of, activation];
    cells.into_iter().chain(classes.map(count)).collect()
}

fn link_row((name, link): (&Name, &Link)) -> Vec<String> {
    let patients = match link.patients {
        PatientsPerKey::One => "one",
        PatientsPerKey::Many => "many",
    };
    vec![name.to_string(), link.table.to_string(), link.column.to_string(), patients.to_owned()]
}

/// How many tables of each module have a view, and how many a reason.
fn modules(manifest: &Manifest) -> Vec<Vec<String>> {
    let mut counts: BTreeMap<&str, [usize; 2]> =
        manifest.modules.iter().map(|module| (module.as_ref(), [0, 0])).collect();
    let connector = &manifest.connector;
    let views = connector.views.keys().map(|table| (table, 0));
    let missing = connector.missing.keys().map(|table| (table, 1));
    for (table, which) in views.chain(missing) {
        if let Some((module, _)) = table.rsplit_once('.')
            && let Some(counts) = counts.get_mut(module)
        {
            counts[which] += 1;
        }
    }
    let rows = counts.into_iter();
    rows.map(|(module, [views, missing])| vec![module.to_owned(), views.to_string(), missing.to_string()]).collect()
}

fn begin(command: &ConnectorNew) -> Result<ExitStatus, Failure> {
    let status = |error: &ScaffoldError| match error {
        ScaffoldError::Name { .. } | ScaffoldError::Builtin { .. } => ExitStatus::Arguments,
        _ => ExitStatus::Files,
    };
    let written =
        scaffold(&command.name, &command.out).map_err(|error| Failure::new(status(&error), error.to_string()))?;
    let folder = command.out.join(&command.name);
    let mut text = String::new();
    for path in written {
        text.push_str(&format!("{}\n", path.display()));
    }
    text.push_str(&format!("\nchange them, and after each change: peristyle connector check {}\n", folder.display()));
    ui::show(&text)?;
    Ok(ExitStatus::Success)
}

fn list() -> Result<ExitStatus, Failure> {
    let mut rows = Vec::new();
    for name in builtin() {
        let connector = loaded(name)?.connector;
        let counts =
            [connector.raw.len(), connector.views.len(), connector.missing.len()].map(|count| count.to_string());
        rows.push([name.to_owned(), connector.patient_key.key().to_owned()].into_iter().chain(counts).collect());
    }
    ui::show(&columns(&["connector", "patients by", "#raw tables", "#views", "#missing"], &rows))?;
    Ok(ExitStatus::Success)
}
