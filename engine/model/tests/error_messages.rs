//! Broken definitions and what their authors are told. The snapshot is what people read: review it with their eyes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write;

use peristyle_model::{Catalogue, Definition, Limits};

/// Tables in short, so that the cases can be read.
fn spelled_out(text: &str) -> String {
    let table = |name: &str| format!(r#"{{"external_ref": {{"module": "ehrql.tables.core", "name": "{name}"}}}}"#);
    text.replace("$patients", &table("patients"))
        .replace("$events", &table("clinical_events"))
        .replace("$medications", &table("medications"))
        .replace("$start", r#"{"Parameter": {"name": "interval_start_date", "type": {"type": "date"}}}"#)
}

/// Node 1 is "has a row in patients", 2 the date of birth, 3 to 6 columns of `clinical_events`, 7 an int.
const NODES: &str = r#"
    "1": {"AggregateByPatient.Exists": {"source": $patients}},
    "2": {"SelectColumn": {"source": $patients, "name": "date_of_birth"}},
    "3": {"SelectColumn": {"source": $events, "name": "date"}},
    "4": {"SelectColumn": {"source": $events, "name": "snomedct_code"}},
    "5": {"SelectColumn": {"source": $events, "name": "numeric_value"}},
    "6": {"Filter": {"source": $events, "condition": {"Function.IsNull": {"source": {"ref": "5"}}}}},
    "7": {"Function.YearFromDate": {"source": {"ref": "2"}}}"#;

/// A dataset with the variable `age` from node 20, which is given.
fn variable(node: &str) -> String {
    dataset(r#"["age", {"ref": "20"}]"#, "", &format!(r#", "20": {node}"#))
}

fn dataset(variables: &str, events: &str, nodes: &str) -> String {
    spelled_out(&format!(
        r#"{{"value": {{"Dataset": {{"population": {{"ref": "1"}}, "variables": {{"dict": [{variables}]}},
           "events": {{"dict": [{events}]}}, "measures": null}}}}, {NODES}{nodes}}}"#
    ))
}

fn population(node: &str) -> String {
    dataset("", "", &format!(r#", "20": {node}"#))
        .replace(r#""population": {"ref": "1"}"#, r#""population": {"ref": "20"}"#)
}

fn measures(list: &str) -> String {
    spelled_out(&format!(r#"{{"value": {{"MeasureCollection": {{"measures": [{list}]}}}}, {NODES}}}"#))
}

fn measure(replaced: &str, by: &str) -> String {
    let measure = r#"{"Measure": {"name": "deaths", "numerator": {"ref": "1"}, "denominator": {"ref": "1"},
        "group_by": {"dict": [["born", {"ref": "7"}]]},
        "intervals": {"tuple": [{"tuple": [{"date": "2020-01-01"}, {"date": "2020-12-31"}]}]}}}"#;
    assert!(measure.contains(replaced), "{replaced}");
    measures(&measure.replace(replaced, by))
}

fn inline(replaced: &str, by: &str) -> String {
    let table = r#"{"AggregateByPatient.Exists": {"source": {"InlinePatientTable": {
        "rows": {"tuple": [{"tuple": [1, 20, "a"]}, {"tuple": [2, null, "b"]}]},
        "schema": {"TableSchema": {
            "i": {"Column": {"type_": {"type": "int"}, "constraints": {"tuple": []}, "dummy_data_constraints": {"tuple": []}}},
            "s": {"Column": {"type_": {"type": "str"}, "constraints": {"tuple": [
                {"Constraint.Categorical": {"values": {"tuple": ["a", "b"]}}}]}, "dummy_data_constraints": {"tuple": []}}}
        }}}}}}"#;
    assert!(table.contains(replaced), "{replaced}");
    variable(&table.replace(replaced, by))
}

fn file(replaced: &str, by: &str) -> String {
    let rows = r#"{"CSVRowsReader": {"filename": {"Path": "output/cohort.csv"}, "column_specs": {"dict": [
        ["patient_id", {"ColumnSpec": {"type": {"type": "int"}, "nullable": false, "categories": null, "min_value": null, "max_value": null}}],
        ["i", {"ColumnSpec": {"type": {"type": "int"}, "nullable": true, "categories": null, "min_value": null, "max_value": null}}],
        ["s", {"ColumnSpec": {"type": {"type": "str"}, "nullable": true, "categories": {"tuple": ["a", "b"]}, "min_value": null, "max_value": null}}]
        ]}, "allow_missing_columns": false}}"#;
    assert!(rows.contains(replaced), "{replaced}");
    inline(r#"{"tuple": [{"tuple": [1, 20, "a"]}, {"tuple": [2, null, "b"]}]}"#, &rows.replace(replaced, by))
}

