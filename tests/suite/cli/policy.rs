//! `policy …` and `audit …`.

use std::fs;

use super::place::{change, place, register, set_aside, signed, transcript, transcripts};
use super::sandbox::{Run, Sandbox};

const RUN: &str = "generate-dataset dataset.json --source source.toml --project flu --output out.csv";

#[test]
fn policies_and_records_are_shown() {
    let sandbox = place();
    sandbox.write("sa.json", set_aside().to_string());
    sandbox.write("none.toml", "");
    let lines = ["policy show policy.toml", "policy show sa.json", "policy show none.toml", "policy show absent.toml"];
    insta::assert_snapshot!(transcripts(&sandbox, &lines));
}

#[test]
fn registers_are_checked_without_a_run() {
    let sandbox = place();
    let check = |title: &str| {
        let run = sandbox.run("policy check source.toml");
        format!("{title}\n{}\n", transcript(&sandbox, &run))
    };
    let mut text = check("as they are");
    register(&sandbox, "national", "patient", &["1", "2", "4", "5", "6"]);
    fs::remove_file(sandbox.path("registers/type-one.csv")).expect("a file");
    text += &check("one missing, one shrunken");
    fs::remove_file(sandbox.path("state/counts.json")).expect("a file");
    text += &check("and no counts");
    insta::assert_snapshot!(text);
}

#[test]
fn counts_are_begun_and_accepted_by_a_person() {
    let sandbox = place();
    let mut text = String::new();
    let mut step = |line: &str| {
        let run = sandbox.run(line);
        text += &format!("{}\n", transcript(&sandbox, &run));
        run.status
    };
    assert_eq!(step("policy begin source.toml --by tester"), Some(0));
    register(&sandbox, "national", "patient", &["1", "2", "4", "5", "6"]);
    assert_eq!(step(RUN), Some(14));
    assert_eq!(step("policy begin source.toml --by tester"), Some(0), "which keeps what it knows");
    assert_eq!(step(RUN), Some(14));
    let accept = "policy accept source.toml --by tester --register national.register";
    assert_eq!(step(accept), Some(2), "nobody says how many");
    assert_eq!(step(&format!("{accept} --count 7")), Some(2), "somebody says another number");
    assert_eq!(step(&format!("{accept} --count type_one.register=1 --count 5")), Some(2), "it is of another register");
    assert_eq!(step(&format!("{accept} --register type_one.register --count 5")), Some(2), "of which of them?");
    assert_eq!(step(RUN), Some(14), "so nothing was accepted");
    assert_eq!(step(&format!("{accept} --count 5")), Some(0));
    let recorded = sandbox.run("audit show ledger.jsonl --from 2100-01-01T00:00:00Z").stdout;
    assert!(recorded.contains("before it: national.register listed from 7 to 7 in recent runs"), "{recorded}");
    assert_eq!(step(RUN), Some(0));
    register(&sandbox, "national", "patient", &["1"]);
    assert_eq!(step(&format!("{accept} --count national.register=1")), Some(14), "fewer than the policy's least count");
    // Begun anew after a loss: the ledger's count goes on.
    register(&sandbox, "national", "patient", &["1", "2", "4", "5", "6"]);
    fs::remove_file(sandbox.path("state/counts.json")).expect("a file");
    assert_eq!(step("policy begin source.toml --by tester"), Some(0));
    assert_eq!(step(RUN), Some(0));
    assert_eq!(step("policy accept source.toml --by tester --register patients"), Some(2));
    insta::assert_snapshot!(text);
}

