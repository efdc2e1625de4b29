//! Tables that are not what they must be. No message may hold a value of theirs.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::cells::{Cell, parse_date};
use crate::files::{Format, Layout, RowOrder, write_table};
use crate::tables::{Column, Table};

use super::sandbox::Sandbox;

/// Planted all over the tables. Nobody may ever read one of them on stderr.
const MARKERS: [&str; 6] = ["987654321", "1987-06-05", "31415926", "markedtext", "123412341234", "271828"];

const STUDY: &str = "
patients patients
  patient | date_of_birth:date | sex:str
events clinical_events
  patient | date:date | snomedct_code:SNOMEDCTCode | numeric_value:float
events practice_registrations
  patient | start_date:date | end_date:date | practice_pseudo_id:int
population = patients.exists_for_patient()
born = patients.date_of_birth
sex = patients.sex
value = clinical_events.sort_by(date).last_for_patient().numeric_value
code = clinical_events.sort_by(date).last_for_patient().snomedct_code
practice = practice_registrations.sort_by(start_date).last_for_patient().practice_pseudo_id
ended = practice_registrations.end_date.maximum_for_patient()
";

/// Tables without fault.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.study("study.json", STUDY);
    sandbox
        .write("tables/patients.csv", "patient_id,date_of_birth,sex\n987654321,1987-06-05,female\n2,1987-06-05,male\n");
    sandbox.write(
        "tables/clinical_events.csv",
        "patient_id,date,snomedct_code,numeric_value\n987654321,1987-06-05,123412341234,31415926\n2,1987-06-05,,31415926\n",
    );
    sandbox.write(
        "tables/practice_registrations.csv",
        "patient_id,start_date,end_date,practice_pseudo_id\n987654321,1987-06-05,,271828\n",
    );
    sandbox
}

/// Runs the study over tables that something was done to; what it says, without markers in it.
fn transcript(title: &str, damage: impl FnOnce(&Sandbox)) -> String {
    let sandbox = sandbox();
    damage(&sandbox);
    let run = sandbox.run("generate-dataset study.json --dummy-tables tables --output out.csv");
    assert_eq!(run.status, Some(11), "{title}: {run:?}");
    assert_eq!(run.stdout, "", "{title}");
    assert!(!sandbox.path("out.csv").exists(), "{title}: an output");
    for marker in MARKERS {
        assert!(!run.stderr.contains(marker), "{title}: {marker} in\n{}", run.stderr);
    }
    format!("{title}\n{}\n", sandbox.transcript(&run))
}

#[test]
fn the_tables_are_fine_as_they_are() {
    let run = sandbox().run("generate-dataset study.json --dummy-tables tables");
    assert_eq!(run.status, Some(0), "{run:?}");
    assert!(run.stdout.contains("271828"), "{run:?}");
}

#[test]
fn files_that_are_missing_or_too_many() {
    let remove = |sandbox: &Sandbox, name: &str| std::fs::remove_file(sandbox.path(name)).expect("a file");
    let mut text = String::new();
    text += &transcript("no folder", |sandbox| {
        std::fs::rename(sandbox.path("tables"), sandbox.path("elsewhere")).expect("a folder");
    });
    text += &transcript("no table", |sandbox| remove(sandbox, "tables/patients.csv"));
    text += &transcript("a table by almost that name", |sandbox| {
        remove(sandbox, "tables/patients.csv");
        sandbox.write("tables/patient.csv", "patient_id\n");
    });
    text += &transcript("two files of one table", |sandbox| sandbox.write("tables/patients.parquet", "x"));
    text += &transcript("a file and a folder", |sandbox| sandbox.write("tables/patients/1.csv", "patient_id\n"));
    text += &transcript("an empty folder", |sandbox| {
        remove(sandbox, "tables/patients.csv");
        std::fs::create_dir(sandbox.path("tables/patients")).expect("a folder");
    });
    text += &transcript("files of two formats", |sandbox| {
        remove(sandbox, "tables/patients.csv");
        sandbox.write("tables/patients/1.csv", "patient_id,date_of_birth,sex\n");
        sandbox.write("tables/patients/2.arrow", "x");
    });
    insta::assert_snapshot!(text);
}

