//! Checks of single rows. Each is run with its inputs as columns of a patient table, as columns of an event table, and
//! with some or all of them as constants of the definition.

use std::path::Path;

use peristyle_outputs::DisclosureControl;
use serde_json::Value as Json;

use crate::cells::Cell;
use crate::engine::{self, Setup};
use crate::oracle;
use crate::tables::{Answer, Column, Table, text_table};

use super::build;
use super::case::Each;
use super::check::{Failure, matches, refuses};
use super::expression::Expression;

/// Beyond this many inputs, not every choice of constants is tried.
const INPUTS_MAX: usize = 3;

pub(crate) fn check(each: &Each) -> Result<(), Failure> {
    let names: Vec<&str> = each.outputs.iter().map(|(name, _)| name.as_str()).collect();
    let fails = |row: usize| each.expected[row].iter().any(|text| text.starts_with("error:"));
    let (good, bad): (Vec<usize>, Vec<usize>) = (0..each.expected.len()).partition(|row| !fails(*row));

    if !good.is_empty() {
        let expected: Vec<&[String]> = good.iter().map(|row| each.expected[*row].as_slice()).collect();
        let patients = rows_of(each, &good);
        answers("as patients", &patients, &each.outputs, &names, &expected, &Setup::both_extremes())?;
        answers("as events", &as_events(&patients), &each.outputs, &names, &expected, &Setup::both_extremes())?;
    }
    for row in good {
        let outputs = with_constants(each, row);
        let texts: Vec<String> = outputs.iter().map(|(index, _)| each.expected[row][*index].clone()).collect();
        let outputs: Vec<(String, Expression)> = outputs
            .into_iter()
            .enumerate()
            .map(|(number, (index, output))| (format!("{}_{number}", names[index]), output))
            .collect();
        let names: Vec<&str> = outputs.iter().map(|(name, _)| name.as_str()).collect();
        answers("with constants", &rows_of(each, &[row]), &outputs, &names, &[&texts], &[Setup::default()])?;
    }
    for row in bad {
        for (output, text) in each.outputs.iter().zip(&each.expected[row]) {
            if let Some(text) = text.strip_prefix("error:") {
                let patients = rows_of(each, &[row]);
                for table in [as_events(&patients), patients] {
                    let document = build::document_of_rows(&table, std::slice::from_ref(output))?;
                    refuses(&document, &[table], Path::new("."), DisclosureControl::Off, text.trim())?;
                }
            }
        }
    }
    Ok(())
}

fn rows_of(each: &Each, rows: &[usize]) -> Table {
    let rows = rows.iter().map(|row| each.inputs.rows[*row].clone()).collect();
    Table { rows, ..each.inputs.clone() }
}

/// The same rows as events of two patients; which row it was is a column.
fn as_events(patients: &Table) -> Table {
    let mut table = Table { one_row_per_patient: false, ..patients.clone() };
    table.columns.push(Column::new("row_number", "int"));
    for (number, (patient, cells)) in table.rows.iter_mut().enumerate() {
        *patient = 1 + number as i64 % 2;
        cells.push(Cell::Int(number as i64));
    }
    table
}

fn answers(
    how: &str,
    table: &Table,
    outputs: &[(String, Expression)],
    names: &[&str],
    expected: &[&[String]],
    setups: &[Setup],
) -> Result<(), Failure> {
    let mut outputs = outputs.to_vec();
    if !table.one_row_per_patient {
        outputs.push(("row_number".to_owned(), Expression::Name("row_number".to_owned())));
    }
    let document = build::document_of_rows(table, &outputs)?;
    let tables = [table.clone()];
    let verdict = oracle::dataset(&document, &tables);
    compare(&format!("the oracle, {how},"), table, verdict.answers, names, expected)?;
    for setup in setups {
        let answers = engine::run(&document, &tables, Path::new("."), setup, DisclosureControl::Off);
        let answers = answers.map_err(|error| refused(how, setup, &document, &error))?;
        compare(&format!("{setup:?}, {how},"), table, answers, names, expected)?;
    }
    Ok(())
}

