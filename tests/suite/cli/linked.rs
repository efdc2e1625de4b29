//! A source that knows people by a key of its own, through the binary: what is seen, recorded and refused.

use peristyle_policy::Digest;

use super::sandbox::Sandbox;

/// What a connector of a clinic says of itself: of the core tables it has patients, deaths or both.
const BEGINNING: &str = r#"peristyle_connector = 1
patient_key = "int"
modules = ["ehrql.tables.core"]
"#;

/// Of the core tables that no test here has.
const MISSING: &str = r#"
[missing."ehrql.tables.core.clinical_events"]
because = "not in this test"
[missing."ehrql.tables.core.medications"]
because = "not in this test"
[missing."ehrql.tables.core.practice_registrations"]
because = "not in this test"
"#;

/// Deaths by a pseudonym, and the table of people that links it; the columns of that table go on.
const DEATHS_AND_PEOPLE: &str = r#"
[link.person]
table = "people"
column = "pseudonym"
patients = "one"

[raw.deaths]
linked = { by = "person", column = "pseudonym" }
activation = "not applied"
[raw.deaths.columns]
pseudonym = { class = "link_key", type = "str" }
died = { class = "date", type = "date" }

[raw.people]
patient_key = "person"
activation = "not applied"
[raw.people.columns]
pseudonym = { class = "link_key", type = "str" }
"#;

/// A manifest that begins with `named` and goes on with `more`, after what all of them say.
pub(super) fn manifest(named: &str, more: &str) -> String {
    format!("{BEGINNING}{named}{MISSING}{more}")
}

/// As [`manifest`], of a connector that has deaths.
pub(super) fn manifest_of_deaths(named: &str, missing: &str, more: &str) -> String {
    manifest(named, &format!("{missing}{DEATHS_AND_PEOPLE}{more}"))
}

pub(super) const PATIENTS: &str = "SELECT \"person\" AS patient_id, \"born\" AS date_of_birth FROM \"people\"";
pub(super) const DEATHS: &str = "SELECT p.\"person\" AS patient_id, d.\"died\" AS date FROM \"deaths\" d \
                      JOIN \"people\" p ON d.\"pseudonym\" = p.\"pseudonym\"";

pub(super) const POLICY: &str = r#"peristyle_policy = 1
name = "clinic"
patient_key = "int"

[type_one]
applied = true
lifted_by = ["include_t1oo"]
[type_one.register]
file = "type-one.csv"
lists = "has_opted_out"
key_column = "person"
least_count = 1
greatest_fall_percent = 20
least_found_percent = 50
max_age_days = 2
as_of = { file_modified = true }

[national]
applied = false
because = "not in this test"
[practice_activation]
applied = false
because = "not in this test"

[link.person]
least_count = 3
greatest_fall_percent = 10
least_found_percent = 50
max_age_days = 2
as_of = { file_modified = true }

[counts]
file = "state/counts.json"
key_file = "state/counts.key"
reference_days = 31

[disclosure_control]
locked = true
judged_by = "people"
"#;

const SOURCE: &str = "peristyle_source = 1\nconnector = \"./clinic\"\nlocation = \"extract\"\npolicy = \"policy.toml\"\n\
                      ledger = \"ledger.jsonl\"\n";

/// Patient 2 has opted out; 3 and 4 have one pseudonym; 5 has none.
const PEOPLE: &str = "person,pseudonym,born\n1,a,1950-01-01\n2,b,1951-01-01\n3,c,1952-01-01\n4,c,1953-01-01\n5,,1954-01-01\n\
                      6,f,1955-01-01\n7,g,1956-01-01\n";
const DIED: &str = "pseudonym,died\na,2020-01-01\nb,2020-02-02\nc,2020-03-03\n,2020-05-05\nz,2020-06-06\n";

pub(super) const STUDY: &str = "
patients patients
  patient | date_of_birth:date
patients ons_deaths
  patient | date:date
population = patients.exists_for_patient()
died = ons_deaths.date
";
const NO_DEATHS: &str = "
patients patients
  patient | date_of_birth:date
population = patients.exists_for_patient()
born = patients.date_of_birth
";

