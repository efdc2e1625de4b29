//! Records where another file should be: whatever a command makes of them, none of their values is in anything that it
//! writes. (Values at fault within tables are for the Guard's own tests.)

use std::fs;

use super::place::{outcome, place, register, seal};
use super::sandbox::Sandbox;

/// A patient, a day, a value, a text and a practice. Nothing else in the place looks like them.
const MARKERS: [&str; 5] = ["987654321", "1987-06-05", "31415926", "markedtext", "8128712"];

const RUN: &str = "generate-dataset dataset.json --source source.toml --project flu --output out.csv";

/// What a command may write besides the answer.
const WRITTEN: [&str; 4] = ["ledger.jsonl", "ledger.jsonl.anchor", "state/counts.json", "state/counts.json.new"];

/// A place whose every row has a marker: of patients who are seen, opted out, and at no practice that takes part.
fn marked_place() -> Sandbox {
    let sandbox = place();
    sandbox.write(
        "tables/patients.csv",
        "patient_id,date_of_birth,sex\n1,1987-06-05,female\n2,1987-06-05,male\n4,1987-06-05,male\n987654321,1987-06-05,male\n",
    );
    sandbox.write(
        "tables/clinical_events.csv",
        "patient_id,date,numeric_value\n1,1987-06-05,31415926\n2,1987-06-05,31415926\n987654321,1987-06-05,31415926\n",
    );
    register(&sandbox, "type-one", "patient", &["2", "987654321"]);
    register(
        &sandbox,
        "practices",
        "practice,activated,switched_off",
        &["10,1987-06-05,", "11,1987-06-05,", "8128712,,"],
    );
    let registrations = [
        "1,10,",
        "2,10,1987-06-05",
        "4,8128712,",
        "5,8128712,",
        "6,10,",
        "8,10,",
        "9,10,",
        "987654321,8128712,1987-06-05",
    ];
    register(&sandbox, "registrations", "patient,practice,ended", &registrations);
    let counts = "--count type_one.register=2 --count national.register=7 --count practice_activation.practices=3 \
                  --count practice_activation.registrations=8";
    let run = sandbox.run(&format!("policy accept source.toml --by tester {counts}"));
    assert_eq!(run.status, Some(0), "{run:?}");
    sandbox
}

/// Does a thing to a place, runs, and looks for markers in all that was written. The run must end with `status`.
fn check(title: &str, line: &str, status: i32, damage: impl Fn(&Sandbox)) {
    for (settings, log) in
        [("", None), ("--log-format json", None), ("", Some("peristyle=trace,peristyle_opt_out=trace"))]
    {
        let sandbox = marked_place();
        damage(&sandbox);
        let own: Vec<String> =
            WRITTEN.iter().map(|name| fs::read_to_string(sandbox.path(name)).unwrap_or_default()).collect();
        let environment: Vec<(&str, &str)> = log.map(|log| ("PERISTYLE_LOG", log)).into_iter().collect();
        let run = sandbox.run_with(&format!("{line} {settings}"), &environment);
        assert_eq!(run.status, Some(status), "{title}: {run:?}");
        let mut written = vec![run.stdout, run.stderr];
        // What the test itself put there is not what the process wrote.
        let new = WRITTEN.iter().zip(own).map(|(name, own)| {
            let now = fs::read_to_string(sandbox.path(name)).unwrap_or_default();
            now.strip_prefix(&own).unwrap_or(&now).to_owned()
        });
        written.extend(new);
        for marker in MARKERS {
            let found = written.iter().find(|text| text.contains(marker));
            assert!(found.is_none(), "{title} {settings} {log:?}: {marker} in\n{}", found.map_or("", String::as_str));
        }
        if line == RUN && status != 0 && status != 16 {
            assert!(outcome(&sandbox).ends_with(&format!(" {status}")), "{title}: {}", outcome(&sandbox));
            assert!(!sandbox.path("out.csv").exists(), "{title}: an output");
        }
    }
}

