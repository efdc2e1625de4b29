//! Each way to tamper with a ledger, and what is said about it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use peristyle_audit::{Head, Ledger, LedgerKey, verify};

use crate::samples::{Place, finish, mode, put, refused, start};

#[test]
fn a_sound_ledger_verifies_and_says_its_head() {
    let place = Place::with_runs(2);
    let receipt = place.run();
    let verification = place.verify(Some(receipt.head()));
    assert_eq!((verification.lines(), verification.runs(), verification.head()), (6, 3, Some(receipt.head())));
    assert_eq!(receipt.head().to_string().parse::<Head>().unwrap(), receipt.head());
    assert_eq!([mode(&place.ledger), mode(&place.anchor())], [0o600, 0o600]);
    insta::assert_snapshot!(place.shown(verification));
}

#[test]
fn a_run_that_does_not_finish_shows_as_unfinished() {
    let place = Place::with_runs(1);
    let ledger = place.open().unwrap();
    drop(ledger.begin(start()).unwrap());
    let run = ledger.begin(start()).unwrap();
    assert_eq!(place.verify(None).unfinished().collect::<Vec<_>>(), [3, 4]);
    run.finish(finish(refused())).unwrap();
    let verification = place.verify(None);
    assert_eq!(verification.unfinished().collect::<Vec<_>>(), [3]);
    insta::assert_snapshot!(place.shown(verification));
}

