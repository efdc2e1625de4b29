//! Arguments, output files and what they hold.

use std::fs;

use arrow::ipc::reader::FileReader;
use flate2::read::GzDecoder;
use serde_json::Value as Json;

use super::sandbox::{Sandbox, transcripts};

const DATASET: &str = "
patients patients
  patient | date_of_birth:date | sex:str
  2       | 1980-02-01         | male
  1       | 1970-01-01         | female
  3       | 2001-12-01         | unknown
events clinical_events
  patient | date:date  | numeric_value:float
  1       | 2020-05-01 | 1.5
  3       | 2020-06-01 | 0.1
  1       | 2020-04-01 |
population = patients.exists_for_patient()
age = (2020-06-15 - patients.date_of_birth).years
sex = patients.sex
adult = (2020-06-15 - patients.date_of_birth).years >= 18
latest = clinical_events.sort_by(date).last_for_patient().date
mean = clinical_events.numeric_value.mean_for_patient()
";

const MEASURES: &str = "
patients patients
  patient | date_of_birth:date | sex:str
  2       | 1980-02-01         | male
  1       | 1970-01-01         | female
  3       | 2001-12-01         | unknown
events clinical_events
  patient | date:date  | numeric_value:float
  1       | 2020-05-01 | 1.5
measure seen
  numerator = clinical_events.exists_for_patient()
  denominator = patients.exists_for_patient()
  group sex = patients.sex
  intervals = 2020-01-01..2020-12-31
measure old
  numerator = patients.date_of_birth < 1975-01-01
  denominator = patients.exists_for_patient()
  intervals = 2020-01-01..2020-12-31
";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.study("dataset.json", DATASET);
    sandbox.study("measures.json", MEASURES);
    sandbox.study("dataset.json", DATASET);
    sandbox
}

#[test]
fn arguments() {
    let sandbox = sandbox();
    let lines = [
        "",
        "--version",
        "--help",
        "generate-dataset --help",
        "generate-measures --help",
        "generate",
        "generate-dataset",
        "generate-dataset dataset.json",
        "generate-dataset dataset.json --dummy-tables tables --out x.csv",
        "generate-dataset dataset.json --dummy-tables tables --output x",
        "generate-dataset dataset.json --dummy-tables tables --output x.xlsx",
        "generate-dataset dataset.json --dummy-tables tables --output x/:tsv",
        "generate-dataset dataset.json --dummy-tables tables --threads 0",
        "generate-dataset dataset.json --dummy-tables tables --memory-limit 4G",
        "generate-dataset dataset.json --dummy-tables tables -- --date 2020-01-01",
        "generate-dataset dataset.txt --dummy-tables tables",
        "generate-measures measures.json --dummy-tables tables --disclosure-control maybe",
        "conformance",
    ];
    insta::assert_snapshot!(transcripts(&sandbox, &lines));
}

#[test]
fn to_the_console() {
    let sandbox = sandbox();
    let lines = [
        "generate-dataset dataset.json --dummy-tables tables",
        "generate-measures measures.json --dummy-tables tables --disclosure-control off",
        "generate-measures measures.json --dummy-tables tables",
    ];
    insta::assert_snapshot!(transcripts(&sandbox, &lines));
}

#[test]
fn to_files_of_every_format() {
    let sandbox = sandbox();
    let run = sandbox.run("generate-dataset dataset.json --dummy-tables tables --output out/dataset.csv");
    assert_eq!(run.status, Some(0), "{run:?}");
    assert_eq!(run.stdout, "", "results go to the file alone");
    for ending in ["csv.gz", "arrow", "parquet"] {
        let run =
            sandbox.run(&format!("generate-dataset dataset.json --dummy-tables tables --output out/dataset.{ending}"));
        assert_eq!(run.status, Some(0), "{run:?}");
    }
    assert_eq!(sandbox.list("out"), ["dataset.arrow", "dataset.csv", "dataset.csv.gz", "dataset.parquet"]);
    let csv = sandbox.read("out/dataset.csv");
    let file = fs::File::open(sandbox.path("out/dataset.csv.gz")).expect("a file");
    assert_eq!(std::io::read_to_string(GzDecoder::new(file)).expect("text"), csv);
    insta::assert_snapshot!(csv);
}

#[test]
fn arrow_files_have_exact_types_and_say_that_they_are_dummy() {
    let sandbox = sandbox();
    let run = sandbox.run("generate-dataset dataset.json --dummy-tables tables --output dataset.arrow");
    assert_eq!(run.status, Some(0), "{run:?}");
    let file = fs::File::open(sandbox.path("dataset.arrow")).expect("a file");
    let reader = FileReader::try_new(file, None).expect("an Arrow file");
    let schema = reader.schema();
    let fields: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| {
            let nullable = if field.is_nullable() { "" } else { ", never NULL" };
            format!("{}: {}{nullable}", field.name(), field.data_type())
        })
        .collect();
    let mut metadata: Vec<_> = schema.metadata().iter().map(|(key, value)| format!("{key} = {value}")).collect();
    metadata.sort();
    insta::assert_snapshot!(format!("{}\n\n{}", fields.join("\n"), metadata.join("\n")));
}