#[test]
fn no_marker_where_all_goes_well() {
    check("a run", RUN, 0, |_| ());
    check("a check", "policy check source.toml", 0, |_| ());
    check("an audit", "audit show ledger.jsonl", 0, |sandbox| drop(sandbox.run(RUN)));
    check("a plan", "explain dataset.json --source source.toml --project flu", 0, |_| ());
}

#[test]
fn no_marker_where_registers_are_at_fault() {
    check("a key that is none", RUN, 14, |sandbox| register(sandbox, "type-one", "patient", &["2", "markedtext"]));
    check("a key too large", RUN, 14, |sandbox| {
        register(sandbox, "type-one", "patient", &["2", "98765432109876543210"]);
    });
    check("no key", RUN, 14, |sandbox| register(sandbox, "type-one", "patient,name", &["2,markedtext", ",markedtext"]));
    check("no column", RUN, 14, |sandbox| register(sandbox, "type-one", "markedtext", &["2", "987654321"]));
    check("a day that does not exist", RUN, 14, |sandbox| {
        register(sandbox, "practices", "practice,activated,switched_off", &["10,1987-06-05x,", "11,,", "8128712,,"]);
    });
    check("a practice twice", RUN, 14, |sandbox| {
        let rows = ["10,1987-06-05,", "8128712,1987-06-05,", "8128712,1987-06-05,1987-06-05"];
        register(sandbox, "practices", "practice,activated,switched_off", &rows);
    });
    check("a practice that is none", RUN, 14, |sandbox| {
        let rows = ["1,10,", "2,10,", "4,11,", "5,12,", "987654321,markedtext,1987-06-05", "6,10,", "7,10,", "8,10,"];
        register(sandbox, "registrations", "patient,practice,ended", &rows);
    });
    check("cut short", RUN, 14, |sandbox| sandbox.write("registers/type-one.csv", "patient\n2\n98765432"));
    check("records for a digest", RUN, 14, |sandbox| {
        sandbox.write("registers/type-one.csv.sha256", "987654321,1987-06-05,markedtext\n");
    });
    check("records for a register", RUN, 14, |sandbox| {
        sandbox.write("registers/type-one.csv", "987654321,1987-06-05,markedtext\n2,1987-06-05,markedtext\n");
        seal(sandbox, "registers/type-one.csv");
    });
}

/// Somebody names a file of records where another file should be.
#[test]
fn no_marker_where_records_stand_in_for_another_file() {
    const RECORDS: &str = "987654321,1987-06-05,31415926,markedtext\n";
    let set_aside = format!("{RUN} --set-aside records");
    check("for a set-aside", &set_aside, 15, |sandbox| sandbox.write("records", RECORDS));
    check("for a set-aside, as JSON", &set_aside, 15, |sandbox| {
        sandbox.write("records", "{\"patient\": 987654321, \"text\": \"markedtext\"}");
    });
    check("for a policy", RUN, 13, |sandbox| sandbox.write("policy.toml", RECORDS));
    // Which ledger it would have named nobody knows.
    let unrecorded = format!("{RUN} --threads 2");
    check("for a source file", &unrecorded, 13, |sandbox| sandbox.write("source.toml", RECORDS));
    check("for the counts", RUN, 14, |sandbox| sandbox.write("state/counts.json", RECORDS));
    check("for the counts' key", RUN, 16, |sandbox| sandbox.write("state/counts.key", RECORDS));
    check("for the ledger", RUN, 16, |sandbox| sandbox.write("ledger.jsonl", RECORDS));
    check("for a ledger to verify", "audit verify records", 16, |sandbox| sandbox.write("records", RECORDS));
    check("for a ledger to show", "audit show records", 16, |sandbox| sandbox.write("records", RECORDS));
    check("for a policy to show", "policy show records", 13, |sandbox| sandbox.write("records", RECORDS));
    check("for a record to show", "policy show records", 15, |sandbox| {
        sandbox.write("records", format!("{{{RECORDS}"))
    });
    check("for a key to sign with", "policy sign sa.json --body nhs-england --key nhs-england.key", 11, |sandbox| {
        sandbox.write("sa.json", super::place::set_aside().to_string());
        sandbox.write("nhs-england.key", RECORDS);
    });
}
