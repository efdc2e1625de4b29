//! Which populations and denominators have bounds, and what a parsed definition holds.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use peristyle_model::graph::{Constant, Domain, InlineRows};
use peristyle_model::{Catalogue, Definition, Limits, Op};

const NODES: &str = r#"
    "1": {"AggregateByPatient.Exists": {"source": $patients}},
    "2": {"SelectColumn": {"source": $patients, "name": "date_of_birth"}},
    "3": {"SelectColumn": {"source": $events, "name": "numeric_value"}},
    "4": {"AggregateByPatient.Count": {"source": $events}},
    "5": {"AggregateByPatient.Sum": {"source": {"ref": "3"}}},
    "6": {"Function.Not": {"source": {"ref": "1"}}},
    "7": {"SelectColumn": {"source": $patients, "name": "sex"}},
    "8": {"Function.EQ": {"lhs": {"ref": "7"}, "rhs": {"Value": "male"}}}"#;

fn spelled_out(text: &str) -> String {
    let table = |name: &str| format!(r#"{{"external_ref": {{"module": "ehrql.tables.core", "name": "{name}"}}}}"#);
    let parameter = |name: &str| format!(r#"{{"Parameter": {{"name": "{name}", "type": {{"type": "date"}}}}}}"#);
    text.replace("$patients", &table("patients"))
        .replace("$events", &table("clinical_events"))
        .replace("$start", &parameter("interval_start_date"))
        .replace("$end", &parameter("interval_end_date"))
}

fn parse(text: &str) -> Result<Definition, String> {
    let text = spelled_out(text);
    Definition::parse(text.as_bytes(), Catalogue::builtin(), &Limits::default()).map_err(|error| error.to_string())
}

fn with_population(population: &str) -> Result<Definition, String> {
    parse(&format!(
        r#"{{"value": {{"Dataset": {{"population": {population}, "variables": {{"dict": []}}, "events": {{"dict": []}},
           "measures": null}}}}, {NODES}}}"#
    ))
}

fn with_denominator(denominator: &str) -> Result<Definition, String> {
    parse(&format!(
        r#"{{"value": {{"MeasureCollection": {{"measures": [{{"Measure": {{"name": "m", "numerator": {{"ref": "1"}},
           "denominator": {denominator}, "group_by": {{"dict": []}}, "intervals": {{"tuple": [
               {{"tuple": [{{"date": "2020-01-01"}}, {{"date": "2020-12-31"}}]}},
               {{"tuple": [{{"date": "2021-01-01"}}, {{"date": "2021-12-31"}}]}}]}}}}}}]}}}}, {NODES}}}"#
    ))
}

