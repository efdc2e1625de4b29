//! A plan, run to its end: batch by batch into whatever takes them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use peristyle_execution::MeasureTotals;
use peristyle_model::{Dataset, Definition, Measure};
use peristyle_opt_out::{Cores, Enclave, scan_counts};
use peristyle_outputs::{
    DisclosureControl, FileMode, OutputError, OutputTarget, PatientKeys, SealedTables, TableSpec, TablesWriter,
    dataset, measures,
};

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::panics;
use crate::settings::Settings;
use crate::study::Question;
use crate::ui::Progress;
use crate::writing::{self, DatasetWriting};

/// What an output says of itself.
pub(crate) type Metadata = BTreeMap<String, String>;

/// Where an answer goes.
pub(crate) struct Destination {
    pub(crate) target: OutputTarget,
    /// Who may read its files; `None` for whom the process' umask says
    pub(crate) mode: Option<FileMode>,
    pub(crate) metadata: Metadata,
}

impl Destination {
    fn open(self, tables: Vec<TableSpec>) -> Result<TablesWriter, OutputError> {
        TablesWriter::create(self.target, tables, self.metadata, self.mode)
    }
}

/// Who may read what a run says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Anyone: the patients do not exist
    Anyone,
    /// Whoever wrote the definition. They must not learn of what is hidden, not even by how long it took to hide it
    Researchers,
}

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

/// Answers a question: whole tables on disk, where `destination` says, that nobody sees until they are published.
pub(crate) async fn answer(
    definition: &Definition,
    question: &Question<'_>,
    enclave: &Enclave,
    settings: &Settings,
    destination: Destination,
    audience: Audience,
) -> Result<SealedTables, Failure> {
    let started = Instant::now();
    let options = settings.execution();
    let plan = match question {
        Question::Dataset(dataset) => peristyle_execution::dataset_plan(definition, dataset, enclave, &options).await?,
        Question::Measures(measures, disclosure_control) => {
            let totals = totals(*disclosure_control);
            peristyle_execution::measures_plan(definition, measures, enclave, &options, totals).await?
        }
    };
    let (writer, rows) = match question {
        Question::Dataset(dataset) => {
            let keys = PatientKeys::of(plan.schema().field(0).data_type()).unwrap_or(PatientKeys::Int);
            let writer = destination.open(dataset::table_specs(definition, dataset, keys))?;
            dataset_rows(&plan, dataset, enclave, writer, audience).await?
        }
        Question::Measures(measures, disclosure_control) => {
            let apart = destination.target.is_directory();
            let specs = if apart {
                measures::table_specs(definition, measures)
            } else {
                vec![measures::table_spec(definition, measures)]
            };
            let writer = destination.open(specs)?;
            measures_rows(&plan, (measures, *disclosure_control), apart, enclave, writer, audience).await?
        }
    };
    // What a thread that panicked on the way did is not known.
    if panics::happened() {
        return Err(Failure::new(ExitStatus::Failure, writing::ENDED_EARLY));
    }
    // Nothing else computes any more.
    let sealed = writer.seal(settings.threads())?;
    log_metrics(&plan, enclave, rows, started.elapsed(), audience);
    Ok(sealed)
}

async fn dataset_rows(
    plan: &Arc<dyn ExecutionPlan>,
    dataset: &Dataset,
    enclave: &Enclave,
    writer: TablesWriter,
    audience: Audience,
) -> Result<(TablesWriter, u64), Failure> {
    let progress = Progress::spinner("dataset", audience);
    let context = enclave.task_context();
    let mut writing = DatasetWriting::begin(writer, dataset.events.as_slice().into(), Cores::of(&context));
    let mut batches = plan.execute(0, context)?;
    let mut rows = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        progress.rows(rows);
        if !writing.write(batch).await {
            break;
        }
    }
    Ok((writing.end().await?, rows))
}

async fn measures_rows(
    plan: &Arc<dyn ExecutionPlan>,
    (measures, disclosure_control): (&[Measure], DisclosureControl),
    apart: bool,
    enclave: &Enclave,
    mut writer: TablesWriter,
    audience: Audience,
) -> Result<(TablesWriter, u64), Failure> {
    let _progress = Progress::spinner("measures", audience);
    let mut rows = 0;
    stream(plan, enclave, |batch| {
        let batch = measures::finish(&batch, disclosure_control)?;
        // Those that are left out are not told of, not even their number.
        rows += batch.num_rows() as u64;
        let tables = if apart { measures::split(&batch, measures)? } else { vec![batch] };
        for (table, batch) in tables.iter().enumerate() {
            writer.write(table, batch)?;
        }
        Ok(())
    })
    .await?;
    Ok((writer, rows))
}

/// What disclosure control needs to know of numbers.
fn totals(disclosure_control: DisclosureControl) -> MeasureTotals {
    match disclosure_control {
        DisclosureControl::ByPeople => MeasureTotals::WithGreatestAmounts,
        DisclosureControl::BySums | DisclosureControl::Off => MeasureTotals::Sums,
    }
}

/// What an output over dummy tables says of itself.
pub(crate) fn dummy_metadata() -> Metadata {
    BTreeMap::from([("policy".to_owned(), "dummy".to_owned()), version()])
}

/// The engine's version, as outputs name it.
pub(crate) fn version() -> (String, String) {
    ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())
}

/// A line of metrics; with `PERISTYLE_LOG=peristyle=debug`, one for each operator too. Researchers learn how many rows
/// they have, and nothing of how much was read for them.
fn log_metrics(plan: &Arc<dyn ExecutionPlan>, enclave: &Enclave, rows: u64, wall: Duration, audience: Audience) {
    let policy = enclave.policy().stamp();
    match audience {
        Audience::Anyone => {
            let own = plan.metrics().unwrap_or_default();
            let blocks = own.sum_by_name("blocks").map_or(0, |blocks| blocks.as_usize());
            let evaluate_ms = own.sum_by_name("time_evaluate").map_or(0, |time| time.as_usize()) / 1_000_000;
            let scans = scan_counts(plan);
            for scan in &scans {
                tracing::debug!(
                    table = &*scan.table,
                    rows_read = scan.rows_read,
                    rows_pruned = scan.rows_pruned,
                    bytes_read = scan.bytes_read,
                    rows_removed_by_predicate = scan.rows_removed_by_predicate,
                    decode_ms = scan.decode_time.as_millis() as u64,
                    "table read"
                );
            }
            let rows_read: u64 = scans.iter().map(|scan| scan.rows_read).sum();
            let bytes_read: u64 = scans.iter().map(|scan| scan.bytes_read).sum();
            let decode_ms: u64 = scans.iter().map(|scan| scan.decode_time.as_millis() as u64).sum();
            let (wall_ms, peak_mib) = (wall.as_millis() as u64, peak_memory_mib().unwrap_or_default());
            tracing::info!(
                policy,
                rows,
                rows_read,
                bytes_read,
                blocks,
                decode_ms,
                evaluate_ms,
                peak_mib,
                wall_ms,
                "run finished"
            );
        }
        Audience::Researchers => tracing::info!(policy, rows, "run finished"),
    }
    log_operators(plan);
}

/// The largest resident set of this process so far; where the system tells.
pub(crate) fn peak_memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? / 1024)
}

fn log_operators(plan: &Arc<dyn ExecutionPlan>) {
    if let Some(metrics) = plan.metrics() {
        tracing::debug!(operator = plan.name(), metrics = %metrics.aggregate_by_name().sorted_for_display(), "metrics");
    }
    plan.children().into_iter().for_each(log_operators);
}
