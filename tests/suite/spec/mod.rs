//! The project's specification: table in, expression, table out. `tests/README.md` says how to write a case.

mod build;
mod case;
mod check;
mod each;
mod expression;
mod lexer;
mod parser;

use std::path::PathBuf;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("spec")
}

/// Runs the cases of one file, and fails with all that failed.
fn run(name: &str) {
    let path = directory().join(format!("{name}.spec"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let only = std::env::var("SPEC_ONLY").unwrap_or_default();
    let mut failures = vec![];
    for case in parser::cases(&text).unwrap_or_else(|error| panic!("{name}.spec: {error}")) {
        if case.title.contains(&only)
            && let Err(failure) = check::check(&case)
        {
            failures.push(format!("{name}.spec:{}: {}\n{failure}", case.line, case.title));
        }
    }
    assert!(failures.is_empty(), "{} failed\n\n{}", failures.len(), failures.join("\n\n"));
}

/// The document and the tables of one definition in the language of the spec files, over tables of another module.
pub(crate) fn study(text: &str, module: &str) -> (serde_json::Value, Vec<crate::tables::Table>) {
    let mut cases = parser::cases(&format!("case study\n{text}")).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut case = cases.remove(0);
    case.tables.iter_mut().for_each(|given| given.table.module = module.to_owned());
    let document = build::document(&case).unwrap_or_else(|error| panic!("{error}\n{text}"));
    (document, case.tables.into_iter().map(|given| given.table).collect())
}

macro_rules! spec_files {
    ($($name:ident),* $(,)?) => {
        const FILES: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { run(stringify!($name)); })*
    };
}

spec_files! {
    aggregate, arithmetic, bool, case_expressions, codes, combine, compare, dates, domains, events, exists_and_count,
    extremes, filter, inline, measures, population, sets, sort_and_pick, strings, tables,
}

#[test]
fn every_spec_file_is_run() {
    let mut found: Vec<String> = std::fs::read_dir(directory())
        .expect("tests/spec exists")
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
        .filter_map(|name| name.strip_suffix(".spec").map(str::to_owned))
        .collect();
    found.sort();
    assert_eq!(found, FILES, "list the file in `spec_files!`");
}