/// A name, what is done to eight lines, and what is found.
type Case = (&'static str, fn(&mut Vec<Vec<u8>>), &'static [&'static str]);

const CASES: &[Case] = &[
    (
        "a digit is altered",
        |lines| altered(&mut lines[3], "41238", "41239"),
        &["line 4 was altered: its SHA-256 is not that of its text"],
    ),
    (
        "the seal is altered",
        |lines| altered(&mut lines[4], "\"}\n", "\" }\n"),
        &["line 5 was altered: it does not end with its SHA-256"],
    ),
    (
        "the last line is altered",
        |lines| altered(&mut lines[7], "41238", "41239"),
        &["line 8 was altered: its SHA-256 is not that of its text"],
    ),
    (
        "a space is put in and the line sealed anew",
        |lines| reseal(&mut lines[3], "\"format\":2", "\"format\": 2"),
        &[
            "line 4 was altered: it is sealed, and not a record in the form that this version of Peristyle writes; a newer one may have written it",
        ],
    ),
    (
        "a line is altered and sealed anew",
        |lines| reseal(&mut lines[3], "41238", "99999"),
        &["line 5 was not written after the line before it: one of the two was put in later"],
    ),
    (
        "the last line is altered and sealed anew",
        |lines| reseal(&mut lines[7], "41238", "99999"),
        &["record 8 is not the one that the anchor names: one of the two was replaced"],
    ),
    (
        "one line is removed",
        |lines| drop(lines.remove(3)),
        &["line 4: record 4 is missing before it; it was removed or moved"],
    ),
    (
        "three lines are removed",
        |lines| drop(lines.drain(1..4)),
        &["line 2: records 2 to 4 are missing before it; they were removed or moved"],
    ),
    (
        "the first line is removed",
        |lines| drop(lines.remove(0)),
        &["line 1: record 1 is missing before it; it was removed or moved"],
    ),
    (
        "the last line is removed",
        |lines| drop(lines.pop()),
        &["it ends with record 7, and its anchor with record 8: its last lines were cut off"],
    ),
    (
        "all lines are removed",
        Vec::clear,
        &["it ends with record 0, and its anchor with record 8: its last lines were cut off"],
    ),
    (
        "two lines are swapped",
        |lines| lines.swap(2, 3),
        &[
            "line 3: record 3 is missing before it; it was removed or moved",
            "line 4 holds record 3, out of place: it was repeated, inserted or moved",
        ],
    ),
    (
        "a line is repeated",
        |lines| lines.insert(5, lines[1].clone()),
        &["line 6 holds record 2, out of place: it was repeated, inserted or moved"],
    ),
    (
        "the last line is repeated",
        |lines| lines.push(lines[7].clone()),
        &["line 9 holds record 8, out of place: it was repeated, inserted or moved"],
    ),
    (
        "an empty line is put in",
        |lines| lines.insert(3, b"\n".to_vec()),
        &["line 4 was altered: it does not end with its SHA-256"],
    ),
    (
        "a forged line is put in",
        |lines| {
            lines.insert(3, lines[3].clone());
            reseal(&mut lines[3], "41238", "99999");
        },
        &[
            "line 5 holds record 4, out of place: it was repeated, inserted or moved",
            "line 6 was not written after the line before it: one of the two was put in later",
        ],
    ),
    (
        "the end of a run is made that of another",
        |lines| reseal(&mut lines[7], "\"run\":7", "\"run\":1"),
        &[
            "line 8 ends a run that is not open on line 1: one of the two was put in later",
            "record 8 is not the one that the anchor names: one of the two was replaced",
        ],
    ),
    (
        "the last record has the greatest number that there is",
        |lines| reseal(&mut lines[7], "\"sequence\":8", "\"sequence\":18446744073709551615"),
        &[
            "line 8: records 8 to 18446744073709551614 are missing before it; they were removed or moved",
            "record 8 is not the one that the anchor names: one of the two was replaced",
        ],
    ),
    (
        "the end is cut in a line",
        |lines| lines[7].truncate(100),
        &[
            "line 8 is half-written (100 bytes): a process or the machine stopped in the middle of it",
            "it ends with record 7, and its anchor with record 8: its last lines were cut off",
        ],
    ),
    (
        "a line is longer than any record",
        |lines| lines[5] = [vec![b'x'; 9 << 20], b"\n".to_vec()].concat(),
        &["line 6 was altered: it is longer than any record"],
    ),
];

fn altered(line: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(line.clone()).unwrap();
    assert!(text.contains(from), "{text}");
    *line = text.replace(from, to).into_bytes();
}

/// Alters a line and computes its SHA-256 anew, as somebody would who knows how.
fn reseal(line: &mut Vec<u8>, from: &str, to: &str) {
    altered(line, from, to);
    let text = String::from_utf8(line.clone()).unwrap();
    let (covered, _) = text.rsplit_once(",\"sha256\":").unwrap();
    let sha256 = peristyle_audit::Digest::of(covered.as_bytes());
    *line = format!("{covered},\"sha256\":\"{sha256}\"}}\n").into_bytes();
}

#[test]
fn every_tampering_is_found_on_its_line() {
    let place = Place::with_runs(4);
    let (lines, head) = (place.lines(), place.verify(None).head());
    for (name, tamper, expected) in CASES {
        let mut tampered = lines.clone();
        tamper(&mut tampered);
        place.write_lines(&tampered);
        assert_eq!(place.findings(), *expected, "{name}");
        assert!(!place.verify(head).is_sound(), "{name}");
        assert!(place.verify(None).head().is_none(), "{name}");
    }
}

#[test]
fn a_ledger_whose_end_was_tampered_with_takes_no_more_runs() {
    let refused_at_the_end = [
        "the last line is altered",
        "the last line is altered and sealed anew",
        "the last line is removed",
        "all lines are removed",
        "the end is cut in a line",
        "the last line is repeated",
    ];
    let mut said = String::new();
    for (name, tamper, _) in CASES.iter().filter(|(name, _, _)| refused_at_the_end.contains(name)) {
        let place = Place::with_runs(4);
        let ledger = place.open().unwrap();
        let run = ledger.begin(start()).unwrap();
        run.finish(finish(refused())).unwrap();
        let mut lines = place.lines();
        lines.truncate(8);
        // The anchor is put back too, so that the cases are those of the other test.
        let (ledger_8, anchor) = (lines.clone(), place.anchor());
        put(&anchor, anchor_of(&ledger_8[7], 8));
        tamper(&mut lines);
        place.write_lines(&lines);
        let before = place.bytes();
        match name {
            &"the last line is repeated" => drop(ledger.begin(start()).unwrap()),
            _ => {
                let error = ledger.begin(start()).unwrap_err();
                said += &format!("{name}:\n  {}\n", place.shown(error));
                assert_eq!(place.bytes(), before, "{name}");
            }
        }
    }
    insta::assert_snapshot!(said);
}

/// The anchor that belongs to a line.
fn anchor_of(line: &[u8], sequence: u64) -> String {
    let text = std::str::from_utf8(line).unwrap();
    let (_, seal) = text.trim_end().rsplit_once(",\"sha256\":\"").unwrap();
    format!("{{\"sequence\":{sequence},\"sha256\":\"{}\"}}\n", seal.trim_end_matches("\"}"))
}

#[test]
fn a_ledger_written_anew_with_its_anchor_is_found_by_a_noted_head_alone() {
    let place = Place::with_runs(3);
    let noted = place.verify(None).head();
    let older = (place.lines()[..4].to_vec(), anchor_of(&place.lines()[3], 4));
    let mut anew = place.lines()[..6].to_vec();
    reseal(&mut anew[5], "41238", "99999");
    let anew = (anew.clone(), anchor_of(&anew[5], 6));
    for (lines, anchor) in [older, anew] {
        place.write_lines(&lines);
        put(&place.anchor(), anchor);
        assert!(place.verify(None).is_sound());
        let report = place.verify(noted);
        assert_eq!(report.findings().len(), 1);
        insta::allow_duplicates! { insta::assert_snapshot!(report.findings()[0], @"it does not hold record 6 as it was noted: the ledger was written anew, cut off or replaced"); }
    }
}

#[test]
fn tampering_with_the_anchor_is_found_and_refused() {
    type Case = (&'static str, fn(&Place));
    let cases: [Case; 6] = [
        ("removed", |place| fs::remove_file(place.anchor()).unwrap()),
        ("emptied", |place| put(&place.anchor(), "")),
        ("altered", |place| put(&place.anchor(), "{\"sequence\":4}\n")),
        ("of another ledger", |place| {
            fs::copy(Place::with_runs(1).anchor(), place.anchor()).unwrap();
        }),
        ("of this number and another digest", |place| {
            let text = fs::read_to_string(place.anchor()).unwrap();
            let (kept, _) = text.rsplit_once("\"sha256\":\"").unwrap();
            put(&place.anchor(), format!("{kept}\"sha256\":\"{}\"}}\n", "0".repeat(64)));
        }),
        ("ledger removed", |place| fs::remove_file(&place.ledger).unwrap()),
    ];
    let mut said = String::new();
    for (name, tamper) in cases {
        let place = Place::with_runs(2);
        tamper(&place);
        let found = match verify(&place.ledger, None, &place.key()) {
            Ok(verification) => {
                verification.findings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")
            }
            Err(error) => format!("error: {}", place.shown(error)),
        };
        let refused = place.shown(place.open().unwrap_err());
        said += &format!("{name}:\n  {found}\n  {refused}\n");
    }
    insta::assert_snapshot!(said);
}

#[test]
fn an_anchor_one_line_behind_is_a_crash_and_is_brought_up_to_date() {
    let place = Place::with_runs(2);
    put(&place.anchor(), anchor_of(&place.lines()[2], 3));
    assert!(place.verify(None).is_sound());
    place.run();
    assert!(place.verify(None).is_sound());
    put(&place.anchor(), anchor_of(&place.lines()[2], 3));
    assert_eq!(
        place.findings(),
        [
            "it ends with record 6, and its anchor with record 3: lines were put in, or the anchor was replaced by an older one"
        ]
    );
}

#[test]
fn a_ledger_that_is_no_safe_file_is_refused() {
    let place = Place::with_runs(1);
    let open =
        |path: &str| place.shown(Ledger::open(place.directory.path().join(path), LedgerKey::NotKept).unwrap_err());
    let mut said = vec![
        open("absent/audit.jsonl"),
        open("."),
        place.shown(Ledger::open("/dev/null", LedgerKey::NotKept).unwrap_err()),
    ];
    fs::set_permissions(&place.ledger, fs::Permissions::from_mode(0o644)).unwrap();
    said.push(open("audit.jsonl"));
    said.push(place.shown(verify(&place.directory.path().join("other"), None, &place.key()).unwrap_err()));
    said.push("12:abc".parse::<Head>().unwrap_err().to_string());
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_ledger_that_is_replaced_during_a_run_does_not_take_its_end() {
    let place = Place::with_runs(2);
    let run = place.open().unwrap().begin(start()).unwrap();
    for file in [&place.ledger, &place.anchor()] {
        fs::remove_file(file).unwrap();
    }
    drop(place.open().unwrap());
    let error = run.finish(finish(refused())).unwrap_err();
    insta::assert_snapshot!(place.shown(error));
}
