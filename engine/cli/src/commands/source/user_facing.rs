//! Tables that have the shape of the catalogue already.

use std::collections::BTreeMap;
use std::sync::Arc;

use peristyle_execution::whole_table;
use peristyle_model::Catalogue;
use peristyle_model::catalogue::{ActivationFilter, TableSchema};
use peristyle_opt_out::{ColumnReport, FoundTable, KeyType, SourceError, TableRequest, WantedTable, examine};
use peristyle_policy::Policy;
use peristyle_policy::policy::CatalogueStatement;

use super::findings::{Answer, Findings, TableFinding, TableState, UserFacing, unknown_layouts, without_registers};
use crate::failure::Failure;
use crate::source_file::SourceFile;

/// Looks at the tables of a source. Several modules may have a table of one name: its files are looked at once.
pub(super) fn find(place: &SourceFile, policy: Option<&Policy>) -> Result<Findings, Failure> {
    let key_type = policy.map_or(KeyType::Int, |policy| policy.patient_key);
    let mut by_name: BTreeMap<Arc<str>, Vec<(&TableSchema, TableRequest)>> = BTreeMap::new();
    for schema in Catalogue::builtin().tables() {
        let request = whole_table(schema, key_type);
        by_name.entry(Arc::clone(&schema.table)).or_default().push((schema, request));
    }
    let wanted: Vec<WantedTable> = by_name.iter().map(|(name, tables)| wanted(name, tables)).collect();
    let text_keys = policy.map(|policy| policy.text_keys).unwrap_or_default();
    let (reports, unread) = examine(&place.extract, &wanted, &text_keys)?;
    let mut findings = Findings { unread: without_registers(unread, policy, &[]), ..Findings::default() };
    let known: Vec<&str> = by_name.keys().map(|name| &**name).collect();
    findings.warnings.extend(unknown_layouts(place, policy, &known));
    for ((report, wanted), tables) in reports.into_iter().zip(&wanted).zip(by_name.values()) {
        let state = match report.found {
            // A place has the tables that its studies use.
            Err(SourceError::TableMissing { .. }) => continue,
            Err(error) => {
                findings.errors.push(error.to_string());
                TableState::Broken(error)
            }
            Ok(found) => {
                let before = findings.errors.len();
                answers(&mut findings, &found, wanted, tables, policy);
                TableState::Found(Box::new(found), findings.errors.len() > before)
            }
        };
        findings.tables.push(TableFinding { name: report.name.to_string(), state });
    }
    if findings.tables.is_empty() {
        findings.errors.push(format!("`{}` has no table that the catalogue knows", place.extract));
    }
    findings.user_facing.sort_by(|one, other| one.table.cmp(&other.table));
    Ok(findings)
}

fn wanted(name: &Arc<str>, tables: &[(&TableSchema, TableRequest)]) -> WantedTable {
    let mut columns = Vec::new();
    for column in tables.iter().flat_map(|(_, request)| &request.columns) {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    let patient_key = tables.first().and_then(|(_, request)| request.patient_key.clone());
    WantedTable { name: Arc::clone(name), patient_key, columns }
}

/// What each module's table of that name is answered. The files are at fault where no module can be served.
fn answers(
    findings: &mut Findings,
    found: &FoundTable,
    wanted: &WantedTable,
    tables: &[(&TableSchema, TableRequest)],
    policy: Option<&Policy>,
) {
    let whole = found.patient_key_problem.as_ref().or(found.rows.as_ref().err());
    let mut problems: Vec<String> = Vec::new();
    let mut is_served = false;
    for (schema, request) in tables {
        let table = format!("{}.{}", schema.name.module, schema.name.name);
        let columns: Vec<&ColumnReport> = request
            .columns
            .iter()
            .filter_map(|column| wanted.columns.iter().position(|known| known == column))
            .filter_map(|at| found.columns.get(at))
            .collect();
        let at_fault: Vec<&&ColumnReport> = columns.iter().filter(|column| column.problem.is_some()).collect();
        let answer = if let Some(problem) = whole {
            Answer::Refused(problem.to_string())
        } else if let Some(reason) = policy.and_then(|policy| unjudged(schema, policy)) {
            Answer::Refused(reason)
        } else if at_fault.is_empty() {
            is_served = true;
            Answer::Served
        } else {
            Answer::Partly(at_fault.iter().map(|column| column.name.to_string()).collect())
        };
        problems.extend(at_fault.iter().filter_map(|column| column.problem.as_ref()).map(ToString::to_string));
        findings.user_facing.push(UserFacing { table, answer });
    }
    problems.dedup();
    match whole {
        Some(problem) => findings.errors.push(problem.to_string()),
        None if is_served => {}
        None => {
            problems.sort();
            problems.dedup();
            findings.errors.extend(problems);
        }
    }
}

/// Why the policy refuses a table, where practice activation is applied and nothing says how.
fn unjudged(schema: &TableSchema, policy: &Policy) -> Option<String> {
    policy.practice_activation.applied()?;
    let table = format!("{}.{}", schema.name.module, schema.name.name);
    let short = table.strip_prefix("ehrql.tables.").unwrap_or(&table);
    let stated = match &schema.activation {
        ActivationFilter::NotApplied => CatalogueStatement::NotApplied,
        ActivationFilter::ByColumn(column) => CatalogueStatement::ByColumn(column),
        ActivationFilter::Unstated => CatalogueStatement::Unstated,
    };
    policy.row_rule(short, stated).err().map(|error| error.to_string())
}
