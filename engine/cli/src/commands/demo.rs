//! `demo`: the whole way on data that it makes itself.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::error::ArrowError;
use arrow::ipc::reader::FileReader;
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_batches_with_options;
use peristyle_model::{Catalogue, Definition, Limits};
use peristyle_outputs::{DisclosureControl, OutputTarget};
use peristyle_synth::{FileFormat, Population, Table};

use super::synth::code_lists;
use crate::args::Demo;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::source::Source;
use crate::ui::{self, Progress};
use crate::{definition, permissions, run};

/// The definitions of the demo: their Python, for people, and the document that ehrQL makes of it.
const DATASET: (&str, &str) = (include_str!("../../demo/dataset.py"), include_str!("../../demo/dataset.json"));
const MEASURES: (&str, &str) = (include_str!("../../demo/measures.py"), include_str!("../../demo/measures.json"));

/// Clinical events of a patient, on average.
const EVENTS_PER_PATIENT: f64 = 60.0;

/// Rows of an answer that are shown.
const ROWS_SHOWN: usize = 10;

/// Where the demo keeps what.
struct Places {
    definitions: PathBuf,
    tables: PathBuf,
    answers: PathBuf,
}

/// Makes a population, runs a dataset and a measures definition, shows what came out.
pub(crate) fn run(command: &Demo, settings: &Settings) -> Result<ExitStatus, Failure> {
    let places = Places {
        definitions: command.out.join("definitions"),
        tables: command.out.join("tables"),
        answers: command.out.join("answers"),
    };
    ui::show("Peristyle answers questions about the records of GP patients, written in ehrQL.\n")?;
    ui::show("These patients do not exist: this demo makes them up, asks two questions, and shows the answers.\n")?;
    let (dataset, measures) = (parsed(DATASET.1)?, parsed(MEASURES.1)?);
    write_definitions(&places)?;
    make_population(command, &places, &[&dataset, &measures], settings)?;
    let runtime = settings.runtime()?;
    runtime.block_on(run_dataset(&dataset, &places, settings))?;
    runtime.block_on(run_measures(&measures, &places, settings))?;
    say_what_next(&places)?;
    Ok(ExitStatus::Success)
}

fn parsed(document: &str) -> Result<Definition, Failure> {
    Ok(Definition::parse(document.as_bytes(), Catalogue::builtin(), &Limits::default())?)
}

fn write_definitions(places: &Places) -> Result<(), Failure> {
    let write = |name: &str, text: &str| {
        let path = places.definitions.join(name);
        std::fs::create_dir_all(&places.definitions).and_then(|()| std::fs::write(&path, text)).map_err(|error| {
            Failure::new(ExitStatus::Files, format!("cannot write `{}`", path.display()))
                .cause(error)
                .help("give a folder that can be written to, with --out DIR")
        })
    };
    for (name, (python, document)) in [("dataset", DATASET), ("measures", MEASURES)] {
        write(&format!("{name}.py"), python)?;
        write(&format!("{name}.json"), document)?;
    }
    Ok(())
}

fn make_population(
    command: &Demo,
    places: &Places,
    definitions: &[&Definition],
    settings: &Settings,
) -> Result<(), Failure> {
    heading(&format!("1. A population of {} patients", ui::count(command.patients)))?;
    let started = Instant::now();
    let mut planted: Vec<_> = definitions.iter().flat_map(|definition| code_lists(definition)).collect();
    planted.sort_by(|a, b| (a.system, &a.codes).cmp(&(b.system, &b.codes)));
    planted.dedup();
    let population = Population {
        patients: command.patients,
        events_per_patient: EVENTS_PER_PATIENT,
        planted,
        ..Population::default()
    };
    let bar = Progress::bar(Table::ALL.len() as u64, "tables");
    let progress = |progress: peristyle_synth::Progress| {
        if progress.chunks == progress.chunks_total {
            bar.step();
        }
    };
    let written =
        population.write_tables(&places.tables, &Table::ALL, FileFormat::Parquet, settings.threads(), &progress)?;
    drop(bar);
    for table in &written {
        ui::show(&format!("   {:<24}{:>11} rows\n", table.table.name(), ui::count(table.rows)))?;
    }
    done(started.elapsed(), &places.tables)
}

