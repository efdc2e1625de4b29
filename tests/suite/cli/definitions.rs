//! Definitions that are wrong, and what their authors are told.

use serde_json::{Value as Json, json};

use super::sandbox::{Sandbox, transcripts};

const STUDY: &str = "
patients patients
  patient | date_of_birth:date | sex:str
  1       | 1970-01-01         | female
  2       | 1980-02-01         | male
events clinical_events
  patient | date:date  | numeric_value:float
  1       | 2020-05-01 | 1.5
population = patients.exists_for_patient()
age = (2020-01-01 - patients.date_of_birth).years
events_count = clinical_events.count_for_patient()
";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.study("good.json", STUDY);
    sandbox
}

/// Writes `NAME.json`: the good definition with a change.
fn changed(sandbox: &Sandbox, name: &str, change: impl FnOnce(&mut Json)) {
    let mut document = sandbox.document("good.json");
    change(&mut document);
    sandbox.write(&format!("{name}.json"), document.to_string());
}

/// The arena entry of the first node of that name.
fn node<'a>(document: &'a mut Json, name: &str) -> &'a mut Json {
    let entries = document.as_object_mut().expect("an object").values_mut();
    let mut nodes = entries.filter_map(|entry| entry.as_object_mut().and_then(|entry| entry.get_mut(name)));
    nodes.next().unwrap_or_else(|| panic!("the good definition has no {name}"))
}

