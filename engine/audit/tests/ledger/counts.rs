//! What the ledger knows of the counts of registers.

use peristyle_audit::{Acceptance, AuditError, CountsWritten, Ledger, LedgerEnd, RunFinish, RunStart};

use crate::samples::{Place, accepted, answered, finish, name, now, start};

fn look(place: &Place) -> Result<LedgerEnd, AuditError> {
    Ledger::look(&place.ledger, place.key(), now)
}

fn counted(policy: &str, sequence: u64) -> RunFinish {
    let counts = Some(CountsWritten { policy: name(policy), sequence });
    RunFinish { counts, ..finish(answered()) }
}

fn start_under(policy: &str) -> RunStart {
    RunStart { policy: Some(name(policy)), ..start() }
}

/// Runs at the same time finish in any order, and lines of all kinds come in between: the greatest stays known.
#[test]
fn the_last_line_knows_the_greatest_sequence_of_each_policy() {
    let place = Place::new();
    let ledger = place.open().unwrap();
    let known = |policy: &str| look(&place).unwrap().known_counts(&name(policy));
    assert_eq!(known("a"), 0);
    let [first, second, other] = ["a", "a", "b"].map(|policy| ledger.begin(start_under(policy)).unwrap());
    assert_eq!(first.known_counts(), 0);
    second.finish(counted("a", 8)).unwrap();
    first.finish(counted("a", 7)).unwrap();
    other.finish(counted("b", 3)).unwrap();
    ledger.accept_counts(accepted(Acceptance::Accepted)).unwrap();
    ledger.begin(start_under("a")).unwrap().finish(finish(answered())).unwrap();
    assert_eq!([known("a"), known("b"), known("c")], [8, 3, 0]);
    assert_eq!(ledger.begin(start_under("b")).unwrap().known_counts(), 3);
    assert!(place.verify(None).is_sound());
}

#[test]
fn where_there_is_no_ledger_nothing_is_known_and_none_is_made() {
    let place = Place::new();
    assert_eq!(look(&place).unwrap().known_counts(&name("a")), 0);
    assert!(!place.ledger.exists());
    place.run();
    std::fs::remove_file(&place.ledger).unwrap();
    assert!(look(&place).is_err(), "the anchor says that there was one");
}