#[test]
fn files_that_are_malformed() {
    let mut text = String::new();
    for (title, file, bytes) in [
        ("an empty file", "patients.csv", &b""[..]),
        ("a header alone is a table without rows, but this lacks patients", "patients.csv", b"date_of_birth,sex\n"),
        ("a column twice", "patients.csv", b"patient_id,date_of_birth,sex,sex\n2,1987-06-05,male,markedtext\n"),
        ("a row too short", "patients.csv", b"patient_id,date_of_birth,sex\n2,1987-06-05,male\n987654321,1987-06-05\n"),
        ("a row too long", "patients.csv", b"patient_id,date_of_birth,sex\n2,1987-06-05,male,markedtext\n"),
        ("a quote without end", "patients.csv", b"patient_id,date_of_birth,sex\n2,1987-06-05,\"markedtext\n"),
        (
            "not UTF-8",
            "clinical_events.csv",
            b"patient_id,date,snomedct_code,numeric_value\n2,1987-06-05,markedtext\xff,1\n",
        ),
    ] {
        text += &transcript(title, |sandbox| sandbox.write(&format!("tables/{file}"), bytes));
    }
    for (title, ending, bytes) in [
        ("not gzip", "csv.gz", b"patient_id,date_of_birth,sex\n2,1987-06-05,markedtext\n".to_vec()),
        ("not Arrow", "arrow", b"markedtext".repeat(100)),
        ("not Parquet", "parquet", b"markedtext".repeat(100)),
        ("gzip cut short", "csv.gz", {
            let mut gzip = GzEncoder::new(vec![], Compression::fast());
            gzip.write_all(&b"patient_id,date_of_birth,sex\n2,1987-06-05,markedtext\n".repeat(50)).expect("bytes");
            let mut bytes = gzip.finish().expect("bytes");
            bytes.truncate(bytes.len() / 2);
            bytes
        }),
    ] {
        text += &transcript(title, |sandbox| {
            std::fs::remove_file(sandbox.path("tables/patients.csv")).expect("a file");
            sandbox.write(&format!("tables/patients.{ending}"), bytes);
        });
    }
    insta::assert_snapshot!(text);
}

