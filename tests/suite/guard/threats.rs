//! The threat model names the test that shows each control. They are all there.

use std::fs;
use std::path::Path;

/// `path/to/file.rs::name`, in backticks.
fn named(text: &str) -> Vec<(String, String)> {
    let quoted = text.split('`').skip(1).step_by(2);
    let pair = |quoted: &str| quoted.split_once(".rs::").map(|(path, test)| (format!("{path}.rs"), test.to_owned()));
    quoted.filter_map(pair).collect()
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("docs/src/threat-model.md")).expect("the threat model");
    let tests = named(&text);
    assert!(tests.len() > 40, "the threat model names {} tests", tests.len());
    let missing: Vec<String> = tests
        .iter()
        .filter(|(path, test)| {
            let source = fs::read_to_string(root.join(path)).unwrap_or_default();
            // Made by a macro, from names in a list.
            let listed = source.contains("macro_rules!") && source.contains(&format!(" {test},"));
            !source.contains(&format!("fn {test}(")) && !listed
        })
        .map(|(path, test)| format!("{path}::{test}"))
        .collect();
    assert!(missing.is_empty(), "these tests are not there: {missing:#?}");
}

/// Every row of the tables of controls names one.
#[test]
fn every_control_names_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("docs/src/threat-model.md")).expect("the threat model");
    let mut in_table = false;
    for line in text.lines() {
        match line {
            line if line.starts_with("| way | control | shown by |") => in_table = true,
            line if !line.starts_with('|') => in_table = false,
            line if in_table && !line.starts_with("|---") => {
                assert!(!named(line).is_empty(), "names no test: {line}");
            }
            _ => {}
        }
    }
}
