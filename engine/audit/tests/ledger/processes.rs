//! Many processes and threads on one ledger; processes that are killed; a disk that is full.
//!
//! A child process is this test program itself, told by a variable what to do.

// What a child prints is how it tells its parent.
#![allow(clippy::print_stdout)]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use peristyle_audit::{AuditError, Finding, Ledger, LedgerKey};

use crate::samples::{Place, answered, finish, full_finish, now, start};

const CHILD: &str = "PERISTYLE_AUDIT_TEST_LEDGER";
const CHILD_RUNS: &str = "PERISTYLE_AUDIT_TEST_RUNS";

fn child(place: &Place, runs: usize) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "processes::child_process", "--nocapture"]);
    command.env(CHILD, &place.ledger).env(CHILD_RUNS, runs.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Not a test: what a child does. It makes runs until it has made them all, is killed or cannot go on.
#[test]
fn child_process() {
    let Some(ledger) = env::var_os(CHILD).map(PathBuf::from) else { return };
    let key = || LedgerKey::noted(&ledger).unwrap();
    let runs: usize = env::var(CHILD_RUNS).unwrap().parse().unwrap();
    for run in 0..runs {
        let made =
            Ledger::open(&ledger, key()).and_then(|ledger| ledger.with_clock(now).begin(start())).and_then(|open| {
                println!("begun {}", open.run());
                open.finish(if run % 2 == 0 { full_finish() } else { finish(answered()) })
            });
        match made {
            Ok(receipt) => println!("made {}", receipt.run()),
            Err(error) => {
                println!("failed: {error}");
                return;
            }
        }
    }
}

fn said(child: Child, what: &str) -> BTreeSet<u64> {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split_once(what)?.1.trim().parse().ok()).collect()
}

#[test]
fn processes_and_threads_append_to_one_ledger() {
    let (processes, threads, runs) = (6, 4, 15);
    let place = Place::sealed().and_runs(1);
    let children: Vec<_> = (0..processes).map(|_| child(&place, runs).spawn().unwrap()).collect();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..runs {
                    place.run();
                }
            });
        }
    });
    let made: Vec<_> = children.into_iter().map(|child| said(child, "made ")).collect();
    assert!(made.iter().all(|made| made.len() == runs));
    let distinct: BTreeSet<_> = made.iter().flatten().collect();
    assert_eq!(distinct.len(), processes * runs, "no two runs share a number");
    let verification = place.verify(None);
    assert_eq!(verification.findings(), []);
    assert_eq!(verification.runs(), ((processes + threads) * runs) as u64 + 1);
    assert_eq!(verification.unfinished().count(), 0);
}

#[test]
fn killed_processes_leave_unfinished_runs_and_a_sound_ledger() {
    let place = Place::sealed().and_runs(1);
    let (mut begun, mut made) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..12 {
        let mut children: Vec<_> = (0..2).map(|_| child(&place, 10_000).spawn().unwrap()).collect();
        thread::sleep(Duration::from_millis(40 + 7 * round));
        children.iter_mut().for_each(|child| child.kill().unwrap());
        for child in children {
            let output = child.wait_with_output().unwrap();
            for line in String::from_utf8(output.stdout).unwrap().lines() {
                let number = |what| line.split_once(what).and_then(|(_, number)| number.parse::<u64>().ok());
                begun.extend(number("begun "));
                made.extend(number("made "));
            }
        }
        // A kill in the middle of a write tears a line: the next one says so, and a repair makes it good.
        match place.open() {
            Ok(_) => {}
            Err(AuditError::Unsound { finding: Finding::Torn { .. }, .. }) => {
                place.repair().unwrap();
            }
            Err(error) => panic!("{error}"),
        }
        assert_eq!(place.verify(None).findings(), []);
    }
    assert!(!made.is_empty());
    let verification = place.verify(None);
    let unfinished: BTreeSet<_> = verification.unfinished().collect();
    assert!(unfinished.is_disjoint(&made), "a run whose record was said to be complete is complete");
    assert!(begun.len() as u64 <= verification.runs(), "a run that was said to have begun is there");
}

#[test]
fn a_full_disk_means_no_result_and_a_sound_ledger() {
    // A limit on the size of files is a full disk that needs no privileges; the shell has the write fail, not kill.
    for blocks in 1..24 {
        let place = Place::sealed().and_runs(1);
        let program = env::current_exe().unwrap();
        let shell = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec '{}' --exact processes::child_process --nocapture",
            program.display()
        );
        let mut command = Command::new("sh");
        command.args(["-c", &shell]).env(CHILD, &place.ledger).env(CHILD_RUNS, "100").stdout(Stdio::piped());
        let output = command.stderr(Stdio::null()).spawn().unwrap().wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("failed: audit ledger"), "{text}");
        assert!(text.contains("must show no result") && text.contains("Make room"), "{text}");
        let made = text.lines().filter(|line| line.starts_with("made ")).count() as u64;
        let verification = place.verify(None);
        assert_eq!(verification.findings(), [], "{blocks} blocks");
        let finished = verification.runs() - verification.unfinished().count() as u64;
        assert_eq!(finished, made + 1, "every run that was made is recorded, and no other");
        // Room is made.
        place.run();
        assert!(place.verify(None).is_sound());
    }
}

#[test]
fn a_ledger_moved_away_by_a_log_rotation_is_noticed() {
    let place = Place::sealed().and_runs(1);
    let ledger = place.open().unwrap();
    fs::rename(&place.ledger, place.directory.path().join("audit.jsonl.1")).unwrap();
    let error = ledger.begin(start()).unwrap_err();
    assert!(matches!(error, AuditError::Unsound { finding: Finding::KeptRemoved { kept: 2 }, .. }), "{error}");
}
