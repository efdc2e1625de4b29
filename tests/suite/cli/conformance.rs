//! `conformance` on cases of our own.

use serde_json::{Value as Json, json};

use super::sandbox::{Sandbox, transcripts};

fn case(id: &str, expected: Json) -> Json {
    let text = "
patients p
  patient | i:int | s:str
  1       | 5     | a
  2       |       |
population = p.exists_for_patient()
v = p.i + 1
s = p.s
";
    let (document, tables) = crate::spec::study(text, "tests");
    let rows = json!([[1, 5, "a"], [2, null, null]]);
    json!({
        "kind": "query", "id": id, "definition": document, "expected": [expected],
        "tables": [{
            "module": "tests", "name": "p", "table": "p", "one_row_per_patient": true, "required_permission": null,
            "activation_filter_field": false,
            "columns": tables[0].columns.iter().map(|c| json!([c.name, c.type_name])).collect::<Vec<_>>(),
            "rows": rows,
        }],
    })
}

#[test]
fn cases_pass_and_fail() {
    let sandbox = Sandbox::new();
    let columns = json!(["patient_id", "v", "s"]);
    let right = json!({ "columns": columns, "rows": [[2, null, null], [1, 6, "a"]] });
    let wrong = json!({ "columns": columns, "rows": [[1, 7, "a"], [2, null, null]] });
    let missing = json!({ "columns": columns, "rows": [[1, 6, "a"]] });
    let mut refused = case("refused", right.clone());
    refused["definition"]["value"] = json!({ "ref": "77" });
    let cases = [
        case("good/one", right.clone()),
        case("bad/value", wrong),
        case("bad/row", missing),
        refused,
        json!({ "kind": "mapping", "id": "other kind" }),
        case("good/two", right),
    ];
    let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
    sandbox.write("cases.jsonl", lines);
    sandbox.write("broken.jsonl", "{\"kind\": \"query\", \"id\": \"x\"\n");
    let lines = [
        "conformance cases.jsonl --only good/",
        "conformance cases.jsonl",
        "conformance cases.jsonl --only nothing/",
        "conformance broken.jsonl",
        "conformance absent.jsonl",
    ];
    insta::assert_snapshot!(transcripts(&sandbox, &lines));
}
