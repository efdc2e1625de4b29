//! `explain`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use datafusion::physical_plan::ExecutionPlan;
use peristyle_audit::{Ledger, Moment};
use peristyle_execution::{MeasureTotals, explain_plan, explain_program};
use peristyle_model::Definition;
use peristyle_opt_out::{Enclave, VerifiedPolicy};

use crate::args::Explain;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::governed::{Request, kept_from_studies, needs_root, words};
use crate::settings::Settings;
use crate::source::Source;
use crate::source_file::SourceFile;
use crate::study::Asked;
use crate::{definition, run, tables, ui};

/// Shows how the definition would be run: over the tables that are given, or over empty ones of the same columns.
pub(crate) fn run(command: &Explain, settings: &Settings) -> Result<ExitStatus, Failure> {
    let text = match Source::named(&command.source)? {
        Some(Source::DummyTables(folder)) => over_dummy_tables(command, Some(folder), settings)?,
        Some(Source::UnderPolicy(place)) => under_policy(command, &place, settings)?,
        None => over_dummy_tables(command, None, settings)?,
    };
    ui::show(&text)?;
    Ok(ExitStatus::Success)
}

fn over_dummy_tables(command: &Explain, folder: Option<PathBuf>, settings: &Settings) -> Result<String, Failure> {
    let definition = definition::load(&command.definition.definition, &command.definition.parameters, settings)?;
    let empty = tempfile::tempdir().map_err(|error| {
        Failure::new(ExitStatus::Files, "cannot make a temporary folder for empty tables").cause(error)
    })?;
    let folder = match folder {
        Some(folder) => folder,
        None => empty_tables(&definition, empty.path())?,
    };
    let enclave = Enclave::open_tables(&folder, VerifiedPolicy::dummy_tables(), settings.enclave())?;
    settings.runtime()?.block_on(explained(&definition, &enclave, command.analyze, settings))
}

/// A run would be refused where this is. It is not recorded: no row is read.
fn under_policy(command: &Explain, place: &SourceFile, settings: &Settings) -> Result<String, Failure> {
    let request = Request::gather(&command.definition, &command.source, place, settings)?;
    let definition = request.definition()?;
    let asked = [Asked::Dataset, Asked::Measures { disclosure_control: None }];
    let questions: Vec<_> = asked.into_iter().filter_map(|asked| asked.of(definition).ok()).collect();
    let clearance = request.clear(&questions)?;
    clearance.announce(settings.log_format);
    let known_counts = {
        let policy = words::name("the policy's name", clearance.policy.name.as_str())?;
        Ledger::look(&place.ledger, request.ledger_key(place)?, Moment::now)?.known_counts(&policy)
    };
    let extracts = place.extracts()?;
    let tables = questions.iter().flat_map(|question| question.tables(definition)).collect();
    let policy = clearance.verify(place, &extracts, &tables, known_counts, settings.threads())?;
    for question in &questions {
        needs_root(question, definition, settings)?;
    }
    let kept = kept_from_studies(place, &command.source, clearance.policy);
    let enclave = place.open(extracts, policy, settings.enclave_under_policy(kept))?;
    settings.runtime()?.block_on(explained(definition, &enclave, false, settings))
}

fn empty_tables(definition: &Definition, folder: &Path) -> Result<PathBuf, Failure> {
    for table in definition.graph.tables() {
        tables::write(folder, table, &[]).map_err(|problem| Failure::new(ExitStatus::Files, problem))?;
    }
    Ok(folder.to_owned())
}

/// Of what the definition has: its dataset, its measures, or both. A part that its author's code failed to make is
/// only told of where the other one can be shown.
async fn explained(
    definition: &Definition,
    enclave: &Enclave,
    analyze: bool,
    settings: &Settings,
) -> Result<String, Failure> {
    let options = settings.execution();
    let mut text = String::new();
    let with_measures = matches!(definition.measures, Some(Ok(_)));
    let with_dataset = matches!(definition.dataset, Some(Ok(_)));
    if with_dataset || !with_measures {
        let dataset = definition::dataset(definition)?;
        let plan = peristyle_execution::dataset_plan(definition, dataset, enclave, &options).await?;
        text.push_str(&section("Dataset", &plan, enclave, analyze).await?);
    } else if let Some(Err(error)) = &definition.dataset {
        text.push_str(&format!("Dataset\n\n{error}\n\n"));
    }
    if with_measures {
        let measures = definition::measures(definition)?;
        let totals = MeasureTotals::Sums;
        let plan = peristyle_execution::measures_plan(definition, measures, enclave, &options, totals).await?;
        text.push_str(&section("Measures", &plan, enclave, analyze).await?);
    } else if let Some(Err(error)) = &definition.measures {
        text.push_str(&format!("Measures\n\n{error}\n\n"));
    }
    Ok(text)
}

async fn section(
    title: &str,
    plan: &Arc<dyn ExecutionPlan>,
    enclave: &Enclave,
    analyze: bool,
) -> Result<String, Failure> {
    let mut text = format!("{title}\n\n");
    if analyze {
        let started = Instant::now();
        let rows = run::stream(plan, enclave, |_| Ok(())).await?;
        let wall = started.elapsed().as_secs_f64() * 1e3;
        let memory = run::peak_memory_mib().map(|mib| format!(", at most {mib} MiB")).unwrap_or_default();
        text.push_str(&format!("ran: {rows} rows in {wall:.0} ms{memory}; times below are summed over threads\n\n"));
    }
    let (plan_text, program) = (explain_plan(plan.as_ref(), analyze), explain_program(plan.as_ref(), analyze));
    text.push_str(&format!("plan\n{plan_text}\n{program}\n"));
    Ok(text)
}
