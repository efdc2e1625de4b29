//! What holds for any definition and any tables.

use std::collections::BTreeMap;
use std::path::Path;

use peristyle_execution::{ExecutionError, ExecutionOptions};
use peristyle_outputs::DisclosureControl;
use serde_json::Value as Json;

use crate::cells::Cell;
use crate::engine::{self, Setup};
use crate::files::{Format, Layout, RowOrder, write_tables};
use crate::oracle::{self, Amounts, Verdict};
use crate::tables::{Answer, Table};

use super::choices::Choices;
use super::study;

pub(crate) type Failure = String;

/// The plainest way to run, and some at random.
pub(crate) fn setups(choices: &mut Choices<'_>, tables: &[Table]) -> Vec<Setup> {
    let empty = Cell::Str(String::new());
    let empty_strings = tables.iter().any(|table| table.rows.iter().any(|(_, row)| row.contains(&empty)));
    let formats = if empty_strings { &Format::ALL[..2] } else { &Format::ALL[..] };
    let mut setups = vec![Setup::default()];
    for _ in 0..4 {
        let seed = choices.seed();
        let orders = [RowOrder::Shuffled(seed), RowOrder::Promised, RowOrder::Unpromised, RowOrder::AsGiven];
        setups.push(Setup {
            layout: Layout {
                format: choices.of(formats),
                files: 1 + choices.below(3),
                order: choices.of(&orders),
                dictionaries: choices.one_in(2),
                batch_rows: choices.of(&[1024, 1, 3]),
            },
            execution: ExecutionOptions {
                threads: 1 + choices.below(2),
                block_rows_max: choices.of(&[1 << 17, 1, 4]),
                block_patients_max: choices.of(&[1 << 14, 1, 2, 3]),
            },
            batch_rows: choices.of(&[8192, 1, 5]),
        });
    }
    setups
}

/// What a run leaves: its output files, or its error.
pub(crate) type Traces = Result<BTreeMap<String, Vec<u8>>, String>;

/// Runs a definition in every way, and compares with the oracle and the ways with one another.
pub(crate) fn check(
    document: &Json,
    tables: &[Table],
    setups: &[Setup],
    disclosure_control: DisclosureControl,
) -> Result<(), Failure> {
    let definition = engine::parse(document, tables).map_err(|error| format!("refused: {error}\n{document}"))?;
    let context = || format!("{document}\n{}", shown(tables));
    let mut first: Option<Traces> = None;
    for setup in setups {
        let directory = tempfile::tempdir().expect("a directory");
        write_tables(tables, &setup.layout, directory.path());
        let outcome = engine::outcome(&definition, directory.path(), Path::new("."), setup, disclosure_control);
        let traces: Traces = outcome.as_ref().map_err(String::clone).and_then(|outcome| {
            let mut files = outcome.files("csv")?;
            files.extend(outcome.files("arrow")?.into_iter().map(|(name, bytes)| (format!("{name}.arrow"), bytes)));
            Ok(files)
        });
        let Some(first) = &first else {
            let answers = outcome.map(|outcome| outcome.answers());
            as_the_oracle(document, tables, answers, disclosure_control)
                .map_err(|failure| format!("{failure}\n{}", context()))?;
            first = Some(traces);
            continue;
        };
        if *first != traces {
            return Err(format!(
                "the answer depends on how it is computed: {setup:?}\n{}---\n{}\n{}",
                described(first),
                described(&traces),
                context()
            ));
        }
    }
    Ok(())
}

/// Whether something is shown that is judged by people, and a patient adds more than 1 to it.
pub(crate) fn shows_amounts(document: &Json, tables: &[Table]) -> bool {
    let verdict = oracle::measures(document, tables);
    let adds_more = |amounts: &Amounts| amounts.numerator.iter().chain(&amounts.denominator).any(|amount| *amount > 1);
    !verdict.must_fail()
        && verdict.amounts.iter().any(adds_more)
        && !verdict.disclosed(DisclosureControl::ByPeople).answers[0].rows.is_empty()
}

