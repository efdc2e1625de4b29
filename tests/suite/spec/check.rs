//! Runs a case: through the oracle, and through the engine in more than one way.

use std::path::Path;

use peristyle_outputs::DisclosureControl;
use serde_json::Value as Json;

use crate::cells::Cell;
use crate::engine::{self, Setup};
use crate::oracle;
use crate::tables::{Answer, Table, text_table};

use super::case::{Case, Expected, Origin, Outcome};
use super::{build, each, lexer};

/// What a failing case prints.
pub(crate) type Failure = String;

pub(crate) fn check(case: &Case) -> Result<(), Failure> {
    if let Outcome::Each(each) = &case.outcome {
        return each::check(each);
    }
    let document = build::document(case)?;
    let tables = source_tables(case);
    let root = tempfile::tempdir().expect("a directory");
    write_inline_files(case, root.path());
    match &case.outcome {
        Outcome::Error(text) => refuses(&document, &tables, root.path(), case.disclosure_control, text),
        Outcome::Tables(expected) if expected.is_empty() => Err("the case expects nothing".to_owned()),
        Outcome::Tables(expected) => {
            compare("the oracle", expected, &oracle_answers(case)?, false)?;
            for setup in Setup::both_extremes() {
                let answers = engine::run(&document, &tables, root.path(), &setup, case.disclosure_control);
                let answers = answers.map_err(|error| format!("{setup:?} refused:\n    {error}"))?;
                compare(&format!("{setup:?}"), expected, &answers, true)?;
            }
            Ok(())
        }
        Outcome::Each(_) => unreachable!("handled above"),
    }
}

fn source_tables(case: &Case) -> Vec<Table> {
    case.tables.iter().filter(|given| given.origin == Origin::Source).map(|given| given.table.clone()).collect()
}

fn write_inline_files(case: &Case, root: &Path) {
    for given in &case.tables {
        if let Origin::File(path) = &given.origin {
            engine::write_file(&given.table, &root.join(path));
        }
    }
}

/// The oracle reads no files: to it, an inline table's rows stand in the definition.
fn oracle_answers(case: &Case) -> Result<Vec<Answer>, Failure> {
    let mut case = case.clone();
    for given in &mut case.tables {
        if matches!(given.origin, Origin::File(_)) {
            given.origin = Origin::Inline;
        }
    }
    let (document, tables) = (build::document(&case)?, source_tables(&case));
    let verdict = if case.measures.is_empty() {
        oracle::dataset(&document, &tables)
    } else {
        oracle::measures(&document, &tables)
    };
    Ok(verdict.disclosed(case.disclosure_control).answers)
}

/// Checks that the engine refuses, and says why.
pub(crate) fn refuses(
    document: &Json,
    tables: &[Table],
    root: &Path,
    control: DisclosureControl,
    text: &str,
) -> Result<(), Failure> {
    for setup in Setup::both_extremes() {
        match engine::run(document, tables, root, &setup, control) {
            Err(error) if error.contains(text) => (),
            Err(error) => return Err(format!("{setup:?}\n  refused as it should, but without `{text}`:\n    {error}")),
            Ok(answers) => {
                let answers: String = answers.iter().map(Answer::to_string).collect();
                return Err(format!("{setup:?}\n  should have refused with `{text}`, and answered:\n{answers}"));
            }
        }
    }
    Ok(())
}

fn compare(who: &str, expected: &[Expected], answers: &[Answer], in_order: bool) -> Result<(), Failure> {
    for expected in expected {
        let answer = answers.iter().find(|answer| answer.name == expected.name);
        let answer = answer.ok_or_else(|| format!("{who} gave no table `{}`", expected.name))?;
        // Within a patient, the rows of an event table have no order.
        let in_order = in_order && ["dataset", "measures"].contains(&expected.name.as_str());
        if answer.columns != expected.columns || !rows_match(&expected.rows, &answer.rows, in_order) {
            return Err(format!(
                "  expected `{}`:\n{}  {who} answered:\n{answer}",
                expected.name,
                text_table(&expected.columns, &expected.rows)
            ));
        }
    }
    Ok(())
}

fn rows_match(expected: &[Vec<String>], actual: &[Vec<Cell>], in_order: bool) -> bool {
    let row_matches =
        |expected: &[String], actual: &[Cell]| expected.iter().zip(actual).all(|(text, cell)| matches(text, cell));
    if expected.len() != actual.len() {
        return false;
    }
    if in_order {
        return expected.iter().zip(actual).all(|(expected, actual)| row_matches(expected, actual));
    }
    let mut left: Vec<&Vec<Cell>> = actual.iter().collect();
    expected.iter().all(|expected| {
        let found = left.iter().position(|actual| row_matches(expected, actual));
        found.map(|index| left.swap_remove(index)).is_some()
    })
}

/// Whether a value is the one that the text states. Floats are written with a point, so that types show.
pub(crate) fn matches(text: &str, cell: &Cell) -> bool {
    match cell {
        Cell::Null => text.is_empty() || text == "NULL",
        Cell::Float(_) => {
            let is_float = text.contains(['.', 'e']);
            text.parse().is_ok_and(|expected| is_float && cell.is_close(&Cell::Float(expected), 1e-12))
        }
        Cell::Int(value) => text.parse() == Ok(*value),
        Cell::Str(value) => !text.is_empty() && text != "NULL" && lexer::unquoted(text).as_ref() == Ok(value),
        Cell::Bool(_) | Cell::Date(_) => text == cell.to_string(),
        Cell::Fault(_) => false,
    }
}
