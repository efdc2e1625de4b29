//! A clock that stands before the last record's day: nothing is recorded under a wrong date.

use peristyle_audit::{AuditError, FreeText, Ledger, Moment, OperatorView, PublicView, Selection};

use crate::samples::{Place, accepted, answered, at, finish, refused, start};

fn begin(place: &Place, clock: fn() -> Moment) -> Result<(), AuditError> {
    Ledger::open(&place.ledger, place.key())?.with_clock(clock).begin(start()).map(drop)
}

/// The samples' last record is of 2026-01-31, 09:41:07.
#[test]
fn days_count_and_not_hours() {
    for place in [Place::with_runs(1), Place::sealed().and_runs(1)] {
        let before = place.bytes();
        let refused = begin(&place, || at("2026-01-30T23:59:59Z")).unwrap_err();
        assert!(matches!(refused, AuditError::ClockBehind { .. }), "{refused}");
        let looked = Ledger::look(&place.ledger, place.key(), || at("1970-01-01T00:00:00Z"));
        assert!(matches!(looked, Err(AuditError::ClockBehind { .. })));
        assert_eq!(place.bytes(), before, "nothing is recorded");
        begin(&place, || at("2026-01-31T00:00:00Z")).unwrap();
        begin(&place, || at("2030-01-01T00:00:00Z")).unwrap();
    }
}

#[test]
fn every_kind_of_record_needs_the_clock() {
    let place = Place::with_runs(1);
    let run = place.open().unwrap().begin(start()).unwrap();
    let behind = place.open().unwrap().with_clock(|| at("2026-01-30T00:00:00Z"));
    assert!(behind.accept_counts(accepted(peristyle_audit::Acceptance::Accepted)).is_err());
    let other = behind.begin(start()).unwrap_err();
    run.finish(finish(refused())).unwrap();
    insta::assert_snapshot!(place.shown(other));
}

/// A clock that was ahead for a day must not end a place.
#[test]
fn a_person_answers_for_a_clock_that_was_ahead() {
    let place = Place::sealed().and_runs(1);
    let ahead = at("2031-05-06T07:08:09Z");
    let mut late = finish(answered());
    late.finished = ahead;
    place.open().unwrap().begin(start()).unwrap().finish(late).unwrap();
    let now = || at("2026-02-01T10:00:00Z");
    assert!(matches!(begin(&place, now), Err(AuditError::ClockBehind { .. })));

    let by = || FreeText::new("--by", "the data protection officer").unwrap();
    let repair = |by: Option<FreeText>| Ledger::repair(&place.ledger, &place.key(), now(), by);
    assert!(matches!(repair(None), Err(AuditError::ClockBehind { .. })), "nobody answers");
    let repaired = repair(Some(by())).unwrap();
    assert_eq!((repaired.ahead, repaired.torn.is_some()), (Some(ahead), false));
    assert!(matches!(repair(Some(by())), Err(AuditError::NothingToRepair { .. })), "it is right now");
    begin(&place, now).unwrap();
    assert_eq!(place.findings(), Vec::<String>::new());

    let history = place.history(&Selection::default());
    assert_eq!(history.clocks().len(), 1);
    let (operator, public) = (OperatorView::of(&history).to_string(), PublicView::of(&history).unwrap().to_string());
    let said = |view: &str| view.lines().filter(|line| line.contains("clock")).map(str::to_owned).collect::<Vec<_>>();
    insta::assert_snapshot!([said(&operator), said(&public)].concat().join("\n"));
}

/// A half-written line is no way round: it is moved aside only once somebody answers for the clock.
#[test]
fn a_torn_line_after_a_clock_that_was_ahead() {
    let place = Place::sealed().and_runs(1);
    let whole = place.bytes();
    crate::samples::put(&place.ledger, [whole.as_slice(), b"{\"entry\""].concat());
    let now = at("2026-01-30T00:00:00Z");
    let refused = Ledger::repair(&place.ledger, &place.key(), now, None);
    assert!(matches!(refused, Err(AuditError::ClockBehind { .. })));
    let by = FreeText::new("--by", "an operator").unwrap();
    let repaired = Ledger::repair(&place.ledger, &place.key(), now, Some(by)).unwrap();
    assert!(repaired.torn.is_some() && repaired.ahead.is_some());
    let verification = place.verify(Some(repaired.head));
    assert_eq!((verification.lines(), verification.findings()), (4, &[][..]));
}
