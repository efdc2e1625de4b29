//! How a definition would be run, as text.

use std::sync::Arc;
use std::time::Instant;

use datafusion::physical_plan::ExecutionPlan;
use peristyle_execution::{MeasureTotals, explain_plan, explain_program, explain_scans};
use peristyle_model::Definition;
use peristyle_opt_out::Enclave;

use crate::failure::Failure;
use crate::settings::Settings;
use crate::{author, definition, run};

/// What is shown of a plan.
#[derive(Clone, Copy, Debug)]
pub(crate) enum View {
    /// All of it, over tables of people who do not exist
    Whole {
        /// Whether the plan is run as well, and its metrics are shown
        analyze: bool,
    },
    /// What rows do not change, hidden ones included: neither files nor their order nor what follows from it
    WithoutFiles,
}

/// Of what the definition has: its dataset, its measures, or both. A part that its author's code failed to make is
/// only told of where the other one can be shown.
pub(crate) async fn of(
    definition: &Definition,
    enclave: &Enclave,
    view: View,
    settings: &Settings,
) -> Result<String, Failure> {
    let options = settings.execution();
    let mut text = String::new();
    let with_measures = matches!(definition.measures, Some(Ok(_)));
    let with_dataset = matches!(definition.dataset, Some(Ok(_)));
    if with_dataset || !with_measures {
        let dataset = definition::dataset(definition)?;
        let plan = peristyle_execution::dataset_plan(definition, dataset, enclave, &options).await?;
        text.push_str(&section("Dataset", &plan, enclave, view).await?);
    } else if let Some(Err(error)) = &definition.dataset {
        text.push_str(&format!("Dataset\n\n{}\n\n", author::failed(error)));
    }
    if with_measures {
        let measures = definition::measures(definition)?;
        let totals = MeasureTotals::Sums;
        let plan = peristyle_execution::measures_plan(definition, measures, enclave, &options, totals).await?;
        text.push_str(&section("Measures", &plan, enclave, view).await?);
    } else if let Some(Err(error)) = &definition.measures {
        text.push_str(&format!("Measures\n\n{}\n\n", author::failed(error)));
    }
    Ok(text)
}

async fn section(title: &str, plan: &Arc<dyn ExecutionPlan>, enclave: &Enclave, view: View) -> Result<String, Failure> {
    let mut text = format!("{title}\n\n");
    let analyze = match view {
        View::Whole { analyze } => analyze,
        View::WithoutFiles => {
            let (scans, program) = (explain_scans(plan.as_ref()), explain_program(plan.as_ref(), false));
            return Ok(format!("{text}plan\n{scans}\n{program}\n"));
        }
    };
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
