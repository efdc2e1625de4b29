//! Extracts that lie in a store: over a real S3-compatible server of this machine.

use crate::s3::Server;

use super::sandbox::{Run, Sandbox};

const STUDY: &str = "
patients patients
  patient | date_of_birth:date | sex:str
events clinical_events
  patient | date:date | snomedct_code:SNOMEDCTCode | numeric_value:float
population = patients.exists_for_patient()
born = patients.date_of_birth.year
events_count = clinical_events.count_for_patient()
latest = clinical_events.sort_by(date).last_for_patient().date
value = clinical_events.numeric_value.maximum_for_patient()
";

/// A supplier's extract with its registers in `raw/`, a source file for it there, and one for it in the store.
fn sandbox(format: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("study.json", crate::spec::study(STUDY, "ehrql.tables.core").0.to_string());
    let today = chrono::Utc::now().date_naive();
    let made = sandbox.run(&format!(
        "synth --patients 300 --events-per-patient 20 --layout tpp --out raw --format {format} --last-date {today}"
    ));
    assert_eq!(made.status, Some(0), "{made:?}");
    if format == "csv" {
        for register in
            ["PatientsWithTypeOneDissent", "PatientsWithoutNDOO", "DirectionsAcknowledged", "RegistrationHistory"]
        {
            super::place::seal(&sandbox, &format!("raw/{register}.csv"));
        }
    }
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../connectors/tpp/policy.example.toml");
    let policy = std::fs::read_to_string(example).expect("a policy");
    let policy: Vec<&str> =
        policy.lines().map(|line| if line.starts_with("least_count") { "least_count = 1" } else { line }).collect();
    sandbox.write("policy.toml", policy.join("\n"));
    for (name, location) in [("here", "raw"), ("store", "s3://extracts/place")] {
        sandbox.write(
            &format!("{name}.toml"),
            format!(
                "peristyle_source = 1\nconnector = \"tpp\"\nlocation = \"{location}\"\npolicy = \"policy.toml\"\n\
                 ledger = \"{name}.jsonl\"\n"
            ),
        );
    }
    sandbox
}

/// Runs the study over a source with what the environment says.
fn run(sandbox: &Sandbox, source: &str, output: &str, environment: &[(&str, String)]) -> Run {
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let line = format!("generate-dataset study.json --source {source} --project p --output {output}");
    let mut run = sandbox.run_with(&line, &environment);
    run.line = format!("peristyle {line}");
    run
}

/// Begins the counts, which both sources share.
fn begin(sandbox: &Sandbox, source: &str, environment: &[(&str, String)]) {
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let begun = sandbox.run_with(&format!("policy begin {source} --by tester"), &environment);
    assert_eq!(begun.status, Some(0), "{begun:?}");
}

#[test]
fn a_study_over_a_store_answers_as_over_a_folder() {
    for format in ["parquet", "csv"] {
        let sandbox = sandbox(format);
        let mut server = Server::start(&sandbox.path("raw"));
        let environment = server.environment();
        begin(&sandbox, "here.toml", &[]);
        let here = run(&sandbox, "here.toml", "here.csv", &[]);
        assert_eq!(here.status, Some(0), "{here:?}");
        std::fs::remove_dir_all(sandbox.path("state")).expect("counts");
        std::fs::rename(sandbox.path("raw"), sandbox.path("elsewhere")).expect("a folder");
        begin(&sandbox, "store.toml", &environment);
        server.log();

        let there = run(&sandbox, "store.toml", "there.csv", &environment);
        assert_eq!(there.status, Some(0), "{there:?}");
        assert_eq!(sandbox.read("here.csv"), sandbox.read("there.csv"), "{format}");
        assert!(sandbox.read("here.csv").lines().count() > 200);
        let log = server.log();
        let objects = |request: &&crate::s3::Request| request.path.starts_with("/extracts/place/");
        assert!(log.iter().all(|request| matches!(request.method.as_str(), "GET" | "HEAD")), "{log:?}");
        assert!(log.iter().filter(objects).all(|request| request.method == "HEAD" || request.range.is_some()));
        // Seven files: each one's head, its rows, its digest, and for registers what they were and are.
        assert!(log.len() <= 80, "{} requests: {log:?}", log.len());

        // A store that is asked too much is asked again.
        server.fail(3);
        let again = run(&sandbox, "store.toml", "again.csv", &environment);
        assert_eq!(again.status, Some(0), "{again:?}");
        assert_eq!(sandbox.read("here.csv"), sandbox.read("again.csv"), "{format}");
        // What is recorded of the files is the same, wherever they are.
        let sources = ["here.jsonl", "store.jsonl"].map(|ledger| {
            let lines: Vec<serde_json::Value> =
                sandbox.read(ledger).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            let source = lines.iter().rev().find_map(|line| line["entry"]["finished"]["finish"].get("source").cloned());
            source.expect("a source")
        });
        assert_eq!(sources[0], sources[1]);
    }
}

