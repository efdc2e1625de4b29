//! Whole connectors: those that are here, and what is said of broken ones.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broken;
mod fixtures;

use std::fs;
use std::path::{Path, PathBuf};

use peristyle_opt_out::connector::{Link, RowsOf};

use crate::{LoadError, Manifest, ScaffoldError, builtin, check, expected_columns, load, scaffold};
use fixtures::Clinic;

fn summary(manifest: &Manifest) -> String {
    let connector = &manifest.connector;
    let of_patients = connector.raw.values().filter(|table| table.rows_of != RowsOf::Nobody).count();
    let columns: usize = connector.raw.values().map(|table| table.columns.len()).sum();
    let mut text = format!(
        "{}: patients by {}; {} raw tables, {of_patients} of them of patients; {columns} columns; {} views\n",
        connector.name,
        connector.patient_key.key(),
        connector.raw.len(),
        connector.views.len(),
    );
    for (register, table) in &manifest.registers {
        text.push_str(&format!("  register {}: {table}\n", register.key()));
    }
    if let Some(everybody) = &connector.everybody {
        text.push_str(&format!("  everybody: {everybody}\n"));
    }
    for (table, raw) in &connector.raw {
        let RowsOf::Linked { by, column } = &raw.rows_of else { continue };
        let Link { table: through, column: key, key_type, patients } = &connector.links[by];
        let views = connector.views.iter().filter(|(_, view)| view.links.contains(by)).count();
        text.push_str(&format!(
            "  {table}.{column} is a key ({}) of {patients:?} by {through}.{key}, followed by {views} views\n",
            key_type.key()
        ));
    }
    for (table, because) in &connector.missing {
        text.push_str(&format!("  without {table}: {because}\n"));
    }
    text
}

#[test]
fn the_connectors_that_are_here_pass() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/example-linked");
    let mut summaries = String::new();
    for name in builtin().chain([example]) {
        let manifest = load(name).unwrap_or_else(|error| panic!("{error}"));
        let problems: Vec<String> = check(&manifest).iter().map(ToString::to_string).collect();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        summaries.push_str(&summary(&manifest));
    }
    insta::assert_snapshot!(summaries);
}

/// What is embedded is what lies here, views that were added since included.
#[test]
fn what_is_embedded_is_up_to_date() {
    for name in builtin() {
        let embedded = load(name).unwrap();
        let lies_here = load(&format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let texts = |manifest: &Manifest| -> Vec<_> {
            manifest.connector.views.iter().map(|(table, view)| (table.clone(), view.sql.clone())).collect()
        };
        assert_eq!(texts(&embedded), texts(&lies_here), "{name}");
        assert_eq!(embedded.connector.raw, lies_here.connector.raw, "{name}");
        assert_eq!(embedded.connector.missing, lies_here.connector.missing, "{name}");
    }
}

#[test]
fn a_new_connector_passes() {
    let place = tempfile::tempdir().unwrap();
    let written = scaffold("asthma-clinic", place.path()).unwrap();
    let relative: Vec<&Path> = written.iter().map(|path| path.strip_prefix(place.path()).unwrap()).collect();
    let names = ["manifest.toml", "views/ehrql.tables.core.patients.sql", "policy.example.toml", "vectors.jsonl"];
    assert_eq!(relative, names.map(|name| PathBuf::from("asthma-clinic").join(name)));
    let manifest = load(place.path().join("asthma-clinic").to_str().unwrap()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(check(&manifest), []);
    assert!(manifest.connector.views.contains_key("ehrql.tables.core.patients"));
}

#[test]
fn a_new_connector_takes_nobodys_place() {
    let place = tempfile::tempdir().unwrap();
    scaffold("mine", place.path()).unwrap();
    let manifest = place.path().join("mine/manifest.toml");
    fs::write(&manifest, "changed").unwrap();
    let exists = ScaffoldError::Exists { path: place.path().join("mine") };
    assert_eq!(scaffold("mine", place.path()), Err(exists));
    assert_eq!(fs::read_to_string(&manifest).unwrap(), "changed");
    assert_eq!(scaffold("tpp", place.path()), Err(ScaffoldError::Builtin { name: "tpp".to_owned() }));
    for name in ["", "Mine", "9a", "a b", "../a", "a/b", "a_b", &"a".repeat(61)] {
        assert_eq!(scaffold(name, place.path()), Err(ScaffoldError::Name { name: name.to_owned() }));
    }
}

#[test]
fn the_catalogue_says_what_views_must_have() {
    let columns = expected_columns("ehrql.tables.core.clinical_events").unwrap();
    let columns: Vec<String> = columns.iter().map(|column| format!("{} {}", column.name, column.column_type)).collect();
    insta::assert_snapshot!(columns.join(", "));
    for table in ["clinical_events", "core.clinical_events", "ehrql.tables.core", "ehrql.tables.core.x", ""] {
        assert_eq!(expected_columns(table), None, "{table}");
    }
}

#[test]
fn a_connector_that_there_is_not() {
    let error = load("tppp").unwrap_err();
    insta::assert_snapshot!(error);
    assert!(matches!(load("/nowhere/at/all"), Err(LoadError::Unknown { .. })));
}

/// Rows of another key: a view that names their table follows the link, and has the patient's own key from its table.
#[test]
fn views_of_linked_tables_follow_the_link() {
    let linked = "[link.person]\ntable = \"people\"\ncolumn = \"pseudonym\"\npatients = \"one\"\n\
                  [raw.deaths]\nlinked = { by = \"person\", column = \"pseudonym\" }\nactivation = \"not applied\"\n\
                  [raw.deaths.columns]\npseudonym = { class = \"link_key\", type = \"str\" }\n\
                  died_on = { class = \"date\", type = \"date\" }\n";
    let join = "\"people\" p JOIN \"deaths\" d ON p.\"pseudonym\" = d.\"pseudonym\"";
    let bypasses = "bypasses the patient's key";
    for (key, from, follows, wrong) in [
        ("\"person\"", "\"people\" p", false, None),
        ("\"person\"", join, true, None),
        ("\"person\"", "\"people\" p JOIN Deaths d ON true", true, None),
        ("\"person\"", "\"people\" p WHERE 'deaths' <> ''", false, None),
        ("\"person\"", "\"people\" p -- deaths", false, None),
        (
            "\"pseudonym\"",
            "(SELECT d.\"pseudonym\", d.\"died_on\" AS \"born\" FROM \"deaths\" d)",
            true,
            Some(bypasses),
        ),
        (
            "\"visit\"",
            "(SELECT d.\"pseudonym\" AS \"visit\", p.\"born\" FROM \"people\" p, \"deaths\" d)",
            true,
            Some(bypasses),
        ),
    ] {
        let sql = format!("SELECT {key} AS patient_id, \"born\" AS date_of_birth FROM {from}");
        let clinic = Clinic::new().manifest_and(linked).view("ehrql.tables.smoketest.patients", &sql);
        let manifest = clinic.load().unwrap_or_else(|problems| panic!("{problems}"));
        let links = &manifest.connector.views["ehrql.tables.smoketest.patients"].links;
        assert_eq!(links.len(), usize::from(follows), "{from}");
        let problems = clinic.problems();
        assert_eq!(problems.is_empty(), wrong.is_none(), "{from}: {problems}");
        assert!(problems.contains(wrong.unwrap_or_default()), "{from}: {problems}");
    }
}
