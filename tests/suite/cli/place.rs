//! A place that keeps records: tables, registers, a policy, a ledger, and two studies.
//!
//! ```text
//! patient  1   2        3         4            5              6            7            8
//!          ·   Type 1   National  switched off moved on 2020  moved on     unregistered ·
//! ```

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value as Json, json};

use super::sandbox::{Run, Sandbox};

/// The public keys whose private keys are 32 bytes of 1, 2 and 3.
const PUBLIC_KEYS: [&str; 3] = [
    "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=",
    "gTl3Dqh9F19Wo1Rmw0x+zMuNipG07jeiXfYPW4/Js5Q=",
    "7UkoxijRwsbq6QM4kFmVYSlZJzpcY/k2NsFGFKyHN9E=",
];
/// The same three private keys, as files have them.
const PRIVATE_KEYS: [&str; 3] = [
    "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
    "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
    "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=",
];

pub(crate) const SOURCE: &str = "peristyle_source = 1
connector = \"user-facing\"
location = \"tables\"
policy = \"policy.toml\"
ledger = \"ledger.jsonl\"
";

const POLICY: &str = r#"peristyle_policy = 1
name = "test-place"
patient_key = "int"

[type_one]
applied = true
lifted_by = ["include_t1oo"]

[type_one.register]
file = "registers/type-one.csv"
lists = "has_opted_out"
key_column = "patient"
least_count = 1
greatest_fall_percent = 20
least_found_percent = 0
max_age_days = 2
as_of = { file_modified = true }

[national]
applied = true
by_default = true
lifted_by = ["include_ndoo"]

[national.register]
file = "registers/national.csv"
lists = "has_not_opted_out"
key_column = "patient"
least_count = 5
greatest_fall_percent = 20
greatest_rise_percent = 20
least_found_percent = 0
max_age_days = 2
as_of = { file_modified = true }

[practice_activation]
applied = true
lifted_by = ["include_gp_unactivated"]
practice_key = "int"

[practice_activation.practices]
file = "registers/practices.csv"
key_column = "practice"
from_column = "activated"
until_column = "switched_off"
least_count = 2
greatest_fall_percent = 20
greatest_rise_percent = 20
max_age_days = 2
as_of = { file_modified = true }

[practice_activation.registrations]
file = "registers/registrations.csv"
key_column = "patient"
practice_column = "practice"
end_column = "ended"
least_count = 5
greatest_fall_percent = 20
least_found_percent = 0
max_age_days = 2
as_of = { file_modified = true }

[counts]
file = "state/counts.json"
key_file = "state/counts.key"
reference_days = 31

[disclosure_control]
locked = true
judged_by = "people"

[set_aside]
longest_days = 28
bodies = ["nhs-england", "joint-gp-it-committee"]
withdrawn = ["SA-withdrawn"]

[[set_aside.signers]]
body = "nhs-england"
public_key = "KEY1"

[[set_aside.signers]]
body = "joint-gp-it-committee"
public_key = "KEY2"
"#;

const DATASET: &str = "
patients patients
  patient | date_of_birth:date | sex:str
events clinical_events
  patient | date:date | numeric_value:float
population = patients.exists_for_patient()
born = patients.date_of_birth.year
events_count = clinical_events.count_for_patient()
latest = clinical_events.sort_by(date).last_for_patient().date
";

const MEASURES: &str = "
patients patients
  patient | date_of_birth:date | sex:str
events clinical_events
  patient | date:date | numeric_value:float
measure seen
  numerator = clinical_events.exists_for_patient()
  denominator = patients.exists_for_patient()
  intervals = 2020-01-01..2020-12-31
";

const EVENTS: &str = "
patients patients
  patient | date_of_birth:date | sex:str
events clinical_events
  patient | date:date | numeric_value:float
population = patients.exists_for_patient()
event_table all_events
  date = clinical_events.date
";

/// The catalogue says nothing of this table and practice activation.
const REGISTRATIONS: &str = "
events practice_registrations
  patient | start_date:date | practice_pseudo_id:int
population = practice_registrations.exists_for_patient()
";

const PATIENTS: [&str; 8] = [
    "1,1971-01-01,female",
    "2,1972-01-01,male",
    "3,1973-01-01,female",
    "4,1974-01-01,male",
    "5,1975-01-01,female",
    "6,1976-01-01,male",
    "7,1977-01-01,female",
    "8,1978-01-01,male",
];

/// A sandbox with a place in it whose runs are accepted.
pub(crate) fn place() -> Sandbox {
    let sandbox = Sandbox::new();
    for (name, text) in [
        ("dataset.json", DATASET),
        ("measures.json", MEASURES),
        ("events.json", EVENTS),
        ("registrations.json", REGISTRATIONS),
    ] {
        sandbox.write(name, crate::spec::study(text, "ehrql.tables.core").0.to_string());
    }
    sandbox.write("source.toml", SOURCE);
    sandbox.write("policy.toml", POLICY.replace("KEY1", PUBLIC_KEYS[0]).replace("KEY2", PUBLIC_KEYS[1]));
    for (body, key) in ["nhs-england", "joint-gp-it-committee", "other"].iter().zip(PRIVATE_KEYS) {
        sandbox.write(&format!("{body}.key"), format!("peristyle private signing key 1\n{key}\n"));
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(sandbox.path(&format!("{body}.key")), mode).expect("a mode");
    }
    write_tables(&sandbox, |_| true);
    register(&sandbox, "type-one", "patient", &["2"]);
    register(&sandbox, "national", "patient", &["1", "2", "4", "5", "6", "7", "8"]);
    register(
        &sandbox,
        "practices",
        "practice,activated,switched_off",
        &["10,2015-01-01,", "11,2015-01-01,2021-01-01", "12,,"],
    );
    let registrations =
        ["1,10,", "2,10,", "3,10,", "4,11,", "5,10,2020-06-01", "5,12,", "6,10,2019-01-01", "6,12,2021-01-01", "8,10,"];
    register(&sandbox, "registrations", "patient,practice,ended", &registrations);
    let run = sandbox.run("policy begin source.toml --by tester");
    assert_eq!(run.status, Some(0), "{run:?}");
    sandbox
}

