//! Policies over tables and registers of a few rows: what each rule hides, what is counted, what is refused.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use peristyle_policy::counts::CountsFile;
use peristyle_policy::permissions::Permissions;
use peristyle_policy::policy::Policy;
use peristyle_policy::{Day, Name, applied_rules};

use super::fixtures::*;
use crate::{
    ColumnType, ConnectedExtract, Extract, FileFormat, KeyType, Location, PatientKeyColumn, PolicyRun, RegisterError,
    TableActivation, TableRemovals, TableRequest, VerifiedPolicy, read_registers,
};

pub(super) const TODAY: &str = "2026-06-15";

pub(super) fn today() -> Day {
    Day::parse(TODAY).unwrap()
}

/// A policy with registers in files of their own, and counts that have been begun.
pub(super) struct Place {
    pub(super) tables: Tables,
    pub(super) policy: Policy,
}

/// Limits that hold whatever a register lists.
const LIMITS: &str = "least_count = 0\ngreatest_fall_percent = 100\ngreatest_rise_percent = 10000\nmax_age_days = 8\n";

/// A section of the policy for a register in a file, dated by a column of it.
fn section(place: &str, file: &str, more: &str) -> String {
    let of_practices = place.ends_with("practices");
    let (key, found) = if of_practices { ("practice", "") } else { ("patient", "least_found_percent = 0\n") };
    format!(
        "[{place}]\nfile = \"{file}\"\nkey_column = \"{key}\"\n{more}\n{LIMITS}{found}\
         as_of = {{ column = \"of\", taking = \"oldest\" }}\n"
    )
}

/// Each rule, applied or not.
pub(super) fn policy_text(key: &str, rules: &[(&str, &str)], tables: &str) -> String {
    let found = |rule: &str| rules.iter().find(|(known, _)| *known == rule).map(|(_, text)| *text);
    let mut text = format!("peristyle_policy = 1\nname = \"p\"\npatient_key = \"{key}\"\n");
    for rule in ["type_one", "national", "practice_activation"] {
        match found(rule) {
            None => text += &format!("[{rule}]\napplied = false\nbecause = \"not in this test\"\n"),
            Some(registers) => {
                let lifted = [("type_one", "t1oo"), ("national", "ndoo"), ("practice_activation", "gp_unactivated")];
                let lifted = lifted.iter().find(|(known, _)| *known == rule).unwrap().1;
                let national = if rule == "national" { "by_default = true\n" } else { "" };
                let practice = if rule == "practice_activation" { "practice_key = \"int\"\n" } else { "" };
                text += &format!(
                    "[{rule}]\napplied = true\n{national}{practice}lifted_by = [\"include_{lifted}\"]\n{registers}\n"
                );
            }
        }
    }
    text + tables
        + "[counts]\nfile = \"state/counts.json\"\nkey_file = \"state/counts.key\"\nreference_days = 31\n\
           [disclosure_control]\nlocked = true\njudged_by = \"people\"\n"
}

pub(super) fn type_one(lists: &str) -> String {
    section("type_one.register", "type_one.parquet", &format!("lists = \"{lists}\""))
}

pub(super) fn national(lists: &str) -> String {
    section("national.register", "national.csv", &format!("lists = \"{lists}\""))
}

pub(super) fn activation() -> String {
    section("practice_activation.practices", "practices.arrow", "until_column = \"off\"")
        + &section(
            "practice_activation.registrations",
            "registrations.parquet",
            "practice_column = \"practice\"\nend_column = \"end\"",
        )
}

impl Place {
    pub(super) fn new(text: &str, registers: &[(&str, &str)]) -> Self {
        let tables = Tables::new();
        fs::create_dir_all(tables.path().join("state")).unwrap();
        for (file, lines) in registers {
            tables.put_rows(file, &rows(lines), Written::default());
        }
        let policy = Policy::parse(text.as_bytes(), &tables.path().join("policy.toml")).unwrap();
        let place = Self { tables, policy };
        place.begin();
        place
    }

    /// Begins the counts with what is there.
    pub(super) fn begin(&self) {
        let registers: Vec<_> = self.policy.registers().collect();
        if let Ok(read) = read_registers(&self.policy, &registers, &Extract::from(self.tables.path()), today()) {
            let counted: Vec<_> =
                registers.iter().map(|r| (*r, read.iter().find(|known| known.id == r.id).unwrap().members)).collect();
            CountsFile::begin(&self.policy, &counted, today(), 0).unwrap();
        }
    }

    pub(super) fn verify(&self, permissions: &str) -> Result<VerifiedPolicy, RegisterError> {
        self.verify_for(permissions, &[], &[])
    }

