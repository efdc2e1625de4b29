//! Recorded cases: a definition, its tables, and the answer that ehrQL gave.
//!
//! Cases of kinds `query` and `measures` are over tables of their own; those of kinds `mapping` and `backend_query` over
//! a supplier's raw tables, through its connector.
//!
//! Every case goes the way that `generate-dataset` and `generate-measures` go: its tables become files, its document
//! is parsed, an enclave opens, execution plans and runs; then the rows are compared as multisets. What is printed may
//! show values, since all of them are made up.

mod case;
mod compare;
mod raw_tables;
mod read;
mod supplier;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;

use crate::args::Conformance;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::ui::{self, Progress};
use read::Line;

/// What became of a case.
struct Outcome {
    id: String,
    /// What differed; empty for a case that passed
    problems: Vec<String>,
}

/// Runs the cases of all files; the last line tells how many passed.
pub(crate) fn run(command: &Conformance, settings: &Settings) -> Result<ExitStatus, Failure> {
    let started = Instant::now();
    let mut lines = Vec::new();
    for file in &command.files {
        lines.extend(read::lines(file)?);
    }
    if let Some(text) = &command.only {
        lines.retain(|line| line.id.contains(text.as_str()));
        if lines.is_empty() {
            return Err(Failure::new(ExitStatus::Arguments, format!("no case has `{text}` in its id")));
        }
    }
    let folder = tempfile::tempdir().map_err(|error| {
        Failure::new(ExitStatus::Files, "cannot make a temporary folder for the cases' tables").cause(error)
    })?;
    let outcomes = settings.runtime()?.block_on(run_all(lines, folder.path(), settings))?;
    let failed = outcomes.iter().filter(|outcome| !outcome.problems.is_empty()).count();
    tracing::debug!(wall_ms = started.elapsed().as_millis() as u64, "cases finished");
    ui::show(&format!("{} passed, {failed} failed\n", outcomes.len() - failed))?;
    Ok(if failed == 0 { ExitStatus::Success } else { ExitStatus::Failure })
}

/// Runs some cases at a time; failures are printed in the order of the files.
async fn run_all(lines: Vec<Line>, folder: &Path, settings: &Settings) -> Result<Vec<Outcome>, Failure> {
    let at_a_time = settings.threads() * 2;
    let progress = Progress::bar(lines.len() as u64, "cases");
    let settings = Arc::new(settings.clone());
    let mut outcomes = futures::stream::iter(lines.into_iter().enumerate())
        .map(|(number, line)| {
            let (folder, settings) = (folder.join(number.to_string()), Arc::clone(&settings));
            async move {
                let id = line.id.clone();
                // A task of its own, so that a panic ends the case and not the run.
                let case = tokio::spawn(async move { case::run(&line, &folder, &settings).await });
                let problems = case.await.unwrap_or_else(|_| vec!["the engine panicked".to_owned()]);
                Outcome { id, problems }
            }
        })
        .buffered(at_a_time);
    let mut all = Vec::new();
    while let Some(outcome) = outcomes.next().await {
        progress.step();
        if !outcome.problems.is_empty() {
            let problems = outcome.problems.iter().flat_map(|problem| problem.lines());
            let text: String = problems.map(|line| format!("    {line}\n")).collect();
            progress.print(&format!("failed: {}\n{text}", outcome.id))?;
        }
        all.push(outcome);
    }
    Ok(all)
}