/// The tables, with those of the patients' rows that are wanted: by patient and date.
pub(crate) fn write_tables(sandbox: &Sandbox, wanted: impl Fn((u32, Option<&str>)) -> bool) {
    let patients = PATIENTS.iter().zip(1..).filter(|(_, patient)| wanted((*patient, None)));
    let patients: String = patients.map(|(row, _)| format!("{row}\n")).collect();
    sandbox.write("tables/patients.csv", format!("patient_id,date_of_birth,sex\n{patients}"));
    let mut events = String::from("patient_id,date,numeric_value\n");
    for patient in 1..=8 {
        for date in ["2018-05-01", "2020-05-01", "2020-06-01", "2020-07-01"] {
            if wanted((patient, Some(date))) {
                let _ = writeln!(events, "{patient},{date},{patient}.5");
            }
        }
    }
    sandbox.write("tables/clinical_events.csv", events);
}

/// Writes a register with its digest.
pub(crate) fn register(sandbox: &Sandbox, name: &str, heading: &str, rows: &[&str]) {
    let name = format!("registers/{name}.csv");
    let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
    sandbox.write(&name, format!("{heading}\n{rows}"));
    seal(sandbox, &name);
}

/// Writes the digest of a file beside it.
pub(crate) fn seal(sandbox: &Sandbox, name: &str) {
    let output = Command::new("sha256sum").arg(sandbox.path(name)).output().expect("sha256sum");
    assert!(output.status.success(), "{output:?}");
    sandbox.write(&format!("{name}.sha256"), output.stdout);
}

/// Changes a file, which must have what is changed.
pub(crate) fn change(sandbox: &Sandbox, name: &str, from: &str, to: &str) {
    let text = sandbox.read(name);
    assert!(text.contains(from), "{name} has no {from}");
    sandbox.write(name, text.replace(from, to));
}

/// The record of a set-aside that holds today, unsigned.
pub(crate) fn set_aside() -> Json {
    let today = chrono::Utc::now().date_naive();
    let days = |days| (today + chrono::Duration::days(days)).to_string();
    json!({
        "peristyle_set_aside": 1,
        "id": "SA-2026-001",
        "policy": "test-place",
        "projects": ["outbreak"],
        "rules": ["type_one", "national"],
        "reason": "An outbreak of a notifiable disease.",
        "bodies": ["nhs-england", "joint-gp-it-committee"],
        "from": days(-1),
        "until": days(5),
    })
}

/// Writes a record and has it signed with these bodies' keys.
pub(crate) fn signed(sandbox: &Sandbox, name: &str, record: &Json, bodies: &[&str]) {
    sandbox.write(name, record.to_string());
    for body in bodies {
        let run = sandbox.run(&format!("policy sign {name} --body {body} --key {body}.key"));
        assert_eq!(run.status, Some(0), "{run:?}");
    }
}

/// The lines of the ledger.
pub(crate) fn ledger(sandbox: &Sandbox) -> Vec<Json> {
    sandbox.read("ledger.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// How the last run ended, as the ledger has it: `answered`, `refused permission_missing 12`.
pub(crate) fn outcome(sandbox: &Sandbox) -> String {
    let lines = ledger(sandbox);
    let last = lines.last().map(|line| &line["entry"]);
    let Some(outcome) = last.and_then(|entry| entry.get("finished")).map(|end| &end["finish"]["outcome"]) else {
        return "not finished".to_owned();
    };
    let (how, what) = outcome.as_object().and_then(|outcome| outcome.iter().next()).expect("an outcome");
    match (what["code"].as_str(), &what["exit_code"]) {
        (Some(code), exit_code) => format!("{how} {code} {exit_code}"),
        _ => how.clone(),
    }
}

/// A transcript without digests, days of today and moments.
pub(crate) fn transcript(sandbox: &Sandbox, run: &Run) -> String {
    lasting(&sandbox.transcript(run))
}

/// What stays of a text from one day to the next: neither digests nor days near today.
pub(crate) fn lasting(text: &str) -> String {
    let today = chrono::Utc::now().date_naive();
    let mut text = text.to_owned();
    for (days, name) in [(-1, "[YESTERDAY]"), (0, "[TODAY]"), (5, "[IN 5 DAYS]")] {
        text = text.replace(&(today + chrono::Duration::days(days)).to_string(), name);
    }
    super::sandbox::without_digests(&text)
}

/// Runs each line; transcripts, and what the ledger says of each.
pub(crate) fn transcripts(sandbox: &Sandbox, lines: &[&str]) -> String {
    lines.iter().map(|line| transcript(sandbox, &sandbox.run(line)) + "\n").collect()
}
