//! A plan, run to its end: batch by batch into whatever takes them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use peristyle_model::{Dataset, Definition, Measure};
use peristyle_opt_out::Enclave;
use peristyle_outputs::{DisclosureControl, OutputTarget, TablesWriter, WrittenTable, dataset, measures};

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::panics;
use crate::settings::Settings;
use crate::ui::Progress;

/// Runs a plan and hands every batch on, in order. How many rows there were.
pub(crate) async fn stream(
    plan: &Arc<dyn ExecutionPlan>,
    enclave: &Enclave,
    mut each: impl FnMut(RecordBatch) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut batches = plan.execute(0, enclave.task_context())?;
    let mut rows = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        each(batch)?;
    }
    Ok(rows)
}

/// Runs a dataset definition into `target`.
pub(crate) async fn generate_dataset(
    definition: &Definition,
    dataset: &Dataset,
    enclave: &Enclave,
    settings: &Settings,
    target: OutputTarget,
) -> Result<Vec<WrittenTable>, Failure> {
    let started = Instant::now();
    let options = settings.execution();
    let plan = peristyle_execution::dataset_plan(definition, dataset, enclave, &settings.root(), &options).await?;
    let specs = dataset::table_specs(definition, dataset);
    let mut writer = TablesWriter::create(target, specs, metadata(enclave))?;
    let progress = Progress::spinner("dataset");
    let mut rows = 0;
    stream(&plan, enclave, |batch| {
        rows += batch.num_rows() as u64;
        progress.rows(rows);
        for (table, batch) in dataset::split(&batch, &dataset.events)?.iter().enumerate() {
            writer.write(table, batch)?;
        }
        Ok(())
    })
    .await?;
    drop(progress);
    let written = finish(writer)?;
    log_metrics(&plan, enclave, rows, started.elapsed());
    Ok(written)
}

/// Runs a measures definition into `target`.
pub(crate) async fn generate_measures(
    definition: &Definition,
    measures: &[Measure],
    enclave: &Enclave,
    settings: &Settings,
    target: OutputTarget,
    disclosure_control: DisclosureControl,
) -> Result<Vec<WrittenTable>, Failure> {
    let started = Instant::now();
    let options = settings.execution();
    let plan = peristyle_execution::measures_plan(definition, measures, enclave, &settings.root(), &options).await?;
    let apart = target.is_directory();
    let specs = if apart {
        measures::table_specs(definition, measures)
    } else {
        vec![measures::table_spec(definition, measures)]
    };
    let mut writer = TablesWriter::create(target, specs, metadata(enclave))?;
    let progress = Progress::spinner("measures");
    let rows = stream(&plan, enclave, |batch| {
        let batch = measures::finish(&batch, disclosure_control)?;
        let tables = if apart { measures::split(&batch, measures)? } else { vec![batch] };
        for (table, batch) in tables.iter().enumerate() {
            writer.write(table, batch)?;
        }
        Ok(())
    })
    .await?;
    drop(progress);
    let written = finish(writer)?;
    log_metrics(&plan, enclave, rows, started.elapsed());
    Ok(written)
}

/// Puts the output in place: only if no thread has panicked on the way, since what it did is not known.
fn finish(writer: TablesWriter) -> Result<Vec<WrittenTable>, Failure> {
    if panics::happened() {
        return Err(Failure::new(ExitStatus::Failure, "a thread ended early, so the answer is not written"));
    }
    Ok(writer.finish()?)
}

/// What an output says of itself.
fn metadata(enclave: &Enclave) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("policy".to_owned(), enclave.policy_stamp().to_owned()),
        ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ])
}

/// A line of metrics; with `PERISTYLE_LOG=peristyle=debug`, one for each operator too.
fn log_metrics(plan: &Arc<dyn ExecutionPlan>, enclave: &Enclave, rows: u64, wall: Duration) {
    let own = plan.metrics().unwrap_or_default();
    let blocks = own.sum_by_name("blocks").map_or(0, |blocks| blocks.as_usize());
    let policy = enclave.policy_stamp();
    tracing::info!(policy, rows, blocks, wall_ms = wall.as_millis() as u64, "run finished");
    log_operators(plan);
}

fn log_operators(plan: &Arc<dyn ExecutionPlan>) {
    if let Some(metrics) = plan.metrics() {
        tracing::debug!(operator = plan.name(), metrics = %metrics.aggregate_by_name().sorted_for_display(), "metrics");
    }
    plan.children().into_iter().for_each(log_operators);
}
