//! Whatever a document holds: an answer or a refusal, soon, without a panic, without exhausting the stack.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write;
use std::time::{Duration, Instant};

use peristyle_model::{Catalogue, Definition, DefinitionError, Limits};
use proptest::prelude::*;

const TABLE: &str = r#"{"external_ref": {"module": "ehrql.tables.core", "name": "clinical_events"}}"#;

fn parse(text: &str) -> Result<Definition, DefinitionError> {
    Definition::parse(text.as_bytes(), Catalogue::builtin(), &Limits::default())
}

/// A dataset with one variable, node `last`.
fn dataset(last: usize, nodes: &[String]) -> String {
    let mut text = format!(
        r#"{{"value": {{"Dataset": {{"population": {{"ref": "0"}}, "variables": {{"dict": [["v0", {{"ref": "{last}"}}]]}},
           "events": {{"dict": []}}, "measures": null}}}}, "0": {{"AggregateByPatient.Exists": {{"source": {TABLE}}}}}"#
    );
    for node in nodes {
        write!(text, ",\n{node}").unwrap();
    }
    text.push('}');
    text
}

/// `x1 = x0 + x0`, `x2 = x1 + x1`, …: written out, the last would have more parts than the world has atoms.
fn doubling_chain(length: usize) -> Vec<String> {
    let mut nodes = vec![format!(r#""1": {{"AggregateByPatient.Count": {{"source": {TABLE}}}}}"#)];
    for key in 2..=length {
        let before = key - 1;
        nodes.push(format!(
            r#""{key}": {{"Function.Add": {{"lhs": {{"ref": "{before}"}}, "rhs": {{"ref": "{before}"}}}}}}"#
        ));
    }
    nodes
}

fn timed(text: &str) -> (Definition, Duration) {
    let start = Instant::now();
    let definition = parse(text).unwrap();
    (definition, start.elapsed())
}

#[test]
fn a_chain_of_shared_sums_takes_linear_time_in_any_order() {
    let nodes = doubling_chain(10_000);
    let mut backwards = nodes.clone();
    backwards.reverse();
    let mut interleaved: Vec<String> = nodes.iter().step_by(2).cloned().collect();
    interleaved.extend(nodes.iter().skip(1).step_by(2).rev().cloned());
    for nodes in [nodes, backwards, interleaved] {
        let (definition, taken) = timed(&dataset(10_000, &nodes));
        // The table, its Exists and Count, and the sums.
        assert_eq!(definition.graph.len(), 10_002);
        // Some milliseconds in truth; the profile may be a debug one, and the machine busy.
        assert!(taken < Duration::from_secs(2), "{taken:?}");
    }
}

#[test]
fn ten_times_the_document_takes_about_ten_times_as_long() {
    let (_, small) = timed(&dataset(20_000, &doubling_chain(20_000)));
    let (definition, large) = timed(&dataset(200_000, &doubling_chain(200_000)));
    assert_eq!(definition.graph.len(), 200_002);
    assert!(large < small * 60 + Duration::from_secs(1), "{small:?} for 20,000 nodes, {large:?} for 200,000");
}

#[test]
fn equal_nodes_become_one() {
    let mut nodes = vec![];
    for key in 1..=1_000 {
        nodes.push(format!(r#""{key}": {{"AggregateByPatient.Count": {{"source": {TABLE}}}}}"#));
    }
    let (definition, _) = timed(&dataset(1_000, &nodes));
    assert_eq!(definition.graph.len(), 3);
}

#[test]
fn a_long_cycle_is_found() {
    let mut nodes = doubling_chain(50_000);
    nodes[0] = r#""1": {"Function.Negate": {"source": {"ref": "50000"}}}"#.to_owned();
    let start = Instant::now();
    let message = parse(&dataset(50_000, &nodes)).unwrap_err().to_string();
    assert!(message.contains("refers to itself") && message.len() < 300, "{message}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// A chain of nodes on one table, of which the last one is refused.
fn frames(count: usize, frame: impl Fn(&str) -> String) -> String {
    let mut nodes = vec![];
    let mut source = TABLE.to_owned();
    for key in 1..=count {
        nodes.push(format!(r#""{key}": {}"#, frame(&source)));
        source = format!(r#"{{"ref": "{key}"}}"#);
    }
    nodes.push(format!(r#""{}": {{"AggregateByPatient.Count": {{"source": {source}}}}}"#, count + 1));
    dataset(count + 1, &nodes)
}

#[test]
fn filters_and_sorts_on_one_table_are_bounded() {
    let filter = |source: &str| {
        format!(
            r#"{{"Filter": {{"source": {source}, "condition": {{"Function.IsNull": {{"source": {{"SelectColumn": {{"source": {source}, "name": "date"}}}}}}}}}}}}"#
        )
    };
    let sort = |source: &str| {
        format!(
            r#"{{"Sort": {{"source": {source}, "sort_by": {{"SelectColumn": {{"source": {source}, "name": "date"}}}}}}}}"#
        )
    };
    assert!(parse(&frames(1_000, filter)).is_ok());
    assert!(parse(&frames(1_000, sort)).is_ok());
    for text in [frames(1_001, filter), frames(1_001, sort)] {
        let message = parse(&text).unwrap_err().to_string();
        assert!(message.ends_with("has 1001 filters and sorts on one table; at most 1000 are allowed"), "{message}");
    }
}

#[test]
fn nested_values_are_bounded() {
    let nested = format!("{}{}", r#"{"Function.Not": {"source": "#.repeat(100_000), "}}".repeat(100_000));
    assert!(parse(&dataset(1, &[format!(r#""1": {nested}"#)])).is_err());
}

#[test]
fn each_limit_is_kept() {
    let set = |members: usize| {
        let members = (0..members).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
        dataset(
            1,
            &[format!(
                r#""1": {{"Function.In": {{"lhs": {{"AggregateByPatient.Count": {{"source": {TABLE}}}}}, "rhs": {{"Value": {{"frozenset": [{members}]}}}}}}}}"#
            )],
        )
    };
    let text = |length: usize| dataset(1, &[format!(r#""1": {{"Value": "{}"}}"#, "x".repeat(length))]);
    let limits = Limits {
        set_members_max: 10,
        constant_bytes_max: 10,
        name_bytes_max: 2,
        output_columns_max: 1,
        document_bytes_max: 2_000,
        ..Limits::default()
    };
    let cases = [
        (set(10), None),
        (set(11), Some("a set has 11 members; at most 10 are allowed")),
        (text(10), None),
        (text(11), Some("a constant has more than 10 bytes")),
        (text(10).replace("v0", "v00"), Some("the name `v00` is longer than 2 letters")),
        (text(10).replace(r#"["v0""#, r#"["a", {"ref": "0"}], ["v0""#), Some("has 2 variables; at most 1 are allowed")),
        (text(2_000), Some("at most 2000 are read")),
    ];
    for (document, expected) in cases {
        let refusal =
            Definition::parse(document.as_bytes(), Catalogue::builtin(), &limits).err().map(|e| e.to_string());
        match expected {
            None => assert_eq!(refusal, None),
            Some(expected) => assert!(refusal.as_ref().unwrap().contains(expected), "{refusal:?}"),
        }
    }
}

/// A document with a bit of everything.
const STUDY: &str = include_str!("study.json");

#[test]
fn the_study_is_sound() {
    let definition = parse(STUDY).unwrap();
    let dataset = definition.dataset.unwrap().unwrap();
    assert_eq!(dataset.variables.len(), 5);
    assert_eq!(dataset.events.len(), 1);
    assert_eq!(definition.measures.unwrap().unwrap().len(), 2);
    assert_eq!(definition.disclosure_control, Some(true));
    assert_eq!(definition.claimed_permissions.len(), 1);
}

/// Numbers and strings that documents are made of.
const TOKENS: [&str; 16] = [
    "null",
    "1",
    "-1",
    "1.5",
    "true",
    "\"1\"",
    "\"\"",
    "[]",
    "{}",
    "{\"ref\": \"1\"}",
    "{\"Value\": 1}",
    "\"date\"",
    "{\"tuple\": []}",
    "{\"dict\": []}",
    "{\"dict\": [[1, 2]]}",
    "\"\\u0000\"",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Cuts, doubles, exchanges and overwrites pieces of a sound document.
    #[test]
    fn a_damaged_study_is_read_or_refused(
        edits in prop::collection::vec((0usize..STUDY.len(), 0usize..40, 0usize..STUDY.len(), 0usize..TOKENS.len(), 0u8..4), 1..4)
    ) {
        let mut bytes = STUDY.as_bytes().to_vec();
        for (at, length, other, token, kind) in edits {
            let at = at.min(bytes.len());
            let end = (at + length).min(bytes.len());
            let other = other.min(bytes.len());
            let piece = match kind {
                0 => vec![],
                1 => bytes[other..(other + length).min(bytes.len())].to_vec(),
                2 => TOKENS[token].as_bytes().to_vec(),
                _ => vec![b' ' + (length as u8); 1],
            };
            bytes.splice(at..end, piece);
        }
        read_or_refused_in_words(Definition::parse(&bytes, Catalogue::builtin(), &Limits::default()))?;
    }

    /// Replaces whole values, so that the document stays JSON.
    #[test]
    fn a_study_with_other_values_is_read_or_refused(places in prop::collection::vec((0usize..400, 0usize..TOKENS.len()), 1..3)) {
        let mut study: serde_json::Value = serde_json::from_str(STUDY).unwrap();
        for (place, token) in places {
            let mut left = place;
            replace(&mut study, &mut left, &serde_json::from_str(TOKENS[token]).unwrap());
        }
        read_or_refused_in_words(parse(&study.to_string()))?;
    }
}

/// A refusal says where and why, in a few lines that a terminal may show as they are.
fn read_or_refused_in_words(result: Result<Definition, DefinitionError>) -> Result<(), TestCaseError> {
    let Err(refusal) = result else { return Ok(()) };
    let text = refusal.to_string();
    prop_assert!(!refusal.place.is_empty() && refusal.message.len() > 8, "{text:?}");
    prop_assert!(text.len() < 1_500 && !text.contains(char::is_control), "{text:?}");
    Ok(())
}

fn replace(json: &mut serde_json::Value, left: &mut usize, by: &serde_json::Value) {
    if *left == 0 {
        *json = by.clone();
        *left = usize::MAX;
        return;
    }
    *left = left.wrapping_sub(1);
    match json {
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| replace(item, left, by)),
        serde_json::Value::Object(members) => members.iter_mut().for_each(|(_, value)| replace(value, left, by)),
        _ => {}
    }
}