async fn run_dataset(definition: &Definition, places: &Places, settings: &Settings) -> Result<(), Failure> {
    heading("2. A dataset: one row for each adult registered on 1 April 2024")?;
    let started = Instant::now();
    let path = places.answers.join("dataset.arrow");
    let dataset = definition::dataset(definition)?;
    permissions::check_dataset(definition, dataset)?;
    let enclave = Source::DummyTables(places.tables.clone()).open(settings)?;
    run::generate_dataset(definition, dataset, &enclave, settings, target(&path)?).await?;
    let took = started.elapsed();
    show_rows(&path)?;
    done(took, &path)
}

async fn run_measures(definition: &Definition, places: &Places, settings: &Settings) -> Result<(), Failure> {
    heading("3. Measures: month by month, small counts suppressed and all others rounded")?;
    let started = Instant::now();
    let path = places.answers.join("measures.arrow");
    let measures = definition::measures(definition)?;
    permissions::check_measures(definition, measures)?;
    let enclave = Source::DummyTables(places.tables.clone()).open(settings)?;
    run::generate_measures(definition, measures, &enclave, settings, target(&path)?, DisclosureControl::On).await?;
    let took = started.elapsed();
    show_rows(&path)?;
    done(took, &path)
}

fn target(path: &Path) -> Result<OutputTarget, Failure> {
    Ok(OutputTarget::parse(path.to_str())?)
}

fn heading(text: &str) -> Result<(), Failure> {
    ui::show(&format!("\n{text}\n\n"))
}

fn done(took: Duration, path: &Path) -> Result<(), Failure> {
    ui::show(&format!("\n   made in {}: {}\n", ui::span(took), path.display()))
}

/// Prints the first rows of a file, all its columns: `path` was just written.
fn show_rows(path: &Path) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::new(ExitStatus::Files, format!("cannot read `{}` back", path.display())).cause(error)
    };
    let file = File::open(path).map_err(|error| failed(&error))?;
    let reader = FileReader::try_new(file, None).map_err(|error| failed(&error))?;
    let (schema, mut shown, mut rows) = (reader.schema(), Vec::new(), 0);
    for batch in reader {
        let batch = batch.map_err(|error| failed(&error))?;
        let wanted = ROWS_SHOWN.saturating_sub(rows).min(batch.num_rows());
        shown.push(batch.slice(0, wanted));
        rows += batch.num_rows();
    }
    let shown = concat_batches(&schema, &shown).map_err(|error| failed(&error))?;
    ui::show(&table(&shown).map_err(|error| failed(&error))?)?;
    let left = rows - shown.num_rows();
    ui::show(&if left > 0 { format!("   … and {} rows more\n", ui::count(left as u64)) } else { String::new() })
}

/// Rows as a table, indented.
fn table(rows: &RecordBatch) -> Result<String, ArrowError> {
    let options = FormatOptions::default().with_null("·");
    let text = pretty_format_batches_with_options(std::slice::from_ref(rows), &options)?.to_string();
    Ok(text.lines().map(|line| format!("   {line}\n")).collect())
}

fn say_what_next(places: &Places) -> Result<(), Failure> {
    heading("Now try it yourself")?;
    let lines = [
        format!("the questions, in ehrQL:    {}/*.py", places.definitions.display()),
        format!(
            "ask one again:              peristyle generate-dataset {0}/dataset.json \\",
            places.definitions.display()
        ),
        format!("                              --dummy-tables {} --output answer.csv", places.tables.display()),
        format!("see how it is answered:     peristyle explain {}/measures.json", places.definitions.display()),
        "make more patients:         peristyle synth --help".to_owned(),
    ];
    lines.iter().try_for_each(|line| ui::show(&format!("   {line}\n")))
}
