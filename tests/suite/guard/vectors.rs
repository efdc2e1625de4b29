//! The suppliers' own cases of who is left out: their raw rows as user-facing tables, with registers beside them.
//!
//! The connectors' own tests run the same cases through the views; here it is only the rules that are tried.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::cli::Sandbox;
use crate::shared::{lines, shared};

use super::registers::seal;

const SOURCE: &str = "peristyle_source = 1
connector = \"user-facing\"
location = \"tables\"
policy = \"policy.toml\"
ledger = \"ledger.jsonl\"
";

const LIMITS: &str = "least_count = 0
greatest_fall_percent = 100
greatest_rise_percent = 1000
max_age_days = 2
as_of = { file_modified = true }
";

const REST: &str = "[counts]
file = \"state/counts.json\"
key_file = \"state/counts.key\"
reference_days = 31

[disclosure_control]
locked = true
judged_by = \"people\"
";

/// Raw rows by column.
type Row = BTreeMap<String, Json>;

struct Case {
    json: Json,
    sandbox: Sandbox,
}

impl Case {
    fn new(json: Json, policy: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("source.toml", SOURCE);
        sandbox.write("policy.toml", policy);
        sandbox.write("definition.json", json["definition"].to_string());
        sandbox.write("state/.keep", "");
        Case { json, sandbox }
    }