#[test]
fn measures_go_to_one_file_or_to_a_folder() {
    let sandbox = sandbox();
    for output in ["all.csv", "each/:csv"] {
        let run = sandbox.run(&format!(
            "generate-measures measures.json --dummy-tables tables --disclosure-control off --output {output}"
        ));
        assert_eq!(run.status, Some(0), "{run:?}");
    }
    assert_eq!(sandbox.list("each"), ["old.csv", "seen.csv"]);
    let texts = ["all.csv", "each/old.csv", "each/seen.csv"].map(|name| format!("{name}\n{}", sandbox.read(name)));
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn the_answer_does_not_depend_on_the_settings() {
    let sandbox = sandbox();
    let plain = sandbox.run("generate-dataset dataset.json --dummy-tables tables");
    for settings in ["--threads 1", "--threads 2 --block-patients 1", "--block-rows 1", "--memory-limit 64MiB"] {
        let run = sandbox.run(&format!("generate-dataset dataset.json --dummy-tables tables {settings}"));
        assert_eq!((run.status, &run.stdout), (Some(0), &plain.stdout), "{settings}");
    }
}

#[test]
fn an_existing_output_is_kept_when_a_run_fails() {
    let sandbox = sandbox();
    sandbox.write("out.csv", "an earlier answer\n");
    sandbox.write("tables/clinical_events.csv", "patient_id,date,numeric_value\n1,2020-05-01,much\n");
    let run = sandbox.run("generate-dataset dataset.json --dummy-tables tables --output out.csv");
    assert_eq!(run.status, Some(11), "{run:?}");
    assert_eq!(sandbox.read("out.csv"), "an earlier answer\n");
    assert_eq!(sandbox.list("."), ["dataset.json", "measures.json", "out.csv", "tables"], "nothing is left behind");
}

#[test]
fn an_existing_output_is_replaced_by_a_whole_one() {
    let sandbox = sandbox();
    sandbox.write("out.csv", "an earlier answer\n");
    let run = sandbox.run("generate-dataset dataset.json --dummy-tables tables --output out.csv");
    assert_eq!(run.status, Some(0), "{run:?}");
    assert!(sandbox.read("out.csv").starts_with("patient_id,age,sex"), "{}", sandbox.read("out.csv"));
    assert_eq!(sandbox.list("."), ["dataset.json", "measures.json", "out.csv", "tables"], "nothing is left behind");
}

#[test]
fn event_tables_need_a_folder() {
    let sandbox = Sandbox::new();
    sandbox.study(
        "events.json",
        "
patients patients
  patient | date_of_birth:date | sex:str
  1       | 1980-02-01         | male
events clinical_events
  patient | date:date
  1       | 2020-05-01
  1       | 2020-04-01
  9       | 2020-04-01
population = patients.exists_for_patient()
year = patients.date_of_birth.year
event_table seen
  date = clinical_events.date
",
    );
    let mut document = sandbox.document("events.json");
    let dataset = document["value"].take();
    document["value"] = serde_json::json!({ "ModuleDetails": {
        "dataset": dataset, "dataset_dummy_data_config": null, "test_data": null, "measures": null,
        "measures_dummy_data_config": null, "measures_disclosure_control_config": null,
        "claimed_permissions": { "tuple": ["event_level_data"] } } });
    sandbox.write("events.json", document.to_string());
    let lines = [
        "generate-dataset events.json --dummy-tables tables",
        "generate-dataset events.json --dummy-tables tables --output all.csv",
        "generate-dataset events.json --dummy-tables tables --output out:csv",
    ];
    let text = transcripts(&sandbox, &lines);
    let files = ["out/dataset.csv", "out/seen.csv"].map(|name| format!("{name}\n{}", sandbox.read(name)));
    insta::assert_snapshot!(format!("{text}{}", files.join("\n")));
}

#[test]
fn logs_are_lines_of_json_if_asked_for() {
    let sandbox = sandbox();
    for (line, status) in [
        ("generate-dataset dataset.json --dummy-tables tables --output out.csv", 0),
        ("generate-dataset absent.json --dummy-tables tables", 11),
        ("generate-dataset dataset.json --dummy-tables absent", 11),
        ("generate-dataset dataset.json --dummy-tables tables --output x", 2),
        ("generate-dataset dataset.json --frobnicate", 2),
    ] {
        let run = sandbox.run(&format!("{line} --log-format json"));
        assert_eq!(run.status, Some(status), "{run:?}");
        assert!(!run.stderr.is_empty(), "{line} says something");
        let lines: Vec<Json> = run
            .stderr
            .lines()
            .map(|text| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")))
            .collect();
        let last = lines.last().expect("a line");
        let told = last.get("exit_status").and_then(Json::as_i64);
        assert_eq!(told, (status != 0).then_some(status.into()), "{last}");
    }
}
