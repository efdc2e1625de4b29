//! `demo`: the whole way on data that it makes itself.

mod under_policy;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use arrow::ipc::reader::FileReader;
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_batches_with_options;
use peristyle_model::{Catalogue, Definition, Limits};
use peristyle_opt_out::{Enclave, VerifiedPolicy};
use peristyle_outputs::OutputTarget;
use peristyle_synth::{FileFormat, Planted, Population, Table};

use super::synth::code_lists;
use crate::args::{Demo, Switch};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::permissions;
use crate::run::{self, Audience, Destination};
use crate::settings::Settings;
use crate::study::Asked;
use crate::ui::{self, Progress};

/// The definitions of the demo: their Python, for people, and the document that ehrQL makes of it.
const DATASET: (&str, &str) = (include_str!("../../../demo/dataset.py"), include_str!("../../../demo/dataset.json"));
const MEASURES: (&str, &str) = (include_str!("../../../demo/measures.py"), include_str!("../../../demo/measures.json"));

/// The file that says of a folder that a demo made it, and may replace what it has.
const MARKER: &str = ".peristyle-demo";
const MARKER_TEXT: &str = "`peristyle demo` made this folder, and replaces its files when it runs again.\n";

/// Clinical events of a patient, on average.
const EVENTS_PER_PATIENT: f64 = 60.0;

/// Rows of an answer that are shown.
const ROWS_SHOWN: usize = 10;

/// Rows of each measure that are shown.
const ROWS_SHOWN_EACH: usize = 6;

/// Where the demo keeps what.
struct Places {
    definitions: PathBuf,
    tables: PathBuf,
    answers: PathBuf,
}

/// Makes a population, runs a dataset and a measures definition, shows what came out; then the same under a policy.
pub(crate) fn run(command: &Demo, settings: &Settings) -> Result<ExitStatus, Failure> {
    let places = Places {
        definitions: command.out.join("definitions"),
        tables: command.out.join("tables"),
        answers: command.out.join("answers"),
    };
    claim(&command.out)?;
    ui::show("Peristyle answers questions about the records of GP patients, written in ehrQL.\n")?;
    ui::show("These patients do not exist: this demo makes them up, asks two questions, and shows the answers.\n")?;
    let (dataset, measures) = (parsed(DATASET.1)?, parsed(MEASURES.1)?);
    write_definitions(&places)?;
    let population = make_population(command, &places, &[&dataset, &measures], settings)?;
    let runtime = settings.runtime()?;
    let rows = runtime.block_on(run_dataset(&dataset, &places, settings))?;
    runtime.block_on(run_measures(&measures, &places, settings))?;
    drop(runtime);
    under_policy::run(&command.out, &population, rows, settings)?;
    say_what_next(&places)?;
    Ok(ExitStatus::Success)
}

/// Takes a folder for the demo's own: one that is not there yet, is empty, or was a demo's before. The demo replaces files
/// by their names, and another folder's records could have them.
fn claim(out: &Path) -> Result<(), Failure> {
    let fault = |error: std::io::Error| {
        Failure::new(ExitStatus::Files, format!("cannot write to `{}`", out.display())).cause(error)
    };
    std::fs::create_dir_all(out).map_err(fault)?;
    let marker = out.join(MARKER);
    let is_own = std::fs::symlink_metadata(&marker).is_ok_and(|found| found.is_file());
    if !is_own && std::fs::read_dir(out).map_err(fault)?.next().is_some() {
        let message = format!("`{}` is not empty, and no demo made it: nothing is changed there", out.display());
        return Err(Failure::new(ExitStatus::Files, message).help("give another folder, with --out DIR"));
    }
    std::fs::write(&marker, MARKER_TEXT).map_err(fault)
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
) -> Result<Population, Failure> {
    heading(&format!("1. A population of {} patients", ui::count(command.patients)))?;
    let started = Instant::now();
    // Who is in long-term care is seen every few months.
    let often = |list: Planted| Planted { events_per_patient: 25.0, ..list };
    let mut planted: Vec<_> = definitions.iter().flat_map(|definition| code_lists(definition)).map(often).collect();
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
    done(started.elapsed(), &places.tables)?;
    Ok(population)
}

