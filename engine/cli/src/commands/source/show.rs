//! What was found, for people.

use peristyle_opt_out::{FoundTable, Month, Months};

use super::findings::{Answer, TableState};
use super::{Checked, rounded};
use crate::commands::policy::registers::CheckedRegister;
use crate::commands::policy::show::rules;
use crate::text_table::columns;
use crate::ui;

/// Most names of what is not read.
const NAMES_MAX: usize = 12;

/// Said where a date far away is among those told of.
const FAR_AWAY: &str = "  (Files tell of dates that stand for NULL too, such as 9999-12-31.)\n";

/// The whole of it.
pub(super) fn of(checked: &Checked<'_>) -> String {
    let place = checked.place;
    let mut text = format!("connector {}, tables at {}\n\ntables\n", place.connector_name(), place.extract);
    text.push_str(&tables(checked));
    text.push_str(&dates(checked));
    text.push_str(&user_facing(checked));
    text.push_str(&policy(checked));
    for warning in &checked.findings.warnings {
        text.push_str(&format!("\nwarning: {warning}"));
    }
    let errors = checked.errors();
    for error in &errors {
        text.push_str(&format!("\nERROR: {error}"));
    }
    let said = !errors.is_empty() || !checked.findings.warnings.is_empty();
    text.push_str(if said { "\n\n" } else { "\n" });
    text.push_str(if errors.is_empty() {
        "studies can run\n"
    } else {
        "STUDIES THAT NEED WHAT IS AT FAULT ARE REFUSED\n"
    });
    text
}

fn tables(checked: &Checked<'_>) -> String {
    let (mut rows, mut absent, mut extra) = (Vec::new(), Vec::new(), Vec::new());
    for table in &checked.findings.tables {
        let dashes = |state: &str| {
            let cells = [table.name.as_str(), state, "–", "–", "–", "–", "–"];
            cells.map(str::to_owned).to_vec()
        };
        match &table.state {
            TableState::Absent => absent.push(table.name.as_str()),
            TableState::Missing => rows.push(dashes("MISSING")),
            TableState::Broken(_) => rows.push(dashes("AT FAULT")),
            TableState::Found(found, at_fault) => {
                rows.push(row(&table.name, found, *at_fault));
                if !found.extra.is_empty() {
                    extra.push(format!("  {}: {}\n", table.name, listed(&found.extra)));
                }
            }
        }
    }
    let headings = ["table", "", "format", "#files", "#bytes", "#rows", "order"];
    let mut text = columns(&headings, &rows);
    if !absent.is_empty() {
        text.push_str(&format!("\nnot there, and read as empty: {}\n", absent.join(", ")));
    }
    if !checked.findings.stated_absent.is_empty() {
        let stated = checked.findings.stated_absent.join(", ");
        text.push_str(&format!("\nnot there, as the source file says: {stated}\n"));
    }
    if !extra.is_empty() {
        text.push_str(&format!("\ncolumns that are never read\n{}", extra.concat()));
    }
    if !checked.findings.unread.is_empty() {
        text.push_str(&format!("\nin no table, and never read: {}\n", listed(&checked.findings.unread)));
    }
    text
}

fn row(name: &str, found: &FoundTable, at_fault: bool) -> Vec<String> {
    vec![
        name.to_owned(),
        if at_fault { "AT FAULT" } else { "found" }.to_owned(),
        found.format.to_string(),
        ui::count(found.files as u64),
        ui::count(found.bytes),
        found.rows.as_ref().map_or_else(|_| "–".to_owned(), |rows| ui::count(*rows)),
        order(found).to_owned(),
    ]
}

/// How its rows come into order.
pub(super) fn order(found: &FoundTable) -> &'static str {
    if found.is_ordered { "by patient" } else { "none is promised" }
}

fn dates(checked: &Checked<'_>) -> String {
    let mut rows = Vec::new();
    for table in &checked.findings.tables {
        let TableState::Found(found, _) = &table.state else { continue };
        for column in &found.columns {
            let months = |first: String, last: String| vec![table.name.clone(), column.name.to_string(), first, last];
            let month = |month: &Month| month.to_string();
            let row = match &column.months {
                _ if column.is_missing || column.problem.is_some() => continue,
                Months::NotDates => continue,
                Months::Unknown => months("unknown".to_owned(), "unknown".to_owned()),
                Months::TooFew => months("few rows".to_owned(), "few rows".to_owned()),
                Months::Between(first, last) => months(month(first), month(last)),
            };
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let far = if rows.iter().any(|row| row.last().is_some_and(|last| last == "9999-12")) { FAR_AWAY } else { "" };
    format!("\ndates, by month\n{}{far}", columns(&["table", "column", "first", "last"], &rows))
}

fn user_facing(checked: &Checked<'_>) -> String {
    let rows = checked.findings.user_facing.iter().map(|found| {
        let because = match &found.answer {
            Answer::Served => String::new(),
            Answer::Partly(columns) => format!("without {}", columns.join(", ")),
            Answer::Refused(because) | Answer::NotGiven(because) => because.clone(),
        };
        vec![found.table.clone(), found.answer.word().to_owned(), because]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    format!("\nwhat definitions can ask for\n{}", columns(&["table", "answer", ""], &rows))
}

fn policy(checked: &Checked<'_>) -> String {
    let (Ok(policy), Some(registers)) = (checked.policy, &checked.registers) else { return String::new() };
    let mut text = format!("\n{}", rules(policy));
    if !registers.registers.is_empty() {
        let row = |register: &CheckedRegister<'_>| {
            let known = register.read.as_ref().ok();
            let count = |count: Option<u64>| count.map_or_else(|| "–".to_owned(), rounded);
            vec![
                register.register.id.to_string(),
                register.word().to_owned(),
                known.map_or_else(|| "–".to_owned(), |read| read.as_of.to_string()),
                count(known.map(|read| read.rows)),
                count(known.map(|read| read.members)),
            ]
        };
        let rows: Vec<Vec<String>> = registers.registers.iter().map(row).collect();
        let headings = ["register", "", "as of", "#rows, about", "#counts, about"];
        text.push_str(&format!("\nregisters, on {}\n{}", checked.today, columns(&headings, &rows)));
    }
    text
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMES_MAX) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}
