//! What the operator sees, and what may be published.

use peristyle_audit::{Acceptance, Code, History, OperatorView, Outcome, PublicView, Selection};

use crate::samples::{Place, accepted, at, finish, full_finish, full_start, name, refused, start};

fn sample() -> Place {
    let place = Place::new();
    let ledger = place.open().unwrap();
    ledger.accept_counts(accepted(Acceptance::Begun)).unwrap();
    let first = ledger.begin(start()).unwrap();
    let second = ledger.begin(full_start()).unwrap();
    first.finish(finish(refused())).unwrap();
    second.finish(full_finish()).unwrap();
    let mut nameless = start();
    (nameless.project, nameless.definition_sha256) = (None, None);
    (nameless.policy, nameless.policy_sha256) = (None, None);
    nameless.rules.clear();
    drop(ledger.begin(nameless).unwrap());
    let failed = ledger.begin(start()).unwrap();
    let outcome = Outcome::Failed { code: Code::new("integer_overflow").unwrap(), exit_code: 1 };
    failed.finish(finish(outcome)).unwrap();
    place
}

fn all(place: &Place) -> History {
    place.history(&Selection::default())
}

#[test]
fn the_public_view() {
    let place = sample();
    let public = PublicView::of(&all(&place)).unwrap();
    insta::assert_snapshot!("public_text", public);
    insta::assert_snapshot!("public_json", public.to_json().unwrap());
}

#[test]
fn the_public_view_holds_no_exact_count_and_nothing_of_the_operators() {
    let place = sample();
    let public = PublicView::of(&all(&place)).unwrap();
    let shown = public.to_string() + &public.to_json().unwrap();
    let directory = place.directory.path().display().to_string();
    let digests = [b"output".as_slice(), b"events", b"register", b"Patient/part-1.parquet"]
        .map(|content| peristyle_audit::Digest::of(content).to_string());
    let counts = ["41238", "1234567", "9874", "1603", "1611", "1605", "1610", "99000000", "100234655", "880000123"];
    let names = ["parquet", "audit.jsonl", "the data protection officer"];
    let lines = place.lines();
    let seals = lines.iter().map(|line| String::from_utf8_lossy(&line[line.len() - 67..line.len() - 3]).into_owned());
    for hidden in counts.into_iter().chain(names).map(str::to_owned).chain(digests).chain(seals).chain([directory]) {
        assert!(!shown.contains(&hidden), "{hidden}");
    }
    assert!(!shown.contains("76543"), "rows of four patients are suppressed with them");
}

#[test]
fn the_operators_view() {
    let place = sample();
    let history = all(&place);
    let operator = OperatorView::of(&history);
    insta::assert_snapshot!("operator_text", place.shown(&operator));
    insta::assert_snapshot!("operator_json", place.shown(operator.to_json().unwrap()));
}

#[test]
fn a_ledger_that_does_not_verify_has_no_public_view() {
    let place = sample();
    let mut lines = place.lines();
    lines.remove(3);
    place.write_lines(&lines);
    let history = all(&place);
    let error = PublicView::of(&history).unwrap_err();
    let operator = OperatorView::of(&history).to_string();
    let head: Vec<_> = operator.lines().take(5).collect();
    insta::assert_snapshot!(place.shown(format!("{error}\n{}", head.join("\n"))));
}

#[test]
fn runs_are_selected_by_project_and_moment() {
    let place = sample();
    let cases = [
        (Selection::default(), vec![2, 3, 6, 7]),
        (Selection { project: Some(name("long-covid")), ..Selection::default() }, vec![2, 3, 7]),
        (Selection { project: Some(name("other")), ..Selection::default() }, vec![]),
        (Selection { from: Some(at("2026-02-01T08:00:00Z")), ..Selection::default() }, vec![3]),
        (Selection { until: Some(at("2026-02-01T08:00:00Z")), ..Selection::default() }, vec![2, 6, 7]),
    ];
    for (selection, expected) in cases {
        let history = place.history(&selection);
        assert_eq!(history.runs().map(|run| run.run).collect::<Vec<_>>(), expected, "{selection:?}");
    }
}

#[test]
fn an_empty_ledger_has_views() {
    let place = Place::new();
    drop(place.open().unwrap());
    assert!(place.verify(None).is_sound());
    insta::assert_snapshot!(place.shown(format!(
        "{}{}{}",
        place.verify(None),
        PublicView::of(&all(&place)).unwrap(),
        OperatorView::of(&all(&place))
    )));
}

#[test]
fn the_lines_themselves() {
    let place = Place::new();
    let ledger = place.open().unwrap();
    ledger.begin(full_start()).unwrap().finish(full_finish()).unwrap();
    insta::assert_snapshot!(String::from_utf8(place.bytes()).unwrap());
}
