//! What each operator of the patient blocks costs: definitions that differ in one operator, over the same rows.
//!
//! `cargo bench -p peristyle-tests --bench operators` makes a population and answers each definition on one thread.
//! Criterion tells the time, clinical events a second, and what changed since the last run. What an operator adds is
//! its time less that of `(columns only)`. `OPERATORS_PATIENTS` is the number of patients, with 100 events each.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a bench, not the engine")]

use std::path::Path;
use std::time::Duration;

use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use futures::StreamExt;
use peristyle_execution::{ExecutionOptions, dataset_plan};
use peristyle_model::{Catalogue, Definition, Limits};
use peristyle_opt_out::{Enclave, EnclaveOptions, VerifiedPolicy};
use peristyle_synth::{FileFormat, Layout, Population};
use serde_json::{Value, json};

// As in the engine's binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Enough that an answer takes fifty times as long as what no row is needed for, and all of them a few minutes.
const PATIENTS: u64 = 20_000;

/// Patients of the inline table.
const INLINE_PATIENTS: u64 = 1_000;

/// An operator by its name, as a series of one value per patient.
type Operator = (&'static str, Value);

fn events() -> Value {
    json!({"external_ref": {"module": "ehrql.tables.tpp", "name": "clinical_events"}})
}

fn patients() -> Value {
    json!({"external_ref": {"module": "ehrql.tables.core", "name": "patients"}})
}

fn column(source: Value, name: &str) -> Value {
    json!({"SelectColumn": {"source": source, "name": name}})
}

fn date() -> Value {
    column(events(), "date")
}

fn value() -> Value {
    column(events(), "numeric_value")
}

fn code() -> Value {
    column(events(), "snomedct_code")
}

fn day(text: &str) -> Value {
    json!({"Value": {"date": text}})
}

fn constant(value: impl Into<Value>) -> Value {
    json!({"Value": value.into()})
}

fn call(name: &str, lhs: Value, rhs: Value) -> Value {
    json!({format!("Function.{name}"): {"lhs": lhs, "rhs": rhs}})
}

fn call_one(name: &str, source: Value) -> Value {
    json!({format!("Function.{name}"): {"source": source}})
}

fn call_many<const N: usize>(name: &str, sources: [Value; N]) -> Value {
    json!({format!("Function.{name}"): {"sources": {"tuple": sources.to_vec()}}})
}

/// The value where the condition is true, else the default.
fn case(condition: Value, value: Value, default: Value) -> Value {
    json!({"Case": {"cases": {"dict": [[condition, value]]}, "default": default}})
}

fn filtered(condition: Value) -> Value {
    json!({"Filter": {"source": events(), "condition": condition}})
}

fn aggregate(name: &str, source: Value) -> Value {
    json!({format!("AggregateByPatient.{name}"): {"source": source}})
}

/// How many rows satisfy it: what makes a function of rows one value per patient.
fn counted(condition: Value) -> Value {
    aggregate("Count", filtered(condition))
}

fn picked(position: &str, by: &[&str]) -> Value {
    let frame = by
        .iter()
        .rev()
        .fold(events(), |frame, name| json!({"Sort": {"source": frame, "sort_by": column(events(), name)}}));
    column(json!({"PickOneRowPerPatient": {"source": frame, "position": {"Position": position}}}), "numeric_value")
}

/// A table that the definition brings along, with a date for each of the first patients.
fn inline_table() -> Value {
    let row = |patient: u64| json!({"tuple": [patient, {"date": format!("20{:02}-07-01", patient % 25)}]});
    let rows: Vec<Value> = (1..=INLINE_PATIENTS).map(row).collect();
    let none = json!({"tuple": []});
    json!({"InlinePatientTable": {"rows": {"tuple": rows}, "schema": {"TableSchema": {"index_date": {"Column": {
        "type_": {"type": "date"}, "constraints": none, "dummy_data_constraints": none}}}}}})
}

/// Rows to one value per patient.
fn reductions() -> Vec<Operator> {
    vec![
        ("exists", aggregate("Exists", filtered(call("GE", date(), day("2015-01-01"))))),
        ("count", counted(call("GE", date(), day("2015-01-01")))),
        ("min", aggregate("Min", date())),
        ("max of codes", aggregate("Max", code())),
        ("sum of floats", aggregate("Sum", value())),
        ("mean", aggregate("Mean", value())),
        ("count distinct", aggregate("CountDistinct", code())),
        ("count episodes", json!({"AggregateByPatient.CountEpisodes": {"source": date(), "maximum_gap_days": 30}})),
        ("pick by date", picked("last", &["date"])),
        ("pick by three columns", picked("first", &["snomedct_code", "numeric_value", "date"])),
    ]
}

/// Tests of rows, and what joins them.
fn tests() -> Vec<Operator> {
    let codes: Vec<Value> = (0..40).map(|n| json!({"SNOMEDCTCode": format!("{}", 1_000_000_000 + n)})).collect();
    let recent = || call("GE", date(), day("2015-01-01"));
    let low = || call("LT", value(), constant(10.0));
    let recent_codes = aggregate("CombineAsSet", column(filtered(recent()), "snomedct_code"));
    vec![
        ("filter by codes", counted(call("In", code(), json!({"Value": {"frozenset": codes}})))),
        ("filter by a patient's codes", counted(call("In", code(), recent_codes))),
        ("and", counted(call("And", recent(), low()))),
        ("or", counted(call("Or", recent(), low()))),
        ("not", counted(call_one("Not", recent()))),
        ("inline table", counted(call("GE", date(), column(inline_table(), "index_date")))),
    ]
}

/// Values computed for each row, and compared.
fn functions() -> Vec<Operator> {
    let years = call("DateDifferenceInYears", date(), column(patients(), "date_of_birth"));
    let later = call("DateAddMonths", date(), constant(3));
    let month = call_one("ToFirstOfMonth", date());
    let increased = || call("Add", value(), constant(1.5));
    let share = call("TrueDivide", value(), increased());
    let cases = case(call("LT", value(), constant(10.0)), constant(1), constant(2));
    let coalesced = case(call_one("Not", call_one("IsNull", value())), value(), constant(0.0));
    let largest = call_many("MaximumOf", [value(), constant(10.0)]);
    let smallest = call_many("MinimumOf", [date(), day("2015-01-01")]);
    vec![
        ("years since birth", counted(call("GE", years, constant(18)))),
        ("add months", counted(call("GE", later, day("2015-01-01")))),
        ("first of month", counted(call("GE", month, day("2015-01-01")))),
        ("add and compare", counted(call("LT", increased(), constant(10.0)))),
        ("divide", counted(call("LT", share, constant(0.5)))),
        ("case", counted(call("EQ", cases, constant(1)))),
        ("coalesce", counted(call("LT", coalesced, constant(10.0)))),
        ("maximum of floats", counted(call("GT", largest, constant(10.0)))),
        ("minimum of dates", counted(call("LT", smallest, day("2015-01-01")))),
    ]
}

/// All, the first of which adds next to nothing: it reads the columns that every definition here reads.
fn operators() -> Vec<Operator> {
    let baseline = ("(columns only)", aggregate("Exists", events()));
    [baseline].into_iter().chain(reductions()).chain(tests()).chain(functions()).collect()
}

/// A dataset of that series, and of what makes every operator read the same columns.
fn definition(series: &Value) -> Definition {
    let read = ["date", "snomedct_code", "numeric_value"].map(|name| {
        let missing = call_one("IsNull", column(events(), name));
        json!([format!("read_{name}"), aggregate("Exists", filtered(missing))])
    });
    let variables: Vec<Value> = read.into_iter().chain([json!(["measured", series])]).collect();
    let document = json!({"value": {"Dataset": {
        "population": aggregate("Exists", patients()), "variables": {"dict": variables}, "events": {"dict": []},
        "measures": null}}});
    Definition::parse(document.to_string().as_bytes(), Catalogue::builtin(), &Limits::default()).unwrap()
}

/// Writes the tables of the population, in order of patient. Says how many clinical events there are.
fn write_population(folder: &Path) -> u64 {
    let patients =
        std::env::var("OPERATORS_PATIENTS").map_or(PATIENTS, |number| number.parse().expect("a number of patients"));
    let population = Population { patients, ..Population::default() };
    let tables = ["patients", "clinical_events"].map(|name| Layout::User.table(name).unwrap());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let written = population.write_tables(folder, &tables, FileFormat::Parquet, threads, &|_| ()).unwrap();
    written.last().unwrap().rows
}

fn opened(tables: &Path) -> Enclave {
    let options = EnclaveOptions { threads: 1, ..EnclaveOptions::default() };
    Enclave::open_tables(tables, VerifiedPolicy::dummy_tables(), options).unwrap()
}

/// Plans and answers, on one thread.
async fn answer(definition: &Definition, enclave: &Enclave) {
    let execution = ExecutionOptions { threads: 1, ..ExecutionOptions::default() };
    let dataset = definition.dataset.as_ref().unwrap().as_ref().unwrap();
    let plan = dataset_plan(definition, dataset, enclave, &execution).await.unwrap();
    let mut batches = plan.execute(0, enclave.task_context()).unwrap();
    while let Some(batch) = batches.next().await {
        std::hint::black_box(batch.unwrap());
    }
}

fn bench(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let events = write_population(folder.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let mut group = criterion.benchmark_group("operators");
    group.throughput(Throughput::Elements(events));
    // An answer takes too long for samples of more and more of them, which is criterion's way with short ones.
    group.sampling_mode(SamplingMode::Flat);
    for (name, series) in operators() {
        let definition = definition(&series);
        group.bench_function(name, |bencher| {
            // Opened anew for each, as a run does: nothing that one answer has learnt of the files helps the next.
            bencher.iter_batched_ref(
                || opened(folder.path()),
                |enclave| runtime.block_on(answer(&definition, enclave)),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

// Stated here and not for the group, whose settings would win over the options of the command line.
criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(4));
    targets = bench
}
criterion_main!(benches);
