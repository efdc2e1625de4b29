//! Where the files of a table are, and how their text is written: `[tables.NAME]` of a source file.

use super::place::{self, SOURCE};
use super::sandbox::Sandbox;

const RUN: &str = "generate-dataset dataset.json --source source.toml --project p --output answer.csv";

/// The answer of a place whose tables were laid out otherwise.
fn answer(lay_out: impl FnOnce(&Sandbox) -> String) -> Result<String, String> {
    let sandbox = place::place();
    let parts = lay_out(&sandbox);
    sandbox.write("source.toml", format!("{SOURCE}{parts}"));
    let run = sandbox.run(RUN);
    match run.status {
        Some(0) => Ok(sandbox.read("answer.csv")),
        _ => Err(sandbox.transcript(&run)),
    }
}

/// Moves each row of the events to a file by its first characters, and takes them out of the table's own place.
fn split_events(sandbox: &Sandbox, file: impl Fn(&str) -> String, row: impl Fn(&str) -> String) {
    let text = sandbox.read("tables/clinical_events.csv");
    let (header, rows) = text.split_once('\n').expect("a header");
    let mut files: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for line in rows.lines() {
        let text = files.entry(file(line)).or_insert_with(|| row(header) + "\n");
        *text += &(row(line) + "\n");
    }
    files.iter().for_each(|(name, text)| sandbox.write(&format!("tables/{name}"), text));
    std::fs::remove_file(sandbox.path("tables/clinical_events.csv")).expect("a file");
}

#[test]
fn an_answer_does_not_depend_on_the_layout() {
    let plain = answer(|_| String::new()).expect("an answer");
    assert!(plain.lines().count() > 3, "{plain}");
    let year = |line: &str| line.split(',').nth(1).expect("a date")[..4].to_owned();
    type LayOut<'a> = (&'a str, Box<dyn FnOnce(&Sandbox) -> String + 'a>);
    let layouts: [LayOut<'_>; 6] = [
        (
            "one file under another name",
            Box::new(|sandbox| {
                split_events(sandbox, |_| "all.csv".to_owned(), str::to_owned);
                "[tables.clinical_events]\nfiles = \"all.csv\"\n".to_owned()
            }),
        ),
        (
            "files of a pattern",
            Box::new(|sandbox| {
                split_events(sandbox, |line| format!("events/part-{}.csv", &line[..1]), str::to_owned);
                sandbox.write("tables/events/readme.txt", "no rows");
                "[tables.clinical_events]\nfiles = \"events/part-*.csv\"\n".to_owned()
            }),
        ),
        (
            "partitions that nobody asks for",
            Box::new(|sandbox| {
                split_events(sandbox, |line| format!("events/year={}/part-0.csv", year(line)), str::to_owned);
                "[tables.clinical_events]\nfiles = \"events/year=*/part-*.csv\"\n".to_owned()
            }),
        ),
        (
            "a list of patterns, of which two stand for one file",
            Box::new(|sandbox| {
                split_events(sandbox, |line| format!("{}.csv", year(line)), str::to_owned);
                "[tables.clinical_events]\nfiles = [\"201?.csv\", \"20??.csv\"]\n".to_owned()
            }),
        ),
        (
            "other text",
            Box::new(|sandbox| {
                split_events(sandbox, |_| "events.txt".to_owned(), |line| line.replace(',', "|"));
                "[tables.clinical_events]\nfiles = \"events.txt\"\nformat = \"csv\"\ndelimiter = \"|\"\nquotes = false\n\
                 null = [\"NULL\", \"-\"]\n"
                    .to_owned()
            }),
        ),
        (
            "the day of birth in the path",
            Box::new(|sandbox| {
                let text = sandbox.read("tables/patients.csv");
                for line in text.lines().skip(1) {
                    let cells: Vec<&str> = line.split(',').collect();
                    let file = format!("tables/people/date_of_birth={}/x.csv", cells[1]);
                    sandbox.write(&file, format!("patient_id,sex\n{},{}\n", cells[0], cells[2]));
                }
                std::fs::remove_file(sandbox.path("tables/patients.csv")).expect("a file");
                "[tables.patients]\nfiles = \"people/date_of_birth=*/x.csv\"\n".to_owned()
            }),
        ),
    ];
    for (title, lay_out) in layouts {
        assert_eq!(answer(lay_out).as_ref(), Ok(&plain), "{title}");
    }
}

#[test]
fn columns_without_a_header_and_texts_for_null() {
    let sandbox = place::place();
    let rows = sandbox.read("tables/clinical_events.csv").replace("1.5", "NULL").replace("2018-05-01", "\"NULL\"");
    let (_, rows) = rows.split_once('\n').expect("a header");
    sandbox.write("tables/clinical_events.csv", rows);
    sandbox.write(
        "source.toml",
        format!(
            "{SOURCE}[tables.clinical_events]\ncolumns = [\"patient_id\", \"date\", \"numeric_value\"]\nnull = \"NULL\"\n"
        ),
    );
    let run = sandbox.run(RUN);
    assert_eq!(run.status, Some(0), "{run:?}");
    insta::assert_snapshot!(sandbox.read("answer.csv"));
}

#[test]
fn layouts_that_are_refused() {
    let mut text = String::new();
    for (title, parts) in [
        ("no such file", "[tables.patients]\nfiles = \"people/*.csv\"\n"),
        ("a folder that is not there", "[tables.patients]\nfiles = \"people/year=*/x.csv\"\n"),
        ("out of the extract", "[tables.patients]\nfiles = \"../registers/type-one.csv\"\n"),
        ("files of two formats", "[tables.patients]\nfiles = [\"patients.csv\", \"patients.arrow\"]\n"),
        ("another format", "[tables.patients]\nformat = \"parquet\"\n"),
        ("another delimiter", "[tables.patients]\ndelimiter = \";\"\n"),
        ("too few columns", "[tables.patients]\ncolumns = [\"patient_id\", \"sex\"]\n"),
        ("a slip of the pen", "[tables.patients]\nfile = \"patients.csv\"\n"),
        ("no table", "[table.patients]\nfiles = \"patients.csv\"\n"),
        ("a value that its column may not have", "[tables.patients]\nfiles = \"people/date_of_birth=*/x.csv\"\n"),
    ] {
        let refused = answer(|sandbox| {
            sandbox.write("tables/patients.arrow", "x");
            if title != "files of two formats" {
                std::fs::remove_file(sandbox.path("tables/patients.arrow")).expect("a file");
            }
            if title.starts_with("a value") {
                sandbox.write("tables/people/date_of_birth=markedtext/x.csv", "patient_id,sex\n1,male\n");
            }
            parts.to_owned()
        });
        text += &format!("{title}\n{}\n", refused.expect_err(title));
    }
    insta::assert_snapshot!(text);
}
