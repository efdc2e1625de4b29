//! Runs that are ended from outside, and runs whose end cannot be recorded.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use super::place::outcome;
use super::sandbox::Sandbox;
use super::under_way::{Way, begin_slow, seen, slow_place, wait_for_output};

fn left_behind(sandbox: &Sandbox) -> Vec<String> {
    let mut names = sandbox.list("spill");
    names.extend(seen(sandbox).into_iter().map(|(name, _)| name));
    names
}

#[test]
fn a_run_that_is_ended_leaves_nothing_behind() {
    let signals = [("HUP", 129), ("INT", 130), ("QUIT", 131), ("TERM", 143)];
    for (way, (signal, status)) in Way::all().into_iter().flat_map(|way| signals.map(|signal| (way, signal))) {
        let sandbox = slow_place();
        let run = begin_slow(&sandbox, way, "out.csv");
        wait_for_output(&sandbox, &run, Way::Unnamed);
        let sent = Command::new("kill").args([format!("-{signal}"), run.id().to_string()]).status().expect("kill");
        assert!(sent.success());
        let output = run.wait_with_output().expect("an end");
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"), "{output:?}");
        assert_eq!(left_behind(&sandbox), Vec::<String>::new());
        assert_eq!(outcome(&sandbox), format!("failed interrupted {status}"));
        let verified = sandbox.run("audit verify ledger.jsonl");
        assert_eq!(verified.status, Some(0), "{signal}: {verified:?}");
    }
}

/// Killed outright, nothing can be tidied; the ledger shows a run that did not finish.
#[test]
fn a_run_that_is_killed_is_unfinished() {
    let sandbox = slow_place();
    let mut run = begin_slow(&sandbox, Way::Unnamed, "out.csv");
    wait_for_output(&sandbox, &run, Way::Unnamed);
    run.kill().expect("a kill");
    run.wait().expect("an end");
    assert!(!sandbox.path("out/out.csv").exists());
    assert_eq!(outcome(&sandbox), "not finished");
    let verified = sandbox.run("audit verify ledger.jsonl");
    assert_eq!(verified.status, Some(0), "{verified:?}");
    assert!(verified.stdout.contains("unfinished, that is under way or died: 1"), "{verified:?}");
}

/// As on a disk that is full by the time that the run ends.
#[test]
fn a_run_whose_end_cannot_be_recorded_shows_no_answer() {
    let sandbox = slow_place();
    let run = begin_slow(&sandbox, Way::Unnamed, "out.csv");
    wait_for_output(&sandbox, &run, Way::Unnamed);
    fs::create_dir(sandbox.path("ledger.jsonl.anchor.new")).expect("a folder");
    let output = run.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(16), "{output:?}");
    assert_eq!(left_behind(&sandbox), Vec::<String>::new());
}

/// Whoever can write a file can set its time of modification, and not that of its status.
#[test]
fn a_table_that_changes_during_a_run_is_noticed_whatever_its_time_says() {
    let sandbox = slow_place();
    let mut run = begin_slow(&sandbox, Way::Unnamed, "out.csv");
    wait_for_output(&sandbox, &run, Way::Unnamed);
    let path = sandbox.path("tables/clinical_events.csv");
    let modified = fs::metadata(&path).expect("a file").modified().expect("a time");
    let text = fs::read_to_string(&path).expect("text");
    let mut file = fs::OpenOptions::new().write(true).open(&path).expect("a file");
    file.write_all(text.replace("2018-05-01", "2018-05-02").as_bytes()).expect("a write");
    file.set_modified(modified).expect("a time");
    drop(file);
    assert!(run.try_wait().expect("a status").is_none(), "the run was over before the file changed");
    let ended = run.wait_with_output().expect("an end");
    assert_eq!(ended.status.code(), Some(11), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("changed"), "{ended:?}");
    assert!(seen(&sandbox).is_empty(), "{:?}", seen(&sandbox));
}
