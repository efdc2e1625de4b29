//! A last line that a crash left half-written.

use std::fs::{self, OpenOptions};
use std::io::Write;

use peristyle_audit::{AuditError, Finding, History, Ledger, Selection};

use crate::samples::{Place, at, finish, mode, put, refused, start};

fn tear(place: &Place, bytes: &[u8]) {
    OpenOptions::new().append(true).open(&place.ledger).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_line_torn_at_any_byte_is_refused_until_it_is_moved_aside() {
    let place = Place::with_runs(2);
    // The line that a third run would have begun with.
    let (whole, anchor) = (place.bytes(), fs::read(place.anchor()).unwrap());
    drop(Ledger::open(&place.ledger).unwrap().begin(start()).unwrap());
    let line = place.bytes()[whole.len()..].to_vec();
    for torn in 1..line.len() {
        put(&place.ledger, [&whole, &line[..torn]].concat());
        put(&place.anchor(), &anchor);
        let refusal = Ledger::open(&place.ledger).unwrap_err();
        let finding = Finding::Torn { line: 5, bytes: torn as u64 };
        assert!(matches!(refusal, AuditError::Unsound { finding: found, .. } if found == finding));
        assert_eq!(place.verify(None).findings(), [finding]);
        // Half a dozen syncs each: not at every byte.
        if torn % 29 != 1 && torn + 2 < line.len() {
            continue;
        }
        let repaired = Ledger::repair(&place.ledger, at("2026-02-03T04:05:06Z")).unwrap();
        assert_eq!(fs::read(&repaired.moved_to).unwrap(), line[..torn]);
        assert_eq!(mode(&repaired.moved_to), 0o600);
        fs::remove_file(&repaired.moved_to).unwrap();
        assert!(place.verify(Some(repaired.head)).is_sound());
        assert!(place.bytes().starts_with(&whole));
    }
    place.run();
    assert!(place.verify(None).is_sound());
}

#[test]
fn what_is_said_of_a_torn_line_and_of_its_repair() {
    let place = Place::with_runs(1);
    tear(&place, &[0; 3_000]);
    let mut said = vec![place.shown(Ledger::open(&place.ledger).unwrap_err()), place.shown(place.verify(None))];
    let first = Ledger::repair(&place.ledger, at("2026-02-03T04:05:06Z")).unwrap();
    said.push(place.shown(Ledger::repair(&place.ledger, at("2026-02-03T04:05:06Z")).unwrap_err()));
    tear(&place, b"{");
    let second = Ledger::repair(&place.ledger, at("2026-02-03T04:05:06Z")).unwrap();
    said.extend([&first, &second].map(|repaired| place.shown(repaired.moved_to.display())));
    said.push(place.shown(place.verify(None)));
    assert_eq!(History::read(&place.ledger, &Selection::default()).unwrap().repairs().len(), 2);
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_line_that_was_once_whole_was_not_torn_by_a_crash() {
    let place = Place::with_runs(2);
    let bytes = place.bytes();
    let cut = &bytes[..bytes.len() - 1];
    put(&place.ledger, cut);
    let error = Ledger::repair(&place.ledger, at("2026-02-03T04:05:06Z")).unwrap_err();
    assert_eq!(place.bytes(), cut);
    assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), 2, "nothing was moved aside");
    insta::assert_snapshot!(place.shown(error));
}

#[test]
fn a_run_whose_ledger_is_torn_under_it_cannot_finish() {
    let place = Place::with_runs(1);
    let run = Ledger::open(&place.ledger).unwrap().begin(start()).unwrap();
    tear(&place, b"{\"entry\"");
    assert!(run.finish(finish(refused())).is_err());
}
