//! Columns of the catalogue that the tables of a place lack: an error, but for those that the source file states.

use super::Sandbox;
use super::place::{self, change, place, transcript};

const DEATHS: &str = "
patients patients
  patient | date_of_birth:date | date_of_death:date
population = patients.exists_for_patient()
is_alive = patients.date_of_death.is_null()
";

/// A place whose patients have a column of deaths, and a study that reads it.
fn with_deaths(absent: &str) -> Sandbox {
    let sandbox = place();
    sandbox.write("deaths.json", crate::spec::study(DEATHS, "ehrql.tables.core").0.to_string());
    let patients = sandbox.read("tables/patients.csv");
    let patients = patients.lines().enumerate().map(|(line, row)| match line {
        0 => format!("{row},date_of_death\n"),
        line => format!("{row},{}\n", if line % 2 == 0 { "2020-02-03" } else { "" }),
    });
    sandbox.write("tables/patients.csv", patients.collect::<String>());
    sandbox.write("source.toml", format!("{}{absent}", place::SOURCE));
    sandbox
}

fn answer(sandbox: &Sandbox, study: &str) -> String {
    let run =
        sandbox.run(&format!("generate-dataset {study}.json --source source.toml --project flu --output out.csv"));
    if run.status != Some(0) {
        return transcript(sandbox, &run);
    }
    format!("{study}\n{}\n", sandbox.read("out.csv"))
}

#[test]
fn a_renamed_column_makes_nobody_live_for_ever() {
    let sandbox = with_deaths("");
    let mut text = answer(&sandbox, "deaths");
    for name in ["DateOfDeath", "date_of_death ", "dod"] {
        let sandbox = with_deaths("");
        change(&sandbox, "tables/patients.csv", "date_of_death", name);
        text += &format!("{name}\n{}{}\n", answer(&sandbox, "deaths"), place::outcome(&sandbox));
        // A study that does not need it is answered.
        assert!(answer(&sandbox, "dataset").starts_with("dataset\npatient_id,born"), "{name}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_stated_to_be_absent_reads_as_null() {
    let mut text = String::new();
    for absent in ["core.patients.date_of_death", "tpp.patients.date_of_death", "core.patients", "tpp.isaric"] {
        let sandbox = with_deaths(&format!("absent = [\"{absent}\"]\n"));
        change(&sandbox, "tables/patients.csv", "date_of_death", "dod");
        text += &format!("absent: {absent}\n{}{}\n", answer(&sandbox, "deaths"), place::outcome(&sandbox));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn source_check_tells_what_is_missing_and_what_is_stated() {
    let mut text = String::new();
    for (title, absent, from, to) in [
        ("not stated", "", "date_of_death", "dod"),
        ("stated", "absent = [\"core.patients.date_of_death\"]\n", "date_of_death", "dod"),
        ("stated and there", "absent = [\"core.patients.date_of_death\"]\n", "1971", "1970"),
    ] {
        let sandbox = with_deaths(absent);
        change(&sandbox, "tables/patients.csv", from, to);
        let run = sandbox.run("source check source.toml");
        let told = run.stdout.lines().filter(|line| {
            let starts = ["ERROR", "warning", "not there", "STUDIES", "studies"];
            starts.iter().any(|start| line.starts_with(start)) || line.contains("partly")
        });
        let told: String = told.map(|line| format!("    {line}\n")).collect();
        text += &format!("{title}\n    exit {}\n{told}\n", run.status.unwrap_or(-1));
        let json = sandbox.run("source check source.toml --json");
        let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
        text += &format!("    stated_absent: {}\n\n", json["stated_absent"]);
    }
    insta::assert_snapshot!(text);
}

#[test]
fn statements_that_make_no_sense_are_refused() {
    let mut text = String::new();
    for (connector, absent) in [
        ("user-facing", "[\"isaric\"]"),
        ("user-facing", "[\"tpp.isarik\"]"),
        ("user-facing", "[\"core.patient.date_of_death\"]"),
        ("user-facing", "[\"core.patients.date_of_deth\"]"),
        ("user-facing", "[\"core.patients.patient_id\"]"),
        ("user-facing", "[\"core.patients.sex\"]"),
        ("user-facing", "[\"\"]"),
        ("user-facing", "\"tpp.isaric\""),
        ("tpp", "[\"tpp.isaric\"]"),
    ] {
        let sandbox = with_deaths(&format!("absent = {absent}\n"));
        change(&sandbox, "source.toml", "user-facing", connector);
        let run = sandbox.run("source check source.toml");
        text += &format!("{connector} {absent}\n    exit {} {}", run.status.unwrap_or(-1), run.stderr);
    }
    insta::assert_snapshot!(text);
}