/// Holds an answer that is judged by people against one that is judged by sums, where every patient adds 1 or nothing.
/// Whether there was something to show.
pub(crate) fn judged_alike(document: &Json, tables: &[Table]) -> Result<bool, Failure> {
    let verdict = oracle::measures(document, tables);
    let are_counts = |amounts: &Amounts| {
        [&amounts.numerator, &amounts.denominator].into_iter().flatten().all(|amount| matches!(amount, 0 | 1))
    };
    if verdict.must_fail() || verdict.may_fail || !verdict.amounts.iter().all(are_counts) {
        return Ok(false);
    }
    let definition = engine::parse(document, tables).map_err(|error| format!("refused: {error}\n{document}"))?;
    let setup = Setup::default();
    let directory = tempfile::tempdir().expect("a directory");
    write_tables(tables, &setup.layout, directory.path());
    let text = |control| {
        let outcome = engine::outcome(&definition, directory.path(), Path::new("."), &setup, control)?;
        let files = outcome.files("csv")?;
        Ok::<_, Failure>(String::from_utf8(files["measures"].clone()).expect("text"))
    };
    let (by_people, by_sums) = (text(DisclosureControl::ByPeople)?, text(DisclosureControl::BySums)?);
    // measure, start, end, ratio, numerator, denominator
    let shows_nothing = |line: &&str| line.split(',').collect::<Vec<_>>()[3..].starts_with(&["", "0", "0"]);
    let expected: String = by_sums.split_inclusive("\r\n").filter(|line| !shows_nothing(&line.trim_end())).collect();
    if by_people != expected {
        return Err(format!("by people:\n{by_people}by sums:\n{by_sums}{document}\n{}", shown(tables)));
    }
    Ok(by_people.lines().count() > 1)
}

fn as_the_oracle(
    document: &Json,
    tables: &[Table],
    answers: Result<Vec<Answer>, String>,
    disclosure_control: DisclosureControl,
) -> Result<(), Failure> {
    let is_dataset = document["value"].get("MeasureCollection").is_none();
    let verdict: Verdict =
        if is_dataset { oracle::dataset(document, tables) } else { oracle::measures(document, tables) };
    match answers {
        Err(error) if verdict.must_fail() && disclosure_control == DisclosureControl::ByPeople => {
            let told = ExecutionError::MeasureFault.to_string();
            if error == told { Ok(()) } else { Err(format!("what could not be computed is told: {error}")) }
        }
        Err(_) if verdict.must_fail() || verdict.may_fail => Ok(()),
        Err(error) => Err(format!("refused, where the oracle has an answer: {error}")),
        Ok(_) if verdict.must_fail() => Err("answered, where a value cannot be computed".to_owned()),
        Ok(answers) => {
            let verdict = verdict.disclosed(disclosure_control);
            let pairs = || answers.iter().zip(&verdict.answers);
            match pairs().find(|(answer, expected)| !answer.same_rows(expected, 1e-9)) {
                None if answers.len() == verdict.answers.len() => in_order(&answers[0]),
                None => Err("another number of tables".to_owned()),
                Some((answer, expected)) => {
                    Err(format!("`{}`\n  the oracle:\n{expected}  the engine:\n{answer}", answer.name))
                }
            }
        }
    }
}

fn in_order(answer: &Answer) -> Result<(), Failure> {
    let ascending = answer.rows.windows(2).all(|pair| pair[0][0].order(&pair[1][0]).is_lt());
    // Measures are in the order of the definition, which the specification's cases check.
    if answer.name == "measures" || ascending { Ok(()) } else { Err(format!("patients are not in order:\n{answer}")) }
}

/// Checks the rule about populations on a random one.
pub(crate) fn refuses_unbounded_population(choices: &mut Choices<'_>) -> Result<(), Failure> {
    let document = study::any_population(choices);
    let tables = super::records::tables(&mut Choices::new(&[]));
    let (value, met_a_fault) = oracle::population_of_nobody(&document, &tables);
    if met_a_fault {
        return Ok(());
    }
    match (engine::parse(&document, &tables), value) {
        (Ok(_), Cell::Bool(true)) => Err(format!("a population that is true of anyone was let through\n{document}")),
        (Err(error), Cell::Bool(true)) if error.contains("population") => Ok(()),
        (Err(error), _) => Err(format!("refused: {error}\n{document}")),
        (Ok(_), _) => Ok(()),
    }
}

/// Traces for people.
pub(crate) fn described(traces: &Traces) -> String {
    match traces {
        Ok(files) => files
            .iter()
            .filter(|(name, _)| !name.ends_with(".arrow"))
            .map(|(name, bytes)| format!("{name}:\n{}", String::from_utf8_lossy(bytes)))
            .collect(),
        Err(error) => format!("error: {error}\n"),
    }
}

fn shown(tables: &[Table]) -> String {
    let answers = tables.iter().map(|table| {
        let columns = ["patient".to_owned()].into_iter().chain(table.columns.iter().map(|column| column.name.clone()));
        let rows = table.rows.iter().map(|(patient, cells)| {
            [Cell::Int(*patient)].into_iter().chain(cells.iter().cloned()).collect::<Vec<Cell>>()
        });
        Answer { name: table.name.clone(), columns: columns.collect(), rows: rows.collect() }
    });
    answers.map(|answer| format!("{}\n{answer}", answer.name)).collect()
}
