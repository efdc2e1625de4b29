//! Runs that are ended from outside, and runs whose end cannot be recorded.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::place::{outcome, place};
use super::sandbox::{Sandbox, binary};

/// Long enough for a run to begin, short enough not to hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// A place whose run takes seconds: blocks of one patient, of many.
fn slow_place() -> Sandbox {
    let sandbox = place();
    let rows = |row: &dyn Fn(u32) -> String| (1..60_000).map(row).collect::<String>();
    sandbox.write(
        "tables/patients.csv",
        format!("patient_id,date_of_birth,sex\n{}", rows(&|patient| format!("{patient},1970-01-01,male\n"))),
    );
    sandbox.write(
        "tables/clinical_events.csv",
        format!("patient_id,date,numeric_value\n{}", rows(&|patient| format!("{patient},2018-05-01,1.5\n"))),
    );
    sandbox
}

fn begin(sandbox: &Sandbox) -> Child {
    let permissions = r#"["include_t1oo","include_ndoo","include_gp_unactivated"]"#;
    let line = "generate-dataset dataset.json --source source.toml --project flu --output out.csv --threads 1 \
                --block-patients 1 --memory-limit 64MiB --permissions";
    let mut command = Command::new(binary());
    command.args(line.split_whitespace()).arg(permissions).current_dir(sandbox.path("."));
    command.env("TMPDIR", sandbox.path("spill")).env_remove("PERISTYLE_LOG");
    fs::create_dir(sandbox.path("spill")).expect("a folder");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

/// Waits until the run writes its answer, under a hidden name.
fn wait_for_output(sandbox: &Sandbox) {
    let began = Instant::now();
    while !sandbox.list(".").iter().any(|name| name.starts_with(".out.csv.partial")) {
        assert!(began.elapsed() < PATIENCE, "the run does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn left_behind(sandbox: &Sandbox) -> Vec<String> {
    let mut names = sandbox.list("spill");
    names.extend(sandbox.list(".").into_iter().filter(|name| name.contains("out.csv")));
    names
}

#[test]
fn a_run_that_is_ended_leaves_nothing_behind() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let sandbox = slow_place();
        let run = begin(&sandbox);
        wait_for_output(&sandbox);
        let sent = Command::new("kill").args([format!("-{signal}"), run.id().to_string()]).status().expect("kill");
        assert!(sent.success());
        let output = run.wait_with_output().expect("an end");
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"), "{output:?}");
        assert_eq!(left_behind(&sandbox), Vec::<String>::new());
        assert_eq!(outcome(&sandbox), format!("failed interrupted {status}"));
    }
}

/// Killed outright, nothing can be tidied; the ledger shows a run that did not finish.
#[test]
fn a_run_that_is_killed_is_unfinished() {
    let sandbox = slow_place();
    let mut run = begin(&sandbox);
    wait_for_output(&sandbox);
    run.kill().expect("a kill");
    run.wait().expect("an end");
    assert!(!sandbox.path("out.csv").exists());
    assert_eq!(outcome(&sandbox), "not finished");
    let verified = sandbox.run("audit verify ledger.jsonl");
    assert_eq!(verified.status, Some(0), "{verified:?}");
    assert!(verified.stdout.contains("unfinished, that is under way or died: 1"), "{verified:?}");
}

/// As on a disk that is full by the time that the run ends.
#[test]
fn a_run_whose_end_cannot_be_recorded_shows_no_answer() {
    let sandbox = slow_place();
    let run = begin(&sandbox);
    wait_for_output(&sandbox);
    fs::create_dir(sandbox.path("ledger.jsonl.anchor.new")).expect("a folder");
    let output = run.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(16), "{output:?}");
    assert_eq!(left_behind(&sandbox), Vec::<String>::new());
}
