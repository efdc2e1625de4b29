//! The demo's second half: the same question, for a project, under a policy.

use std::fs;
use std::path::Path;

use arrow::array::Array;
use clap::Parser;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::errors::ParquetError;
use peristyle_audit::{History, LedgerKey, Rule, Selection};
use peristyle_synth::{FileFormat, Population, Table};

use super::heading;
use crate::args::Arguments;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::text_table::columns;
use crate::{commands, ui};

const POLICY: &str = include_str!("../../../demo/policy.toml");
const SOURCE: &str = include_str!("../../../demo/source.toml");

/// Makes registers for the population, runs a study under a policy, shows what was left out, and has a study refused.
/// `rows` is how many the dataset had without a policy.
pub(super) fn run(out: &Path, population: &Population, rows: u64, settings: &Settings) -> Result<(), Failure> {
    heading("4. Under a policy: who opted out is not there, nor are practices that do not take part")?;
    prepare(out)?;
    population.write_tables(out, &Table::REGISTERS, FileFormat::Parquet, settings.threads(), &|_| ())?;
    let (practices, switched_off) = switched_off(&out.join("registers/practices.parquet"))?;
    ui::show(&format!(
        "   Registers say who opted out and which practices take part: {} do, but {} of them were switched off.\n\n",
        ui::count(practices),
        ui::count(switched_off)
    ))?;
    let source = out.join("source.toml").display().to_string();
    let path = |name: &str| out.join(name).display().to_string();
    step(&["policy", "begin", &source, "--by", "demo"], settings)?;
    let answer = path("answers/under-policy.arrow");
    let study = ["generate-dataset", &path("definitions/dataset.json"), "--source", &source, "--project", "demo-study"];
    step(&[&study[..], &["--output", &answer]].concat(), settings)?;
    show_removals(out, rows)?;

    heading("5. What a project may not do")?;
    let study = ["generate-measures", &path("definitions/measures.json"), "--source", &source, "--project"];
    let refused = ["demo-study", "--disclosure-control", "off", "--output", &path("answers/refused.csv")];
    step(&[&study[..], &refused].concat(), settings)?;

    heading("6. What is on record: both runs, and that nobody changed it")?;
    step(&["audit", "verify", &path("audit/ledger.jsonl")], settings)
}

/// Replaces what an earlier demo left: its state is of other patients.
fn prepare(out: &Path) -> Result<(), Failure> {
    let fault = |error: std::io::Error| {
        Failure::new(ExitStatus::Files, format!("cannot write to `{}`", out.display())).cause(error)
    };
    for file in ["state/counts.json", "audit/ledger.jsonl", "audit/ledger.jsonl.anchor"] {
        match fs::remove_file(out.join(file)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fault(error)),
            _ => {}
        }
    }
    fs::create_dir_all(out.join("audit")).map_err(fault)?;
    fs::write(out.join("policy.toml"), POLICY).map_err(fault)?;
    fs::write(out.join("source.toml"), SOURCE).map_err(fault)
}

/// How many practices a register lists, and how many of them with a day on which they were switched off.
fn switched_off(path: &Path) -> Result<(u64, u64), Failure> {
    let count = || -> Result<_, ParquetError> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path)?)?.build()?;
        let (mut practices, mut switched_off) = (0, 0);
        for batch in reader {
            let batch = batch?;
            practices += batch.num_rows();
            let days = batch.column_by_name("switched_off_date");
            switched_off += days.map_or(0, |days| days.len() - days.null_count());
        }
        Ok((practices as u64, switched_off as u64))
    };
    count()
        .map_err(|error| Failure::new(ExitStatus::Files, format!("cannot read `{}` back", path.display())).cause(error))
}

/// Shows a command, runs it, and shows how it ended. A refusal is part of the demo.
fn step(words: &[&str], settings: &Settings) -> Result<(), Failure> {
    ui::show(&format!("   $ peristyle {}\n", words.join(" ")))?;
    let arguments = Arguments::try_parse_from([&["peristyle"][..], words].concat()).map_err(|error| {
        Failure::new(ExitStatus::Failure, "the demo gives a command that there is not").cause(error)
    })?;
    match commands::run(Arguments { settings: settings.clone(), ..arguments }) {
        Ok(ExitStatus::Success) => ui::show("\n"),
        Ok(status) => Err(Failure::new(status, "a command of the demo failed")),
        Err(failure) if failure.status == ExitStatus::Permission => {
            ui::show(&format!("error: {}\n\n   exit status {}\n", failure.message, failure.status.code()))
        }
        Err(failure) => Err(failure),
    }
}

/// What each rule removed from each table, as the ledger has it.
fn show_removals(out: &Path, rows: u64) -> Result<(), Failure> {
    let ledger = out.join("audit/ledger.jsonl");
    let history = History::read(&ledger, &Selection::default(), &LedgerKey::noted(&ledger)?)?;
    let Some(finish) = history.runs().last().and_then(|run| run.finish.as_ref()) else {
        return Err(Failure::new(ExitStatus::Audit, "the demo's run is not in its ledger"));
    };
    let cells: Vec<Vec<String>> = finish
        .tables
        .iter()
        .map(|counts| {
            let removed = [Rule::Type1OptOut, Rule::NationalDataOptOut, Rule::PracticeActivation]
                .map(|rule| ui::count(counts.removed.get(&rule).map_or(0, |removed| removed.rows)));
            let name = counts.table.as_str().trim_start_matches("ehrql.tables.").to_owned();
            [&[name, ui::count(counts.rows_read)][..], &removed, &[ui::count(counts.rows_passed)]].concat()
        })
        .collect();
    let headings = ["table", "#rows", "#Type 1 opt-outs", "#National opt-outs", "#not taking part", "#left"];
    let indented = |text: String| text.lines().map(|line| format!(" {line}\n")).collect::<String>();
    ui::show(&indented(columns(&headings, &cells)))?;
    if let peristyle_audit::Outcome::Answered { outputs } = &finish.outcome {
        let now = outputs.iter().map(|output| output.rows).sum();
        let (now, before) = (ui::count(now), ui::count(rows));
        ui::show(&format!("\n   {now} patients in the answer, where there were {before} without the policy\n"))?;
    }
    ui::show(&format!("   all that is on record of the run: peristyle audit show {}\n", ledger.display()))
}
