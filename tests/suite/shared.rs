//! What the project's shared folder holds, where there is one: ehrQL's recorded cases and real studies.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value as Json;

use crate::cells::Cell;
use crate::cli::Sandbox;
use crate::oracle;
use crate::tables::{Answer, Table};

/// `../shared/ehrql` beside the project; says so if it is not there.
pub(crate) fn shared(test: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/ehrql");
    match path.canonicalize() {
        Ok(path) => Some(path),
        Err(_) => {
            eprintln!("\n!!! {test}: NOT RUN, since {} is not there !!!\n", path.display());
            None
        }
    }
}

#[test]
fn recorded_cases_pass() {
    let Some(shared) = shared("recorded_cases_pass") else { return };
    for name in ["spec", "generated"] {
        let sandbox = Sandbox::new();
        let file = shared.join(format!("vectors/{name}.jsonl.gz"));
        let run = sandbox.run(&format!("conformance {}", file.display()));
        assert_eq!(run.status, Some(0), "{name}:\n{}{}", run.stdout, run.stderr);
        let cases = lines(&file).len();
        assert!(run.stdout.ends_with(&format!("{cases} passed, 0 failed\n")), "{}", run.stdout);
    }
}

/// The oracle is only worth what it knows: ehrQL's own answers.
#[test]
fn the_oracle_agrees_with_recorded_cases() {
    let Some(shared) = shared("the_oracle_agrees_with_recorded_cases") else { return };
    let mut compared = 0;
    for (name, tolerance) in [("spec", 1e-9), ("generated", 1e-5)] {
        for line in lines(&shared.join(format!("vectors/{name}.jsonl.gz"))) {
            // The order of an inline table's columns is lost on the way through `serde_json`, and files are not read.
            if line.contains("\"InlinePatientTable\"") {
                continue;
            }
            let case: Json = serde_json::from_str(&line).expect("a case");
            let tables: Vec<Table> =
                case["tables"].as_array().expect("tables").iter().map(Table::from_vector).collect();
            let (answers, expected) = if case["kind"] == "measures" {
                (oracle::measures(&case["definition"], &tables).answers, vec![case["expected"].clone()])
            } else {
                let expected = case["expected"].as_array().expect("tables").clone();
                (oracle::dataset(&case["definition"], &tables).answers, expected)
            };
            assert_eq!(answers.len(), expected.len(), "{}", case["id"]);
            for (answer, expected) in answers.into_iter().zip(&expected) {
                let expected = Answer { rows: recorded_rows(expected), ..answer.clone() };
                let answer = Answer { rows: answer.rows.into_iter().map(untyped_row).collect(), ..expected.clone() };
                assert!(answer.same_rows(&expected, tolerance), "{}\n{expected}\n{answer}", case["id"]);
            }
            compared += 1;
        }
    }
    assert!(compared > 300, "{compared} cases");
}

fn recorded_rows(expected: &Json) -> Vec<Vec<Cell>> {
    let rows = expected["rows"].as_array().expect("rows").iter();
    rows.map(|row| untyped_row(row.as_array().expect("a row").iter().map(|cell| Cell::from_json(cell, "")).collect()))
        .collect()
}

/// Whole numbers as floats, dates as text: a record does not tell which is which.
fn untyped_row(row: Vec<Cell>) -> Vec<Cell> {
    row.into_iter()
        .map(|cell| match cell {
            Cell::Int(value) => Cell::Float(value as f64),
            Cell::Date(_) => Cell::Str(cell.to_string()),
            other => other,
        })
        .collect()
}

pub(crate) fn lines(path: &Path) -> Vec<String> {
    let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    BufReader::new(GzDecoder::new(file)).lines().map(|line| line.expect("a line")).collect()
}

#[test]
fn real_studies_give_the_answers_of_ehrql() {
    let Some(shared) = shared("real_studies_give_the_answers_of_ehrql") else { return };
    let mut studies: Vec<PathBuf> = fs::read_dir(shared.join("studies"))
        .expect("studies")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("expected").is_dir())
        .collect();
    studies.sort();
    assert!(!studies.is_empty(), "there are studies");
    for study in studies {
        let expected = csv_files(&study.join("expected"));
        let measures = expected.contains_key("measures");
        let (command, output) = match (measures, expected.len()) {
            (true, _) => ("generate-measures --disclosure-control off", "out/measures.csv"),
            (false, 1) => ("generate-dataset", "out/dataset.csv"),
            (false, _) => ("generate-dataset", "out/:csv"),
        };
        let sandbox = Sandbox::new();
        let (definition, tables) = (study.join("definition.json"), study.join("tables"));
        let line = format!("{command} {} --dummy-tables {} --output {output}", definition.display(), tables.display());
        let run = sandbox.run(&line);
        assert_eq!(run.status, Some(0), "{}:\n{}", study.display(), run.stderr);
        let actual = csv_files(&sandbox.path("out"));
        assert_eq!(actual.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{}", study.display());
        for (name, expected) in &expected {
            same_csv(&format!("{}, {name}", study.display()), expected, &actual[name]);
        }
    }
}

/// The text of each CSV file in a folder, by name without ending.
fn csv_files(folder: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let mut text = String::new();
            fs::File::open(&path).expect("a file").read_to_string(&mut text).expect("text");
            (path.file_stem().expect("a name").to_string_lossy().into_owned(), text)
        })
        .collect()
}

/// Compares as multisets of rows, floats but for the last digits.
fn same_csv(what: &str, expected: &str, actual: &str) {
    let header = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let rows = |text: &str| {
        let mut rows: Vec<Vec<String>> =
            text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect();
        rows.sort();
        rows
    };
    assert_eq!(header(expected), header(actual), "{what}");
    let (expected, actual) = (rows(expected), rows(actual));
    assert_eq!(expected.len(), actual.len(), "{what}: number of rows");
    for (expected, actual) in expected.iter().zip(&actual) {
        let close = expected.len() == actual.len() && expected.iter().zip(actual).all(|(a, b)| same_text(a, b));
        assert!(close, "{what}:\n  expected {expected:?}\n  actual   {actual:?}");
    }
}

fn same_text(a: &str, b: &str) -> bool {
    a == b
        || match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => Cell::Float(a).is_close(&Cell::Float(b), 1e-9),
            _ => false,
        }
}
