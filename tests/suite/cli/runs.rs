//! `explain` and `demo`.

use super::sandbox::{Sandbox, transcripts};

#[test]
fn explain_shows_graph_scans_and_operators() {
    let sandbox = Sandbox::new();
    sandbox.study(
        "study.json",
        "
patients patients
  patient | date_of_birth:date | sex:str
  1       | 1970-01-01         | female
events clinical_events
  patient | date:date  | snomedct_code:SNOMEDCTCode | numeric_value:float
  1       | 2020-05-01 | 111111                     | 1.5
population = patients.date_of_birth < 2000-01-01
let coded = clinical_events.where(date >= 2020-01-01 and snomedct_code.is_in({SNOMEDCTCode(\"111111\")}))
last = coded.sort_by(date).last_for_patient().numeric_value
count = coded.count_for_patient()
",
    );
    let lines = ["explain study.json --threads 2", "explain study.json --dummy-tables absent"];
    let text = transcripts(&sandbox, &lines);
    // Where the empty tables were made.
    let text: String = text.lines().map(|line| format!("{}\n", without_temporary_folder(line))).collect();
    insta::assert_snapshot!(text);
}

fn without_temporary_folder(line: &str) -> String {
    let temporary = std::env::temp_dir().to_string_lossy().into_owned();
    match line.split_once(&format!("{temporary}/")) {
        Some((before, after)) => {
            let rest = after.split_once('/').map_or("", |(_, rest)| rest);
            format!("{before}[TEMPORARY]/{rest}")
        }
        None => line.to_owned(),
    }
}

/// The last of the exit statuses that a user can bring about.
#[test]
fn a_memory_limit_that_does_not_do() {
    let sandbox = Sandbox::new();
    let run = sandbox.run("synth --patients 3000 --events-per-patient 30 --out tables --unordered");
    assert_eq!(run.status, Some(0), "{run:?}");
    let (document, _) = crate::spec::study(
        "
events clinical_events
  patient | date:date  | numeric_value:float
population = clinical_events.exists_for_patient()
last = clinical_events.sort_by(date).last_for_patient().numeric_value
",
        "ehrql.tables.core",
    );
    sandbox.write("study.json", document.to_string());
    let line = "generate-dataset study.json --dummy-tables tables --output out.csv --threads 2 --memory-limit";
    let runs = [sandbox.run(&format!("{line} 1KiB")), sandbox.run(&format!("{line} 64MiB"))];
    insta::assert_snapshot!(runs.map(|run| sandbox.transcript(&run)).join("\n"));
}

#[test]
fn the_demo_makes_runs_and_shows() {
    let sandbox = Sandbox::new();
    let run = sandbox.run("demo --patients 300");
    assert_eq!(run.status, Some(0), "{run:?}");
    assert_eq!(run.stderr, "", "nothing to complain of");
    for text in [
        "A population of 300 patients",
        "patient_id",
        "interval_start",
        "peristyle-demo/answers",
        "of them were switched off",
        "National opt-outs",
        "without the policy",
        "exit status 12",
        "sound: every line follows from the one before it",
    ] {
        assert!(run.stdout.contains(text), "`{text}` is not in\n{}", run.stdout);
    }
    let made = [
        ".peristyle-demo",
        "answers",
        "audit",
        "definitions",
        "policy.toml",
        "registers",
        "source.toml",
        "state",
        "tables",
    ];
    assert_eq!(sandbox.list("peristyle-demo"), made);
    // A second demo replaces the first, of other patients.
    sandbox.write("peristyle-demo/answers/mine.csv", "1\n");
    let second = sandbox.run("demo --patients 250");
    assert_eq!(second.status, Some(0), "{second:?}");
    assert_eq!(sandbox.read("peristyle-demo/answers/mine.csv"), "1\n");

    // What it made can be run by hand, as it says.
    let again = sandbox.run(
        "generate-dataset peristyle-demo/definitions/dataset.json --dummy-tables peristyle-demo/tables --output d.csv",
    );
    assert_eq!(again.status, Some(0), "{again:?}");
    let rows = sandbox.read("d.csv").lines().count();
    assert!((10..=301).contains(&rows), "{rows} rows");
}

/// A real place has files of the same names as the demo's.
#[test]
fn the_demo_touches_no_folder_that_is_not_its_own() {
    let sandbox = super::place::place();
    assert_eq!(
        sandbox.run("generate-dataset dataset.json --source source.toml --project flu --output a.csv").status,
        Some(0)
    );
    let before = ["ledger.jsonl", "policy.toml", "source.toml", "state/counts.json"].map(|name| sandbox.read(name));
    let listed = sandbox.list(".");
    let run = sandbox.run("demo --patients 250 --out .");
    assert_eq!((run.status, run.stdout.as_str()), (Some(11), ""), "{run:?}");
    insta::assert_snapshot!(run.stderr, @r"
    error: `.` is not empty, and no demo made it: nothing is changed there
    help: give another folder, with --out DIR
    ");
    assert_eq!(
        before,
        ["ledger.jsonl", "policy.toml", "source.toml", "state/counts.json"].map(|name| sandbox.read(name))
    );
    assert_eq!(listed, sandbox.list("."));
    // An empty folder may become the demo's.
    std::fs::create_dir(sandbox.path("empty")).expect("a folder");
    let run = sandbox.run("demo --patients 250 --out empty");
    assert_eq!(run.status, Some(0), "{run:?}");
}