    /// For a run over extracts that asks for these tables.
    pub(super) fn verify_for(
        &self,
        permissions: &str,
        extracts: &[ConnectedExtract],
        asked: &[&str],
    ) -> Result<VerifiedPolicy, RegisterError> {
        let permissions = Permissions::parse(Some(permissions)).unwrap();
        let rules = applied_rules(&self.policy, &permissions, None, &Name::parse("project").unwrap(), today());
        let tables = &Extract::from(self.tables.path());
        VerifiedPolicy::verify(&PolicyRun {
            policy: &self.policy,
            rules: &rules,
            tables,
            extracts,
            asked: &asked.iter().map(|table| Arc::from(*table)).collect(),
            today: today(),
            known_counts: 0,
            threads: 2,
        })
    }

    /// Rows of `patients.FORMAT` under the policy, and what was counted.
    fn scan(&self, permissions: &str, request: &TableRequest) -> (Result<Vec<String>, String>, TableRemovals) {
        let enclave = self.tables.enclave_with(self.verify(permissions).unwrap(), options());
        let found = run(&enclave, request, None);
        (found, enclave.removals().pop().unwrap())
    }
}

/// The digest of a file, beside it, as `sha256sum` would write it.
pub(super) fn seal(file: &Path) {
    let digest = peristyle_policy::Digest::of(&fs::read(file).unwrap());
    let name = file.file_name().unwrap().to_str().unwrap();
    fs::write(file.with_file_name(format!("{name}.sha256")), format!("{digest}  {name}\n")).unwrap();
}

pub(super) fn counted(removals: &TableRemovals) -> String {
    let of = |(rule, removed): (&peristyle_policy::Rule, &crate::Removed)| {
        format!(", {} {}/{}", rule.key(), removed.rows, removed.patients)
    };
    format!("{}/{}", removals.rows_passed, removals.rows_read) + &removals.removed.iter().map(of).collect::<String>()
}

const FORMATS: [&str; 4] = ["patients.parquet", "patients.arrow", "patients.csv", "patients.csv.gz"];

/// Checks what a policy lets through of a table, in every format.
fn check(place: &Place, permissions: &str, lines: &str, request: &TableRequest, expected: &[&str], counts: &str) {
    for format in FORMATS {
        place.tables.put_rows(format, &rows(lines), Written::default());
        let (found, removals) = place.scan(permissions, request);
        assert_eq!(found.unwrap(), expected, "{format} {permissions}");
        assert_eq!(counted(&removals), counts, "{format} {permissions}");
        fs::remove_file(place.tables.path().join(format)).unwrap();
    }
}

const FIVE: &str = "patient_id:int a:int\n1 10\n1 11\n2 20\n3 30\n4 40\n4 41\n5 50\n";

#[test]
fn opt_outs_hide_patients_and_permissions_lift_them() {
    let rules = [("type_one", type_one("has_opted_out")), ("national", national("has_not_opted_out"))];
    let rules: Vec<(&str, &str)> = rules.iter().map(|(rule, text)| (*rule, text.as_str())).collect();
    let registers = [
        ("type_one.parquet", "patient:int of:date\n4 2026-06-15\n2 2026-06-15\n9 2026-06-14\n"),
        ("national.csv", "patient:int of:date\n1 2026-06-15\n5 2026-06-15\n2 2026-06-15\n4 2026-06-15\n"),
    ];
    let place = Place::new(&policy_text("int", &rules, ""), &registers);
    let wanted = request("a:int");
    let none = "[]";
    check(&place, none, FIVE, &wanted, &["1 10", "1 11", "5 50"], "3/7, type_one 3/2, national 1/1");
    let lifted = r#"["include_t1oo"]"#;
    check(&place, lifted, FIVE, &wanted, &["1 10", "1 11", "2 20", "4 40", "4 41", "5 50"], "6/7, national 1/1");
    let lifted = r#"["include_ndoo"]"#;
    check(&place, lifted, FIVE, &wanted, &["1 10", "1 11", "3 30", "5 50"], "4/7, type_one 3/2");
    let lifted = r#"["include_t1oo", "include_ndoo"]"#;
    let all = ["1 10", "1 11", "2 20", "3 30", "4 40", "4 41", "5 50"];
    check(&place, lifted, FIVE, &wanted, &all, "7/7");
    // In no order, a patient counts once all the same.
    let shuffled = "patient_id:int a:int\n4 41\n5 50\n2 20\n4 40\n1 11\n2 21\n1 10\n";
    let (found, removals) = {
        place.tables.put_rows("patients.parquet", &rows(shuffled), Written::default());
        place.scan(none, &wanted)
    };
    let mut found = found.unwrap();
    found.sort();
    assert_eq!(
        (found, counted(&removals).as_str()),
        (["1 10", "1 11", "5 50"].map(str::to_owned).to_vec(), "3/7, type_one 4/2")
    );
}

