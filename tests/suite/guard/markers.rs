//! Values that no one else has stand in every column of every kind of row. Then everything that can go wrong does, and
//! none of them may be in anything that was written but the rows of a dataset that may be seen.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::cli::{Sandbox, binary};
use crate::files::Format;
use crate::spec;

use super::faults::{RUN, SOURCE, rules};
use super::registers::{RowRule, seal};

const MODULE: &str = "ehrql.tables.core";

const TABLES: &str = "
patients patients
  patient | date_of_birth:date | sex:str(female, male, intersex, unknown)
events clinical_events
  patient | date:date | snomedct_code:SNOMEDCTCode | numeric_value:float
events practice_registrations
  patient | start_date:date | practice_pseudo_id:int
";

/// A kind of row, and the markers of its cells: patient, code, number, year of an event.
struct Kind {
    name: &'static str,
    patient: i64,
    code: &'static str,
    number: &'static str,
    date: &'static str,
}

const KINDS: [Kind; 6] = [
    Kind { name: "permitted", patient: 918_273_001, code: "881700001", number: "7411.8201", date: "1901-03-17" },
    Kind { name: "Type 1", patient: 918_273_002, code: "881700002", number: "7411.8202", date: "1902-03-17" },
    Kind { name: "National", patient: 918_273_003, code: "881700003", number: "7411.8203", date: "1903-03-17" },
    Kind { name: "not registered", patient: 918_273_004, code: "881700004", number: "7411.8204", date: "1904-03-17" },
    Kind {
        name: "beyond the cut-off",
        patient: 918_273_005,
        code: "881700005",
        number: "7411.9205",
        date: "2035-03-17",
    },
    Kind {
        name: "permitted, to be malformed",
        patient: 918_273_006,
        code: "881700006",
        number: "7411.8206",
        date: "1906-03-17",
    },
];

/// What must appear nowhere. Parts of numbers are enough: a value that is cut or rounded is one too.
fn markers() -> Vec<String> {
    let mut markers = vec![
        "7411.8".to_owned(),
        "7411.9".to_owned(),
        "918273".to_owned(),
        "918,273".to_owned(),
        "88170000".to_owned(),
        "MARKER".to_owned(),
    ];
    for kind in &KINDS {
        markers.push(kind.date.to_owned());
        // As days since 1970.
        let date: chrono::NaiveDate = kind.date.parse().expect("a date");
        markers.extend(Some(date.to_epoch_days().to_string()).filter(|days| days.starts_with('-')));
    }
    markers.extend(["61319441".to_owned(), "1907-05-01".to_owned(), "intersex".to_owned()]);
    markers
}

/// A place with a marker wherever a value can be.
fn place() -> Sandbox {
    let sandbox = Sandbox::new();
    let mut rules = rules(Format::Csv, 0);
    rules.permissions = vec![];
    let patient = |at: usize| KINDS[at].patient;
    if let Some(register) = &mut rules.type_one {
        register.rows = vec![(patient(1), None, None)];
    }
    if let Some(register) = &mut rules.national {
        register.rows = [0, 1, 3, 4, 5].map(|at| (patient(at), None, None)).into();
    }
    if let Some(activation) = &mut rules.activation {
        let day = |text: &str| text.parse::<chrono::NaiveDate>().ok();
        let moment = |text: &str| day(text).and_then(|day| day.and_hms_opt(9, 30, 0));
        activation.practices = vec![(613_194_410, day("1907-05-01"), None), (613_194_411, None, None)];
        activation.registrations =
            [0, 1, 2, 4, 5].map(|at| (patient(at), Some(613_194_410), moment("2034-01-01"))).into();
        activation.registrations.push((patient(4), Some(613_194_411), None));
        let practices = RowRule::AtActivated("practice_pseudo_id");
        activation.tables.insert("core.practice_registrations".to_owned(), practices);
    }
    sandbox.write("source.toml", SOURCE);
    sandbox.write("policy.toml", rules.policy());
    sandbox.write("state/.keep", "");
    rules.write(&sandbox.path("registers"));
    let rows = |row: &dyn Fn(&Kind) -> String| KINDS.iter().map(row).collect::<String>();
    let people = rows(&|kind| format!("{},{}-01,intersex\n", kind.patient, &kind.date[..7]));
    sandbox.write("tables/patients.csv", format!("patient_id,date_of_birth,sex\n{people}"));
    let events = rows(&|kind| format!("{},{},{},{}\n", kind.patient, kind.date, kind.code, kind.number).repeat(2));
    sandbox.write("tables/clinical_events.csv", format!("patient_id,date,snomedct_code,numeric_value\n{events}"));
    let registrations = rows(&|kind| format!("{},{},613194410\n", kind.patient, kind.date));
    sandbox.write(
        "tables/practice_registrations.csv",
        format!("patient_id,start_date,practice_pseudo_id\n{registrations}"),
    );
    let begun = sandbox.run("policy begin source.toml --by tester");
    assert_eq!(begun.status, Some(0), "{begun:?}");
    define(
        &sandbox,
        "population = patients.exists_for_patient()\nv = clinical_events.numeric_value.sum_for_patient()\n",
    );
    sandbox
}

