//! Runs under a policy: who sees whom, what is refused, and what is recorded of it.

use std::fs;

use arrow::ipc::reader::FileReader;

use super::place::{
    change, ledger, outcome, place, register, set_aside, signed, transcript, transcripts, write_tables,
};
use super::sandbox::{Run, Sandbox};
use crate::cells::Cell;
use crate::files::{Format, Layout, RowOrder, write_table};
use crate::tables::{Column, Table};

const RUN: &str = "generate-dataset dataset.json --source source.toml --project flu --output out.csv";

/// A run that is refused or fails: no output, and a record of it.
fn refused(title: &str, line: &str, damage: impl FnOnce(&Sandbox)) -> String {
    let sandbox = place();
    damage(&sandbox);
    let run = sandbox.run(line);
    assert!(run.status.is_some_and(|status| status != 0), "{title}: {run:?}");
    assert_eq!(run.stdout, "", "{title}");
    assert!(!sandbox.path("out.csv").exists(), "{title}: an output");
    let hidden = sandbox.list(".").into_iter().filter(|name| name.contains("partial")).count();
    assert_eq!(hidden, 0, "{title}: a hidden file");
    format!("{title}\n{}recorded: {}\n\n", transcript(&sandbox, &run), outcome(&sandbox))
}

#[test]
fn two_projects_with_different_permissions() {
    let sandbox = place();
    let mut text = String::new();
    for (project, permissions) in [
        ("flu", "[]"),
        ("audit", r#"["include_t1oo"]"#),
        ("survey", r#"["include_ndoo","include_gp_unactivated"]"#),
        ("everyone", r#"["include_t1oo","include_ndoo","include_gp_unactivated"]"#),
    ] {
        let line = format!(
            "generate-dataset dataset.json --source source.toml --project {project} --permissions {permissions} \
             --output {project}.csv"
        );
        text += &transcript(&sandbox, &sandbox.run(&line));
        text += &format!("{}\n", sandbox.read(&format!("{project}.csv")));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn permissions_come_from_the_platform_unless_the_command_line_gives_them() {
    let sandbox = place();
    let given = [("EHRQL_PERMISSIONS", r#"["include_t1oo"]"#)];
    let line = RUN.replace("out.csv", "a.csv");
    assert_eq!(sandbox.run_with(&line, &given).status, Some(0));
    let line = format!("{} --permissions []", RUN.replace("out.csv", "b.csv"));
    assert_eq!(sandbox.run_with(&line, &given).status, Some(0));
    assert!(sandbox.read("a.csv").contains("\n2,") && !sandbox.read("b.csv").contains("\n2,"));
}

/// All that a researcher sees is the same where the rows that are left out were never there.
#[test]
fn what_is_left_out_leaves_no_trace() {
    let seen = |without: bool, definition: &str, command: &str| {
        let sandbox = place();
        if without {
            write_tables(&sandbox, |(patient, date)| match (patient, date) {
                (1 | 8, _) | (5 | 6, None) => true,
                (5, Some(date)) => date <= "2020-06-01",
                (6, Some(date)) => date <= "2019-01-01",
                _ => false,
            });
        }
        let line = format!("{command} {definition}.json --source source.toml --project flu --output out/:csv");
        let line = format!("{line} --permissions [\"event_level_data\"]");
        let run = sandbox.run(&line);
        let files: Vec<String> = sandbox.list("out").iter().map(|name| sandbox.read(&format!("out/{name}"))).collect();
        (run.status, run.told(), run.stdout, files)
    };
    for (definition, command) in
        [("dataset", "generate-dataset"), ("events", "generate-dataset"), ("measures", "generate-measures")]
    {
        let whole = seen(false, definition, command);
        assert_eq!(whole.0, Some(0), "{whole:?}");
        assert_eq!(whole, seen(true, definition, command), "{definition}");
    }
}

#[test]
fn outputs_say_what_they_were_made_under() {
    let sandbox = place();
    signed(&sandbox, "sa.json", &set_aside(), &["nhs-england", "joint-gp-it-committee"]);
    let mut text = String::new();
    for (project, more) in [("flu", ""), ("outbreak", "--set-aside sa.json")] {
        let line = format!(
            "generate-dataset dataset.json --source source.toml --project {project} {more} --output {project}.arrow"
        );
        assert_eq!(sandbox.run(&line).status, Some(0));
        let file = fs::File::open(sandbox.path(&format!("{project}.arrow"))).expect("a file");
        let schema = FileReader::try_new(file, None).expect("an Arrow file").schema();
        let mut metadata: Vec<String> =
            schema.metadata().iter().map(|(key, value)| format!("{key} = {value}")).collect();
        metadata.sort();
        let digest = metadata.iter().find_map(|line| line.strip_prefix("peristyle.policy_sha256 = ")).expect("one");
        text += &metadata.join("\n").replace(digest, "[SHA-256]");
        text += "\n\n";
    }
    insta::assert_snapshot!(text);
}

/// The log says nothing of time, and what operators may ask it for is marked as theirs.
#[test]
fn logs_that_are_asked_for_are_for_operators() {
    let sandbox = place();
    let run = sandbox.run_with(RUN, &[("PERISTYLE_LOG", "peristyle=debug")]);
    let first = run.stderr.lines().next().unwrap_or_default();
    assert!(first.contains("is for operators alone"), "{run:?}");
    assert!(run.stderr.contains("rows_removed_by_policy"), "{run:?}");
    let run = sandbox.run(&format!("{RUN} --log-format json"));
    for line in run.stderr.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(line.get("timestamp").is_none() && line.get("wall_ms").is_none(), "{line}");
    }
}

#[test]
fn command_lines_that_are_refused() {
    let sandbox = place();
    let recorded = ledger(&sandbox).len();
    let lines = [
        "generate-dataset dataset.json --source source.toml --output out.csv",
        "generate-dataset dataset.json --source source.toml --project 9434765919 --output out.csv",
        "generate-dataset dataset.json --source source.toml --project flu",
        "generate-dataset dataset.json --source source.toml --dummy-tables tables --project flu --output out.csv",
        "generate-dataset dataset.json --dummy-tables tables --project flu --output out.csv",
        "generate-dataset dataset.json --dummy-tables tables --set-aside sa.json --output out.csv",
        "generate-dataset dataset.json --source absent.toml --project flu --output out.csv",
        "generate-dataset dataset.json --source policy.toml --project flu --output out.csv",
    ];
    insta::assert_snapshot!(transcripts(&sandbox, &lines));
    assert_eq!(ledger(&sandbox).len(), recorded, "what names no place is recorded nowhere");
}

#[test]
fn sources_policies_and_definitions_that_are_refused() {
    let mut text = String::new();
    text += &refused("no policy", RUN, |sandbox| fs::remove_file(sandbox.path("policy.toml")).expect("a file"));
    text += &refused("a field that no policy has", RUN, |sandbox| {
        change(sandbox, "policy.toml", "locked = true", "locked = true\nloose = false");
    });
    text += &refused("a policy that would pass for dummy tables", RUN, |sandbox| {
        change(sandbox, "policy.toml", "\"test-place\"", "\"dummy\"");
    });
    text += &refused("no definition", RUN, |sandbox| fs::remove_file(sandbox.path("dataset.json")).expect("a file"));
    text += &refused("a broken definition", RUN, |sandbox| sandbox.write("dataset.json", "{"));
    text += &refused("no such table", RUN, |sandbox| {
        fs::remove_file(sandbox.path("tables/patients.csv")).expect("a file");
    });
    text += &refused("no tables", RUN, |sandbox| {
        fs::rename(sandbox.path("tables"), sandbox.path("elsewhere")).expect("a folder");
    });
    let registrations = RUN.replace("dataset.json", "registrations.json");
    text += &refused("a table of which nobody says how practice activation applies to it", &registrations, |_| ());
    insta::assert_snapshot!(text);
}

/// Nothing of a study's own code runs with the rights of the engine, which may read the extract.
#[test]
fn python_is_refused_under_a_policy() {
    let sandbox = place();
    sandbox.write("study.py", "from ehrql import create_dataset\n");
    sandbox.write("ehrql", "#!/bin/sh\ntouch it-ran\n");
    fs::set_permissions(sandbox.path("ehrql"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a script");
    let place = "--source source.toml --project flu --ehrql ./ehrql";
    let mut text = String::new();
    for line in [
        format!("generate-dataset study.py {place} --output out.csv"),
        format!("generate-dataset absent.py {place} --output out.csv -- --date 2020-01-01"),
        format!("generate-measures study.py {place} --output out.csv"),
        format!("explain study.py {place}"),
    ] {
        let before = ledger(&sandbox).len();
        let mut run = sandbox.run(&line);
        run.stderr = without_head(&run);
        text += &transcript(&sandbox, &run);
        assert_eq!(ledger(&sandbox).len() - before, 2, "{line}");
        text += &format!("recorded: {}\n\n", outcome(&sandbox));
        assert!(!sandbox.path("it-ran").exists() && !sandbox.path("out.csv").exists(), "{line}");
    }
    insta::assert_snapshot!(text);
    let run = sandbox.run("generate-dataset study.py --dummy-tables tables --ehrql ./ehrql");
    assert!(sandbox.path("it-ran").exists(), "the stand-in would have run: {run:?}");
}

#[test]
fn permissions_that_are_missing() {
    let measures = RUN.replace("generate-dataset dataset.json", "generate-measures measures.json");
    let mut text = String::new();
    text +=
        &refused("event tables", &RUN.replace("dataset.json", "events.json").replace("out.csv", "out/:csv"), |_| ());
    text += &refused("disclosure control off", &format!("{measures} --disclosure-control off"), |_| ());
    text += &refused(
        "disclosure control off, refused before a register is opened",
        &format!("{measures} --disclosure-control off"),
        |sandbox| {
            fs::remove_dir_all(sandbox.path("registers")).expect("a folder");
        },
    );
    text += &refused("no list", &format!("{RUN} --permissions include_t1oo"), |_| ());
    text += &refused("no name", &format!("{RUN} --permissions [\"943\"]"), |_| ());
    text += &refused("a slip", &format!("{RUN} --permissions [\"include_t10o\"]"), |_| ());
    text += &refused("one that nobody knows", &format!("{RUN} --permissions [\"everything\"]"), |_| ());
    insta::assert_snapshot!(text);

    let sandbox = place();
    let off = format!("{measures} --disclosure-control off --permissions [\"disable_disclosure_control\"]");
    let run = sandbox.run(&off);
    assert_eq!((run.status, outcome(&sandbox).as_str()), (Some(0), "answered"), "{run:?}");
    change(&sandbox, "policy.toml", "locked = true", "locked = false");
    assert_eq!(sandbox.run(&format!("{measures} --disclosure-control off")).status, Some(0));
}

#[test]
fn registers_that_are_refused() {
    let mut text = String::new();
    let remove = |sandbox: &Sandbox, name: &str| fs::remove_file(sandbox.path(name)).expect("a file");
    text += &refused("missing", RUN, |sandbox| remove(sandbox, "registers/type-one.csv"));
    text += &refused("without its digest", RUN, |sandbox| remove(sandbox, "registers/type-one.csv.sha256"));
    text += &refused("cut short", RUN, |sandbox| sandbox.write("registers/type-one.csv", "patient\n"));
    text += &refused("empty", RUN, |sandbox| register(sandbox, "type-one", "patient", &[]));
    text += &refused("shrunken", RUN, |sandbox| register(sandbox, "national", "patient", &["1", "2", "4", "5", "6"]));
    text += &refused("grown", RUN, |sandbox| {
        let patients: Vec<String> = (1..20).map(|patient: u32| patient.to_string()).collect();
        register(sandbox, "national", "patient", &patients.iter().map(String::as_str).collect::<Vec<_>>());
    });
    text += &refused("stale", RUN, |sandbox| {
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(5 * 86_400);
        let file = fs::File::options().append(true).open(sandbox.path("registers/type-one.csv")).expect("a file");
        file.set_modified(old).expect("a time");
    });
    text += &refused("counts that were never begun", RUN, |sandbox| remove(sandbox, "state/counts.json"));
    text += &refused("counts that were altered", RUN, |sandbox| {
        change(sandbox, "state/counts.json", "\"greatest\": 7", "\"greatest\": 5");
    });
    text += &refused("earlier counts put back", RUN, |sandbox| {
        let earlier = sandbox.read("state/counts.json");
        assert_eq!(sandbox.run(&RUN.replace("out.csv", "first.csv")).status, Some(0));
        sandbox.write("state/counts.json", earlier);
    });
    // Days of the past are told as they are.
    let past: Vec<String> = text
        .lines()
        .map(|line| match line.split_once(" is of ") {
            Some((before, after)) if after.len() > 10 => format!("{before} is of [DAY]{}", &after[10..]),
            _ => line.to_owned(),
        })
        .collect();
    insta::assert_snapshot!(past.join("\n"));
}

/// A rule that is lifted needs no register.
#[test]
fn a_register_that_is_not_needed_is_not_missed() {
    let sandbox = place();
    fs::remove_file(sandbox.path("registers/type-one.csv")).expect("a file");
    let run = sandbox.run(&format!("{RUN} --permissions [\"include_t1oo\"]"));
    assert_eq!((run.status, outcome(&sandbox).as_str()), (Some(0), "answered"), "{run:?}");
}

#[test]
fn set_asides_that_hold_and_that_do_not() {
    const BODIES: [&str; 2] = ["nhs-england", "joint-gp-it-committee"];
    let run = |project: &str| {
        format!(
            "generate-dataset dataset.json --source source.toml --project {project} --set-aside sa.json --output out.csv"
        )
    };
    let with = |change: &[(&str, &str)]| {
        let mut record = set_aside();
        change.iter().for_each(|(field, value)| record[*field] = (*value).into());
        record
    };
    let sandbox = place();
    signed(&sandbox, "sa.json", &set_aside(), &BODIES);
    let mut text = transcript(&sandbox, &sandbox.run(&run("outbreak")));
    text += &format!("{}\n", sandbox.read("out.csv"));
    assert!(sandbox.read("ledger.jsonl").contains("lifted_by_set_aside"));
    text += &refused("no such file", &run("outbreak"), |_| ());
    text += &refused("another project", &run("flu"), |sandbox| signed(sandbox, "sa.json", &set_aside(), &BODIES));
    text += &refused("expired", &run("outbreak"), |sandbox| {
        signed(sandbox, "sa.json", &with(&[("from", "2020-01-01"), ("until", "2020-01-20")]), &BODIES);
    });
    text += &refused("not yet valid", &run("outbreak"), |sandbox| {
        signed(sandbox, "sa.json", &with(&[("from", "2999-01-01"), ("until", "2999-01-20")]), &BODIES);
    });
    text += &refused("too long", &run("outbreak"), |sandbox| {
        signed(sandbox, "sa.json", &with(&[("until", "2999-01-20")]), &BODIES);
    });
    text += &refused("withdrawn", &run("outbreak"), |sandbox| {
        signed(sandbox, "sa.json", &with(&[("id", "SA-withdrawn")]), &BODIES);
    });
    text += &refused("one body alone", &run("outbreak"), |sandbox| {
        signed(sandbox, "sa.json", &set_aside(), &BODIES[..1]);
    });
    text += &refused("altered", &run("flu"), |sandbox| {
        signed(sandbox, "sa.json", &set_aside(), &BODIES);
        change(sandbox, "sa.json", "\"outbreak\"", "\"flu\"");
    });
    text += &refused("a key of somebody else", &run("outbreak"), |sandbox| {
        signed(sandbox, "sa.json", &set_aside(), &BODIES[..1]);
        let line = "policy sign sa.json --body joint-gp-it-committee --key other.key";
        assert_eq!(sandbox.run(line).status, Some(0));
    });
    // The number of days from now to a fixed day.
    let text: Vec<String> = text
        .lines()
        .map(|line| match line.split_once(" lasts ") {
            Some((before, after)) => {
                format!("{before} lasts [N]{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
            }
            None => line.to_owned(),
        })
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn ledgers_that_take_no_run() {
    let run = |title: &str, damage: &dyn Fn(&Sandbox)| {
        let sandbox = place();
        damage(&sandbox);
        let run = sandbox.run(RUN);
        assert!(!sandbox.path("out.csv").exists(), "{title}: an output");
        format!("{title}\n{}\n", transcript(&sandbox, &run))
    };
    let mut text = String::new();
    text += &run("in no folder", &|sandbox| change(sandbox, "source.toml", "ledger.jsonl", "absent/ledger.jsonl"));
    text += &run("open to others", &|sandbox| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(sandbox.path("ledger.jsonl"), mode).expect("a mode");
    });
    text += &run("removed", &|sandbox| fs::remove_file(sandbox.path("ledger.jsonl")).expect("a file"));
    text += &run("half-written", &|sandbox| {
        let ledger = sandbox.read("ledger.jsonl");
        sandbox.write("ledger.jsonl", format!("{ledger}{{\"counts\""));
    });
    text += &run("its anchor cannot be written", &|sandbox| {
        fs::create_dir(sandbox.path("ledger.jsonl.anchor.new")).expect("a folder");
    });
    insta::assert_snapshot!(text);
}

#[test]
fn explanations_are_under_the_policy_and_in_the_ledger() {
    let explain = |definition: &str| format!("explain {definition}.json --source source.toml --project flu");
    let sandbox = place();
    let recorded = ledger(&sandbox).len();
    let run = sandbox.run(&format!("{} --threads 2", explain("dataset")));
    assert_eq!(run.status, Some(0), "{run:?}");
    insta::assert_snapshot!(run.stdout);
    let lines = ledger(&sandbox);
    let [begun, finished] = &lines[recorded..] else { panic!("{lines:?}") };
    assert_eq!(begun["entry"]["started"]["activity"], "explain", "{begun}");
    let finish = &finished["entry"]["finished"]["finish"];
    assert_eq!(finish["outcome"]["answered"]["outputs"], serde_json::json!([]), "{finish}");
    assert_eq!(finish["registers"].as_array().map(Vec::len), Some(4), "{finish}");
    let counts = finish["tables"].as_array().expect("tables").iter().map(|table| table["rows_read"].as_u64());
    assert!(counts.clone().count() == 2 && counts.flatten().all(|rows| rows == 0), "{finish}");
    // What a run is refused for is refused, and recorded as that of a run is.
    for (title, definition, damage, status, expected) in [
        ("a permission", "events", None, 12, "refused permission_missing 12"),
        ("a register", "dataset", Some("registers/type-one.csv"), 14, "refused register_unusable 14"),
        ("the counts", "dataset", Some("state/counts.json"), 14, "refused counts_not_begun 14"),
        ("a definition", "dataset", Some("dataset.json"), 11, "failed files 11"),
    ] {
        let sandbox = place();
        damage.into_iter().for_each(|name| fs::remove_file(sandbox.path(name)).expect("a file"));
        let run = sandbox.run(&explain(definition));
        assert_eq!((run.status, run.stdout.as_str()), (Some(status), ""), "{title}: {run:?}");
        assert_eq!(outcome(&sandbox), expected, "{title}");
    }
    // No record, no explanation.
    let sandbox = place();
    fs::create_dir(sandbox.path("ledger.jsonl.anchor.new")).expect("a folder");
    let run = sandbox.run(&explain("dataset"));
    assert_eq!((run.status, run.stdout.as_str()), (Some(16), ""), "{run:?}");
    let run = sandbox.run(&format!("{} --analyze", explain("dataset")));
    assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""), "times and metrics are of hidden rows too: {run:?}");
}

/// What a run says on stderr, but for the ledger's head, which has a moment in it.
fn without_head(run: &Run) -> String {
    run.stderr.lines().filter(|line| !line.contains("recorded run=")).map(|line| format!("{line}\n")).collect()
}

/// The patients' files, in Parquet that promises its order, with these patients in each.
fn files_of_patients(sandbox: &Sandbox, files: &[&[i64]]) {
    let columns = vec![Column::new("date_of_birth", "date"), Column::new("sex", "str")];
    let layout = Layout { format: Format::Parquet, order: RowOrder::Promised, batch_rows: 1, ..Layout::default() };
    fs::remove_file(sandbox.path("tables/patients.csv")).expect("a file");
    fs::create_dir(sandbox.path("tables/patients")).expect("a folder");
    for (number, patients) in files.iter().enumerate() {
        let rows = patients.iter().map(|patient| (*patient, vec![Cell::Null, Cell::Str("female".into())])).collect();
        let (module, name) = ("ehrql.tables.core".to_owned(), "patients".to_owned());
        let table = Table { module, name, one_row_per_patient: true, columns: columns.clone(), rows };
        write_table(&table, &layout, &sandbox.path(&format!("tables/patients/part-{number}.parquet")));
    }
}

/// Hidden rows change the files of a table: how many there are, and whether they overlap. The plan shows none of it.
#[test]
fn explanations_tell_nothing_of_rows_that_are_left_out() {
    let seen = |with_hidden: bool, definition: &str, source: &str| {
        let sandbox = place();
        if with_hidden {
            // 2, 3, 4 and 7 are left out: one of each rule, and one without a registration.
            files_of_patients(&sandbox, &[&[1, 5, 7], &[2, 4, 6, 8], &[3]]);
        } else {
            files_of_patients(&sandbox, &[&[1, 5], &[6, 8]]);
            write_tables(&sandbox, |(patient, date)| date.is_some() && !matches!(patient, 2 | 3 | 4 | 7));
            fs::remove_file(sandbox.path("tables/patients.csv")).expect("a file");
            register(&sandbox, "type-one", "patient", &["2", "3"]);
        }
        let run = sandbox.run(&format!("explain {definition}.json {source}"));
        let said = without_head(&run);
        (run.status, run.stdout, said)
    };
    for definition in ["dataset", "measures"] {
        let under_policy = "--source source.toml --project flu";
        let whole = seen(true, definition, under_policy);
        assert_eq!(whole.0, Some(0), "{whole:?}");
        assert_eq!(whole, seen(false, definition, under_policy), "{definition}");
        // The plans themselves differ.
        let [whole, without] = [true, false].map(|with_hidden| seen(with_hidden, definition, "--dummy-tables tables"));
        assert!(whole.0 == Some(0) && without.0 == Some(0) && whole.1 != without.1, "{whole:?}\n{without:?}");
    }
}