/// What is true for the patient without rows, in all three values.
#[test]
fn a_population_must_not_be_true_of_nothing() {
    let null = r#"{"ref": "8"}"#;
    let cases = [
        ("exists", r#"{"ref": "1"}"#.to_owned(), true),
        ("not exists", r#"{"ref": "6"}"#.to_owned(), false),
        ("false", r#"{"Value": false}"#.to_owned(), true),
        ("true", r#"{"Value": true}"#.to_owned(), false),
        ("NULL", null.to_owned(), true),
        ("not NULL", format!(r#"{{"Function.Not": {{"source": {null}}}}}"#), true),
        ("NULL or true", format!(r#"{{"Function.Or": {{"lhs": {null}, "rhs": {{"ref": "6"}}}}}}"#), false),
        ("NULL and true", format!(r#"{{"Function.And": {{"lhs": {null}, "rhs": {{"ref": "6"}}}}}}"#), true),
        ("is null", r#"{"Function.IsNull": {"source": {"ref": "7"}}}"#.to_owned(), false),
        ("not is null", r#"{"Function.Not": {"source": {"Function.IsNull": {"source": {"ref": "7"}}}}}"#.to_owned(), true),
        ("count is 0", r#"{"Function.EQ": {"lhs": {"ref": "4"}, "rhs": {"Value": 0}}}"#.to_owned(), false),
        ("count is above 0", r#"{"Function.GT": {"lhs": {"ref": "4"}, "rhs": {"Value": 0}}}"#.to_owned(), true),
        ("sum is NULL", r#"{"Function.IsNull": {"source": {"ref": "5"}}}"#.to_owned(), false),
        ("count of different ones", r#"{"Function.LE": {"lhs": {"AggregateByPatient.CountDistinct": {"source": {"ref": "3"}}}, "rhs": {"Value": 1}}}"#.to_owned(), false),
        ("not a member of nothing", r#"{"Function.Not": {"source": {"Function.In": {"lhs": {"ref": "7"}, "rhs": {"Value": {"frozenset": []}}}}}}"#.to_owned(), false),
        ("not a member of the set of no rows", r#"{"Function.Not": {"source": {"Function.In": {"lhs": {"Value": 1.0}, "rhs": {"AggregateByPatient.CombineAsSet": {"source": {"ref": "3"}}}}}}}"#.to_owned(), false),
        ("NULL is no member", r#"{"Function.Not": {"source": {"Function.In": {"lhs": {"ref": "7"}, "rhs": {"Value": {"frozenset": ["male"]}}}}}}"#.to_owned(), true),
        ("a default", r#"{"Case": {"cases": {"dict": [[{"ref": "1"}, {"Value": false}]]}, "default": {"Value": true}}}"#.to_owned(), false),
        ("a case of NULL", format!(r#"{{"Case": {{"cases": {{"dict": [[{null}, {{"Value": true}}]]}}, "default": null}}}}"#), true),
        ("the first true case", r#"{"Case": {"cases": {"dict": [[{"ref": "1"}, {"Value": false}], [{"ref": "6"}, {"Value": true}]]}, "default": {"Value": false}}}"#.to_owned(), false),
        ("a case of the two", r#"{"Case": {"cases": {"dict": [[{"ref": "6"}, null]]}, "default": {"Value": true}}}"#.to_owned(), true),
        ("NULLs skipped", r#"{"Function.GT": {"lhs": {"Function.MaximumOf": {"sources": {"tuple": [{"ref": "2"}, {"Value": {"date": "2000-01-01"}}]}}}, "rhs": {"Value": {"date": "1999-01-01"}}}}"#.to_owned(), false),
        ("of dates that are NULL", r#"{"Function.GT": {"lhs": {"Function.DateAddYears": {"lhs": {"ref": "2"}, "rhs": {"Value": 9000}}}, "rhs": {"ref": "2"}}}"#.to_owned(), true),
        ("a fault", r#"{"Function.GT": {"lhs": {"Function.Multiply": {"lhs": {"Value": 9223372036854775807}, "rhs": {"Value": 2}}}, "rhs": {"ref": "4"}}}"#.to_owned(), false),
    ];
    for (what, population, fits) in cases {
        let parsed = with_population(&population);
        assert_eq!(parsed.is_ok(), fits, "{what}: {:?}", parsed.err());
        let parsed = with_denominator(&population);
        assert_eq!(parsed.is_ok(), fits, "{what} as a denominator: {:?}", parsed.err());
    }
}

#[test]
fn a_denominator_is_checked_in_each_interval() {
    let cases = [
        (r#"{"ref": "4"}"#, None),
        (r#"{"ref": "5"}"#, Some("numerators and denominators are of bool or int")),
        (r#"{"Function.Add": {"lhs": {"ref": "4"}, "rhs": {"Value": 1}}}"#, Some("is above 0 for patients")),
        (r#"{"Function.Subtract": {"lhs": {"ref": "4"}, "rhs": {"Value": 1}}}"#, None),
        (r#"{"Function.GT": {"lhs": $start, "rhs": {"ref": "2"}}}"#, None),
        (
            r#"{"Function.GT": {"lhs": $start, "rhs": {"Value": {"date": "2020-06-01"}}}}"#,
            Some("is true in the interval 2021-01-01 to 2021-12-31 for patients"),
        ),
        (
            r#"{"Function.Subtract": {"lhs": {"Function.YearFromDate": {"source": $end}}, "rhs": {"Value": 2020}}}"#,
            Some("is above 0 in the interval 2021-01-01 to 2021-12-31 for patients"),
        ),
        (
            r#"{"Function.GT": {"lhs": {"Function.DateAddYears": {"lhs": $end, "rhs": {"Value": 7979}}}, "rhs": {"ref": "2"}}}"#,
            Some("gives a date outside the years 1 to 9999 in the interval 2021-01-01 to 2021-12-31"),
        ),
    ];
    for (denominator, expected) in cases {
        let refusal = with_denominator(denominator).err();
        match expected {
            None => assert_eq!(refusal, None, "{denominator}"),
            Some(expected) => {
                assert!(refusal.as_ref().is_some_and(|r| r.contains(expected)), "{denominator} {refusal:?}")
            }
        }
    }
}

#[test]
fn too_many_intervals_to_check_are_refused() {
    let limits = Limits { population_steps_max: 5, ..Limits::default() };
    let text = include_str!("study.json");
    let refusal = Definition::parse(text.as_bytes(), Catalogue::builtin(), &limits).unwrap_err().to_string();
    assert_eq!(refusal, "measures: there are too many parts of denominators to check in each of 1 intervals");
}

#[test]
fn errors_of_the_author_are_handed_on() {
    let cases = [
        ("null", Some(10)),
        ("0", Some(10)),
        ("12", Some(12)),
        ("255", Some(255)),
        ("256", None),
        ("-1", None),
        ("\"10\"", None),
    ];
    for (code, expected) in cases {
        let error = format!(r#"{{"DefinitionError": {{"message": "line 1\n\u001b[31mline 2", "exit_code": {code}}}}}"#);
        let module = format!(
            r#"{{"value": {{"ModuleDetails": {{"dataset": {error}, "dataset_dummy_data_config": null, "test_data": null,
               "measures": null, "measures_dummy_data_config": null, "measures_disclosure_control_config": null,
               "claimed_permissions": {{"tuple": []}}}}}}}}"#
        );
        let bare = format!(r#"{{"value": {error}}}"#);
        let module = parse(&module).ok().map(|definition| {
            assert!(definition.measures.is_none() && definition.disclosure_control.is_none());
            definition.dataset.unwrap().unwrap_err()
        });
        assert_eq!(module.as_ref().map(|error| error.exit_code), expected, "{code}");
        if let Some(error) = &module {
            assert_eq!(error.message, "line 1\n\\u{1b}[31mline 2");
        }
        let bare = parse(&bare).ok().map(|definition| definition.measures.unwrap().unwrap_err());
        assert_eq!(bare, module);
    }
}

#[test]
fn a_definition_holds_what_the_document_says() {
    let definition = parse(include_str!("study.json")).unwrap();
    let graph = &definition.graph;
    let dataset = definition.dataset.unwrap().unwrap();
    let names: Vec<&str> = dataset.variables.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["sex", "episodes", "mean", "given", "earlier"]);
    let diagnoses = &dataset.events[0];
    assert_eq!((&*diagnoses.name, diagnoses.members.len()), ("diagnoses", 2));
    assert!(matches!(graph.domain(diagnoses.domain), Domain::Filter { depth: 1, .. }));

    let measures = definition.measures.unwrap().unwrap();
    assert_eq!((&*measures[0].name, measures[0].intervals.len(), measures[1].group_by.len()), ("m1", 2, 2));
    assert!(graph.node(measures[0].numerator).depends_on_interval);
    assert!(!graph.node(measures[0].denominator).depends_on_interval);

    for (id, node) in graph.nodes() {
        node.op.for_each_input(|input| assert!(input < id));
        if let Op::ValueSet(set) = &node.op {
            assert_eq!(&*set.0, [Constant::Str("123456".into()), Constant::Str("654321".into())]);
        }
    }
    let [given, file] = graph.inline_tables() else { panic!() };
    let InlineRows::Given(rows) = &given.rows else { panic!() };
    assert_eq!(rows[1], (2, vec![None, Some(Constant::Str("y".into()))].into()));
    let InlineRows::File(file) = &file.rows else { panic!() };
    assert_eq!((file.path.to_str(), file.columns.len()), (Some("output/earlier.arrow"), 2));
}
