//! `explain`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use peristyle_execution::{explain_plan, explain_program};
use peristyle_model::Definition;

use crate::args::Explain;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::source::Source;
use crate::{definition, tables, ui};

/// Shows how the definition would be run: over the tables that are given, or over empty ones of the same columns.
pub(crate) fn run(command: &Explain, settings: &Settings) -> Result<ExitStatus, Failure> {
    let definition = definition::load(&command.definition.definition, &command.definition.parameters, settings)?;
    let empty = tempfile::tempdir().map_err(|error| {
        Failure::new(ExitStatus::Files, "cannot make a temporary folder for empty tables").cause(error)
    })?;
    let folder = match &command.source.dummy_tables {
        Some(folder) => folder.clone(),
        None => empty_tables(&definition, empty.path())?,
    };
    let text = settings.runtime()?.block_on(explained(&definition, &Source::DummyTables(folder), settings))?;
    ui::show(&text)?;
    Ok(ExitStatus::Success)
}

fn empty_tables(definition: &Definition, folder: &Path) -> Result<PathBuf, Failure> {
    for table in definition.graph.tables() {
        tables::write(folder, table, &[]).map_err(|problem| Failure::new(ExitStatus::Files, problem))?;
    }
    Ok(folder.to_owned())
}

/// Of what the definition has: its dataset, its measures, or both. A part that its author's code failed to make is
/// only told of where the other one can be shown.
async fn explained(definition: &Definition, source: &Source, settings: &Settings) -> Result<String, Failure> {
    let enclave = source.open(settings)?;
    let (root, options) = (settings.root(), settings.execution());
    let mut text = String::new();
    let with_measures = matches!(definition.measures, Some(Ok(_)));
    let with_dataset = matches!(definition.dataset, Some(Ok(_)));
    if with_dataset || !with_measures {
        let dataset = definition::dataset(definition)?;
        let plan = peristyle_execution::dataset_plan(definition, dataset, &enclave, &root, &options).await?;
        text.push_str(&section("Dataset", &plan));
    } else if let Some(Err(error)) = &definition.dataset {
        text.push_str(&format!("Dataset\n\n{error}\n\n"));
    }
    if with_measures {
        let measures = definition::measures(definition)?;
        let plan = peristyle_execution::measures_plan(definition, measures, &enclave, &root, &options).await?;
        text.push_str(&section("Measures", &plan));
    } else if let Some(Err(error)) = &definition.measures {
        text.push_str(&format!("Measures\n\n{error}\n\n"));
    }
    Ok(text)
}

fn section(title: &str, plan: &Arc<dyn ExecutionPlan>) -> String {
    format!("{title}\n\nplan\n{}\n{}\n", explain_plan(plan.as_ref(), false), explain_program(plan.as_ref()))
}