/// What only a run found, once it had read the registers, `policy check` finds without one.
#[test]
fn a_check_finds_what_a_run_would() {
    let least =
        |sandbox: &Sandbox| change(sandbox, "policy.toml", "least_found_percent = 0", "least_found_percent = 95");
    let mut text = String::new();
    let mut both = |title: &str, damage: &dyn Fn(&Sandbox)| {
        let sandbox = place();
        damage(&sandbox);
        let (check, run) = (sandbox.run("policy check source.toml"), sandbox.run(RUN));
        assert_eq!(check.status, run.status, "{title}: {check:?} {run:?}");
        let said = check.stdout.lines().filter(|line| line.contains("REFUSED"));
        text += &format!("{title}: {}\n{}\n", run.status.unwrap_or(-1), said.collect::<Vec<_>>().join("\n"));
        let told = run.told();
        assert!(
            check.stdout.contains(told.trim_start_matches("error: ").trim_end()),
            "{title}: {told}\n{}",
            check.stdout
        );
    };
    both("a register of other pseudonyms", &|sandbox| {
        least(sandbox);
        register(sandbox, "type-one", "patient", &["9"]);
    });
    both("no patient table", &|sandbox| {
        least(sandbox);
        fs::remove_file(sandbox.path("tables/patients.csv")).expect("a file");
    });
    both("keys of another type than the connector's", &|sandbox| {
        change(sandbox, "source.toml", "user-facing", "tpp");
        sandbox.write("tables/Patient.csv", "Patient_ID,DateOfBirth,DateOfDeath,Sex\n1,1971-01-01,,F\n");
        change(sandbox, "policy.toml", "patient_key = \"int\"", "patient_key = \"text\"");
    });
    insta::assert_snapshot!(text);
}

#[test]
fn keys_are_made_and_records_signed_and_verified() {
    let sandbox = place();
    let run = sandbox.run("policy keygen --out new.key");
    assert_eq!(run.status, Some(0), "{run:?}");
    let secret = sandbox.read("new.key");
    assert!(!run.stdout.contains(secret.lines().nth(1).expect("a key")), "{run:?}");
    sandbox.write("sa.json", set_aside().to_string());
    let mut text = format!("{}\n", sandbox.transcript(&Run { stdout: without_key(&run.stdout), ..run }));
    text += &transcripts(
        &sandbox,
        &[
            "policy keygen --out new.key",
            "policy verify sa.json --source source.toml --project outbreak",
            "policy sign sa.json --body nhs-england --key nhs-england.key",
            "policy sign sa.json --body nhs-england --key nhs-england.key",
            "policy sign sa.json --body somebody --key nhs-england.key",
            "policy sign sa.json --body joint-gp-it-committee --key dataset.json",
            "policy sign sa.json --body joint-gp-it-committee --key joint-gp-it-committee.key",
            "policy verify sa.json --source source.toml --project outbreak",
            "policy verify sa.json --source source.toml --project flu",
            "policy verify policy.toml --source source.toml --project flu",
        ],
    );
    insta::assert_snapshot!(text);
}