#[test]
fn values_that_a_column_may_not_have() {
    let patients = |row: &str| ("patients.csv", format!("patient_id,date_of_birth,sex\n2,1987-06-05,male\n{row}\n"));
    let events = |row: &str| {
        ("clinical_events.csv", format!("patient_id,date,snomedct_code,numeric_value\n2,1987-06-05,123,1.5\n{row}\n"))
    };
    let practices = |row: &str| {
        let header = "patient_id,start_date,end_date,practice_pseudo_id";
        ("practice_registrations.csv", format!("{header}\n2,1987-06-05,,271828\n{row}\n"))
    };
    let mut text = String::new();
    for (title, (file, bytes)) in [
        ("a row of nobody", patients(",1987-06-05,male")),
        ("a patient who is no number", patients("markedtext,1987-06-05,male")),
        ("a patient with a fraction", patients("987654321.5,1987-06-05,male")),
        ("a patient twice", patients("2,1987-06-05,female")),
        ("a date in another form", patients("987654321,05/06/1987,male")),
        ("a date that does not exist", patients("987654321,1987-02-30,male")),
        ("a date with a time", patients("987654321,1987-06-05T12:00:00,male")),
        ("a word for a date", patients("987654321,markedtext,male")),
        ("another category", patients("987654321,1987-06-05,markedtext")),
        ("a word for a number", events("987654321,1987-06-05,123412341234,markedtext")),
        ("a number that is none", events("987654321,1987-06-05,123412341234,NaN")),
        ("an infinite number", events("987654321,1987-06-05,123412341234,1e999")),
        ("a fraction for a whole number", practices("987654321,1987-06-05,,271828.5")),
        ("a number too large", practices("987654321,1987-06-05,,99999999999999999999271828")),
    ] {
        text += &transcript(title, |sandbox| sandbox.write(&format!("tables/{file}"), bytes));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn columns_that_are_missing_or_of_another_type() {
    let date = |text: &str| Cell::Date(parse_date(text).expect("a date"));
    let table = |name: &str, columns: &[(&str, &str)], rows: Vec<(i64, Vec<Cell>)>| Table {
        module: String::new(),
        name: name.to_owned(),
        one_row_per_patient: true,
        columns: columns.iter().map(|(name, type_name)| Column::new(*name, *type_name)).collect(),
        rows,
    };
    let replace = |sandbox: &Sandbox, table: &Table, format: Format, order: RowOrder| {
        std::fs::remove_file(sandbox.path(&format!("tables/{}.csv", table.name))).expect("a file");
        let ending = if format == Format::Arrow { "arrow" } else { "parquet" };
        let path = sandbox.path(&format!("tables/{}.{ending}", table.name));
        write_table(table, &Layout { format, order, ..Layout::default() }, &path);
    };
    let mut text = String::new();
    for format in [Format::Arrow, Format::Parquet] {
        text += &transcript("text where a date should be", |sandbox| {
            let columns = [("date_of_birth", "str"), ("sex", "str")];
            let row = vec![Cell::Str("1987-06-05".to_owned()), Cell::Str("male".to_owned())];
            replace(sandbox, &table("patients", &columns, vec![(2, row)]), format, RowOrder::AsGiven);
        });
        text += &transcript("a date where text should be", |sandbox| {
            let columns = [("date_of_birth", "date"), ("sex", "date")];
            let row = vec![date("1987-06-05"), date("1987-06-05")];
            replace(sandbox, &table("patients", &columns, vec![(2, row)]), format, RowOrder::AsGiven);
        });
        text += &transcript("a category in the third row", |sandbox| {
            let columns = [("date_of_birth", "date"), ("sex", "str")];
            let row = |sex: &str| vec![date("1987-06-05"), Cell::Str(sex.to_owned())];
            let rows = vec![(2, row("male")), (3, row("female")), (987_654_321, row("markedtext"))];
            replace(sandbox, &table("patients", &columns, rows), format, RowOrder::AsGiven);
        });
        text += &transcript("an order that is promised and not kept", |sandbox| {
            let columns = [("date_of_birth", "date"), ("sex", "str")];
            let row = || vec![date("1987-06-05"), Cell::Str("male".to_owned())];
            let rows = vec![(2, row()), (987_654_321, row()), (3, row())];
            // Written as it stands, with the promise of another.
            let table = table("patients", &columns, rows);
            replace(sandbox, &table, format, RowOrder::Promised);
        });
    }
    text += &transcript("a column that must be there", |sandbox| {
        sandbox.write("tables/patients.csv", "patient_id,sex\n2,male\n");
    });
    insta::assert_snapshot!(text);
}

#[test]
fn a_column_that_may_be_missing_is_null() {
    let sandbox = sandbox();
    sandbox.write("tables/clinical_events.csv", "patient_id,date\n2,1987-06-05\n");
    let run = sandbox.run("generate-dataset study.json --dummy-tables tables");
    insta::assert_snapshot!(sandbox.transcript(&run));
}

/// Faults of the definition that only a value brings about.
#[test]
fn no_marker_in_any_message_about_a_computation() {
    for (variables, status) in [
        ("v = patients.date_of_birth + years(9000)", 10),
        ("v = clinical_events.numeric_value.maximum_for_patient() ** 300.0", 10),
        ("v = (clinical_events.numeric_value * 1e300 * 1e300).maximum_for_patient()", 10),
        ("v = practice_registrations.practice_pseudo_id.sum_for_patient() * 9223372036854775807", 10),
        ("v = (clinical_events.numeric_value.sum_for_patient() * 1e300).as_int()", 10),
        ("v = clinical_events.date.minimum_for_patient() - days(9000000)", 10),
    ] {
        let sandbox = sandbox();
        let tables = STUDY.split("born =").next().expect("tables");
        let (document, _) = crate::spec::study(&format!("{tables}{variables}\n"), "ehrql.tables.core");
        sandbox.write("study.json", document.to_string());
        for settings in ["", "--log-format json"] {
            let run =
                sandbox.run(&format!("generate-dataset study.json --dummy-tables tables --output out.csv {settings}"));
            assert_eq!(run.status, Some(status), "{variables}: {run:?}");
            assert!(run.stderr.contains("'v'"), "{variables}: {run:?}");
            for marker in MARKERS {
                assert!(!run.stderr.contains(marker), "{variables}: {marker} in\n{}", run.stderr);
            }
        }
    }
}
