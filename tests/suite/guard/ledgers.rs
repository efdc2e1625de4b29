//! The ledger under stress: disks that fill up at any byte, many runs at once, runs that are killed at any moment. No
//! answer is ever shown that is not recorded.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::cli::{Sandbox, binary};
use crate::files::Format;

use super::faults::{RUN, ledger, sound};

/// How many runs a ledger has finished, and how many of them were answered.
fn finished(sandbox: &Sandbox) -> (usize, usize) {
    let lines = ledger(sandbox);
    let ends: Vec<_> = lines.iter().filter_map(|line| line["entry"].get("finished")).collect();
    (ends.len(), ends.iter().filter(|end| end["finish"]["outcome"].get("answered").is_some()).count())
}

fn verifies(sandbox: &Sandbox) -> bool {
    sandbox.run("audit verify ledger.jsonl").status == Some(0)
}

/// A run in the shell, after these commands.
fn run_after(sandbox: &Sandbox, commands: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{commands}; exec \"$0\" \"$@\"")]).arg(binary()).args(RUN.split(' '));
    command.current_dir(sandbox.path(".")).env_remove("PERISTYLE_LOG").output().expect("sh")
}

/// Runs with files limited to so many blocks of 512 bytes: writing beyond fails, as on a full disk. No signal (SIGXFSZ)
/// that comes with it ends the run in the middle of a line.
fn run_with_room_for(sandbox: &Sandbox, blocks: u64) -> (Option<i32>, String) {
    let output = run_after(sandbox, &format!("ulimit -f {blocks}"));
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_full_disk_means_no_answer() {
    let whole = sound(Format::Csv);
    let before = fs::metadata(whole.path("ledger.jsonl")).expect("a file").len();
    assert_eq!(whole.run(RUN).status, Some(0));
    let after = fs::metadata(whole.path("ledger.jsonl")).expect("a file").len();
    let (mut refused, mut answered) = (0, 0);
    for blocks in before / 512..=after / 512 + 2 {
        let sandbox = sound(Format::Csv);
        let recorded = finished(&sandbox);
        let (status, told) = run_with_room_for(&sandbox, blocks);
        if status == Some(0) {
            answered += 1;
            assert!(sandbox.path("out.csv").exists());
            assert_eq!(finished(&sandbox), (recorded.0 + 1, recorded.1 + 1));
            assert!(verifies(&sandbox));
            continue;
        }
        refused += 1;
        assert!(status.is_some_and(|status| matches!(status, 11 | 14 | 16)), "{blocks}: {status:?} {told}");
        assert!(!sandbox.path("out.csv").exists(), "{blocks}: an answer without a record");
        let left: Vec<String> = sandbox.list(".").into_iter().filter(|name| name.contains("out.csv")).collect();
        assert!(left.is_empty(), "{blocks}: {left:?}");
        // What was cut short is found, and repaired by a person; runs go on.
        if !verifies(&sandbox) {
            let repaired = sandbox.run("audit repair ledger.jsonl");
            assert_eq!(repaired.status, Some(0), "{blocks}: {repaired:?}");
            assert!(verifies(&sandbox), "{blocks}");
        }
        let next = sandbox.run(RUN);
        assert_eq!(next.status, Some(0), "{blocks}: {next:?}");
    }
    assert!(refused >= 2 && answered >= 1, "{refused} refused, {answered} answered");
}

/// What cannot be said to anybody is recorded all the same, and changes nothing.
#[test]
fn a_full_or_closed_stderr_ends_no_run() {
    for stderr in ["exec 2> /dev/full", "exec 2>&-"] {
        let sandbox = sound(Format::Csv);
        let answered = run_after(&sandbox, stderr);
        assert_eq!(answered.status.code(), Some(0), "{stderr}: {answered:?}");
        assert_eq!(finished(&sandbox), (1, 1), "{stderr}");
        fs::remove_file(sandbox.path("out.csv")).expect("an answer");
        fs::remove_file(sandbox.path("registers/type_one.csv")).expect("a register");
        let refused = run_after(&sandbox, stderr);
        assert_eq!(refused.status.code(), Some(14), "{stderr}: {refused:?}");
        assert_eq!(finished(&sandbox), (2, 1), "{stderr}");
        assert!(verifies(&sandbox), "{stderr}");
        assert!(!sandbox.path("out.csv").exists(), "{stderr}");
    }
}

/// A file system of its own that is full, where the test may mount one.
#[test]
fn a_ledger_on_a_full_file_system_takes_no_run() {
    let sandbox = sound(Format::Csv);
    let folder = sandbox.path("small");
    fs::create_dir(&folder).expect("a folder");
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k,mode=700", "none"]).arg(&folder).output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        eprintln!(
            "a_ledger_on_a_full_file_system_takes_no_run: not allowed to mount; the limit on files stands in for it"
        );
        return;
    }
    let outcome = std::panic::catch_unwind(|| on_a_full_file_system(&sandbox, &folder));
    let unmounted = Command::new("umount").arg(&folder).status().expect("umount");
    assert!(unmounted.success());
    outcome.expect("no answer without a record");
}

