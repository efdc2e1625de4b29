//! What each operator of the patient blocks costs: definitions that differ in one operator, over the same rows.
//!
//! `cargo bench -p peristyle-tests --bench operators -- TABLES [ROUNDS] [NAME]`: TABLES is a folder that `peristyle synth`
//! made. Prints, for each operator whose name contains NAME, the median time on one thread, and what it adds for each
//! clinical event to a definition that only reads the same columns. Not criterion: it would change the features of
//! dependencies that DataFusion shares, and so have it compiled twice.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench, not the engine"
)]

use std::path::Path;
use std::time::Instant;

use futures::StreamExt;
use peristyle_execution::{ExecutionOptions, dataset_plan};
use peristyle_model::{Catalogue, Definition, Limits};
use peristyle_opt_out::{Enclave, EnclaveOptions, VerifiedPolicy};
use serde_json::{Value, json};

// As in the engine's binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;

/// Reads the columns that all operators use, as every definition here does, and adds next to nothing.
const BASELINE: &str = "(columns only)";

fn events() -> Value {
    json!({"external_ref": {"module": "ehrql.tables.tpp", "name": "clinical_events"}})
}

fn column(source: Value, name: &str) -> Value {
    json!({"SelectColumn": {"source": source, "name": name}})
}

fn call(name: &str, lhs: Value, rhs: Value) -> Value {
    json!({format!("Function.{name}"): {"lhs": lhs, "rhs": rhs}})
}

fn filtered(condition: Value) -> Value {
    json!({"Filter": {"source": events(), "condition": condition}})
}

fn aggregate(name: &str, source: Value) -> Value {
    json!({format!("AggregateByPatient.{name}"): {"source": source}})
}

fn picked(position: &str, by: &[&str]) -> Value {
    let frame = by
        .iter()
        .rev()
        .fold(events(), |frame, name| json!({"Sort": {"source": frame, "sort_by": column(events(), name)}}));
    column(json!({"PickOneRowPerPatient": {"source": frame, "position": {"Position": position}}}), "numeric_value")
}

/// Operators by name, each as a series of one value per patient.
fn operators() -> Vec<(&'static str, Value)> {
    let (date, value) = (|| column(events(), "date"), || column(events(), "numeric_value"));
    let code = || column(events(), "snomedct_code");
    let day = |text: &str| json!({"Value": {"date": text}});
    let counted = |condition| aggregate("Count", filtered(condition));
    let codes: Vec<Value> = (0..40).map(|n| json!({"SNOMEDCTCode": format!("{}", 1_000_000_000 + n)})).collect();
    let birth = json!({"SelectColumn": {"name": "date_of_birth", "source":
        {"external_ref": {"module": "ehrql.tables.core", "name": "patients"}}}});
    let years = call("DateDifferenceInYears", date(), birth);
    let cases = json!({"Case": {
        "cases": {"dict": [[call("LT", value(), json!({"Value": 10.0})), {"Value": 1}]]}, "default": {"Value": 2}}});
    vec![
        (BASELINE, aggregate("Exists", events())),
        ("exists", aggregate("Exists", filtered(call("GE", date(), day("2015-01-01"))))),
        ("count", counted(call("GE", date(), day("2015-01-01")))),
        ("filter by codes", counted(call("In", code(), json!({"Value": {"frozenset": codes}})))),
        ("min", aggregate("Min", date())),
        ("max of codes", aggregate("Max", code())),
        ("sum of floats", aggregate("Sum", value())),
        ("mean", aggregate("Mean", value())),
        ("count distinct", aggregate("CountDistinct", code())),
        ("count episodes", json!({"AggregateByPatient.CountEpisodes": {"source": date(), "maximum_gap_days": 30}})),
        ("pick by date", picked("last", &["date"])),
        ("pick by three columns", picked("first", &["snomedct_code", "numeric_value", "date"])),
        ("years since birth", counted(call("GE", years, json!({"Value": 18})))),
        ("add and compare", counted(call("LT", call("Add", value(), json!({"Value": 1.5})), json!({"Value": 10.0})))),
        ("case", counted(call("EQ", cases, json!({"Value": 1})))),
    ]
}

/// A dataset of that series, and of what makes every operator read the same columns.
fn definition(series: &Value) -> Definition {
    let read = ["date", "snomedct_code", "numeric_value"].map(|name| {
        json!([
            format!("read_{name}"),
            aggregate("Exists", filtered(json!({"Function.IsNull": {"source": column(events(), name)}})))
        ])
    });
    let variables: Vec<Value> = read.into_iter().chain([json!(["measured", series])]).collect();
    let patients = json!({"external_ref": {"module": "ehrql.tables.core", "name": "patients"}});
    let document = json!({"value": {"Dataset": {
        "population": aggregate("Exists", patients), "variables": {"dict": variables}, "events": {"dict": []},
        "measures": null}}});
    Definition::parse(document.to_string().as_bytes(), Catalogue::builtin(), &Limits::default()).unwrap()
}

/// Seconds to answer, on one thread.
fn seconds(runtime: &tokio::runtime::Runtime, tables: &Path, definition: &Definition) -> f64 {
    let options = EnclaveOptions { threads: 1, ..EnclaveOptions::default() };
    let enclave = Enclave::open_tables(tables, VerifiedPolicy::dummy_tables(), options).unwrap();
    let execution = ExecutionOptions { threads: 1, ..ExecutionOptions::default() };
    let dataset = definition.dataset.as_ref().unwrap().as_ref().unwrap();
    let started = Instant::now();
    runtime.block_on(async {
        let plan = dataset_plan(definition, dataset, &enclave, Path::new("."), &execution).await.unwrap();
        let mut batches = plan.execute(0, enclave.task_context()).unwrap();
        while let Some(batch) = batches.next().await {
            std::hint::black_box(batch.unwrap());
        }
    });
    started.elapsed().as_secs_f64()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(tables) = arguments.next() else {
        println!("give the folder of tables that `peristyle synth` made");
        return;
    };
    let tables = Path::new(&tables);
    let rounds = arguments.next().map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let wanted = arguments.next().unwrap_or_default();
    let file = std::fs::File::open(tables.join("clinical_events.parquet")).expect("clinical_events.parquet");
    let file = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let rows = file.metadata().file_metadata().num_rows() as f64;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let chosen: Vec<_> = operators()
        .into_iter()
        .filter(|(name, _)| *name == BASELINE || name.contains(&wanted))
        .map(|(name, series)| (name, definition(&series)))
        .collect();
    let mut times = vec![Vec::new(); chosen.len()];
    // One round more, for the page cache; in turn, so that a busy minute hits all.
    for round in 0..=rounds {
        for ((_, definition), times) in chosen.iter().zip(&mut times) {
            let taken = seconds(&runtime, tables, definition);
            if round > 0 || rounds == 0 {
                times.push(taken);
            }
        }
    }
    let times: Vec<f64> = times.into_iter().map(median).collect();
    println!("{rows} clinical events, one thread, medians of {rounds}");
    for ((name, _), time) in chosen.iter().zip(&times) {
        println!("{name:<24}{:>10.1} ms{:>+10.2} ns an event", time * 1e3, (time - times[0]) * 1e9 / rows);
    }
}
