//! Every definition of the shared vectors and studies parses. Skipped, saying so, where they are not beside the project.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use peristyle_model::catalogue::{ActivationFilter, Column, TableName, TableSchema};
use peristyle_model::types::ValueType;
use peristyle_model::{Catalogue, Definition, Json, Limits};

fn shared() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/ehrql"));
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: there is no {}", path.display());
    None
}

fn text<'j>(json: &'j Json, key: &str) -> &'j str {
    json.get(key).and_then(Json::as_str).unwrap()
}

fn items<'j>(json: &'j Json, key: &str) -> &'j [Json] {
    json.get(key).and_then(Json::as_list).unwrap_or_default()
}

/// The tables that a case brings along, beside the catalogue's.
fn case_catalogue(case: &Json) -> Catalogue {
    let table = |table: &Json| TableSchema {
        name: TableName { module: text(table, "module").into(), name: text(table, "name").into() },
        table: text(table, "table").into(),
        one_row_per_patient: table.get("one_row_per_patient") == Some(&Json::Bool(true)),
        required_permission: table.get("required_permission").and_then(Json::as_str).map(Into::into),
        activation: match table.get("activation_filter_field").unwrap() {
            Json::Str(column) => ActivationFilter::ByColumn((**column).into()),
            Json::Bool(_) => ActivationFilter::NotApplied,
            _ => ActivationFilter::Unstated,
        },
        columns: items(table, "columns").iter().map(column).collect(),
    };
    let own = items(case, "tables").iter().map(table);
    Catalogue::from_tables(Catalogue::builtin().tables().map(|table| (**table).clone()).chain(own))
}

fn column(described: &Json) -> Column {
    let [name, value_type] = described.as_list().unwrap() else { panic!() };
    let value_type = ValueType::from_name(value_type.as_str().unwrap()).unwrap();
    Column { name: name.as_str().unwrap().into(), value_type, constraints: vec![] }
}

#[test]
fn every_vector_parses() {
    let Some(shared) = shared() else { return };
    let (mut parsed, mut failed) = (0, Vec::new());
    for file in ["spec", "generated", "tpp", "emis", "emisv2"] {
        let file = std::fs::File::open(shared.join(format!("vectors/{file}.jsonl.gz"))).unwrap();
        for line in BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines() {
            let case = Json::parse(line.unwrap().as_bytes(), &Limits::default()).unwrap();
            let (kind, id) = (text(&case, "kind"), text(&case, "id"));
            if kind == "mapping" {
                continue;
            }
            let document = case.get("definition").unwrap();
            match Definition::of_json(document, &case_catalogue(&case), &Limits::default()) {
                Ok(definition) => {
                    let wants_measures = kind == "measures";
                    assert_eq!(definition.measures.is_some(), wants_measures, "{id}");
                    assert_eq!(definition.dataset.is_some(), !wants_measures, "{id}");
                    parsed += 1;
                }
                Err(error) => failed.push(format!("{id}: {error}")),
            }
        }
    }
    assert!(failed.is_empty(), "{} failed\n{}", failed.len(), failed.join("\n"));
    assert!(parsed >= 1_631, "{parsed}");
}

#[test]
fn every_study_parses() {
    let Some(shared) = shared() else { return };
    let mut paths = vec![shared.join("studies/wide90.definition.json")];
    for entry in std::fs::read_dir(shared.join("studies")).unwrap() {
        paths.push(entry.unwrap().path().join("definition.json"));
    }
    paths.retain(|path| path.exists());
    assert!(paths.len() >= 7);
    for path in paths {
        let definition = Definition::parse(&std::fs::read(&path).unwrap(), Catalogue::builtin(), &Limits::default());
        let definition = definition.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let outputs = [definition.dataset.as_ref().map(Result::is_ok), definition.measures.as_ref().map(Result::is_ok)];
        assert!(outputs.contains(&Some(true)), "{}", path.display());
    }
}
