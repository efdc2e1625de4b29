//! Records that do not fit, and directories that cannot be written.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use peristyle_audit::{Digest, Outcome, OutputWritten};

use crate::samples::{Place, finish, name, start};

#[test]
fn a_record_larger_than_a_line_is_refused_and_leaves_the_ledger_as_it_was() {
    let place = Place::with_runs(1);
    let run = place.open().unwrap().begin(start()).unwrap();
    let before = place.bytes();
    let output = OutputWritten { name: name(&"a".repeat(200)), rows: 1, sha256: Digest::of(b"") };
    let error = run.finish(finish(Outcome::Answered { outputs: vec![output; 30_000] })).unwrap_err();
    assert_eq!(place.bytes(), before);
    assert_eq!(place.verify(None).unfinished().collect::<Vec<_>>(), [3]);
    insta::assert_snapshot!(place.shown(error));
}

#[test]
fn an_anchor_that_cannot_be_written_means_no_result() {
    let place = Place::with_runs(1);
    let ledger = place.open().unwrap();
    // A directory where the new anchor would go fails for every user, root too.
    fs::create_dir(place.directory.path().join("audit.jsonl.anchor.new")).unwrap();
    let error = ledger.begin(start()).unwrap_err();
    insta::assert_snapshot!(place.shown(error));
    let length = place.bytes().len();
    // The line that stands without its anchor is brought up to date first, so that no second one is written.
    assert!(ledger.begin(start()).is_err());
    assert_eq!(place.bytes().len(), length);
    fs::remove_dir(place.directory.path().join("audit.jsonl.anchor.new")).unwrap();
    place.run();
    let verification = place.verify(None);
    assert!(verification.is_sound());
    assert_eq!(verification.unfinished().collect::<Vec<_>>(), [3]);
}

#[test]
fn a_directory_that_cannot_be_written_takes_no_ledger() {
    let place = Place::new();
    fs::set_permissions(place.directory.path(), fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write everywhere: the test says nothing there.
    if fs::File::create(place.directory.path().join("probe")).is_err() {
        insta::assert_snapshot!(place.shown(place.open().unwrap_err()), @"audit ledger: cannot open `DIR/audit.jsonl`: Permission denied (os error 13). Have the ledger on a disk, and under a user, that may write it");
    }
    fs::set_permissions(place.directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
}