    /// The rows of a raw table; none if the case does not list it.
    fn raw(&self, table: &str) -> Vec<Row> {
        let table = &self.json["raw_tables"][table];
        let columns = table["columns"].as_array().map(Vec::as_slice).unwrap_or_default();
        let names: Vec<&str> = columns.iter().map(|column| column[0].as_str().expect("a name")).collect();
        let rows = table["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
        let row = |row: &Json| {
            let cells = row.as_array().expect("a row").iter().cloned();
            names.iter().map(|name| (*name).to_owned()).zip(cells).collect()
        };
        rows.iter().map(row).collect()
    }

    /// Writes a CSV file of these columns, each from a raw one.
    fn write(&self, name: &str, rows: &[Row], columns: &[(&str, &str)]) {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let mut text = format!("{}\n", names.join(","));
        for row in rows {
            let cells: Vec<String> = columns.iter().map(|(_, raw)| cell(row.get(*raw))).collect();
            let _ = writeln!(text, "{}", cells.join(","));
        }
        self.sandbox.write(name, text);
        if name.starts_with("registers/") {
            seal(&self.sandbox.path(name));
        }
    }

    /// Runs the case and compares.
    fn check(&self, more_permissions: &[&str]) {
        let id = &self.json["id"];
        let begun = self.sandbox.run("policy begin source.toml --by tester");
        assert_eq!(begun.status, Some(0), "{id}: {begun:?}");
        let given = self.json["environ"]["EHRQL_PERMISSIONS"].as_str().unwrap_or("[]");
        let mut given: Vec<String> = serde_json::from_str(given).expect("permissions");
        given.extend(more_permissions.iter().map(|permission| (*permission).to_owned()));
        let permissions = serde_json::to_string(&given).expect("JSON");
        let line = "generate-dataset definition.json --source source.toml --project flu --output out.csv";
        let run = self.sandbox.run_with(line, &[("EHRQL_PERMISSIONS", &permissions)]);
        assert_eq!(run.status, Some(0), "{id}: {run:?}");
        let answer = self.sandbox.read("out.csv");
        let mut answer = answer.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let names = answer.next().expect("a header");
        let rows: Vec<Vec<String>> = answer.collect();
        let expected: Vec<Vec<String>> = self.json["expected"]
            .as_array()
            .expect("rows")
            .iter()
            .map(|row| match row.as_array() {
                Some(cells) => cells.iter().map(|value| cell(Some(value))).collect(),
                None => names.iter().map(|name| cell(row.get(name))).collect(),
            })
            .collect();
        assert_eq!(rows, expected, "{id}");
    }
}

/// A value as CSV has it: days without their time, and the last of all days for no day, as suppliers write it.
fn cell(value: Option<&Json>) -> String {
    match value {
        None | Some(Json::Null) => String::new(),
        Some(Json::Bool(value)) => if *value { "T" } else { "F" }.to_owned(),
        Some(Json::String(text)) if text.starts_with("9999-12-31") => String::new(),
        Some(Json::String(text)) if text.contains("T00:") || text.contains("T09:") => text[..10].to_owned(),
        Some(Json::String(text)) => text.clone(),
        // 16 bytes, each a digit in the vectors.
        Some(Json::Object(bytes)) => {
            let hex = bytes["hex"].as_str().expect("bytes");
            (0..hex.len())
                .step_by(2)
                .map(|at| char::from(u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")))
                .collect()
        }
        Some(other) => other.to_string(),
    }
}

fn backend_queries(name: &str, test: &str) -> Vec<Json> {
    let Some(shared) = shared(test) else { return vec![] };
    let lines = lines(&shared.join(format!("vectors/{name}.jsonl.gz")));
    let cases = lines.iter().map(|line| serde_json::from_str::<Json>(line).expect("a case"));
    cases.filter(|case| case["kind"] == "backend_query").collect()
}

fn tpp_policy() -> String {
    let register = |place: &str, file: &str, key: &str, more: &str| {
        let found = if file == "practices" { "" } else { "least_found_percent = 0" };
        format!("[{place}]\nfile = \"registers/{file}.csv\"\nkey_column = \"{key}\"\n{more}\n{LIMITS}{found}\n")
    };
    let mut text = String::from("peristyle_policy = 1\nname = \"tpp\"\npatient_key = \"int\"\n");
    text += "[type_one]\napplied = true\nlifted_by = [\"include_t1oo\"]\n";
    text += &register("type_one.register", "type_one", "patient", "lists = \"has_opted_out\"");
    text += "[national]\napplied = true\nby_default = true\nlifted_by = [\"include_ndoo\"]\n";
    text += &register("national.register", "national", "patient", "lists = \"has_not_opted_out\"");
    text += "[practice_activation]\napplied = true\nlifted_by = [\"include_gp_unactivated\"]\npractice_key = \"int\"\n";
    text += &register("practice_activation.practices", "practices", "practice", "");
    let columns = "practice_column = \"practice\"\nend_column = \"ended\"";
    text += &register("practice_activation.registrations", "registrations", "patient", columns);
    for module in ["core", "tpp"] {
        text += &format!("[practice_activation.tables.\"{module}.practice_registrations\"]\n");
        text += "practice_column = \"practice_pseudo_id\"\n";
    }
    text + REST
}

/// The rows of `rows` with those of `others` that match in a column.
fn joined(rows: &[Row], others: &[Row], column: &str) -> Vec<Row> {
    let of = |row: &Row| -> Row {
        let other = others.iter().find(|other| other[column] == row[column]);
        other.cloned().unwrap_or_default().into_iter().chain(row.clone()).collect()
    };
    rows.iter().map(of).collect()
}

/// TPP's raw rows as user-facing tables: no more of them than the cases ask for.
fn write_tpp(case: &Case) {
    case.write("registers/type_one.csv", &case.raw("PatientsWithTypeOneDissent"), &[("patient", "Patient_ID")]);
    case.write("registers/national.csv", &case.raw("PatientsWithoutNDOO"), &[("patient", "Patient_ID")]);
    case.write("registers/practices.csv", &case.raw("DirectionsAcknowledged"), &[("practice", "Organisation_ID")]);
    let registrations = case.raw("RegistrationHistory");
    let ends = [("patient", "Patient_ID"), ("practice", "Organisation_ID"), ("ended", "EndDate")];
    case.write("registers/registrations.csv", &registrations, &ends);

    let patient = ("patient_id", "Patient_ID");
    case.write("tables/patients.csv", &case.raw("Patient"), &[patient, ("date_of_birth", "DateOfBirth")]);
    let mut events = case.raw("CodedEvent_SNOMED");
    events.extend(case.raw("CodedEvent"));
    let columns = [patient, ("date", "ConsultationDate"), ("snomedct_code", "ConceptId"), ("ctv3_code", "CTV3Code")];
    case.write("tables/clinical_events.csv", &events, &columns);
    case.write("tables/clinical_events_ranges.csv", &events, &columns);
    let issues = joined(&case.raw("MedicationIssue"), &case.raw("MedicationDictionary"), "MultilexDrug_ID");
    for name in ["medications", "medications_raw"] {
        let columns = [patient, ("date", "ConsultationDate"), ("dmd_code", "DMD_ID")];
        case.write(&format!("tables/{name}.csv"), &issues, &columns);
    }
    let columns = [patient, ("date", "VaccinationDate"), ("product_name", "VaccinationName")];
    case.write("tables/vaccinations.csv", &case.raw("Vaccination"), &columns);
    let columns = [patient, ("booked_date", "BookedDate"), ("start_date", "StartDate")];
    case.write("tables/appointments.csv", &case.raw("Appointment"), &columns);
    let columns = [
        patient,
        ("start_date", "StartDate"),
        ("end_date", "EndDate"),
        ("practice_pseudo_id", "Organisation_ID"),
        ("practice_stp", "STPCode"),
    ];
    let registrations = joined(&registrations, &case.raw("Organisation"), "Organisation_ID");
    case.write("tables/practice_registrations.csv", &registrations, &columns);
    let columns = [patient, ("ctv3_code", "CTV3Code"), ("snomedct_code", "ConceptId")];
    case.write("tables/open_prompt.csv", &case.raw("OpenPROMPT"), &columns);
}

#[test]
fn tpp_leaves_out_whom_its_own_cases_leave_out() {
    let cases = backend_queries("tpp", "tpp_leaves_out_whom_its_own_cases_leave_out");
    assert!(cases.is_empty() || cases.len() == 24, "{} cases", cases.len());
    for json in cases {
        let case = Case::new(json, &tpp_policy());
        write_tpp(&case);
        // The cases ask these tables without the permission that ehrQL checks elsewhere.
        case.check(&["appointments", "open_prompt"]);
    }
}

/// With integers for the keys of 16 bytes.
#[test]
fn emis_v2_leaves_out_whom_its_own_cases_leave_out() {
    let register = format!(
        "[type_one.register]\nfile = \"registers/consent.csv\"\nkey_column = \"patient\"\nlists = \"has_opted_out\"\n\
         only_where = {{ column = \"is_consent_9nu0\", equals = false }}\n{LIMITS}least_found_percent = 0\n"
    );
    let policy = format!(
        "peristyle_policy = 1\nname = \"emisv2\"\npatient_key = \"int\"\n[type_one]\napplied = true\n\
         lifted_by = [\"include_t1oo\"]\n{register}[national]\napplied = false\nbecause = \"not here\"\n\
         [practice_activation]\napplied = false\nbecause = \"not here\"\n{REST}"
    );
    let cases = backend_queries("emisv2", "emis_v2_leaves_out_whom_its_own_cases_leave_out");
    assert!(cases.is_empty() || cases.len() == 3, "{} cases", cases.len());
    for json in cases {
        let case = Case::new(json, &policy);
        let patients = case.raw("patient");
        let columns = [("patient", "patient_id"), ("is_consent_9nu0", "is_consent_9nu0")];
        case.write("registers/consent.csv", &patients, &columns);
        let columns = [("patient_id", "patient_id"), ("date_of_birth", "date_of_birth")];
        case.write("tables/patients.csv", &patients, &columns);
        case.check(&[]);
    }
}