fn define(sandbox: &Sandbox, text: &str) {
    sandbox.write("dataset.json", spec::study(&format!("{TABLES}{text}"), MODULE).0.to_string());
}

/// A dataset of everyone, with one variable.
fn variable(sandbox: &Sandbox, expression: &str) {
    define(sandbox, &format!("population = patients.exists_for_patient()\nv = {expression}\n"));
}

/// Looks for markers in what was written.
fn find(title: &str, what: &str, text: &str) {
    for marker in markers() {
        assert!(!text.contains(&marker), "{title}: {marker} is in {what}:\n{text}");
    }
}

/// Every file that the engine keeps.
fn find_in_files(title: &str, sandbox: &Sandbox) {
    for name in ["ledger.jsonl", "ledger.jsonl.anchor", "state/counts.json"] {
        if let Ok(bytes) = fs::read(sandbox.path(name)) {
            let text = String::from_utf8_lossy(&bytes);
            // Digests and moments are digits, too.
            let words = text
                .split(|character: char| !character.is_ascii_alphanumeric() && character != '-' && character != '.');
            let plain: Vec<&str> = words.filter(|word| word.len() < 32).collect();
            find(title, name, &plain.join(" "));
        }
    }
}

/// One thing that goes wrong: what is done before, the run, and its exit status.
struct Mishap {
    title: &'static str,
    line: String,
    status: i32,
    before: fn(&Sandbox),
}

fn mishap(title: &'static str, status: i32, before: fn(&Sandbox)) -> Mishap {
    Mishap { title, line: RUN.to_owned(), status, before }
}

fn with(title: &'static str, status: i32, flags: &str, before: fn(&Sandbox)) -> Mishap {
    Mishap { title, line: format!("{RUN} {flags}"), status, before }
}

/// Changes the cell of the permitted patient that is to be malformed.
fn malform(sandbox: &Sandbox, table: &str, from: &str, to: &str) {
    let text = sandbox.read(&format!("tables/{table}.csv"));
    assert!(text.contains(from), "{from} is not in {text}");
    sandbox.write(&format!("tables/{table}.csv"), text.replacen(from, to, 1));
}