#[test]
fn what_changes_while_a_run_reads_it_is_refused() {
    let sandbox = sandbox("parquet");
    let mut server = Server::start(&sandbox.path("raw"));
    let environment = server.environment();
    begin(&sandbox, "store.toml", &environment);
    let mut told = std::collections::BTreeSet::new();
    for (object, reads, other) in [
        ("CodedEvent", 1, "CodedEvent_SNOMED"),
        ("CodedEvent", 2, "CodedEvent_SNOMED"),
        ("CodedEvent", 3, "CodedEvent_SNOMED"),
        ("CodedEvent", 5, "CodedEvent_SNOMED"),
        ("Patient", 3, "CodedEvent"),
        ("PatientsWithTypeOneDissent", 2, "PatientsWithoutNDOO"),
        ("PatientsWithTypeOneDissent", 3, "PatientsWithoutNDOO"),
    ] {
        let path = |name: &str| sandbox.path(&format!("raw/{name}.parquet"));
        let key = format!("{object}.parquet");
        server.put_on_read(reads, &key, &path(other));
        let run = run(&sandbox, "store.toml", "answer.csv", &environment);
        let status = run.status.expect("a status");
        assert!(matches!(status, 11 | 14), "{object} on read {reads}: {run:?}");
        assert!(!sandbox.path("answer.csv").exists(), "{object} on read {reads}");
        told.insert(format!("exit {status}: {}", run.told().trim_end()));
        server.put(&key, &path(object));
    }
    insta::assert_snapshot!(told.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn stores_that_cannot_be_read() {
    let sandbox = sandbox("parquet");
    let mut server = Server::start(&sandbox.path("raw"));
    let good = server.environment();
    begin(&sandbox, "store.toml", &good);
    let without = |name: &str| good.iter().filter(|(known, _)| *known != name).cloned().collect::<Vec<_>>();
    let with = |name: &'static str, value: &str| [without(name), vec![(name, value.to_owned())]].concat();
    let mut text = String::new();
    let mut step = |title: &str, source: &str, environment: &[(&str, String)]| {
        let run = run(&sandbox, source, "answer.csv", environment);
        assert_ne!(run.status, Some(0), "{title}: {run:?}");
        assert!(!sandbox.path("answer.csv").exists(), "{title}");
        for (_, value) in environment.iter().filter(|(name, _)| name.ends_with("KEY") || name.ends_with("ID")) {
            assert!(!run.stderr.contains(value.as_str()), "{title}: {run:?}");
        }
        text += &format!("{title}\n{}\n", sandbox.transcript(&run));
    };
    step("another secret", "store.toml", &with("AWS_SECRET_ACCESS_KEY", "not-the-secret"));
    step("a key that nobody has", "store.toml", &with("AWS_ACCESS_KEY_ID", "AKIANOBODYHASTHIS"));
    step("somebody who may read nothing", "store.toml", &server.environment_of("stranger"));
    step("no key", "store.toml", &without("AWS_ACCESS_KEY_ID"));
    step("a server that must not be asked in the clear", "store.toml", &without("AWS_ALLOW_HTTP"));
    step("nobody there", "store.toml", &with("AWS_ENDPOINT_URL", "http://127.0.0.1:9"));
    let source = sandbox.read("store.toml");
    for (title, from, to) in [
        ("no such bucket", "s3://extracts/place", "s3://extract/place"),
        ("no such folder", "s3://extracts/place", "s3://extracts/places"),
        ("a scheme that is not known", "s3://extracts/place", "https://extracts.s3.amazonaws.com/place"),
        ("a key in the location", "s3://extracts/place", "s3://AKIA:secret@extracts/place"),
        ("a key in the source file", "ledger =", "aws_secret_access_key = \"secret\"\nledger ="),
    ] {
        sandbox.write("other.toml", source.replace(from, to));
        step(title, "other.toml", &good);
    }
    server.fail(1_000);
    step("a store that only fails", "store.toml", &good);
    assert!(!text.contains("secret@"), "{text}");
    insta::assert_snapshot!(text);
}