fn refused(how: &str, setup: &Setup, document: &Json, error: &str) -> Failure {
    format!("{setup:?}, {how}, refused:\n    {error}\n    {document}")
}

fn compare(
    who: &str,
    table: &Table,
    answers: Vec<Answer>,
    names: &[&str],
    expected: &[&[String]],
) -> Result<(), Failure> {
    let mut answer = answers.into_iter().next_back().ok_or_else(|| format!("{who} gave no table"))?;
    let column = |name: &str| answer.columns.iter().position(|column| column == name);
    let indices: Option<Vec<usize>> = names.iter().map(|name| column(name)).collect();
    let indices = indices.ok_or_else(|| format!("{who} gave columns {:?}", answer.columns))?;
    if let Some(number) = column("row_number") {
        answer.rows.sort_by(|a, b| a[number].order(&b[number]));
    }
    let same = answer.rows.len() == expected.len()
        && answer
            .rows
            .iter()
            .zip(expected)
            .all(|(row, expected)| indices.iter().zip(*expected).all(|(index, text)| matches(text, &row[*index])));
    if same {
        return Ok(());
    }
    let mut columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    columns.extend(names.iter().map(|name| format!("expected {name}")));
    let rows = table
        .rows
        .iter()
        .zip(expected)
        .map(|((_, cells), expected)| cells.iter().map(Cell::to_string).chain(expected.iter().cloned()).collect());
    let rows: Vec<Vec<String>> = rows.collect();
    Err(format!("  wanted:\n{}  {who} answered:\n{answer}", text_table(&columns, &rows)))
}

/// Every output with every choice of inputs that are not NULL replaced by constants; with the index of the output.
fn with_constants(each: &Each, row: usize) -> Vec<(usize, Expression)> {
    let cells = &each.inputs.rows[row].1;
    let named: Vec<(&Column, &Cell)> =
        each.inputs.columns.iter().zip(cells).filter(|(_, cell)| !cell.is_null()).take(INPUTS_MAX).collect();
    let mut outputs = vec![];
    for choice in 1..1_usize << named.len() {
        let chosen: Vec<(&Column, &Cell)> =
            named.iter().enumerate().filter(|(bit, _)| choice >> bit & 1 == 1).map(|(_, pair)| *pair).collect();
        for (index, (_, output)) in each.outputs.iter().enumerate() {
            outputs.push((index, output.with_constants(&chosen)));
        }
    }
    outputs
}

impl Expression {
    fn with_constants(&self, constants: &[(&Column, &Cell)]) -> Expression {
        let inner = |expression: &Expression| expression.with_constants(constants);
        let boxed = |expression: &Expression| Box::new(inner(expression));
        let all = |expressions: &[Expression]| expressions.iter().map(inner).collect::<Vec<_>>();
        match self {
            Expression::Name(name) => match constants.iter().find(|(column, _)| column.name == *name) {
                Some((column, cell)) if column.type_name.ends_with("Code") => {
                    Expression::Call(column.type_name.clone(), vec![Expression::Constant((*cell).clone())])
                }
                Some((_, cell)) => Expression::Constant((*cell).clone()),
                None => self.clone(),
            },
            Expression::Constant(_) | Expression::Set(_) => self.clone(),
            Expression::Attribute(source, name) => Expression::Attribute(boxed(source), name.clone()),
            Expression::Method(source, name, arguments) => {
                Expression::Method(boxed(source), name.clone(), all(arguments))
            }
            Expression::Call(name, arguments) => Expression::Call(name.clone(), all(arguments)),
            Expression::Unary(sign, operand) => Expression::Unary(sign, boxed(operand)),
            Expression::Binary(sign, lhs, rhs) => Expression::Binary(sign, boxed(lhs), boxed(rhs)),
            Expression::Case(cases, default) => Expression::Case(
                cases.iter().map(|(condition, value)| (inner(condition), inner(value))).collect(),
                default.as_deref().map(boxed),
            ),
        }
    }
}