fn mishaps() -> Vec<Mishap> {
    vec![
        mishap("a whole number overflows", 10, |sandbox| {
            variable(sandbox, "clinical_events.numeric_value.sum_for_patient().as_int() * 9000000000000000000");
        }),
        mishap("a sum overflows", 10, |sandbox| {
            variable(sandbox, "(clinical_events.numeric_value * 1e308).sum_for_patient()");
        }),
        mishap("a date leaves the calendar", 10, |sandbox| {
            variable(sandbox, "clinical_events.date.maximum_for_patient() + years(9000)");
        }),
        mishap("a float is too large for a whole number", 10, |sandbox| {
            variable(sandbox, "(clinical_events.numeric_value.sum_for_patient() ** 30.0).as_int()");
        }),
        mishap("a filter cannot be decided", 10, |sandbox| {
            variable(sandbox, "clinical_events.where((date + years(9000)) > 2020-01-01).count_for_patient()");
        }),
        mishap("a date that is none", 11, |sandbox| {
            malform(sandbox, "patients", "1906-03-01", "MARKER-1906");
            define(sandbox, "population = patients.date_of_birth > 1900-01-01\n");
        }),
        mishap("a day that does not exist", 11, |sandbox| {
            malform(sandbox, "patients", "1906-03-01", "1906-02-30");
            define(sandbox, "population = patients.date_of_birth > 1900-01-01\n");
        }),
        mishap("a number that is none", 11, |sandbox| malform(sandbox, "clinical_events", "7411.8206", "7411.MARKER")),
        mishap("a number without end", 11, |sandbox| malform(sandbox, "clinical_events", "7411.8206", "7411e999")),
        mishap("a category that does not exist", 11, |sandbox| {
            malform(sandbox, "patients", "918273006,1906-03-01,intersex", "918273006,1906-03-01,MARKER");
            variable(sandbox, "patients.sex");
        }),
        mishap("a practice that is no number", 11, |sandbox| {
            malform(sandbox, "practice_registrations", "918273006,1906-03-17,613194410", "918273006,1906-03-17,MARKER");
            define(sandbox, "population = practice_registrations.exists_for_patient()\n");
        }),
        mishap("a patient that is no number", 11, |sandbox| malform(sandbox, "patients", "918273006", "MARKER")),
        mishap("a row without a patient", 11, |sandbox| malform(sandbox, "patients", "918273006,", ",")),
        mishap("a row with too many cells", 11, |sandbox| {
            malform(sandbox, "clinical_events", "7411.8206", "7411.8206,MARKER")
        }),
        mishap("a quote that does not end", 11, |sandbox| {
            malform(sandbox, "clinical_events", "7411.8206", "\"7411.8206")
        }),
        mishap("text that is not UTF-8", 11, |sandbox| {
            let text = sandbox.read("tables/patients.csv").replacen(
                "918273006,1906-03-01,intersex",
                "918273006,1906-03-01,MARKER?",
                1,
            );
            let bytes: Vec<u8> = text.bytes().map(|byte| if byte == b'?' { 0xFF } else { byte }).collect();
            sandbox.write("tables/patients.csv", bytes);
            variable(sandbox, "patients.sex");
        }),
        mishap("a second row where there may be one", 11, |sandbox| {
            let text = sandbox.read("tables/patients.csv");
            sandbox.write("tables/patients.csv", format!("{text}918273001,1901-03-01,female\n"));
        }),
        mishap("a Parquet file that is none", 11, |sandbox| {
            fs::remove_file(sandbox.path("tables/patients.csv")).expect("a file");
            sandbox.write("tables/patients.parquet", "PAR1 MARKER 918273001 PAR1");
        }),
        mishap("an Arrow file that is none", 11, |sandbox| {
            fs::remove_file(sandbox.path("tables/patients.csv")).expect("a file");
            sandbox.write("tables/patients.arrow", "ARROW1 MARKER 918273001 ARROW1");
        }),
        mishap("gzip that is none", 11, |sandbox| {
            fs::remove_file(sandbox.path("tables/patients.csv")).expect("a file");
            sandbox.write("tables/patients.csv.gz", "MARKER 918273001");
        }),
        mishap("no table", 11, |sandbox| fs::remove_file(sandbox.path("tables/patients.csv")).expect("a file")),
        mishap("a permission is missing", 12, |sandbox| {
            define(
                sandbox,
                "population = patients.exists_for_patient()\nevent_table seen\n  at = clinical_events.date\n",
            );
        }),
        with("permissions that are none", 2, "--permissions [", |_| ()),
        with("a set-aside that is none", 15, "--set-aside registers/type_one.csv", |_| ()),
        mishap("a register is cut short", 14, |sandbox| {
            sandbox.write("registers/type_one.csv", "patient_id,from_day,until_day\n9182");
        }),
        mishap("a register with a key that is none", 14, |sandbox| {
            sandbox.write("registers/type_one.csv", "patient_id,from_day,until_day\n918273001,,\nMARKER,,\n");
            seal(&sandbox.path("registers/type_one.csv"));
        }),
        mishap("a register with a day that is none", 14, |sandbox| {
            sandbox.write("registers/practices.csv", "patient_id,from_day,until_day\n613194410,MARKER,\n");
            seal(&sandbox.path("registers/practices.csv"));
        }),
        mishap("a practice that ends before it begins", 14, |sandbox| {
            sandbox
                .write("registers/practices.csv", "patient_id,from_day,until_day\n613194410,1907-05-01,1900-01-01\n");
            seal(&sandbox.path("registers/practices.csv"));
        }),
        mishap("registers for the policy", 13, |sandbox| {
            fs::copy(sandbox.path("registers/type_one.csv"), sandbox.path("policy.toml")).expect("a file");
        }),
        mishap("records for the definition", 10, |sandbox| {
            fs::copy(sandbox.path("tables/clinical_events.csv"), sandbox.path("dataset.json")).expect("a file");
        }),
        mishap("records for the source file", 13, |sandbox| {
            fs::copy(sandbox.path("tables/clinical_events.csv"), sandbox.path("source.toml")).expect("a file");
        }),
        mishap("a ledger that others may read", 16, |sandbox| {
            fs::set_permissions(sandbox.path("ledger.jsonl"), fs::Permissions::from_mode(0o644)).expect("a mode");
        }),
        mishap("no folder for the output", 11, |sandbox| {
            sandbox.write("out.csv/in-the-way", "");
        }),
        with("memory that does not do", 20, "--memory-limit 1KiB", |_| ()),
    ]
}

