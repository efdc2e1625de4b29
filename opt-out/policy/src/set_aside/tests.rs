//! Set-asides that hold, and all the ways in which they do not.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::fixtures::{PUBLIC_KEYS, THREE_RULES, TYPE_ONE_ONLY, day, name, policy, signing_key};
use crate::rule::Rule;

const ENGLAND: &str = "nhs-england";
const COMMITTEE: &str = "joint-gp-it-committee";
/// A day on which the record holds.
const TODAY: &str = "2026-03-15";

fn unsigned() -> Record {
    Record {
        peristyle_set_aside: 1,
        id: name("SA-2026-001"),
        policy: name("three-rules"),
        projects: BTreeSet::from([name("outbreak"), name("outbreak-2")]),
        rules: BTreeSet::from([Rule::TypeOne, Rule::National]),
        reason: "An outbreak of a notifiable disease, under a notice of the Secretary of State.".to_owned(),
        bodies: BTreeSet::from([name(ENGLAND), name(COMMITTEE)]),
        from: day("2026-03-02"),
        until: day("2026-03-29"),
        signatures: Vec::new(),
    }
}

fn signed_by(mut record: Record, signers: &[(&str, u8)]) -> Record {
    for (body, key) in signers {
        record.sign(&name(body), &signing_key(*key).1).unwrap();
    }
    record
}

/// As both bodies signed it.
fn signed(record: Record) -> Record {
    signed_by(record, &[(ENGLAND, 1), (COMMITTEE, 2)])
}

/// Changed before it is signed.
fn agreed(change: impl FnOnce(&mut Record)) -> Record {
    let mut record = unsigned();
    change(&mut record);
    signed(record)
}

/// Changed after it was signed.
fn altered(change: impl FnOnce(&mut Record)) -> Record {
    let mut record = signed(unsigned());
    change(&mut record);
    record
}

fn verified(record: &Record, project: &str, today: &str) -> Result<VerifiedSetAside, SetAsideError> {
    VerifiedSetAside::verify(record, &policy(&THREE_RULES), &name(project), day(today))
}

#[test]
fn a_record_that_all_signed_holds() {
    let record = signed(unsigned());
    for today in ["2026-03-02", TODAY, "2026-03-29"] {
        let set_aside = verified(&record, "outbreak", today).unwrap();
        assert_eq!(set_aside.require(Rule::TypeOne), Ok(()));
        insta::allow_duplicates! { insta::assert_snapshot!("announcement", set_aside.announcement()); }
    }
    // It is the same record when it is written and read, in whatever order its lists are.
    let json = record.to_json();
    assert_eq!(Record::parse(json.as_bytes()).unwrap(), record);
    let other_way_round = json.replace("\"outbreak\",\n    \"outbreak-2\"", "\"outbreak-2\", \"outbreak\"");
    assert_ne!(json, other_way_round);
    let record = Record::parse(other_way_round.as_bytes()).unwrap();
    assert!(verified(&record, "outbreak-2", TODAY).is_ok());
}

#[test]
fn what_people_see_of_it() {
    let record = signed_by(unsigned(), &[(ENGLAND, 1)]);
    insta::assert_snapshot!("shown", record);
    insta::assert_snapshot!("json", record.to_json());
}

fn with_a_changed_bit(record: &mut Record) {
    let signature = &mut record.signatures[0].signature;
    let replacement = if signature.starts_with('A') { "B" } else { "A" };
    signature.replace_range(0..1, replacement);
}

fn with_signatures_changed_over(record: &mut Record) {
    let first = record.signatures[0].signature.clone();
    record.signatures[0].signature = std::mem::replace(&mut record.signatures[1].signature, first);
}

fn with_a_third_body(record: &mut Record) {
    record.bodies.insert(name("me"));
}

/// What is wrong, the record, the project, and the day.
fn refusals() -> Vec<(&'static str, Record, &'static str, &'static str)> {
    let by = |signers: &[(&str, u8)]| signed_by(unsigned(), signers);
    let mut with_me = unsigned();
    with_a_third_body(&mut with_me);
    let with_me = signed_by(with_me, &[(ENGLAND, 1), (COMMITTEE, 2), ("me", 3)]);
    let records = [
        ("wrong key", by(&[(ENGLAND, 3), (COMMITTEE, 2)])),
        ("the key of the other body", by(&[(ENGLAND, 1), (COMMITTEE, 1)])),
        ("altered reason", altered(|record| record.reason.push('!'))),
        ("altered projects", altered(|record| record.projects = BTreeSet::from([name("outbreak")]))),
        ("altered end", altered(|record| record.until = day("2026-03-28"))),
        ("altered rules", altered(|record| record.rules = BTreeSet::from([Rule::TypeOne]))),
        ("altered identifier", altered(|record| record.id = name("SA-2026-002"))),
        ("a signature with a changed bit", altered(with_a_changed_bit)),
        ("signatures changed over", altered(with_signatures_changed_over)),
        ("a signature that is none", altered(|record| record.signatures[0].signature = "x".to_owned())),
        ("another's public key", altered(|record| record.signatures[0].public_key = PUBLIC_KEYS[1].to_owned())),
        ("one body missing", by(&[(ENGLAND, 1)])),
        ("nobody signed", unsigned()),
        ("signed twice by one", altered(|record| record.signatures[1] = record.signatures[0].clone())),
        ("a body that the policy does not know", with_me),
        ("a body that agreed and did not sign", agreed(with_a_third_body)),
        ("too long", agreed(|record| record.until = day("2026-03-30"))),
        ("withdrawn", agreed(|record| record.id = name("SA-2025-004"))),
        ("another policy", agreed(|record| record.policy = name("elsewhere"))),
    ];
    let both = signed(unsigned());
    let runs = [
        ("expired", both.clone(), "outbreak", "2026-03-30"),
        ("not yet valid", both.clone(), "outbreak", "2026-03-01"),
        ("other project", both.clone(), "flu", TODAY),
        ("project in another case", both, "Outbreak", TODAY),
    ];
    records.into_iter().map(|(what, record)| (what, record, "outbreak", TODAY)).chain(runs).collect()
}