fn refusal(document: &str) -> String {
    match Definition::parse(document.as_bytes(), Catalogue::builtin(), &Limits::default()) {
        Ok(_) => panic!("is accepted: {document}"),
        Err(error) => error.to_string(),
    }
}

fn check(name: &str, cases: &[(&str, String)]) {
    let mut messages = String::new();
    for (what, document) in cases {
        writeln!(messages, "# {what}\n{}\n", refusal(document)).unwrap();
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, messages.trim_end());
    });
}

#[test]
fn the_sound_ones_are_accepted() {
    for document in [
        dataset(r#"["year", {"ref": "7"}]"#, "", ""),
        variable(r#"{"Function.EQ": {"lhs": {"ref": "7"}, "rhs": {"Value": 2}}}"#),
        measure("deaths", "deaths"),
        inline("20", "20"),
        file("false", "false"),
    ] {
        let parsed = Definition::parse(document.as_bytes(), Catalogue::builtin(), &Limits::default());
        assert!(parsed.is_ok(), "{}\n{document}", parsed.unwrap_err());
    }
}

#[test]
fn documents() {
    check(
        "documents",
        &[
            ("an empty file", String::new()),
            ("not JSON at all", "from ehrql import create_dataset".to_owned()),
            ("cut off", dataset("", "", "")[..150].to_owned()),
            ("a list", "[]".to_owned()),
            ("no value", r#"{"1": {"Value": 1}}"#.to_owned()),
            ("a key that is no number", dataset("", "", r#", "x1": {"Value": 1}"#)),
            ("a key with a zero in front", dataset("", "", r#", "01": {"Value": 1}"#)),
            ("a key twice", dataset("", "", r#", "7": {"Value": 1}"#)),
            ("an unknown root", r#"{"value": {"Study": {}}}"#.to_owned()),
            ("a root of two keys", r#"{"value": {"Dataset": {}, "Measures": {}}}"#.to_owned()),
            ("NaN", variable(r#"{"Value": NaN}"#)),
            ("a large number", variable(r#"{"Value": 100000000000000000000}"#)),
            ("an unknown root field", r#"{"value": {"Dataset": {"popluation": null}}}"#.to_owned()),
            (
                "a missing field",
                r#"{"value": {"Dataset": {"population": null, "variables": {"dict": []}, "measures": null}}}"#
                    .to_owned(),
            ),
            (
                "two datasets",
                dataset(
                    "",
                    "",
                    r#", "30": {"Dataset": {"population": {"ref": "1"}, "variables": {"dict": []}, "events": {"dict": []}, "measures": null}},
            "31": {"Dataset": {"population": {"ref": "1"}, "variables": {"dict": []}, "events": {"dict": []}, "measures": null}}"#,
                ),
            ),
            ("a bad exit code", r#"{"value": {"DefinitionError": {"message": "x", "exit_code": 1000}}}"#.to_owned()),
            ("a control character in a name", dataset("[\"a\\u001b[2Jb\", {\"ref\": \"7\"}]", "", "")),
        ],
    );
}

#[test]
fn nodes() {
    let var = |node: &str| variable(node);
    check(
        "nodes",
        &[
            ("an unknown node", var(r#"{"Function.Ad": {"lhs": {"ref": "7"}, "rhs": {"Value": 1}}}"#)),
            ("a node without its prefix", var(r#"{"Add": {"lhs": {"ref": "7"}, "rhs": {"Value": 1}}}"#)),
            ("a missing side", var(r#"{"Function.Add": {"lhs": {"ref": "7"}}}"#)),
            ("a field too many", var(r#"{"Function.Not": {"source": {"ref": "1"}, "by": 1}}"#)),
            ("a dangling reference", var(r#"{"Function.Not": {"source": {"ref": "99"}}}"#)),
            ("a reference to itself", var(r#"{"Function.Not": {"source": {"ref": "20"}}}"#)),
            (
                "a cycle",
                dataset(
                    "",
                    "",
                    r#", "20": {"Function.Not": {"source": {"ref": "21"}}}, "21": {"Function.Not": {"source": {"ref": "20"}}}"#,
                ),
            ),
            (
                "a malformed node that nothing uses",
                dataset("", "", r#", "20": {"Function.Not": {"source": {"ref": "7"}}}"#),
            ),
            ("an entry that is no node", dataset("", "", r#", "20": [1, 2]"#)),
            ("a record as a node", var(r#"{"Function.Not": {"source": {"DummyDataConfig": {}}}}"#)),
            (
                "a table of its own",
                var(r#"{"SelectColumn": {"source": {"SelectTable": {"name": "patients"}}, "name": "x"}}"#),
            ),
            (
                "an unknown table",
                var(
                    r#"{"SelectColumn": {"source": {"external_ref": {"module": "ehrql.tables.core", "name": "clinical_event"}}, "name": "x"}}"#,
                ),
            ),
            (
                "an unknown module",
                var(
                    r#"{"SelectColumn": {"source": {"external_ref": {"module": "os.path", "name": "join"}}, "name": "x"}}"#,
                ),
            ),
            ("an unknown column", var(r#"{"SelectColumn": {"source": $patients, "name": "birth_date"}}"#)),
            ("patient_id", var(r#"{"SelectColumn": {"source": $patients, "name": "patient_id"}}"#)),
            ("a date that does not exist", var(r#"{"Value": {"date": "2021-02-29"}}"#)),
            ("the year 0", var(r#"{"Value": {"date": "0000-01-01"}}"#)),
            (
                "a malformed code",
                var(r#"{"Function.EQ": {"lhs": {"ref": "20"}, "rhs": {"Value": {"SNOMEDCTCode": "E119"}}}}"#)
                    .replace(r#"{"ref": "20"}, "rhs""#, r#"{"ref": "4"}, "rhs""#),
            ),
            ("NULL as a constant", var(r#"{"Value": null}"#)),
            ("a mixed set", var(r#"{"Value": {"frozenset": [1, 2.0]}}"#)),
            ("NULL in a set", var(r#"{"Value": {"frozenset": [1, null]}}"#)),
            ("a list as a constant", var(r#"{"Value": [1, 2]}"#)),
            (
                "an unknown position",
                var(r#"{"PickOneRowPerPatient": {"source": $events, "position": {"Position": "middle"}}}"#),
            ),
            ("an unknown parameter", var(r#"{"Parameter": {"name": "today", "type": {"type": "date"}}}"#)),
            ("an unknown type", var(r#"{"Parameter": {"name": "interval_start_date", "type": {"type": "datetime"}}}"#)),
        ],
    );
}

#[test]
fn types() {
    let var = |node: &str| variable(node);
    check(
        "types",
        &[
            ("int and float", var(r#"{"Function.Add": {"lhs": {"ref": "7"}, "rhs": {"Value": 1.0}}}"#)),
            ("bool is not int", var(r#"{"Function.Add": {"lhs": {"ref": "7"}, "rhs": {"ref": "1"}}}"#)),
            (
                "a code against a string",
                var(
                    r#"{"AggregateByPatient.Exists": {"source": {"Filter": {"source": $events, "condition": {"Function.EQ": {"lhs": {"ref": "4"}, "rhs": {"Value": "123456"}}}}}}}"#,
                ),
            ),
            (
                "codes of two systems",
                var(
                    r#"{"AggregateByPatient.Exists": {"source": {"Filter": {"source": $events, "condition": {"Function.In": {"lhs": {"ref": "4"}, "rhs": {"Value": {"frozenset": [{"CTV3Code": "abc.."}]}}}}}}}}"#,
                ),
            ),
            ("an order of bools", var(r#"{"Function.LT": {"lhs": {"ref": "1"}, "rhs": {"ref": "1"}}}"#)),
            ("a date plus a float", var(r#"{"Function.DateAddDays": {"lhs": {"ref": "2"}, "rhs": {"Value": 1.5}}}"#)),
            ("a date cast", var(r#"{"Function.CastToInt": {"source": {"ref": "2"}}}"#)),
            (
                "contains on a code",
                var(
                    r#"{"AggregateByPatient.Exists": {"source": {"Filter": {"source": $events, "condition": {"Function.StringContains": {"lhs": {"ref": "4"}, "rhs": {"Value": "1"}}}}}}}"#,
                ),
            ),
            (
                "episodes of numbers",
                var(r#"{"AggregateByPatient.CountEpisodes": {"source": {"ref": "5"}, "maximum_gap_days": 3}}"#),
            ),
            (
                "a fractional gap",
                var(r#"{"AggregateByPatient.CountEpisodes": {"source": {"ref": "3"}, "maximum_gap_days": 3.5}}"#),
            ),
            ("a table as a series", var(r#"{"Function.IsNull": {"source": $patients}}"#)),
            ("a series as a table", var(r#"{"AggregateByPatient.Exists": {"source": {"ref": "7"}}}"#)),
            (
                "a set as a series",
                var(r#"{"Function.EQ": {"lhs": {"ref": "7"}, "rhs": {"Value": {"frozenset": [1]}}}}"#),
            ),
            ("a series as a set", var(r#"{"Function.In": {"lhs": {"ref": "7"}, "rhs": {"Value": 1}}}"#)),
            (
                "a case of nothing but NULL",
                var(r#"{"Case": {"cases": {"dict": [[{"ref": "1"}, null]]}, "default": null}}"#),
            ),
            (
                "a case of two types",
                var(r#"{"Case": {"cases": {"dict": [[{"ref": "1"}, {"Value": "a"}]]}, "default": {"Value": 1}}}"#),
            ),
            ("a case without cases", var(r#"{"Case": {"cases": {"dict": []}, "default": {"Value": 1}}}"#)),
            (
                "a condition twice",
                var(
                    r#"{"Case": {"cases": {"dict": [[{"ref": "1"}, {"Value": 1}], [{"ref": "1"}, {"Value": 2}]]}, "default": null}}"#,
                ),
            ),
            ("the largest of nothing", var(r#"{"Function.MaximumOf": {"sources": {"tuple": []}}}"#)),
        ],
    );
}

#[test]
fn domains() {
    let var = |node: &str| variable(node);
    check(
        "domains",
        &[
            ("many rows as a variable", dataset(r#"["code", {"ref": "4"}]"#, "", "")),
            (
                "rows of two tables",
                var(
                    r#"{"AggregateByPatient.Exists": {"source": {"Filter": {"source": $events, "condition": {"Function.EQ": {"lhs": {"ref": "3"}, "rhs": {"SelectColumn": {"source": $medications, "name": "date"}}}}}}}}"#,
                ),
            ),
            (
                "a series with filters on a table without",
                var(
                    r#"{"AggregateByPatient.Exists": {"source": {"Filter": {"source": $events, "condition": {"Function.IsNull": {"source": {"SelectColumn": {"source": {"ref": "6"}, "name": "date"}}}}}}}}"#,
                ),
            ),
            (
                "filtered and not",
                var(
                    r#"{"AggregateByPatient.Max": {"source": {"Function.Add": {"lhs": {"ref": "5"}, "rhs": {"SelectColumn": {"source": {"ref": "6"}, "name": "numeric_value"}}}}}}"#,
                ),
            ),
            (
                "a filter on one row",
                var(
                    r#"{"AggregateByPatient.Exists": {"source": {"Filter": {"source": $patients, "condition": {"ref": "1"}}}}}"#,
                ),
            ),
            (
                "a sort by a patient's value",
                var(
                    r#"{"AggregateByPatient.Exists": {"source": {"Sort": {"source": $events, "sort_by": {"ref": "7"}}}}}"#,
                ),
            ),
            (
                "a pick without a sort",
                var(
                    r#"{"AggregateByPatient.Exists": {"source": {"PickOneRowPerPatient": {"source": {"ref": "6"}, "position": {"Position": "first"}}}}}"#,
                ),
            ),
            ("an aggregation of a patient's value", var(r#"{"AggregateByPatient.Max": {"source": {"ref": "7"}}}"#)),
            (
                "an event table of patients' values",
                dataset("", r#"["e", {"SeriesCollectionFrame": {"members": {"dict": [["a", {"ref": "7"}]]}}}]"#, ""),
            ),
            (
                "an event table of two tables",
                dataset(
                    "",
                    r#"["e", {"SeriesCollectionFrame": {"members": {"dict": [["a", {"ref": "3"}], ["b", {"SelectColumn": {"source": $medications, "name": "date"}}]]}}}]"#,
                    "",
                ),
            ),
            (
                "an event table of nothing",
                dataset("", r#"["e", {"SeriesCollectionFrame": {"members": {"dict": []}}}]"#, ""),
            ),
        ],
    );
}

#[test]
fn outputs() {
    let interval = r#"{"tuple": [{"date": "2020-01-01"}, {"date": "2020-12-31"}]}"#;
    check(
        "outputs",
        &[
            ("a name with a dash", dataset(r#"["body-mass", {"ref": "7"}]"#, "", "")),
            ("an empty name", dataset(r#"["", {"ref": "7"}]"#, "", "")),
            ("a name twice", dataset(r#"["age", {"ref": "7"}], ["age", {"ref": "7"}]"#, "", "")),
            ("patient_id as a variable", dataset(r#"["patient_id", {"ref": "7"}]"#, "", "")),
            ("an endless name", dataset(&format!(r#"["{}", {{"ref": "7"}}]"#, "a".repeat(300)), "", "")),
            (
                "an event table called dataset",
                dataset(
                    "",
                    r#"["dataset", {"SeriesCollectionFrame": {"members": {"dict": [["a", {"ref": "3"}]]}}}]"#,
                    "",
                ),
            ),
            ("a series as an event table", dataset("", r#"["e", {"ref": "3"}]"#, "")),
            ("an int population", population(r#"{"Value": 1}"#)),
            ("everybody", population(r#"{"Value": true}"#)),
            ("all who have not", population(r#"{"Function.Not": {"source": {"ref": "1"}}}"#)),
            (
                "a population that overflows",
                population(
                    r#"{"Function.GT": {"lhs": {"Function.DateAddYears": {"lhs": {"Value": {"date": "2020-01-01"}}, "rhs": {"Value": 9000}}}, "rhs": {"ref": "2"}}}"#,
                ),
            ),
            (
                "an interval in a dataset",
                dataset(r#"["age", {"Function.DateDifferenceInYears": {"lhs": $start, "rhs": {"ref": "2"}}}]"#, "", ""),
            ),
            (
                "a float denominator",
                measure(
                    r#""denominator": {"ref": "1"}"#,
                    r#""denominator": {"Function.CastToFloat": {"source": {"ref": "7"}}}"#,
                ),
            ),
            (
                "many rows as a numerator",
                measure(
                    r#""numerator": {"ref": "1"}"#,
                    r#""numerator": {"Function.IsNull": {"source": {"ref": "3"}}}"#,
                ),
            ),
            (
                "a denominator of everybody",
                measure(
                    r#""denominator": {"ref": "1"}"#,
                    r#""denominator": {"Function.Or": {"lhs": {"ref": "1"}, "rhs": {"Function.LT": {"lhs": $start, "rhs": {"Value": {"date": "2021-01-01"}}}}}}"#,
                ),
            ),
            ("a denominator above 0", measure(r#""denominator": {"ref": "1"}"#, r#""denominator": {"Value": 1}"#)),
            ("a group called ratio", measure(r#"["born""#, r#"["ratio""#)),
            ("an interval back in time", measure("2020-12-31", "2019-12-31")),
            ("an interval twice", measure(interval, &format!("{interval}, {interval}"))),
            ("one measure's name twice", {
                let one = measure("deaths", "deaths");
                let start = one.find(r#"{"Measure""#).unwrap();
                let end = one.find("]}}, ").map(|_| one.rfind(r#"]}}}]}}, "#).unwrap()).unwrap() + 4;
                let one = one[start..end].to_owned();
                measures(&format!("{one}, {one}"))
            }),
            ("two definitions of one group", {
                let one = measure("deaths", "deaths");
                let start = one.find(r#"{"Measure""#).unwrap();
                let end = one.rfind(r#"]}}}]}}, "#).unwrap() + 4;
                let one = one[start..end].to_owned();
                let other =
                    one.replace("deaths", "births").replace(r#"["born", {"ref": "7"}"#, r#"["born", {"ref": "1"}"#);
                measures(&format!("{one}, {other}"))
            }),
        ],
    );
}

#[test]
fn inline_tables() {
    check(
        "inline_tables",
        &[
            ("a value of another type", inline("20", "20.5")),
            ("a value too few", inline(r#"[1, 20, "a"]"#, r#"[1, 20]"#)),
            ("a patient twice", inline("[2, null", "[1, null")),
            ("a patient that is no number", inline("[2, null", "[\"2\", null")),
            ("a value that is no category", inline(r#"null, "b""#, r#"null, "c""#)),
            ("an unknown constraint", inline("Constraint.Categorical", "Constraint.Catgorical")),
            ("a column patient_id", inline(r#""i":"#, r#""patient_id":"#)),
            ("a folder", file("output/cohort.csv", "output/")),
            ("the folder above", file("output/cohort.csv", "output/..")),
            ("a path with backslashes", file("output/cohort.csv", "output\\\\cohort.csv")),
            ("columns in another order", file(r#"["i","#, r#"["j","#)),
            (
                "columns of another type",
                file(
                    r#"["i", {"ColumnSpec": {"type": {"type": "int"}"#,
                    r#"["i", {"ColumnSpec": {"type": {"type": "date"}"#,
                ),
            ),
        ],
    );
}
