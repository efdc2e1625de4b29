#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]
use super::*;
use crate::types::ValueType;

#[test]
fn every_file_loads() {
    let mut tables = 0;
    for text in MODULES {
        tables += load::module(text).unwrap().len();
    }
    assert_eq!(Catalogue::builtin().tables().len(), tables);
    assert!(tables > 50);
}

#[test]
fn well_known_tables_are_there() {
    let table = |module: &str, name: &str| {
        let name = TableName { module: format!("ehrql.tables.{module}").into(), name: name.into() };
        Arc::clone(Catalogue::builtin().table(&name).unwrap())
    };
    let patients = table("core", "patients");
    assert!(patients.one_row_per_patient && patients.activation == ActivationFilter::NotApplied);
    assert_eq!(patients.columns[1].categories().unwrap().len(), 4);
    let events = table("tpp", "clinical_events");
    assert!(!events.one_row_per_patient && events.activation == ActivationFilter::ByColumn("date".into()));
    assert_eq!(table("core", "practice_registrations").activation, ActivationFilter::Unstated);
    let isaric = table("raw.tpp", "isaric");
    assert_eq!((isaric.required_permission.as_deref(), &*isaric.table), (Some("isaric"), "isaric_raw"));
}

#[test]
fn unknown_tables_are_explained() {
    let cases = [
        (
            "ehrql.tables.tpp",
            "clinical_event",
            "the catalogue's module `ehrql.tables.tpp` has no table `clinical_event`. Did you mean `clinical_events`?",
        ),
        (
            "ehrql.tables.core",
            "household_memberships_2020",
            "the catalogue's module `ehrql.tables.core` has no table `household_memberships_2020`. \
             There is one of that name in ehrql.tables.tpp",
        ),
        (
            "ehrql.tables.tp",
            "patients",
            "the catalogue has no module `ehrql.tables.tp`, of which table `patients` is wanted. \
             Did you mean `ehrql.tables.tpp`?",
        ),
        (
            "os",
            "system",
            "the catalogue has no module `os`, of which table `system` is wanted. It has `ehrql.tables.core`, \
             `ehrql.tables.emis`, `ehrql.tables.emisv2`, `ehrql.tables.raw.core`, `ehrql.tables.raw.emis`, \
             `ehrql.tables.raw.tpp`, `ehrql.tables.smoketest`, `ehrql.tables.tpp`",
        ),
    ];
    for (module, name, expected) in cases {
        assert_eq!(Catalogue::builtin().unknown_table(module, name), expected);
    }
}

/// The constraints as ehrQL's own description of its tables writes them.
fn as_described(constraint: &Constraint) -> serde_json::Value {
    use serde_json::json;
    match constraint {
        Constraint::Categorical(values) => {
            let value = |value: &Constant| match value {
                Constant::Int(value) => json!(value),
                Constant::Str(text) => json!(**text),
                other => panic!("{other:?}"),
            };
            json!({"Categorical": {"values": values.iter().map(value).collect::<Vec<_>>()}})
        }
        Constraint::NotNull => json!({"NotNull": {}}),
        Constraint::Unique => json!({"Unique": {}}),
        Constraint::FirstOfMonth => json!({"FirstOfMonth": {}}),
        Constraint::Regex(regex) => json!({"Regex": {"regex": **regex}}),
        Constraint::ClosedRange { minimum, maximum, step } => {
            json!({"ClosedRange": {"minimum": minimum, "maximum": maximum, "step": step}})
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn equals_the_shared_description() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/ehrql/catalogue.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("skipped: there is no {path}");
        return;
    };
    let shared: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut compared = 0;
    for (module, tables) in shared.as_object().unwrap() {
        for (name, described) in tables.as_object().unwrap() {
            let name = TableName { module: module.as_str().into(), name: name.as_str().into() };
            let ours = Catalogue::builtin().table(&name).unwrap_or_else(|| panic!("{name:?}"));
            assert_eq!(described["table"], *ours.table, "{name:?}");
            assert_eq!(described["one_row_per_patient"], ours.one_row_per_patient, "{name:?}");
            assert_eq!(described["required_permission"].as_str(), ours.required_permission.as_deref(), "{name:?}");
            let activation = match &ours.activation {
                ActivationFilter::NotApplied => serde_json::Value::Bool(false),
                ActivationFilter::ByColumn(column) => serde_json::Value::String(column.to_string()),
                ActivationFilter::Unstated => serde_json::Value::Null,
            };
            assert_eq!(described["activation_filter_field"], activation, "{name:?}");
            let columns = described["columns"].as_array().unwrap();
            assert_eq!(columns.len(), ours.columns.len(), "{name:?}");
            for (described, ours) in columns.iter().zip(&ours.columns) {
                assert_eq!(described["name"], *ours.name, "{name:?}");
                assert_eq!(
                    ValueType::from_name(described["type"].as_str().unwrap()),
                    Some(ours.value_type),
                    "{name:?}"
                );
                let sorted = |mut constraints: Vec<String>| {
                    constraints.sort();
                    constraints
                };
                let theirs = described["constraints"].as_array().unwrap().iter().map(ToString::to_string).collect();
                let ours_described = ours.constraints.iter().map(|c| as_described(c).to_string()).collect();
                assert_eq!(sorted(theirs), sorted(ours_described), "{name:?} {}", ours.name);
            }
            compared += 1;
        }
    }
    assert_eq!(compared, Catalogue::builtin().tables().len());
}