/// What `keygen` says, without the key that it made.
fn without_key(text: &str) -> String {
    let line = |line: &str| match line.split_whitespace().next() {
        Some(name @ ("public_key" | "fingerprint")) => format!("{name} [KEY]\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Two answered runs and a refused one.
fn with_runs() -> Sandbox {
    let sandbox = place();
    signed(&sandbox, "sa.json", &set_aside(), &["nhs-england", "joint-gp-it-committee"]);
    assert_eq!(sandbox.run(RUN).status, Some(0));
    let set_aside = "--project outbreak --set-aside sa.json --permissions [\"event_level_data\"] --output out/:csv";
    assert_eq!(sandbox.run(&format!("generate-dataset events.json --source source.toml {set_aside}")).status, Some(0));
    assert_eq!(sandbox.run(&RUN.replace("dataset.json", "events.json")).status, Some(12));
    sandbox
}

const PUNCTUATION: [char; 6] = [' ', '\n', '"', ';', '.', ','];

/// A transcript without the times of day.
fn timeless(sandbox: &Sandbox, run: &Run) -> String {
    let text = transcript(sandbox, run);
    let mut timeless = String::new();
    for word in text.split_inclusive(PUNCTUATION) {
        let time = word.trim_end_matches(PUNCTUATION).trim_end_matches(':');
        let is_time = |time: &str| time.len() == 8 && time.as_bytes()[2] == b':' && time.as_bytes()[5] == b':';
        let time = time.rsplit_once('T').map_or(time, |(_, time)| time).trim_end_matches('Z');
        timeless += &if is_time(time) { word.replace(time, "[TIME]") } else { word.to_owned() };
    }
    timeless
}

#[test]
fn ledgers_are_shown() {
    let sandbox = with_runs();
    let lines = [
        "audit show ledger.jsonl",
        "audit show ledger.jsonl --public",
        "audit show ledger.jsonl --public --json --project outbreak",
        "audit show ledger.jsonl --project nobody",
        "audit show ledger.jsonl --from yesterday",
        "audit show absent.jsonl",
    ];
    let text: String = lines.iter().map(|line| timeless(&sandbox, &sandbox.run(line)) + "\n").collect();
    insta::assert_snapshot!(text);
    let json = sandbox.run("audit show ledger.jsonl --json");
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["runs"].as_array().map(Vec::len), Some(3));
}

#[test]
fn tampering_with_a_ledger_is_found() {
    let untouched = with_runs().read("ledger.jsonl");
    let mut text = String::new();
    let mut check = |title: &str, tamper: &dyn Fn(&Sandbox, &mut Vec<String>)| {
        let sandbox = with_runs();
        let mut lines: Vec<String> = sandbox.read("ledger.jsonl").lines().map(str::to_owned).collect();
        tamper(&sandbox, &mut lines);
        sandbox.write("ledger.jsonl", lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        text += &format!("{title}\n{}", transcripts(&sandbox, &["audit verify ledger.jsonl"]));
        let public = sandbox.run("audit show ledger.jsonl --public");
        assert_eq!((public.status, public.stdout.as_str()), (Some(16), ""), "{title}: {public:?}");
        assert_eq!(sandbox.run("audit show ledger.jsonl").status, Some(16), "{title}");
    };
    check("a project's name", &|_, lines| lines[1] = lines[1].replace("flu", "flo"));
    check("a line", &|_, lines| drop(lines.remove(3)));
    check("the last line", &|_, lines| drop(lines.pop()));
    check("two lines", &|_, lines| lines.swap(1, 2));
    check("the anchor", &|sandbox, _| fs::remove_file(sandbox.path("ledger.jsonl.anchor")).expect("a file"));
    insta::assert_snapshot!(text);
    assert_eq!(untouched.lines().count(), 7);
}

#[test]
fn a_head_that_was_noted_finds_what_was_put_back_together_with_the_counts() {
    const KEPT: [&str; 3] = ["ledger.jsonl", "ledger.jsonl.anchor", "state/counts.json"];
    let sandbox = with_runs();
    let before = KEPT.map(|name| sandbox.read(name));
    assert_eq!(sandbox.run(RUN).status, Some(0));
    let verified = sandbox.run("audit verify ledger.jsonl");
    assert_eq!(verified.status, Some(0), "{verified:?}");
    let head = verified.stdout.lines().find_map(|line| line.strip_prefix("head: ")).expect("a head").to_owned();
    let held = sandbox.run(&format!("audit verify ledger.jsonl --head {head}"));
    assert_eq!(held.status, Some(0), "{held:?}");
    let rename = |from: &str, to: &str| fs::rename(sandbox.path(from), sandbox.path(to)).expect("a file");
    rename("ledger.jsonl", "aside");
    let without = sandbox.run(RUN);
    rename("aside", "ledger.jsonl");
    for (name, text) in KEPT.iter().zip(before) {
        sandbox.write(name, text);
    }
    // Of another project: the same run in the same second would be the same record.
    let run = sandbox.run(&RUN.replace("flu", "audit"));
    assert_eq!(run.status, Some(0), "nothing here knows of a later record: {run:?}");
    let anew = sandbox.run(&format!("audit verify ledger.jsonl --head {head}"));
    assert_eq!(anew.status, Some(16), "{anew:?}");
    let not_a_head = sandbox.run("audit verify ledger.jsonl --head 7");
    let text = [verified, held, without, anew, not_a_head].map(|run| transcript(&sandbox, &run)).join("\n");
    insta::assert_snapshot!(text);
}

#[test]
fn a_half_written_line_is_moved_aside() {
    let sandbox = with_runs();
    let whole = sandbox.read("ledger.jsonl");
    sandbox.write("ledger.jsonl", format!("{whole}{{\"counts\":{{}},\"ent"));
    let lines = [
        "audit verify ledger.jsonl",
        "audit repair ledger.jsonl",
        "audit verify ledger.jsonl",
        "audit repair ledger.jsonl",
    ];
    insta::assert_snapshot!(transcripts(&sandbox, &lines));
    assert_eq!(sandbox.run(RUN).status, Some(0), "runs go on");
    change(&sandbox, "ledger.jsonl", "\"torn_bytes\":", "\"torn_bites\":");
    assert_eq!(sandbox.run("audit verify ledger.jsonl").status, Some(16));
}
