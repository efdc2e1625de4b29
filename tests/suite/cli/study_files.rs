//! Files that a definition names, over real records: those of the study's folder, and no others.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use serde_json::json;

use super::place::{change, outcome, place, transcript};
use super::sandbox::Sandbox;

/// A dataset of the rows of a file: everybody in it, and its column `x`.
fn rows_of(sandbox: &Sandbox, path: &str) {
    let spec = |name: &str, nullable: bool| {
        let kind = json!({"type": "int"});
        let bounds =
            json!({"type": kind, "nullable": nullable, "categories": null, "min_value": null, "max_value": null});
        json!([name, {"ColumnSpec": bounds}])
    };
    let reader = json!({"CSVRowsReader": {
        "filename": {"Path": path},
        "column_specs": {"dict": [spec("patient_id", false), spec("x", true)]},
        "allow_missing_columns": true,
    }});
    let constraints = json!({"tuple": []});
    let column = json!({"Column": {
        "type_": {"type": "int"}, "constraints": constraints, "dummy_data_constraints": constraints,
    }});
    let table = json!({"InlinePatientTable": {"rows": reader, "schema": {"TableSchema": {"x": column}}}});
    let document = json!({
        "value": {"Dataset": {
            "population": {"AggregateByPatient.Exists": {"source": {"ref": "1"}}},
            "variables": {"dict": [["x", {"SelectColumn": {"source": {"ref": "1"}, "name": "x"}}]]},
            "events": {"dict": []},
            "measures": null,
        }},
        "1": table,
    });
    sandbox.write("study.json", document.to_string());
}

/// A place with a study in a folder of its own.
fn with_study() -> Sandbox {
    let sandbox = place();
    // Patients 2, 4 and 7 are hidden here, 99 is in no table.
    let rows: String = [1, 2, 3, 4, 5, 7, 8, 99].iter().map(|patient| format!("{patient},{patient}0\n")).collect();
    sandbox.write("study/rows.csv", format!("patient_id,x\n{rows}"));
    sandbox
}

const RUN: &str = "generate-dataset study.json --source source.toml --project flu --output out.csv --root study";

#[test]
fn a_definition_s_files_are_those_of_its_study() {
    let sandbox = with_study();
    let path = |name: &str| sandbox.path(name).display().to_string();
    symlink(sandbox.path("tables/patients.csv"), sandbox.path("study/link.csv")).expect("a link");
    symlink(sandbox.path("tables"), sandbox.path("study/linked")).expect("a link");
    for (kept, name) in [
        ("tables/patients.csv", "table"),
        ("tables/clinical_events.csv", "unasked-table"),
        ("registers/national.csv", "register"),
        ("registers/type-one.csv.sha256", "digest"),
        ("policy.toml", "policy"),
        ("source.toml", "source"),
        ("ledger.jsonl", "ledger"),
        ("ledger.jsonl.anchor", "anchor"),
        ("state/counts.json", "counts"),
        ("state/counts.key", "key"),
        ("out.csv", "answer"),
    ] {
        if kept == "out.csv" {
            sandbox.write(kept, "patient_id,x\n1,1\n");
        }
        fs::hard_link(sandbox.path(kept), sandbox.path(&format!("study/{name}.csv"))).expect("a link");
    }
    let made = Command::new("mkfifo").arg(sandbox.path("study/pipe.csv")).status().expect("mkfifo");
    assert!(made.success());
    let _socket = UnixListener::bind(sandbox.path("study/socket.csv")).expect("a socket");
    let before = sandbox.read("out.csv");
    let mut told = Vec::new();
    for file in [
        "rows.csv",
        "./rows.csv",
        "deep/../rows.csv",
        &path("study/rows.csv"),
        "../study/rows.csv",
        "../tables/patients.csv",
        &path("tables/patients.csv"),
        &path("tables/nowhere.csv"),
        "/proc/self/environ",
        "link.csv",
        "linked/patients.csv",
        "table.csv",
        "unasked-table.csv",
        "register.csv",
        "digest.csv",
        "policy.csv",
        "source.csv",
        "ledger.csv",
        "anchor.csv",
        "counts.csv",
        "key.csv",
        "answer.csv",
        "pipe.csv",
        "socket.csv",
        "nowhere.csv",
    ] {
        rows_of(&sandbox, file);
        let run = sandbox.run(RUN);
        let why = run.stderr.split("cannot be read (").nth(1).unwrap_or_default().split(')').next().unwrap_or_default();
        let file = file.replace(&path(""), "FOLDER/");
        told.push(format!("{file}: {} {why} [{}]", run.status.expect("an exit"), outcome(&sandbox)));
        if run.status == Some(0) {
            // Who may be seen, and no more.
            assert_eq!(sandbox.read("out.csv").replace('\r', ""), "patient_id,x\n1,10\n5,50\n8,80\n", "{file}");
            sandbox.write("out.csv", &before);
            let _ = fs::remove_file(sandbox.path("study/answer.csv"));
            fs::hard_link(sandbox.path("out.csv"), sandbox.path("study/answer.csv")).expect("a link");
        } else {
            assert_eq!(sandbox.read("out.csv"), before, "{file}");
        }
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn the_study_s_folder_is_named_under_a_policy() {
    let sandbox = with_study();
    rows_of(&sandbox, "study/rows.csv");
    let run = sandbox.run("generate-dataset study.json --source source.toml --project flu --output out.csv");
    let mut text = transcript(&sandbox, &run);
    text += &format!("recorded: {}\n\n", outcome(&sandbox));
    text += &transcript(&sandbox, &sandbox.run("explain study.json --source source.toml --project flu"));
    insta::assert_snapshot!(text);
    // Over made-up records the current folder is the study's.
    let run = sandbox.run("generate-dataset study.json --dummy-tables tables --output out.csv");
    assert_eq!(run.status, Some(0), "{run:?}");
    assert_eq!(sandbox.read("out.csv").lines().count(), 9, "nobody is hidden among people who do not exist");
}

/// Without a table of patients nobody could say whom a definition makes up.
#[test]
fn a_definition_brings_nobody_where_there_is_no_patient_table() {
    let sandbox = with_study();
    rows_of(&sandbox, "rows.csv");
    change(&sandbox, "source.toml", "location = \"tables\"", "location = \"others\"");
    sandbox.write("others/clinical_events.csv", "patient_id,date,numeric_value\n");
    let run = sandbox.run(RUN);
    assert_eq!(run.status, Some(13), "{run:?}");
    insta::assert_snapshot!(transcript(&sandbox, &run));
}
