//! Rows that are left out and would give themselves away, were they ever looked at.

use chrono::NaiveDate;

use crate::cells::{Cell, parse_date};
use crate::files::Format;
use crate::property::choices::Choices;
use crate::property::records::{self, COLUMNS};
use crate::tables::Table;

use super::deletion::Row;
use super::registers::{Rules, many};

/// Adds rows that the rules leave out: with values that overflow, that are out of range, that no column of the type may
/// have, and second rows of patients who may have one.
pub(super) fn add_rows(choices: &mut Choices<'_>, tables: &mut [Table], rules: &Rules, format: Format) {
    let numbers = many(choices);
    let choices = &mut Choices::new(&numbers);
    let is_text = matches!(format, Format::Csv | Format::CsvGz);
    let patients = [5, -3, 40, 7, 8, 1_000_000_007, 2, 11, 3];
    for table in &mut *tables {
        for _ in 0..3 + choices.below(6) {
            let patient = choices.of(&patients);
            let row = row(choices, patient, is_text, rules);
            // One that may be seen would only be a wrong table.
            if rules.hides(table, &row) {
                let at = choices.below(table.rows.len() + 1);
                table.rows.insert(at, row);
            }
        }
    }
    // But for one, now and then, so that runs fail: on the same row, and in the same words.
    if choices.one_in(2) {
        let table = choices.below(tables.len());
        let (table, patient) = (&mut tables[table], choices.of(&patients));
        let mut cells: Vec<Cell> = COLUMNS.iter().map(|(_, type_name)| extreme(choices, type_name, false)).collect();
        cells[11] = Cell::Null;
        if choices.one_in(2) {
            for column in [1, 2, 3, 6, 11] {
                cells[column] = if is_text { Cell::Str("wrong".into()) } else { Cell::Null };
            }
        }
        let row = (patient, cells);
        let has_a_row = table.rows.iter().any(|(known, _)| *known == patient);
        let may_not_be = table.one_row_per_patient && has_a_row;
        if !rules.hides(table, &row) && !may_not_be {
            table.rows.push(row);
        }
    }
}

fn row(choices: &mut Choices<'_>, patient: i64, is_text: bool, rules: &Rules) -> Row {
    // What a row is judged by must be a value, unless its patient is not to be seen at all.
    let may_be_unreadable = rules.hides_patient(patient);
    let cells = COLUMNS.iter().map(|(name, type_name)| {
        let judged = matches!(*name, "d1" | "d2" | "i1");
        match choices.below(3) {
            0 => records::cell(choices, type_name, false),
            _ if judged && !may_be_unreadable => extreme(choices, type_name, false),
            1 if is_text => {
                Cell::Str(choices.of(&["abc", "1e", "--1", "2020-02-30", "maybe", "9999999999999999999"]).into())
            }
            _ => extreme(choices, type_name, true),
        }
    });
    let mut cells: Vec<Cell> = cells.collect();
    if choices.one_in(2) {
        // A category that does not exist: alone in the dictionary, or in the text.
        cells[11] = Cell::Str("no such category".into());
    }
    (patient, cells)
}

/// A value at the end of its type's range, or beyond what the engine takes.
fn extreme(choices: &mut Choices<'_>, type_name: &str, beyond: bool) -> Cell {
    match type_name {
        "int" => Cell::Int(choices.of(&[i64::MAX, i64::MIN, 0, i64::MIN + 1])),
        "float" => {
            let floats = [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 0.0, f64::NAN, f64::INFINITY];
            Cell::Float(choices.of(if beyond { &floats[..] } else { &floats[..4] }))
        }
        "date" => {
            let day = |text| parse_date(text).expect("a day");
            // The years 0 and 10,000.
            let beyond_last =
                [NaiveDate::from_ymd_opt(0, 12, 31), NaiveDate::from_ymd_opt(10_000, 1, 1)].map(Option::unwrap);
            let days = [day("9999-12-31"), day("0001-01-01"), beyond_last[0], beyond_last[1]];
            Cell::Date(choices.of(if beyond { &days[..] } else { &days[..2] }))
        }
        "bool" => Cell::Bool(true),
        _ => Cell::Str(choices.of(&["\u{10FFFF}", "a\u{0}b", "||", "999999999999999999999999", "=1+1"]).into()),
    }
}

/// Puts rows that are left out where they break the order that the file promises.
pub(super) fn disorder(choices: &mut Choices<'_>, tables: &mut [Table], rules: &Rules) {
    let numbers = many(choices);
    let choices = &mut Choices::new(&numbers);
    for table in tables {
        for at in 0..table.rows.len() {
            if rules.hides(table, &table.rows[at].clone()) && choices.one_in(2) {
                let row = table.rows.remove(at);
                let to = choices.below(table.rows.len() + 1);
                table.rows.insert(to, row);
            }
        }
    }
}