/// Runs the dataset definition; how many rows there were.
async fn run_dataset(definition: &Definition, places: &Places, settings: &Settings) -> Result<u64, Failure> {
    heading("2. A dataset: one row for each adult registered on 1 April 2024")?;
    ask(Asked::Dataset, definition, places, &places.answers.join("dataset.arrow"), None, settings).await
}

async fn run_measures(definition: &Definition, places: &Places, settings: &Settings) -> Result<u64, Failure> {
    heading("3. Measures: month by month, small counts suppressed and all others rounded")?;
    let asked = Asked::Measures { disclosure_control: Some(Switch::On) };
    ask(asked, definition, places, &places.answers.join("measures.arrow"), Some("measure"), settings).await
}

async fn ask(
    asked: Asked,
    definition: &Definition,
    places: &Places,
    path: &Path,
    apart: Option<&str>,
    settings: &Settings,
) -> Result<u64, Failure> {
    let started = Instant::now();
    let question = asked.of(definition)?;
    permissions::warn_of_unclaimed(definition, &question.needs(definition));
    let enclave = Enclave::open_tables(&places.tables, VerifiedPolicy::dummy_tables(), settings.enclave())?;
    let destination = Destination { target: target(path)?, mode: None, metadata: run::dummy_metadata() };
    let answer = run::answer(definition, &question, &enclave, settings, destination, Audience::Anyone).await?;
    let rows = answer.publish()?.iter().map(|table| table.rows).sum();
    let took = started.elapsed();
    show_rows(path, apart)?;
    done(took, path)?;
    Ok(rows)
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

/// Prints rows of a file that was just written: the first ones, or the first ones for each value of a column.
fn show_rows(path: &Path, apart: Option<&str>) -> Result<(), Failure> {
    let rows = read_back(path).map_err(|error| {
        Failure::new(ExitStatus::Files, format!("cannot read `{}` back", path.display())).cause(error)
    })?;
    let internal = |error: ArrowError| Failure::new(ExitStatus::Failure, "cannot show a table").cause(error);
    let chosen = chosen_rows(&rows, apart).map_err(internal)?;
    let left = rows.num_rows() - chosen.num_rows();
    ui::show(&table(&chosen).map_err(internal)?)?;
    ui::show(&if left > 0 { format!("   … and {} rows more\n", ui::count(left as u64)) } else { String::new() })
}

fn read_back(path: &Path) -> Result<RecordBatch, ArrowError> {
    let reader = FileReader::try_new(File::open(path)?, None)?;
    let schema = reader.schema();
    concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>()?)
}

fn chosen_rows(rows: &RecordBatch, apart: Option<&str>) -> Result<RecordBatch, ArrowError> {
    let Some(column) = apart.and_then(|name| rows.column_by_name(name)) else {
        return Ok(rows.slice(0, rows.num_rows().min(ROWS_SHOWN)));
    };
    let names = cast(column, &DataType::Utf8)?;
    let mut seen: HashMap<Option<&str>, usize> = HashMap::new();
    let is_shown: BooleanArray = names
        .as_string::<i32>()
        .iter()
        .map(|name| {
            let times = seen.entry(name).or_default();
            *times += 1;
            Some(*times <= ROWS_SHOWN_EACH)
        })
        .collect();
    filter_record_batch(rows, &is_shown)
}

/// Rows as a table, indented; fractions with no more digits than people read.
fn table(rows: &RecordBatch) -> Result<String, ArrowError> {
    let columns = rows.schema_ref().fields().iter().zip(rows.columns()).map(|(field, array)| {
        let short = |float: f64| (float * 1e3).round() / 1e3;
        let array: ArrayRef = match array.as_primitive_opt::<Float64Type>() {
            Some(floats) => Arc::new(floats.unary::<_, Float64Type>(short)),
            None => Arc::clone(array),
        };
        (field.name(), array, true)
    });
    let rows = RecordBatch::try_from_iter_with_nullable(columns)?;
    let options = FormatOptions::default().with_null("·");
    let text = pretty_format_batches_with_options(&[rows], &options)?.to_string();
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
