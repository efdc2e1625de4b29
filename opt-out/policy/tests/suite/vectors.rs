//! The suppliers' vectors, replayed: from a case's raw rows, this crate's rules must leave just the patients, events and
//! registrations that ehrQL's answer was computed from. (The definitions themselves are for the engine; what they ask of
//! these cases is little enough to be asked here by the names of their variables.)

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use peristyle_policy::activation::{Activation, ActivationsBuilder, RegistrationEnd};
use peristyle_policy::patients::{KeyType, PatientKey, PatientSet, PatientSetBuilder};
use peristyle_policy::permissions::Permissions;
use peristyle_policy::policy::RowRule;
use peristyle_policy::practices::{ActivatedFrom, ActivatedPractices, PracticeKey, Practices};
use peristyle_policy::{AppliedRules, Day, Name, Policy, Rule, applied_rules};
use serde_json::Value;

/// TPP: all three rules. EMIS v2: Type 1 alone, by a column of the patients.
const POLICIES: [(&str, &str); 2] = [
    ("TPPBackend", include_str!("../../policies/three-rules.toml")),
    ("EMISV2Backend", include_str!("../../policies/type-one-only.toml")),
];

/// The cases of a file; none where the vectors are not there.
fn cases(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/ehrql/vectors").join(file);
    let Ok(file) = File::open(path) else { return Vec::new() };
    let text = std::io::read_to_string(GzDecoder::new(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

type Row = BTreeMap<String, Value>;

/// The rows of a raw table; none where the case does not list it.
fn raw(case: &Value, table: &str) -> Vec<Row> {
    let table = &case["raw_tables"][table];
    let rows = table["rows"].as_array().cloned().unwrap_or_default();
    let names: Vec<&str> =
        table["columns"].as_array().into_iter().flatten().map(|column| column[0].as_str().unwrap()).collect();
    let row = |row: &Value| {
        names.iter().map(|name| (*name).to_owned()).zip(row.as_array().unwrap().iter().cloned()).collect()
    };
    rows.iter().map(row).collect()
}

/// The day of a date or moment, since 1970-01-01.
fn date(value: &Value) -> Option<i32> {
    value.as_str().map(|text| Day::parse(&text[..10]).unwrap().epoch_days())
}

/// A moment, in microseconds since 1970-01-01T00:00.
fn microseconds(value: &Value) -> Option<i64> {
    let time = value.as_str()?.get(11..).unwrap_or("00:00:00");
    let seconds = time.split(':').fold(0, |seconds, part| seconds * 60 + part.parse::<i64>().unwrap());
    Some((i64::from(date(value)?) * 86_400 + seconds) * 1_000_000)
}

fn policy(backend: &str) -> Policy {
    let (_, text) = POLICIES.into_iter().find(|(name, _)| *name == backend).unwrap();
    // Set-asides play no part here, and the example has no keys.
    let text = text.split("\n[set_aside]").next().unwrap();
    Policy::parse(text.as_bytes(), &PathBuf::from("policy.toml")).unwrap()
}

fn patients(keys: impl Iterator<Item = i64>) -> PatientSet {
    let mut set = PatientSetBuilder::new(KeyType::Int);
    keys.for_each(|key| set.push(PatientKey::Int(key)).unwrap());
    set.finish()
}

fn id(row: &Row) -> i64 {
    row["Patient_ID"].as_i64().unwrap()
}

/// What the rules leave of a TPP case.
struct Tpp {
    rules: AppliedRules,
    dissent: PatientSet,
    without_opt_out: PatientSet,
    activated: ActivatedPractices,
    activations: BTreeMap<i64, Activation>,
}

impl Tpp {
    fn new(case: &Value) -> Self {
        let permissions = Permissions::parse(case["environ"]["EHRQL_PERMISSIONS"].as_str()).unwrap();
        let today = Day::parse("2026-06-15").unwrap();
        let rules = applied_rules(&policy("TPPBackend"), &permissions, None, &Name::parse("study").unwrap(), today);
        let mut practices = Practices::new();
        for row in raw(case, "DirectionsAcknowledged") {
            let practice = PracticeKey::Int(row["Organisation_ID"].as_i64().unwrap());
            practices.push(practice, ActivatedFrom::Listed, None).unwrap();
        }
        let activated = practices.activated_on(today);
        let mut registrations = raw(case, "RegistrationHistory");
        registrations.sort_by_key(id);
        let mut builder = ActivationsBuilder::new(KeyType::Int);
        for row in &registrations {
            let end = RegistrationEnd::from_microseconds(microseconds(&row["EndDate"]));
            let activated = activated.has_int(row["Organisation_ID"].as_i64());
            builder.push(PatientKey::Int(id(row)), activated, end).unwrap();
        }
        let found = builder.finish().unwrap();
        let of = |patient: i64| match found.counted.contains(PatientKey::Int(patient)).unwrap() {
            true => Activation::Counted { cut_off: found.cut_offs.day(PatientKey::Int(patient)).unwrap() },
            false => Activation::NotCounted,
        };
        let activations = registrations.iter().map(|row| (id(row), of(id(row)))).collect();
        let dissent = patients(raw(case, "PatientsWithTypeOneDissent").iter().map(id));
        let without_opt_out = patients(raw(case, "PatientsWithoutNDOO").iter().map(id));
        Self { rules, dissent, without_opt_out, activated, activations }
    }

    fn activation(&self, patient: i64) -> Activation {
        self.activations.get(&patient).copied().unwrap_or(Activation::NotCounted)
    }

    fn permits(&self, patient: i64) -> bool {
        let key = PatientKey::Int(patient);
        (!self.rules.applies(Rule::TypeOne) || !self.dissent.contains(key).unwrap())
            && (!self.rules.applies(Rule::National) || self.without_opt_out.contains(key).unwrap())
            && (!self.rules.applies(Rule::PracticeActivation) || self.activation(patient) != Activation::NotCounted)
    }

    fn keeps(&self, patient: i64, date: Option<i32>) -> bool {
        self.permits(patient) && (!self.rules.applies(Rule::PracticeActivation) || self.activation(patient).keeps(date))
    }

    /// What a variable of that name is asked to be, of a patient; `None` for a variable that is nobody's business here.
    fn variable(&self, case: &Value, name: &str, patient: i64) -> Option<Value> {
        let rows = |table: &str| raw(case, table).into_iter().filter(move |row| id(row) == patient);
        let dates = |table: &str, column: &str| -> Vec<i32> {
            let dates = rows(table).map(|row| date(&row[column])).filter(|date| self.keeps(patient, *date));
            dates.flatten().collect()
        };
        let year = |day: i32| Day::from_epoch_days(day).unwrap().to_string()[..4].parse::<i32>().unwrap();
        let last_year = |tables: [(&str, &str); 4]| {
            let found = tables.into_iter().filter(|(table, _)| !raw(case, table).is_empty());
            let dates: Vec<i32> = found.flat_map(|(table, column)| dates(table, column)).collect();
            dates.into_iter().max().map_or(Value::Null, |day| year(day).into())
        };
        let registrations =
            || rows("RegistrationHistory").filter(|row| self.activated.has_int(row["Organisation_ID"].as_i64()));
        let events = ("CodedEvent_SNOMED", "ConsultationDate");
        let issues = ("MedicationIssue", "ConsultationDate");
        Some(match name {
            // Of vaccinations, the variable of that name is the product: rows are told apart by it.
            "last_event_year" if !raw(case, "Vaccination").is_empty() => {
                let kept = rows("Vaccination").filter(|row| self.keeps(patient, date(&row["VaccinationDate"])));
                let last = kept.max_by_key(|row| date(&row["VaccinationDate"]));
                last.map_or(Value::Null, |row| row["VaccinationName"].clone())
            }
            "last_event_year" if !raw(case, "CodedEvent_SNOMED").is_empty() => last_year([events; 4]),
            "last_event_year" | "last_event_raw_year" => {
                last_year([events, issues, ("Appointment", "BookedDate"), ("none", "none")])
            }
            "last_medication_year" => last_year([issues; 4]),
            "clinical_event_count" => dates(events.0, events.1).len().into(),
            "registrations_count_activated_only" => registrations().count().into(),
            "latest_registration_end_date_activated_only" => {
                let last = registrations().max_by_key(|row| date(&row["StartDate"])).unwrap();
                match RegistrationEnd::from_day(date(&last["EndDate"])) {
                    RegistrationEnd::Open => Value::Null,
                    RegistrationEnd::At(_) => last["EndDate"].clone(),
                }
            }
            _ => return None,
        })
    }
}

/// The names of a definition's variables, in order.
fn variables(case: &Value) -> Vec<String> {
    let nodes = case["definition"].as_object().unwrap().values();
    let dataset = nodes.filter_map(|node| node.get("Dataset")).next().unwrap();
    dataset["variables"]["dict"].as_array().unwrap().iter().map(|pair| pair[0].as_str().unwrap().to_owned()).collect()
}

#[test]
fn tpp_cases_leave_just_the_expected_rows() {
    let (mut replayed, mut values) = (0, 0);
    for case in cases("tpp.jsonl.gz").iter().filter(|case| case["kind"] == "backend_query") {
        let name = case["id"].as_str().unwrap();
        let tpp = Tpp::new(case);
        let names = variables(case);
        // All populations here are of patients with a row in a table: that of patients where there is one.
        let tables: BTreeSet<&String> = case["raw_tables"].as_object().unwrap().keys().collect();
        let table = ["Patient", "CodedEvent", "CodedEvent_SNOMED", "MedicationIssue", "OpenPROMPT"];
        let table = table.into_iter().find(|table| tables.iter().any(|known| known == table)).unwrap();
        let found: BTreeSet<i64> = raw(case, table).iter().map(id).filter(|patient| tpp.permits(*patient)).collect();
        let rows = case["expected"].as_array().unwrap();
        let patient = |row: &Value| row.get("patient_id").or(row.get(0)).and_then(Value::as_i64).unwrap();
        assert_eq!(found, rows.iter().map(patient).collect(), "{name}: patients");
        for row in rows {
            for (at, variable) in names.iter().enumerate() {
                if let Some(found) = tpp.variable(case, variable, patient(row)) {
                    assert_eq!(found, row[at + 1], "{name}: {variable} of {}", patient(row));
                    values += 1;
                }
            }
        }
        replayed += 1;
    }
    assert!(replayed == 0 || (replayed, values) == (24, 82), "{replayed} cases, {values} values");
}

/// The mapping case of the cut-off itself.
#[test]
fn tpp_cut_offs_are_as_mapped() {
    for case in cases("tpp.jsonl.gz").iter().filter(|case| case["table"]["name"] == "activated") {
        let tpp = Tpp::new(case);
        for row in case["expected"].as_array().unwrap() {
            let expected = RegistrationEnd::from_day(date(&row["end_date"]));
            let cut_off = match tpp.activation(row["patient_id"].as_i64().unwrap()) {
                Activation::NotCounted => panic!("not counted"),
                Activation::Counted { cut_off } => RegistrationEnd::from_day(cut_off),
            };
            assert_eq!(cut_off, expected);
        }
    }
}

#[test]
fn emis_v2_cases_leave_just_the_expected_patients() {
    let policy = policy("EMISV2Backend");
    let register = &policy.type_one.applied().unwrap().register;
    assert_eq!(register.only_where.as_ref().unwrap().column, "is_consent_9nu0");
    let mut replayed = 0;
    for case in cases("emisv2.jsonl.gz").iter().filter(|case| case["kind"] == "backend_query") {
        let permissions = Permissions::parse(case["environ"]["EHRQL_PERMISSIONS"].as_str()).unwrap();
        let today = Day::parse("2026-06-15").unwrap();
        let rules = applied_rules(&policy, &permissions, None, &Name::parse("study").unwrap(), today);
        let rows = raw(case, "patient");
        let key = |row: &Row| <[u8; 16]>::try_from(row["patient_id"].as_str().unwrap().as_bytes()).unwrap();
        let mut opted_out = PatientSetBuilder::new(KeyType::Bytes16);
        for row in rows.iter().filter(|row| row["is_consent_9nu0"] == Value::Bool(false)) {
            opted_out.push(PatientKey::Bytes16(&key(row))).unwrap();
        }
        let opted_out = opted_out.finish();
        // Populations: born in 2000 or later; of the smoke test, 18 to 80 years old in 2022.
        let smoke_test = variables(case) == ["age"];
        let born = |row: &Row| row["date_of_birth"].as_str().unwrap()[..4].parse::<i32>().unwrap();
        let asked = |row: &&Row| if smoke_test { (18..=80).contains(&(2022 - born(row))) } else { born(row) >= 2000 };
        let permitted =
            |row: &&Row| !rules.applies(Rule::TypeOne) || !opted_out.contains(PatientKey::Bytes16(&key(row))).unwrap();
        let hex = |row: &Row| key(row).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let found: BTreeSet<String> = rows.iter().filter(asked).filter(permitted).map(hex).collect();
        let expected = case["expected"].as_array().unwrap();
        let expected = expected.iter().map(|row| row["patient_id"]["hex"].as_str().unwrap().to_owned()).collect();
        assert_eq!(found, expected, "{}", case["id"]);
        replayed += 1;
    }
    assert!(replayed == 0 || replayed == 3);
}

/// Each table of the catalogue has a rule for its rows, by what the catalogue says of it or by what the example policy
/// adds.
#[test]
fn every_table_has_a_row_rule() {
    use peristyle_policy::policy::CatalogueStatement::{ByColumn, NotApplied, Unstated};
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/ehrql/catalogue.json");
    let Ok(file) = File::open(path) else { return };
    let catalogue: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_reader(file).unwrap();
    let policy = policy("TPPBackend");
    let mut unstated = Vec::new();
    for (module, tables) in &catalogue {
        for (table, schema) in tables {
            let name = format!("{}.{table}", module.strip_prefix("ehrql.tables.").unwrap());
            let rule = match &schema["activation_filter_field"] {
                Value::String(column) => policy.row_rule(&name, ByColumn(column)),
                Value::Bool(false) => policy.row_rule(&name, NotApplied),
                _ => policy.row_rule(&name, Unstated),
            };
            match rule {
                Ok(RowRule::AtActivatedPractices { .. }) => {
                    assert!(name.ends_with(".practice_registrations"), "{name}")
                }
                Ok(_) => {}
                Err(_) => unstated.push(name),
            }
        }
    }
    // A source of another supplier, which the example policy is not for.
    assert_eq!(unstated, ["emis.practice_registrations"]);
}