fn place() -> Sandbox {
    let sandbox = Sandbox::new();
    let born = "born = { class = \"date\", type = \"date\" }\n";
    let named = "name = \"clinic\"\neverybody = \"people\"\n";
    sandbox.write("clinic/manifest.toml", manifest_of_deaths(named, "", born));
    sandbox.write("clinic/views/ehrql.tables.core.patients.sql", PATIENTS);
    sandbox.write("clinic/views/ehrql.tables.core.ons_deaths.sql", DEATHS);
    sandbox.write("policy.toml", POLICY);
    sandbox.write("source.toml", SOURCE);
    sandbox.write("extract/deaths.csv", DIED);
    sealed(&sandbox, "extract/people.csv", PEOPLE);
    sealed(&sandbox, "type-one.csv", "person\n2\n");
    sandbox.study("study.json", STUDY);
    sandbox.study("no-deaths.json", NO_DEATHS);
    sandbox
}

/// A file with its digest beside it.
pub(super) fn sealed(sandbox: &Sandbox, name: &str, text: &str) {
    sandbox.write(name, text);
    sandbox.write(&format!("{name}.sha256"), format!("{}  {name}\n", Digest::of(text.as_bytes())));
}

#[test]
fn deaths_by_a_pseudonym_are_those_of_patients_who_may_be_seen() {
    let sandbox = place();
    let run = |line: &str| {
        let run = sandbox.run(line);
        assert_eq!(run.status, Some(0), "{}{}", run.stdout, run.stderr);
        run
    };
    let rows = |name: &str| sandbox.read(name).lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let begun = run("policy begin source.toml --by Nobody").stdout;
    assert!(begun.contains("link.person") && begun.contains("type_one.register"), "{begun}");
    run("policy check source.toml");
    run("generate-dataset study.json --source source.toml --project flu --output seen.csv");
    assert_eq!(rows("seen.csv"), ["1,2020-01-01", "3,", "4,", "5,", "6,", "7,"]);
    let lifted = "--permissions [\"include_t1oo\"] --output lifted.csv";
    run(&format!("generate-dataset study.json --source source.toml --project flu {lifted}"));
    assert_eq!(rows("lifted.csv"), ["1,2020-01-01", "2,2020-02-02", "3,", "4,", "5,", "6,", "7,"]);
    let shown = run("audit show ledger.jsonl").stdout;
    for told in ["link.person", "rows of no one patient, of table"] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    let deaths: Vec<&str> = shown.lines().map(str::trim).filter(|line| line.starts_with("deaths ")).collect();
    let words = |line: &&str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let deaths: Vec<String> = deaths.iter().map(words).collect();
    // Read, passed, by rule; then rows of no one patient: of c, z and nobody at all.
    assert_eq!(deaths, ["deaths 5 1 1 of 1 – –", "deaths 3 2", "deaths 5 2 – – –", "deaths 3 2"], "{shown}");
    run("audit verify ledger.jsonl");
    let explained = run("explain study.json --source source.toml --project flu").stdout;
    assert!(explained.contains("table=deaths"), "{explained}");
}

#[test]
fn links_that_are_not_trusted_refuse_who_needs_them_and_nobody_else() {
    let sandbox = place();
    assert_eq!(sandbox.run("policy begin source.toml --by Nobody").status, Some(0));
    let mut said = String::new();
    let mut study = |what: &str, name: &str, status: i32| {
        let run =
            sandbox.run(&format!("generate-dataset {name} --source source.toml --project flu --output answer.csv"));
        assert_eq!(run.status, Some(status), "{what}: {}", run.stderr);
        said += &format!("{what}\n{}\n", sandbox.transcript(&run));
    };
    let (without, with) = POLICY.split_once("[link.person]").expect("a link");
    let without = format!("{without}{}", with.split_once("\n\n").expect("more").1);
    sandbox.write("policy.toml", without);
    study("the policy does not speak of the link", "study.json", 14);
    study("which is nothing to who does not need it", "no-deaths.json", 0);
    sandbox.write("policy.toml", POLICY);
    sandbox.write("extract/people.csv", PEOPLE.replace("7,g,", "7,,"));
    study("text that is not what its digest says", "study.json", 14);
    sealed(&sandbox, "extract/people.csv", &PEOPLE.replace("7,g,", "7,,"));
    study("fallen by more than the policy allows", "study.json", 14);
    study("which is nothing to who does not need it", "no-deaths.json", 0);
    let accepted = sandbox.run("policy accept source.toml --register link.person --by Nobody --count 4");
    assert_eq!(accepted.status, Some(0), "{}", accepted.stderr);
    study("until a person accepts it", "study.json", 0);
    insta::assert_snapshot!(said);
}