/// Patients: 1 stays; 2 moved on from an activated practice; 3 never was at one; 4 left and went nowhere; 5 was at a
/// practice that was switched off.
fn activation_place() -> Place {
    let tables = "[practice_activation.tables.\"core.registrations\"]\npractice_column = \"practice\"\n";
    let registers = [
        ("practices.arrow", "practice:int off:date of:date\n7 - 2026-06-15\n8 2026-01-01 2026-06-15\n"),
        (
            "registrations.parquet",
            "patient:int practice:int end:moment of:date\n\
             5 8 - 2026-06-15\n1 7 - 2026-06-15\n2 7 2020-05-05T12:00:00 2026-06-15\n2 9 - 2026-06-15\n\
             3 9 9999-12-31T00:00:00 2026-06-15\n4 7 2020-05-05T00:00:00 2026-06-15\n",
        ),
    ];
    Place::new(&policy_text("int", &[("practice_activation", activation().as_str())], tables), &registers)
}

const EVENTS: &str = "patient_id:int d:date a:str\n1 2026-01-01 x\n1 - x\n2 2020-05-05 x\n2 2020-05-06 bad\n2 - bad\n\
                      3 2020-01-01 bad\n4 2026-01-01 y\n5 2020-01-01 bad\n";

#[test]
fn practice_activation_hides_patients_and_rows() {
    let place = activation_place();
    let by_date = TableRequest { activation: TableActivation::ByColumn("d".into()), ..request("a:str") };
    // What is wrong with hidden rows is hidden with them.
    let by_date = with_categories(by_date, "a", str_categories(&["x", "y"]));
    check(&place, "[]", EVENTS, &by_date, &["1 x", "2 x", "4 y"], "3/8, practice_activation 5/4");
    let with_date = TableRequest { activation: TableActivation::ByColumn("d".into()), ..request("d:date a:str") };
    let seen = ["1 2026-01-01 x", "2 2020-05-05 x", "4 2026-01-01 y"];
    check(&place, "[]", EVENTS, &with_date, &seen, "3/8, practice_activation 5/4");
    let not_gp = request("d:date");
    let seen = ["1 ", "1 2026-01-01", "2 ", "2 2020-05-05", "2 2020-05-06", "4 2026-01-01"];
    for format in FORMATS {
        place.tables.put_rows(format, &rows(EVENTS), Written::default());
        let mut found = place.scan("[]", &not_gp).0.unwrap();
        found.sort();
        assert_eq!(found, seen, "{format}");
        fs::remove_file(place.tables.path().join(format)).unwrap();
    }
    let lines = "patient_id:int practice:int\n1 7\n1 9\n2 -\n3 7\n4 8\n";
    let unstated = TableActivation::Unstated;
    let registrations = TableRequest {
        name: "ehrql.tables.core.registrations".into(),
        activation: unstated.clone(),
        ..request("practice:int")
    };
    check(&place, "[]", lines, &registrations, &["1 7"], "1/5, practice_activation 4/4");
    check(&place, r#"["include_gp_unactivated"]"#, lines, &registrations, &["1 7", "1 9", "2 ", "3 7", "4 8"], "5/5");
    place.tables.put_rows("patients.parquet", &rows(lines), Written::default());
    let enclave = place.tables.enclave_with(place.verify("[]").unwrap(), options());
    let refused = run(&enclave, &TableRequest { activation: unstated, ..request("practice:int") }, None).unwrap_err();
    let text = "table `ehrql.tables.core.patients`: neither the catalogue nor the policy says how practice activation \
                applies to `core.patients`: state it in the policy under \
                [practice_activation.tables.\"core.patients\"]";
    assert_eq!(refused, text);
    let without = TableRequest { activation: TableActivation::ByColumn("e".into()), ..request("practice:int") };
    let refused = run(&enclave, &without, None).unwrap_err();
    assert!(refused.contains("has no column `e`"), "{refused}");
}

#[test]
fn keys_of_every_type() {
    for (key, key_type, kind) in
        [("int", KeyType::Int, "int"), ("bytes16", KeyType::Bytes16, "bytes16"), ("text", KeyType::Text, "str")]
    {
        let rules = [("type_one", type_one("has_opted_out"))];
        let rules: Vec<(&str, &str)> = rules.iter().map(|(rule, text)| (*rule, text.as_str())).collect();
        let listed = format!("patient:{kind} of:date\n2 2026-06-15\n");
        let place = Place::new(&policy_text(key, &rules, ""), &[("type_one.parquet", &listed)]);
        let lines = format!("patient_id:{kind} a:int\n1 10\n2 20\n2 21\n3 30\n");
        let patient_key = PatientKeyColumn::of("patient_id".into(), key_type);
        let wanted = TableRequest { patient_key: Some(patient_key), ..request("a:int") };
        for format in FORMATS {
            if key_type == KeyType::Bytes16 && FileFormat::of_path(Path::new(format)).unwrap() >= FileFormat::Csv {
                continue;
            }
            place.tables.put_rows(format, &rows(&lines), Written::default());
            let (found, removals) = place.scan("[]", &wanted);
            let seen: Vec<i64> =
                found.unwrap().iter().map(|row| row.rsplit(' ').next().unwrap().parse().unwrap()).collect();
            assert_eq!((seen, counted(&removals).as_str()), (vec![10, 30], "2/4, type_one 2/1"), "{key} {format}");
            fs::remove_file(place.tables.path().join(format)).unwrap();
        }
        // A table that is known by other keys cannot be held against the register.
        let other = if key_type == KeyType::Int { KeyType::Text } else { KeyType::Int };
        let patient_key = PatientKeyColumn::of("patient_id".into(), other);
        let wanted =
            TableRequest { patient_key: Some(patient_key), location: Location::Given(patients([1])), ..request("") };
        let enclave = place.tables.enclave_with(place.verify("[]").unwrap(), options());
        let refused = run(&enclave, &wanted, None).unwrap_err();
        assert!(refused.contains("its patients are known by"), "{refused}");
    }
}

/// A place with a Type 1 register in which patients 2 and 77 are, and a patient table of 1, 2 and 3.
fn three_patients(rules: &[(&str, &str)], tables: &str) -> Place {
    let text = policy_text("int", rules, tables);
    let place = Place::new(&text, &[("type_one.parquet", "patient:int of:date\n2 2026-06-15\n77 2026-06-15\n")]);
    place.tables.put_rows("patients.csv", &patients([1, 2, 3]), Written::default());
    place
}

#[test]
fn patients_whom_only_a_definition_brings_do_not_exist() {
    let (out, not_out) = (type_one("has_opted_out"), type_one("has_not_opted_out"));
    for (lists, permissions, expected) in
        [(&out, "[]", vec!["1", "3"]), (&not_out, "[]", vec!["2"]), (&out, "[\"include_t1oo\"]", vec!["1", "2", "3"])]
    {
        let (place, study) = (three_patients(&[("type_one", lists)], ""), Tables::new());
        let enclave = place.tables.enclave_with(place.verify(permissions).unwrap(), study.options());
        // Of 10,000 patients that somebody made up, those whom the extract has.
        let brought = given(patients(1..=10_000), "");
        assert_eq!(run(&enclave, &brought, None).unwrap(), expected, "{lists} {permissions}");
        study.put_rows("rows.csv", &patients(1..=10_000), Written::default());
        let brought = file("rows.csv".into(), "");
        assert_eq!(run(&enclave, &brought, None).unwrap(), expected, "{lists} {permissions}");
        assert!(enclave.source_files().unwrap().iter().any(|file| file.name == "patients.csv"));
    }
    assert_eq!(ColumnType::Day.arrow_type(), ColumnType::Date.arrow_type());
}

#[test]
fn where_nobody_says_who_is_a_patient_a_definition_brings_nobody() {
    let place = three_patients(&[("type_one", &type_one("has_opted_out"))], "");
    fs::remove_file(place.tables.path().join("patients.csv")).unwrap();
    let enclave = place.tables.enclave_with(place.verify("[]").unwrap(), place.tables.options());
    insta::assert_snapshot!(run(&enclave, &given(patients([1]), ""), None).unwrap_err());
}

#[test]
fn a_definition_reads_no_file_of_the_extract() {
    let place = three_patients(&[("type_one", &type_one("has_opted_out"))], "");
    let enclave = place.tables.enclave_with(place.verify("[]").unwrap(), place.tables.options());
    // The study's folder is the extract's here: whatever is in it is kept from the study.
    let refused = ["patients.csv", "type_one.parquet", "../patients.csv", "/etc/passwd"].map(|path| {
        let path = std::path::PathBuf::from(path);
        let request = TableRequest { location: Location::File { path, format: FileFormat::Csv }, ..request("") };
        run(&enclave, &request, None).unwrap_err()
    });
    insta::assert_snapshot!(refused.join("\n"));
}
