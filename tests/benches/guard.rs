//! What the Guard costs: the same full scan with and without it, one after the other, in one run.
//!
//! `cargo bench -p peristyle-tests --bench guard -- TABLES [ROUNDS]`: TABLES is a folder that `peristyle synth` made, with
//! `registers/`. Prints the median time of both scans and their ratio.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench, not the engine"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use futures::StreamExt;
use peristyle_opt_out::{
    ColumnRequest, ColumnType, Enclave, EnclaveOptions, Extract, IfMissing, Location, PATIENT_ID, PatientKeyColumn,
    PolicyRun, TableActivation, TableRequest, VerifiedPolicy, read_registers,
};
use peristyle_policy::counts::CountsFile;
use peristyle_policy::permissions::Permissions;
use peristyle_policy::policy::Policy;
use peristyle_policy::{Day, Name, applied_rules};

// As in the engine's binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ROUNDS: usize = 5;
const LIMITS: &str = "least_count = 0\ngreatest_fall_percent = 100\ngreatest_rise_percent = 10000\nmax_age_days = 366\n\
                      as_of = { file_modified = true }\n";

/// All three rules, over the registers that `peristyle synth` makes.
fn policy_text(registers: &Path) -> String {
    let file = |name: &str| {
        let found = if name.starts_with("practices") { "" } else { "least_found_percent = 100\n" };
        format!("file = \"{}\"\n{LIMITS}{found}", registers.join(name).display())
    };
    format!(
        "peristyle_policy = 1\nname = \"bench\"\npatient_key = \"int\"\n\
         [type_one]\napplied = true\nlifted_by = []\n\
         [type_one.register]\nlists = \"has_opted_out\"\nkey_column = \"patient_id\"\n{}\
         [national]\napplied = true\nby_default = true\nlifted_by = []\n\
         [national.register]\nlists = \"has_not_opted_out\"\nkey_column = \"patient_id\"\n{}\
         [practice_activation]\napplied = true\nlifted_by = []\npractice_key = \"int\"\n\
         [practice_activation.practices]\nkey_column = \"practice_pseudo_id\"\n\
         from_column = \"activated_date\"\nuntil_column = \"switched_off_date\"\n{}\
         [practice_activation.registrations]\nkey_column = \"patient_id\"\npractice_column = \"practice_pseudo_id\"\n\
         end_column = \"end_date\"\n{}\
         [counts]\nfile = \"counts.json\"\nkey_file = \"counts.key\"\nreference_days = 31\n\
         [disclosure_control]\nlocked = true\njudged_by = \"people\"\n",
        file("type_one_dissent.parquet"),
        file("without_ndoo.parquet"),
        file("practices.parquet"),
        file("registrations.parquet"),
    )
}

fn verified(policy: &Policy, tables: &Path) -> VerifiedPolicy {
    let tables = &Extract::from(tables);
    let (today, project) = (Day::today(), Name::parse("bench").unwrap());
    let rules = applied_rules(policy, &Permissions::none(), None, &project, today);
    VerifiedPolicy::verify(&PolicyRun {
        policy,
        rules: &rules,
        tables,
        extracts: &[],
        asked: &BTreeSet::new(),
        today,
        known_counts: 0,
        threads: 2,
    })
    .unwrap()
}

fn events() -> TableRequest {
    let column = |(name, column_type): (&str, ColumnType)| ColumnRequest {
        if_missing: IfMissing::Null,
        ..ColumnRequest::of(name.into(), column_type)
    };
    let columns =
        [("date", ColumnType::Date), ("snomedct_code", ColumnType::Str), ("numeric_value", ColumnType::Float)];
    TableRequest {
        name: "ehrql.tables.core.clinical_events".into(),
        location: Location::Table("clinical_events".into()),
        patient_key: Some(PatientKeyColumn::of(PATIENT_ID.into(), peristyle_opt_out::KeyType::Int)),
        activation: TableActivation::ByColumn("date".into()),
        one_row_per_patient: false,
        columns: columns.into_iter().map(column).collect(),
    }
}

/// Rows and seconds of a full scan.
fn scan(runtime: &tokio::runtime::Runtime, tables: &Path, policy: VerifiedPolicy) -> (usize, f64) {
    let enclave = Enclave::open_tables(tables, policy, EnclaveOptions::default()).unwrap();
    let started = Instant::now();
    let rows = runtime.block_on(async {
        let plan = enclave.ordered_scan(&events(), None).await.unwrap();
        let mut batches = plan.execute(0, enclave.task_context()).unwrap();
        let mut rows = 0;
        while let Some(batch) = batches.next().await {
            rows += batch.unwrap().num_rows();
        }
        rows
    });
    (rows, started.elapsed().as_secs_f64())
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(tables) = arguments.next().map(PathBuf::from) else {
        println!("give the folder of tables that `peristyle synth` made");
        return;
    };
    let rounds = arguments.next().map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let folder = tempfile::tempdir().unwrap();
    let registers = fs::canonicalize(tables.join("registers")).expect("registers, beside the tables");
    let policy = Policy::parse(policy_text(&registers).as_bytes(), &folder.path().join("policy.toml")).unwrap();
    let all: Vec<_> = policy.registers().collect();
    let started = Instant::now();
    let read = read_registers(&policy, &all, &Extract::from(&tables), Day::today()).unwrap();
    println!("registers read in {:.2} s: {} patients, practices and registrations", started.elapsed().as_secs_f64(), {
        read.iter().map(|register| register.members).sum::<u64>()
    });
    let counted: Vec<_> =
        all.iter().map(|r| (*r, read.iter().find(|known| known.id == r.id).unwrap().members)).collect();
    CountsFile::begin(&policy, &counted, Day::today(), 0).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    // Once each, for the page cache.
    let (everybody, _) = scan(&runtime, &tables, VerifiedPolicy::dummy_tables());
    let (permitted, _) = scan(&runtime, &tables, verified(&policy, &tables));
    assert!(permitted < everybody, "the Guard hides nobody, so there is nothing to measure");
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        without.push(scan(&runtime, &tables, VerifiedPolicy::dummy_tables()).1);
        with.push(scan(&runtime, &tables, verified(&policy, &tables)).1);
    }
    let (without, with) = (median(&mut without), median(&mut with));
    println!("{everybody} rows, {permitted} of them permitted; {rounds} rounds, medians");
    println!("without the Guard {without:.3} s, with it {with:.3} s: {:.3} times", with / without);
}