#[test]
fn nothing_that_goes_wrong_tells_a_value() {
    for Mishap { title, line, status, before } in mishaps() {
        let sandbox = place();
        before(&sandbox);
        for log in
            [None, Some("peristyle=trace,peristyle_execution=trace,peristyle_opt_out=trace,peristyle_outputs=trace")]
        {
            let log: Vec<(&str, &str)> = log.map(|log| ("PERISTYLE_LOG", log)).into_iter().collect();
            let run = sandbox.run_with(&line, &log);
            assert_eq!(run.status, Some(status), "{title}: {run:?}");
            assert!(!sandbox.path("out.csv").is_file(), "{title}: an output");
            // The seconds of log lines, and paths, are not values.
            let own = sandbox.path("").display().to_string();
            find(title, "stdout", &run.stdout.replace(&own, ""));
            find(title, "stderr", &run.stderr.replace(&own, ""));
            find_in_files(title, &sandbox);
        }
    }
}

#[test]
fn runs_that_answer_tell_values_in_the_answer_alone() {
    let sandbox = place();
    let measures = "measure seen\n  numerator = clinical_events.where(numeric_value > 0.0).exists_for_patient()\n  \
                    denominator = patients.exists_for_patient()\n  intervals = 2020-01-01..2020-12-31\n";
    sandbox.write("measures.json", spec::study(&format!("{TABLES}{measures}"), MODULE).0.to_string());
    let lines = [
        RUN.to_owned(),
        RUN.replace("out.csv", "out.arrow"),
        RUN.replace("out.csv", "out.parquet"),
        RUN.replace("generate-dataset dataset.json", "generate-measures measures.json")
            .replace("out.csv", "measures.csv"),
        RUN.replace("generate-dataset dataset.json", "explain dataset.json").replace(" --output out.csv", ""),
        "policy check source.toml".to_owned(),
        "audit show ledger.jsonl".to_owned(),
        "audit show ledger.jsonl --public".to_owned(),
        "audit verify ledger.jsonl".to_owned(),
    ];
    for line in lines {
        for log in ["peristyle=trace,peristyle_execution=trace,peristyle_opt_out=trace,peristyle_outputs=trace", "info"]
        {
            let run = sandbox.run_with(&line, &[("PERISTYLE_LOG", log)]);
            assert_eq!(run.status, Some(0), "{run:?}");
            let own = sandbox.path("").display().to_string();
            // Digests of the ledger's lines are digits, too.
            let words =
                |text: &str| text.split_whitespace().filter(|word| word.len() < 64).collect::<Vec<_>>().join(" ");
            find(&line, "stdout", &words(&run.stdout.replace(&own, "")));
            find(&line, "stderr", &words(&run.stderr.replace(&own, "")));
        }
    }
    find("measures", "the answer", &sandbox.read("measures.csv"));
    find_in_files("runs that answer", &sandbox);
    // The markers can be found: the patient who may be seen is in the dataset, and nobody else.
    let answer = sandbox.read("out.csv");
    let seen: Vec<&str> =
        KINDS.iter().filter(|kind| answer.contains(&kind.patient.to_string())).map(|kind| kind.name).collect();
    assert_eq!(seen, ["permitted", "beyond the cut-off", "permitted, to be malformed"]);
    assert!(!answer.contains("14823.84"), "events beyond the cut-off: {answer}");
}

/// What is on disk while a run sorts, and after it was ended, is for the engine's account alone.
#[test]
fn an_ended_run_leaves_no_value_behind() {
    let sandbox = place();
    let events: String = (0..300_000)
        .map(|event| format!("{},1901-03-17,881700001,7411.82{event}\n", 918_273_001 + (event * 7) % 2 * 5))
        .collect();
    sandbox.write("tables/clinical_events.csv", format!("patient_id,date,snomedct_code,numeric_value\n{events}"));
    fs::create_dir(sandbox.path("spill")).expect("a folder");
    let mut command = Command::new(binary());
    command.args(RUN.split(' ')).args(["--memory-limit", "24MiB"]).current_dir(sandbox.path("."));
    command.env("TMPDIR", sandbox.path("spill")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = command.spawn().expect("the binary runs");
    let mut seen_modes = vec![];
    for _ in 0..40 {
        modes(&sandbox.path("spill"), &mut seen_modes);
        std::thread::sleep(Duration::from_millis(5));
    }
    let ended = Command::new("kill").args(["-TERM", &run.id().to_string()]).status().expect("kill");
    assert!(ended.success());
    let output = run.wait_with_output().expect("an end");
    find("an ended run", "stdout", &String::from_utf8_lossy(&output.stdout));
    find("an ended run", "stderr", &String::from_utf8_lossy(&output.stderr));
    assert!(sandbox.list("spill").is_empty(), "{:?}", sandbox.list("spill"));
    assert!(seen_modes.iter().all(|mode| mode & 0o077 == 0), "others may look: {seen_modes:?}");
    find_in_files("an ended run", &sandbox);
}

/// The modes of the folders in a folder.
fn modes(folder: &Path, seen: &mut Vec<u32>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        if let Ok(found) = entry.metadata() {
            seen.push(found.permissions().mode());
        }
    }
}