#[test]
fn what_does_not_hold_is_refused() {
    let refused = |(what, record, project, today): &(&str, Record, &str, &str)| {
        format!("{what}\n    {}", verified(record, project, today).expect_err(what))
    };
    let mut texts: Vec<String> = refusals().iter().map(refused).collect();

    let type_one =
        verified(&agreed(|record| record.rules = BTreeSet::from([Rule::TypeOne])), "outbreak", TODAY).unwrap();
    assert_eq!(type_one.require(Rule::TypeOne), Ok(()));
    texts.push(format!("other rule\n    {}", type_one.require(Rule::National).unwrap_err()));
    let both = signed(unsigned());
    let none = VerifiedSetAside::verify(&both, &policy(TYPE_ONE_ONLY), &name("outbreak"), day(TODAY)).unwrap_err();
    texts.push(format!("a policy that accepts none\n    {none}"));
    insta::assert_snapshot!("refused", texts.join("\n"));
}

#[test]
fn records_that_make_no_sense_are_refused() {
    let json = unsigned().to_json();
    let with = |from: &str, to: &str| {
        assert_eq!(json.matches(from).count(), 1, "{from}");
        json.replacen(from, to, 1)
    };
    let reason = unsigned().reason;
    let cases = [
        ("unknown field", with("\"id\"", "\"comment\": \"x\", \"id\"")),
        ("field twice", with("\"id\"", "\"id\": \"a\", \"id\"")),
        ("field missing", with("\"from\": \"2026-03-02\",", "")),
        ("no such day", with("2026-03-02", "2026-02-30")),
        ("ends before it begins", with("2026-03-29", "2026-03-01")),
        ("practices", with("\"type_one\"", "\"practice_activation\"")),
        ("unknown rule", with("\"type_one\"", "\"all\"")),
        ("no rules", with("\"type_one\",\n    \"national\"", "")),
        ("no projects", with("\"outbreak\",\n    \"outbreak-2\"", "")),
        ("all projects", with("\"outbreak-2\"", "\"*\"")),
        ("no bodies", with("\"joint-gp-it-committee\",\n    \"nhs-england\"", "")),
        ("another version", with("\"peristyle_set_aside\": 1", "\"peristyle_set_aside\": 2")),
        ("no reason", with(&reason, "because")),
        ("a reason that writes on the terminal", with(&reason, "because of this \\u001b[2J and that")),
        ("more after it", format!("{json}{{}}")),
    ];
    let refused =
        |(what, json): &(&str, String)| format!("{what}\n    {}", Record::parse(json.as_bytes()).expect_err(what));
    insta::assert_snapshot!("senseless", cases.iter().map(refused).collect::<Vec<_>>().join("\n"));
}

#[test]
fn other_files_are_not_repeated() {
    for other in
        ["", "MARKER", "{\"MARKER\": 1}", "[1]", "patient_id\n1\n", "{\"peristyle_set_aside\": null, \"MARKER\": 1}"]
    {
        assert_eq!(Record::parse(other.as_bytes()), Err(SetAsideError::NoRecord), "{other}");
    }
    assert_eq!(Record::parse(&vec![b' '; RECORD_BYTES_MAX + 1]), Err(SetAsideError::TooLong));
}

#[test]
fn only_listed_bodies_sign_and_once() {
    let mut record = unsigned();
    let (_folder, key) = signing_key(1);
    let (id, me, england) = (record.id.clone(), name("me"), name(ENGLAND));
    assert_eq!(record.sign(&me, &key), Err(SetAsideError::NotAmongBodies { id: id.clone(), body: me }));
    record.sign(&england, &key).unwrap();
    assert_eq!(record.sign(&england, &key), Err(SetAsideError::SignedAlready { id, body: england }));
    let mut senseless = unsigned();
    senseless.rules.insert(Rule::PracticeActivation);
    assert!(senseless.sign(&name(ENGLAND), &key).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// No byte of a signed record's text can change so that it still verifies as something else.
    #[test]
    fn no_change_survives(at in any::<prop::sample::Index>(), byte in 0x20u8..0x7f) {
        let record = signed(unsigned());
        let mut json = record.to_json().into_bytes();
        let at = at.index(json.len());
        json[at] = byte;
        if let Ok(changed) = Record::parse(&json) {
            let same = changed == record;
            prop_assert!(same || verified(&changed, "outbreak", TODAY).is_err(), "byte {at} to {byte}");
        }
    }

    /// Different contents are signed as different bytes.
    #[test]
    fn what_is_signed_is_unambiguous(first in "[a-b]{1,2}", second in "[a-b]{1,2}", later in 0u16..2, body in 0usize..2) {
        let varied = |project: &str, days: u16| {
            let mut record = unsigned();
            record.projects = BTreeSet::from([name(project)]);
            record.from = record.from.plus_days(days);
            record
        };
        let (a, b) = (varied(&first, 0), varied(&second, later));
        let body_of_b = name([ENGLAND, COMMITTEE][body]);
        prop_assert_eq!(a.signed_bytes(&name(ENGLAND)) == b.signed_bytes(&body_of_b), a == b && body == 0);
        prop_assert_eq!(a.digest() == b.digest(), a == b);
    }
}