fn on_a_full_file_system(sandbox: &Sandbox, folder: &Path) {
    for name in ["ledger.jsonl", "ledger.jsonl.anchor"] {
        fs::copy(sandbox.path(name), folder.join(name)).expect("a file");
    }
    let source = sandbox.read("source.toml").replace("\"ledger.jsonl\"", "\"small/ledger.jsonl\"");
    sandbox.write("small.toml", source);
    let mut statuses = vec![];
    for run in 0..60 {
        let line = RUN.replace("source.toml", "small.toml").replace("out.csv", &format!("out-{run}.csv"));
        let run = sandbox.run(&line);
        let exists = sandbox.list(".").iter().filter(|name| name.starts_with("out-")).count();
        statuses.push(run.status);
        let answered = statuses.iter().filter(|status| **status == Some(0)).count();
        assert_eq!(exists, answered, "{run:?}");
        if run.status != Some(0) {
            assert_eq!(run.status, Some(16), "{run:?}");
            break;
        }
    }
    assert_eq!(statuses.last(), Some(&Some(16)), "the disk was never full: {statuses:?}");
}

#[test]
fn a_device_is_no_ledger() {
    let sandbox = sound(Format::Csv);
    for ledger in ["/dev/full", "/dev/null", "/dev/stdout"] {
        let source = super::faults::SOURCE.replace("ledger = \"ledger.jsonl\"", &format!("ledger = \"{ledger}\""));
        sandbox.write("device.toml", source);
        let run = sandbox.run(&RUN.replace("source.toml", "device.toml"));
        assert_eq!((run.status, run.stdout.as_str()), (Some(16), ""), "{ledger}: {run:?}");
        assert!(!sandbox.path("out.csv").exists());
    }
}

#[test]
fn runs_at_the_same_time_are_all_recorded() {
    const RUNS: usize = 12;
    let sandbox = sound(Format::Csv);
    let begin = |number: usize| {
        let line = RUN.replace("out.csv", &format!("out-{number}.csv"));
        let mut command = Command::new(binary());
        command.args(line.split(' ')).args(["--threads", "1"]).current_dir(sandbox.path("."));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
    };
    let runs: Vec<_> = (0..RUNS).map(begin).collect();
    for run in runs {
        let output = run.wait_with_output().expect("an end");
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(finished(&sandbox), (RUNS, RUNS));
    assert!(verifies(&sandbox));
    let answers: Vec<String> = (0..RUNS).map(|number| sandbox.read(&format!("out-{number}.csv"))).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

/// Killed at any moment, a run has shown nothing, or is recorded as answered.
#[test]
fn a_run_that_is_killed_shows_nothing_that_is_not_recorded() {
    let sandbox = sound(Format::Csv);
    let events: String = (0..60_000).map(|event| format!("{},2020-01-01,1.5\n", 1 + event / 1_500)).collect();
    sandbox.write("tables/clinical_events.csv", format!("patient_id,date,numeric_value\n{events}"));
    for killed in 0..16_u64 {
        let line = RUN.replace("out.csv", &format!("out-{killed}.csv"));
        let mut command = Command::new(binary());
        command.args(line.split(' ')).args(["--threads", "1"]).current_dir(sandbox.path("."));
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
        std::thread::sleep(Duration::from_millis(5 + killed * 9));
        run.kill().expect("a kill");
        run.wait().expect("an end");
        let shown = sandbox.list(".").iter().filter(|name| name.starts_with("out-")).count();
        if !verifies(&sandbox) {
            let repaired = sandbox.run("audit repair ledger.jsonl");
            assert_eq!(repaired.status, Some(0), "{repaired:?}");
        }
        assert!(verifies(&sandbox), "killed after {} ms", 5 + killed * 9);
        assert!(shown <= finished(&sandbox).1, "an answer that is not recorded");
    }
    // Whatever was left behind, the next run answers.
    let next = sandbox.run(RUN);
    assert_eq!(next.status, Some(0), "{next:?}");
}
