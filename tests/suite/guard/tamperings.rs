//! Ledgers that were tampered with by somebody who can write everything but the counts and cannot read their key: digests
//! are computed anew and the anchor is put right. The check finds it, and the next run is refused and records nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sha2::{Digest, Sha256};

use crate::cli::Sandbox;
use crate::files::Format;

use super::faults::{RUN, sound};

const LEDGER: &str = "ledger.jsonl";
const ANCHOR: &str = "ledger.jsonl.anchor";

/// What is done to the lines of a ledger.
#[derive(Clone, Debug)]
enum Tampering {
    /// A digit of a record becomes another
    Edit { digit: Index, by: u8 },
    /// The last lines go
    Cut { kept: Index },
    /// One line goes
    Remove { line: Index },
    /// A line changes places with the next one
    Swap { line: Index },
    /// A record that there was is written once more, at the end
    Append { line: Index },
    /// The file goes
    Gone,
}

/// What is done to the anchor.
#[derive(Clone, Copy, Debug)]
enum Anchor {
    /// It names the last line that there is now
    PutRight,
    LeftAlone,
    Gone,
}

fn tamperings() -> impl Strategy<Value = (Tampering, Anchor)> {
    let index = any::<Index>;
    let ledger = prop_oneof![
        4 => (index(), 1_u8..10).prop_map(|(digit, by)| Tampering::Edit { digit, by }),
        2 => index().prop_map(|kept| Tampering::Cut { kept }),
        1 => index().prop_map(|line| Tampering::Remove { line }),
        1 => index().prop_map(|line| Tampering::Swap { line }),
        2 => index().prop_map(|line| Tampering::Append { line }),
        1 => Just(Tampering::Gone),
    ];
    let anchor = prop_oneof![4 => Just(Anchor::PutRight), 1 => Just(Anchor::LeftAlone), 1 => Just(Anchor::Gone)];
    (ledger, anchor)
}

/// Lines that are numbered anew, each after the digest of the one before.
fn chained(lines: &[String]) -> Vec<String> {
    let mut previous = "0".repeat(64);
    let line = |(number, line): (usize, &String)| {
        let (kept, _) = line.rsplit_once(",\"previous\":\"").expect("a line of the ledger");
        let covered = format!("{kept},\"previous\":\"{previous}\",\"sequence\":{}", number + 1);
        previous = Sha256::digest(&covered).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{covered},\"sha256\":\"{previous}\"}}")
    };
    lines.iter().enumerate().map(line).collect()
}

/// The anchor of these lines, with the note of another one.
fn anchor_of(lines: &[String], like: &str) -> String {
    let sha256 = lines.last().map_or("0".repeat(64), |line| line[line.len() - 66..line.len() - 2].to_owned());
    let (note, _) = like.split_once("\"sequence\":").expect("an anchor");
    format!("{note}\"sequence\":{},\"sha256\":\"{sha256}\"}}\n", lines.len())
}

/// The lines after it; none where the file goes.
fn tampered(mut lines: Vec<String>, tampering: &Tampering) -> Option<Vec<String>> {
    match tampering {
        Tampering::Edit { digit, by } => {
            let digits = lines.iter().enumerate().flat_map(|(number, line)| {
                let record = line.rsplit_once(",\"format\":").expect("a line of the ledger").0;
                record.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()).map(move |(at, _)| (number, at))
            });
            let digits: Vec<(usize, usize)> = digits.collect();
            let (number, at) = *digit.get(&digits);
            let other = (lines[number].as_bytes()[at] - b'0' + by) % 10;
            lines[number].replace_range(at..=at, &other.to_string());
        }
        Tampering::Cut { kept } => lines.truncate(kept.index(lines.len())),
        Tampering::Remove { line } => drop(lines.remove(line.index(lines.len()))),
        Tampering::Swap { line } => {
            let line = line.index(lines.len() - 1);
            lines.swap(line, line + 1);
        }
        Tampering::Append { line } => lines.push(line.get(&lines).clone()),
        Tampering::Gone => return None,
    }
    Some(chained(&lines))
}

fn tamper(sandbox: &Sandbox, ledger: &str, anchor: &str, tampering: &Tampering, of_anchor: Anchor) {
    let lines = tampered(ledger.lines().map(str::to_owned).collect(), tampering);
    match &lines {
        Some(lines) => sandbox.write(LEDGER, lines.iter().map(|line| format!("{line}\n")).collect::<String>()),
        None => fs::remove_file(sandbox.path(LEDGER)).expect("a ledger"),
    }
    match of_anchor {
        Anchor::PutRight => sandbox.write(ANCHOR, anchor_of(&lines.unwrap_or_default(), anchor)),
        Anchor::LeftAlone => {}
        Anchor::Gone => fs::remove_file(sandbox.path(ANCHOR)).expect("an anchor"),
    }
}

/// A place with three runs on record, of which one was refused.
fn with_runs() -> Sandbox {
    let sandbox = sound(Format::Csv);
    let register = sandbox.read("registers/type_one.csv");
    assert_eq!(sandbox.run(RUN).status, Some(0));
    sandbox.write("registers/type_one.csv", "");
    assert_eq!(sandbox.run(RUN).status, Some(14));
    sandbox.write("registers/type_one.csv", register);
    assert_eq!(sandbox.run(RUN).status, Some(0));
    fs::remove_file(sandbox.path("out.csv")).expect("an answer");
    sandbox
}

const TAMPERINGS: usize = 100;

/// A second, naive forger, through the binary. `engine/audit/tests/ledger/sealed.rs` tries 500 on the library.
#[test]
fn whatever_is_done_without_the_key_is_found_by_the_check_and_by_the_next_run() {
    let sandbox = with_runs();
    let (ledger, anchor) = (sandbox.read(LEDGER), sandbox.read(ANCHOR));
    let lines: Vec<String> = ledger.lines().map(str::to_owned).collect();
    assert_eq!(
        (chained(&lines), anchor_of(&lines, &anchor)),
        (lines, anchor.clone()),
        "it forges what the engine writes"
    );
    let (many, mut runner) = (vec(tamperings(), TAMPERINGS), TestRunner::default());
    for (tampering, of_anchor) in many.new_tree(&mut runner).expect("tamperings").current() {
        tamper(&sandbox, &ledger, &anchor, &tampering, of_anchor);
        let before = fs::read(sandbox.path(LEDGER)).ok();
        // What notes an emptied ledger's key is gone with its anchor: so the place is named.
        let verified = sandbox.run("audit verify ledger.jsonl --source source.toml");
        assert!(matches!(verified.status, Some(11 | 16)), "{tampering:?} {of_anchor:?}: {verified:?}");
        let run = sandbox.run(RUN);
        assert_eq!(run.status, Some(16), "{tampering:?} {of_anchor:?}: {run:?}");
        assert!(!sandbox.path("out.csv").exists(), "{tampering:?} {of_anchor:?}");
        assert_eq!(fs::read(sandbox.path(LEDGER)).ok(), before, "{tampering:?} {of_anchor:?}: a run was recorded");
        for (name, text) in [(LEDGER, &ledger), (ANCHOR, &anchor)] {
            sandbox.write(name, text);
            fs::set_permissions(sandbox.path(name), Permissions::from_mode(0o600)).expect("a mode");
        }
    }
    assert_eq!(sandbox.run("audit verify ledger.jsonl --source source.toml").status, Some(0));
    assert_eq!(sandbox.run(RUN).status, Some(0), "put back, it is what it was");
}
