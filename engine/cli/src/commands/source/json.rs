//! What was found, for programs. `docs/src/reference/cli.md` says what is where.

use peristyle_opt_out::{ColumnReport, FoundTable, Months};
use peristyle_policy::Rule;
use serde_json::{Value, json};

use super::findings::{Answer, TableFinding, TableState, UserFacing};
use super::{Checked, rounded};
use crate::commands::policy::registers::CheckedRegister;

/// One object, on lines.
pub(super) fn of(checked: &Checked<'_>) -> String {
    let errors = checked.errors();
    let findings = &checked.findings;
    let registers = checked.registers.iter().flat_map(|checked| &checked.registers);
    let found = json!({
        "peristyle_source_check": 1,
        "connector": checked.place.connector_name(),
        "location": checked.place.extract.to_string(),
        "ok": errors.is_empty(),
        "tables": findings.tables.iter().map(table).collect::<Vec<_>>(),
        "not_read": findings.unread,
        "stated_absent": findings.stated_absent,
        "user_facing": findings.user_facing.iter().map(user_facing).collect::<Vec<_>>(),
        "policy": checked.policy.ok().map(|policy| json!({
            "name": policy.name.as_str(),
            "sha256": policy.digest().to_string(),
            "rules": Rule::ALL.map(|rule| json!({"rule": rule.to_string(), "applied": applied(policy, rule)})),
        })),
        "registers": registers.map(register).collect::<Vec<_>>(),
        "errors": errors,
        "warnings": findings.warnings,
    });
    format!("{found:#}\n")
}

fn applied(policy: &peristyle_policy::Policy, rule: Rule) -> bool {
    match rule {
        Rule::TypeOne => policy.type_one.applied().is_some(),
        Rule::National => policy.national.applied().is_some(),
        Rule::PracticeActivation => policy.practice_activation.applied().is_some(),
    }
}

fn table(table: &TableFinding) -> Value {
    match &table.state {
        TableState::Absent => json!({"name": table.name, "state": "absent"}),
        TableState::Missing => json!({"name": table.name, "state": "missing"}),
        TableState::Broken(error) => json!({"name": table.name, "state": "not_read", "problem": error.to_string()}),
        TableState::Found(found, _) => self::found(&table.name, found),
    }
}

fn found(name: &str, found: &FoundTable) -> Value {
    let problem = found.patient_key_problem.as_ref().or(found.rows.as_ref().err());
    json!({
        "name": name,
        "state": "found",
        "problem": problem.map(ToString::to_string),
        "format": found.format.to_string(),
        "files": found.files,
        "bytes": found.bytes,
        "rows": found.rows.as_ref().ok(),
        "ordered_by_patient": found.is_ordered,
        "columns": found.columns.iter().map(column).collect::<Vec<_>>(),
        "columns_never_read": found.extra,
    })
}

fn column(column: &ColumnReport) -> Value {
    let state = match (&column.problem, column.is_missing) {
        (_, true) => "missing",
        (Some(_), false) => "at_fault",
        (None, false) => "found",
    };
    let dates = match &column.months {
        Months::NotDates => Value::Null,
        Months::Unknown => json!("unknown"),
        Months::TooFew => json!("few_rows"),
        Months::Between(first, last) => json!({"first": first.to_string(), "last": last.to_string()}),
    };
    json!({
        "name": &*column.name,
        "state": state,
        "problem": column.problem.as_ref().map(ToString::to_string),
        "dates": dates,
        "looks_like": column.looks_like.map(|shape| shape.to_string()),
    })
}

fn user_facing(found: &UserFacing) -> Value {
    let (columns, because) = match &found.answer {
        Answer::Served => (&[] as &[String], None),
        Answer::Partly(columns) => (columns.as_slice(), None),
        Answer::Refused(because) | Answer::NotGiven(because) => (&[] as &[String], Some(because)),
    };
    json!({
        "table": found.table,
        "answer": found.answer.word().replace(' ', "_"),
        "columns_refused": columns,
        "because": because,
    })
}

fn register(register: &CheckedRegister<'_>) -> Value {
    let read = register.read.as_ref().ok();
    json!({
        "register": register.register.id.to_string(),
        "state": register.word().to_lowercase(),
        "as_of": read.map(|read| read.as_of.to_string()),
        "rows_about": read.map(|read| rounded(read.rows)),
        "counts_about": read.map(|read| rounded(read.members)),
    })
}
