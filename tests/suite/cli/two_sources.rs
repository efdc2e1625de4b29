//! A GP supplier's extract and a registry's own, in one source file: `[[linked]]`.

use super::linked::{DEATHS, PATIENTS, POLICY, STUDY, manifest, manifest_of_deaths, sealed};
use super::place;
use super::sandbox::Sandbox;

const GP: &str = r#"
[missing."ehrql.tables.core.ons_deaths"]
because = "it comes from the registry"

[raw.people]
patient_key = "person"
activation = "not applied"
[raw.people.columns]
born = { class = "date", type = "date" }
"#;

const REGISTRY_MISSING: &str = r#"
[missing."ehrql.tables.core.patients"]
because = "it comes from the GP supplier"
"#;

const SOURCE: &str = r#"peristyle_source = 1
connector = "./gp"
location = "gp-extract"
policy = "policy.toml"
ledger = "ledger.jsonl"

[[linked]]
connector = "./registry"
location = "registry-extract"

[linked.tables.deaths]
files = "deaths-*.csv"
"#;

/// Both extracts have a table `people`, of different columns. Patient 2 has opted out; 3 and 4 have one pseudonym.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("gp/manifest.toml", manifest("name = \"gp\"\neverybody = \"people\"\n", GP));
    sandbox.write("gp/views/ehrql.tables.core.patients.sql", PATIENTS);
    sandbox.write("registry/manifest.toml", manifest_of_deaths("name = \"registry\"\n", REGISTRY_MISSING, ""));
    sandbox.write("registry/views/ehrql.tables.core.ons_deaths.sql", DEATHS);
    sandbox.write("policy.toml", POLICY);
    sandbox.write("source.toml", SOURCE);
    let people: String = (1..=7).map(|person| format!("{person},195{person}-01-01\n")).collect();
    sandbox.write("gp-extract/people.csv", format!("person,born\n{people}"));
    sealed(&sandbox, "registry-extract/people.csv", "person,pseudonym\n1,a\n2,b\n3,c\n4,c\n6,f\n7,g\n");
    sandbox.write("registry-extract/deaths-2020a.csv", "pseudonym,died\na,2020-01-01\nb,2020-02-02\n");
    sandbox.write("registry-extract/deaths-2020b.csv", "pseudonym,died\nc,2020-03-03\nz,2020-06-06\n");
    sealed(&sandbox, "type-one.csv", "person\n2\n");
    sandbox.study("study.json", STUDY);
    sandbox
}

#[test]
fn two_extracts_answer_as_one() {
    let sandbox = sandbox();
    let run = |line: &str| {
        let run = sandbox.run(line);
        assert_eq!(run.status, Some(0), "{}{}", run.stdout, run.stderr);
        run
    };
    run("policy begin source.toml --by Nobody");
    run("generate-dataset study.json --source source.toml --project flu --output seen.csv");
    assert_eq!(sandbox.read("seen.csv"), "patient_id,died\r\n1,2020-01-01\r\n3,\r\n4,\r\n5,\r\n6,\r\n7,\r\n");
    let files = sandbox.read("ledger.jsonl");
    for name in ["gp/people.csv", "registry/people.csv", "registry/deaths-2020b.csv"] {
        assert!(files.contains(&format!("\"{name}\"")), "{name}: {files}");
    }
    let checked = run("source check source.toml");
    insta::assert_snapshot!(place::transcript(&sandbox, &checked));
}

#[test]
fn what_is_wrong_in_a_linked_source_is_told_of_it() {
    let mut text = String::new();
    for (title, from, to) in [
        ("no such folder", "registry-extract", "registry"),
        ("no such connector", "./registry", "./registrar"),
        ("no connector", "connector = \"./registry\"\n", ""),
        ("tables of the catalogue's shape", "./registry", "user-facing"),
        ("the same connector twice", "./registry", "./gp"),
        ("a slip of the pen", "location = \"registry-extract\"", "locations = \"registry-extract\""),
        ("no file of a pattern", "deaths-*", "died-*"),
    ] {
        let sandbox = sandbox();
        assert_eq!(sandbox.run("policy begin source.toml --by Nobody").status, Some(0));
        place::change(&sandbox, "source.toml", from, to);
        let run = sandbox.run("generate-dataset study.json --source source.toml --project flu --output seen.csv");
        assert_ne!(run.status, Some(0), "{title}");
        text += &format!("{title}\n{}\n", sandbox.transcript(&run));
    }
    insta::assert_snapshot!(text);
}
