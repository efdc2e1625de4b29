//! Random tables: few patients, few values, many NULLs, so that everything meets everything.

use crate::cells::{Cell, parse_date};
use crate::tables::{Column, Table};

use super::choices::Choices;

/// The module that random tables live in.
pub(crate) const MODULE: &str = "peristyle.random";
/// Tables of one row per patient.
pub(crate) const PATIENT_TABLES: [&str; 2] = ["p0", "p1"];
/// Tables of many rows per patient.
pub(crate) const EVENT_TABLES: [&str; 2] = ["e0", "e1"];

/// Columns of every table; `k1` has categories.
pub(crate) const COLUMNS: [(&str, &str); 12] = [
    ("i1", "int"),
    ("i2", "int"),
    ("b1", "bool"),
    ("b2", "bool"),
    ("d1", "date"),
    ("d2", "date"),
    ("f1", "float"),
    ("s1", "str"),
    ("s2", "str"),
    ("c1", "SNOMEDCTCode"),
    ("m1", "ICD10MultiCodeString"),
    ("k1", "str"),
];

const CATEGORIES: [&str; 3] = ["a", "ab", "c"];

pub(crate) fn columns() -> Vec<Column> {
    let mut columns: Vec<Column> = COLUMNS.iter().map(|(name, type_name)| Column::new(*name, *type_name)).collect();
    columns[11].categories = Some(CATEGORIES.iter().map(|text| (*text).to_owned()).collect());
    columns
}

/// Tables of eight patients with numbers far apart, in no order.
pub(crate) fn tables(choices: &mut Choices<'_>) -> Vec<Table> {
    tables_of(choices, &[5, -3, 40, 7, 8, 1_000_000_007, 2, 11])
}

/// Tables of more patients, all chosen by one number.
pub(crate) fn of_many_patients(choices: &mut Choices<'_>) -> Vec<Table> {
    let patients: Vec<i64> = [5, -3, 40, 7, 8, 1_000_000_007, 2, 11].into_iter().chain(100..132).collect();
    let numbers = numbers_from(choices.seed(), 1_000);
    tables_of(&mut Choices::new(&numbers), &patients)
}

fn tables_of(choices: &mut Choices<'_>, patients: &[i64]) -> Vec<Table> {
    // CSV has no empty string: two cases in three have none, and so may be any format.
    let empty_strings = choices.one_in(3);
    let mut tables = vec![];
    for (names, one_row_per_patient) in [(PATIENT_TABLES, true), (EVENT_TABLES, false)] {
        for name in names {
            let mut rows = vec![];
            for patient in patients {
                let most = if one_row_per_patient { 2 } else { 5 };
                for _ in 0..choices.below(most) {
                    rows.push((*patient, row(choices, empty_strings)));
                }
            }
            tables.push(Table {
                module: MODULE.to_owned(),
                name: name.to_owned(),
                one_row_per_patient,
                columns: columns(),
                rows,
            });
        }
    }
    tables
}

fn numbers_from(mut state: u64, len: usize) -> Vec<u32> {
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    (0..len).map(step).collect()
}

/// One number for a whole row: numbers are few.
fn row(choices: &mut Choices<'_>, empty_strings: bool) -> Vec<Cell> {
    let numbers = numbers_from(choices.seed(), 2 * COLUMNS.len());
    let mut choices = Choices::new(&numbers);
    let columns = columns();
    columns
        .iter()
        .map(|column| match (choices.one_in(4), &column.categories) {
            (true, _) => Cell::Null,
            (false, Some(categories)) => Cell::Str(choices.of(categories)),
            (false, None) => cell(&mut choices, &column.type_name, empty_strings),
        })
        .collect()
}

/// A value of a type, from a few that matter.
pub(crate) fn cell(choices: &mut Choices<'_>, type_name: &str, empty_strings: bool) -> Cell {
    match type_name {
        "bool" => Cell::Bool(choices.below(2) == 1),
        "int" => Cell::Int(choices.of(&[0, 1, 2, 3, -1, -2, 5, 7])),
        "float" => Cell::Float(choices.of(&[0.0, 0.5, -1.5, 2.0, 0.1, -0.0, 3.25, 1e10])),
        "date" => {
            let dates =
                ["2020-01-31", "2020-02-29", "2020-02-28", "2019-03-01", "2021-12-31", "1969-12-31", "2020-01-30"];
            Cell::Date(parse_date(choices.of(&dates)).expect("a date"))
        }
        "str" => {
            let text = choices.of(&["", "a", "ab", "b", "B", "é", "abc", "🩺"]);
            Cell::Str(if text.is_empty() && !empty_strings { "c" } else { text }.to_owned())
        }
        "SNOMEDCTCode" => Cell::Str(choices.of(&["111111", "222222", "333333", "111112"]).to_owned()),
        "ICD10MultiCodeString" => Cell::Str(choices.of(&["||E119 ,a", "||b", "||E11", "||J45 ||ab"]).to_owned()),
        other => panic!("no values of type {other}"),
    }
}