#[test]
fn broken_definitions() {
    let sandbox = sandbox();
    changed(&sandbox, "unknown-node", |document| {
        let fields = node(document, "Function.DateDifferenceInYears").clone();
        document["99"] = json!({ "Function.DateDifferenceInCenturies": fields });
        node(document, "Dataset")["variables"] = json!({ "dict": [["age", { "ref": "99" }]] });
    });
    changed(&sandbox, "missing-field", |document| {
        node(document, "Function.DateDifferenceInYears").as_object_mut().expect("fields").remove("rhs");
    });
    changed(&sandbox, "dangling-reference", |document| {
        node(document, "Function.DateDifferenceInYears")["lhs"] = json!({ "ref": "77" });
    });
    changed(&sandbox, "cycle", |document| {
        document["98"] = json!({ "Function.Negate": { "source": { "ref": "99" } } });
        document["99"] = json!({ "Function.Negate": { "source": { "ref": "98" } } });
        node(document, "Dataset")["variables"] = json!({ "dict": [["age", { "ref": "99" }]] });
    });
    changed(&sandbox, "wrong-type", |document| {
        node(document, "Function.DateDifferenceInYears")["lhs"] = json!({ "Value": "2020-01-01" });
    });
    changed(&sandbox, "wrong-field-type", |document| {
        node(document, "SelectColumn")["name"] = json!(7);
    });
    changed(&sandbox, "unknown-column", |document| {
        node(document, "SelectColumn")["name"] = json!("date_of_brith");
    });
    changed(&sandbox, "unknown-table", |document| {
        node(document, "AggregateByPatient.Count")["source"]["external_ref"]["name"] = json!("clinical_event");
    });
    changed(&sandbox, "many-rows", |document| {
        let table = node(document, "AggregateByPatient.Count")["source"].clone();
        document["99"] = json!({ "SelectColumn": { "source": table, "name": "date" } });
        node(document, "Dataset")["variables"] = json!({ "dict": [["latest", { "ref": "99" }]] });
    });
    changed(&sandbox, "anyone", |document| {
        node(document, "Dataset")["population"] = json!({ "Value": true });
    });
    changed(&sandbox, "own-table", |document| {
        node(document, "AggregateByPatient.Count")["source"] =
            json!({ "SelectTable": { "name": "clinical_events", "schema": { "TableSchema": {} } } });
    });
    changed(&sandbox, "outside", |document| {
        let column = |type_name: &str| {
            json!({ "Column": { "type_": { "type": type_name }, "constraints": { "tuple": [] },
                                "dummy_data_constraints": { "tuple": [] } } })
        };
        let spec = json!({ "ColumnSpec": { "type": { "type": "int" }, "nullable": false, "categories": null,
                                           "min_value": null, "max_value": null } });
        document["99"] = json!({ "InlinePatientTable": {
            "rows": { "CSVRowsReader": { "filename": { "Path": "/etc/passwd" },
                      "column_specs": { "dict": [["patient_id", spec], ["i", spec]] }, "allow_missing_columns": false } },
            "schema": { "TableSchema": { "i": column("int") } } } });
        document["98"] = json!({ "SelectColumn": { "source": { "ref": "99" }, "name": "i" } });
        node(document, "Dataset")["variables"] = json!({ "dict": [["i", { "ref": "98" }]] });
    });
    changed(&sandbox, "reserved-name", |document| {
        node(document, "Dataset")["variables"]["dict"][0][0] = json!("patient_id");
    });
    sandbox.write("not-json.json", "define dataset please");
    sandbox.write("cut-short.json", &sandbox.read("good.json")[..200]);
    sandbox.write("other.json", "{\"value\": 7}");
    sandbox.write("empty.json", "");
    sandbox.write("deep.json", "[".repeat(100_000));
    sandbox.write("twice.json", "{\"value\": {\"ref\": \"1\"}, \"1\": 7, \"1\": 8}");
    let names = [
        "absent",
        "empty",
        "not-json",
        "cut-short",
        "other",
        "deep",
        "twice",
        "unknown-node",
        "missing-field",
        "dangling-reference",
        "cycle",
        "wrong-type",
        "wrong-field-type",
        "unknown-column",
        "unknown-table",
        "many-rows",
        "anyone",
        "own-table",
        "outside",
        "reserved-name",
    ];
    let lines: Vec<String> =
        names.iter().map(|name| format!("generate-dataset {name}.json --dummy-tables tables")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    insta::assert_snapshot!(transcripts(&sandbox, &lines));
}

#[test]
fn definitions_without_what_is_asked_for() {
    let sandbox = sandbox();
    let details = |dataset: Json, measures: Json| {
        json!({ "ModuleDetails": {
            "dataset": dataset, "dataset_dummy_data_config": null, "test_data": null, "measures": measures,
            "measures_dummy_data_config": null, "measures_disclosure_control_config": null,
            "claimed_permissions": { "tuple": [] } } })
    };
    let module = |dataset: Json, measures: Json| json!({ "value": details(dataset, measures) }).to_string();
    let error =
        |code: Json| json!({ "DefinitionError": { "message": "a line of\nthe author's own", "exit_code": code } });
    let forged = json!({ "DefinitionError": {
        "message": "error: run 7 is not recorded\r\nhelp: \u{1b}[31mrun it again\u{2028}error: \u{202e}x", "exit_code": 16 } });
    sandbox.write("no-code.json", module(error(Json::Null), Json::Null));
    sandbox.write("code.json", module(error(json!(3)), Json::Null));
    sandbox.write("forged.json", module(forged.clone(), Json::Null));
    changed(&sandbox, "half", |document| document["value"] = details(document["value"].take(), forged));
    sandbox.write("nothing.json", module(Json::Null, Json::Null));
    let lines = [
        "generate-measures good.json --dummy-tables tables",
        "generate-dataset no-code.json --dummy-tables tables",
        "generate-dataset code.json --dummy-tables tables",
        "generate-measures code.json --dummy-tables tables",
        "generate-dataset forged.json --dummy-tables tables",
        "explain half.json --threads 2",
        "generate-dataset nothing.json --dummy-tables tables",
        "explain nothing.json",
    ];
    insta::assert_snapshot!(transcripts(&sandbox, &lines));
}

#[test]
fn a_value_that_cannot_be_computed() {
    let sandbox = Sandbox::new();
    sandbox.study(
        "late.json",
        "
patients patients
  patient | date_of_birth:date | sex:str
  1       | 9999-12-01         | female
population = patients.exists_for_patient()
retirement = patients.date_of_birth + years(67)
",
    );
    let lines = ["generate-dataset late.json --dummy-tables tables --output out.csv"];
    insta::assert_snapshot!(transcripts(&sandbox, &lines));
    assert_eq!(sandbox.list("."), ["late.json", "tables"], "nothing is left behind");
}

#[test]
fn permissions_are_asked_for_before_any_table() {
    let sandbox = Sandbox::new();
    let (document, _) = crate::spec::study(
        "
events appointments
  patient | booked_date:date
population = appointments.exists_for_patient()
booked = appointments.count_for_patient()
",
        "ehrql.tables.tpp",
    );
    let claims = |permissions: Json| {
        let mut document = document.clone();
        let dataset = document["value"].take();
        document["value"] = json!({ "ModuleDetails": {
            "dataset": dataset, "dataset_dummy_data_config": null, "test_data": null, "measures": null,
            "measures_dummy_data_config": null, "measures_disclosure_control_config": null,
            "claimed_permissions": { "tuple": permissions } } });
        document.to_string()
    };
    sandbox.write("unclaimed.json", claims(json!([])));
    sandbox.write("claimed.json", claims(json!(["appointments"])));
    let (events, _) = crate::spec::study(
        "
patients patients
  patient | date_of_birth:date
events clinical_events
  patient | date:date
population = patients.exists_for_patient()
event_table all_events
  date = clinical_events.date
",
        "ehrql.tables.core",
    );
    sandbox.write("events.json", events.to_string());
    // No folder `tables` exists: only who may open it finds out.
    let mut text = String::new();
    for (given, definition) in [
        (None, "unclaimed"),
        (None, "claimed"),
        (None, "events"),
        (Some("[]"), "claimed"),
        (Some("[\"event_level_data\"]"), "claimed"),
        (Some("[\"appointments\"]"), "unclaimed"),
        (Some("[\"appointments\"]"), "events"),
        (Some("[\"event_level_data\"]"), "events"),
        (Some("appointments"), "claimed"),
    ] {
        let line = format!("generate-dataset {definition}.json --dummy-tables tables --output out/:csv");
        let environment: Vec<(&str, &str)> = given.map(|given| ("EHRQL_PERMISSIONS", given)).into_iter().collect();
        text += &sandbox.transcript(&sandbox.run_with(&line, &environment));
        text.push('\n');
    }
    insta::assert_snapshot!(text);
}
