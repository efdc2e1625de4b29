//! A last line that a crash left half-written.

use std::fs::{self, OpenOptions};
use std::io::Write;

use peristyle_audit::{AuditError, Finding, Selection};

use crate::samples::{Place, finish, mode, put, refused, start};

fn tear(place: &Place, bytes: &[u8]) {
    OpenOptions::new().append(true).open(&place.ledger).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_line_torn_at_any_byte_is_refused_until_it_is_moved_aside() {
    torn_at_any_byte(&Place::with_runs(2));
    torn_at_any_byte(&Place::sealed().and_runs(2));
}

fn torn_at_any_byte(place: &Place) {
    // The line that a third run would have begun with.
    let (whole, before) = (place.bytes(), place.state());
    drop(place.open().unwrap().begin(start()).unwrap());
    let line = place.bytes()[whole.len()..].to_vec();
    for torn in 1..line.len() {
        place.put_back(&before);
        put(&place.ledger, [&whole, &line[..torn]].concat());
        let refusal = place.open().unwrap_err();
        let finding = Finding::Torn { line: 5, bytes: torn as u64 };
        assert!(matches!(refusal, AuditError::Unsound { finding: found, .. } if found == finding));
        assert_eq!(place.verify(None).findings(), [finding]);
        // Half a dozen syncs each: not at every byte.
        if torn % 29 != 1 && torn + 2 < line.len() {
            continue;
        }
        let repaired = place.repair().unwrap();
        let moved = repaired.torn.unwrap();
        assert_eq!((fs::read(&moved.moved_to).unwrap().as_slice(), moved.bytes), (&line[..torn], torn as u64));
        assert_eq!(mode(&moved.moved_to), 0o600);
        fs::remove_file(&moved.moved_to).unwrap();
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
    let mut said = vec![place.shown(place.open().unwrap_err()), place.shown(place.verify(None))];
    let first = place.repair().unwrap();
    said.push(place.shown(place.repair().unwrap_err()));
    tear(&place, b"{");
    let second = place.repair().unwrap();
    said.extend([first, second].map(|repaired| place.shown(repaired.torn.unwrap().moved_to.display())));
    said.push(place.shown(place.verify(None)));
    assert_eq!(place.history(&Selection::default()).repairs().len(), 2);
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_line_that_was_once_whole_was_not_torn_by_a_crash() {
    let place = Place::with_runs(2);
    let bytes = place.bytes();
    let cut = &bytes[..bytes.len() - 1];
    put(&place.ledger, cut);
    let error = place.repair().unwrap_err();
    assert_eq!(place.bytes(), cut);
    assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), 2, "nothing was moved aside");
    insta::assert_snapshot!(place.shown(error));
}

#[test]
fn a_run_whose_ledger_is_torn_under_it_cannot_finish() {
    let place = Place::with_runs(1);
    let run = place.open().unwrap().begin(start()).unwrap();
    tear(&place, b"{\"entry\"");
    assert!(run.finish(finish(refused())).is_err());
}
