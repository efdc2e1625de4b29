//! Tables that have the shape of the catalogue already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use peristyle_execution::whole_table;
use peristyle_model::Catalogue;
use peristyle_model::catalogue::{ActivationFilter, TableSchema};
use peristyle_opt_out::{Absences, ColumnReport, FoundTable, KeyType, SourceError, TableRequest, WantedTable, examine};
use peristyle_policy::Policy;
use peristyle_policy::policy::CatalogueStatement;

use super::findings::{Answer, Findings, TableFinding, TableState, UserFacing, unknown_layouts, without_registers};
use crate::failure::Failure;
use crate::source_file::SourceFile;
use crate::source_file::absent::short_name;

/// The module of OpenSAFELY's own tests of its backends: no study's tables, and few of their columns.
const SMOKE_TESTS: &str = "ehrql.tables.smoketest";

/// Looks at the tables of a source. Several modules may have a table of one name: its files are looked at once.
pub(super) fn find(place: &SourceFile, policy: Option<&Policy>) -> Result<Findings, Failure> {
    let key_type = policy.map_or(KeyType::Int, |policy| policy.patient_key);
    let mut by_name: BTreeMap<Arc<str>, Vec<(&TableSchema, TableRequest)>> = BTreeMap::new();
    for schema in Catalogue::builtin().tables() {
        let mut request = whole_table(schema, key_type);
        if place.absent.tables.contains(&request.name) {
            continue;
        }
        place.absent.hold(&schema.table, &mut request.columns);
        by_name.entry(Arc::clone(&schema.table)).or_default().push((schema, request));
    }
    let wanted: Vec<WantedTable> = by_name.iter().map(|(name, tables)| wanted(name, tables)).collect();
    let text_keys = policy.map(|policy| policy.text_keys).unwrap_or_default();
    let (reports, unread) = examine(&place.extract, &wanted, &text_keys)?;
    let unread = without_registers(unread, policy, &[]);
    let mut findings = Findings { unread, stated_absent: stated(&place.absent), ..Findings::default() };
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
                tell_of_lost_columns(&mut findings, &report.name, &found, tables);
                findings.warnings.extend(stated_and_there(&place.absent, &report.name, &found));
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
        let is_lost = |column: &ColumnReport| matches!(column.problem, Some(SourceError::ColumnLost { .. }));
        let wrong = at_fault.iter().filter(|column| !is_lost(column));
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
        problems.extend(wrong.filter_map(|column| column.problem.as_ref()).map(ToString::to_string));
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

/// What is stated, as the source file has it.
fn stated(absent: &Absences) -> Vec<String> {
    let tables = Catalogue::builtin().tables();
    let of_table = |schema: &Arc<TableSchema>| {
        let columns = absent.columns.get(&schema.table).into_iter().flatten();
        let columns = columns.filter(|column| schema.column_index(column).is_some());
        let columns: Vec<String> = columns.map(|column| format!("{}.{column}", short_name(schema))).collect();
        let is_absent = absent.tables.contains(&whole_table(schema, KeyType::Int).name);
        if is_absent { vec![short_name(schema)] } else { columns }
    };
    tables.flat_map(of_table).collect()
}

/// A column that is stated to be absent, and is there.
fn stated_and_there(absent: &Absences, table: &str, found: &FoundTable) -> Vec<String> {
    let is_stated = |column: &&ColumnReport| !column.is_missing && absent.has_column(table, &column.name);
    let names: BTreeSet<&str> = found.columns.iter().filter(is_stated).map(|column| &*column.name).collect();
    let warning =
        |name| format!("the source file says that `{table}` has no column `{name}`, and it has one: it is read");
    names.into_iter().map(warning).collect()
}

/// A module's table, and its columns that the files lack.
type Loss<'t> = (&'t TableSchema, Vec<&'t str>);

/// Takes columns that the files of a table lack: an error, unless they have all that some module wants of them. What other
/// modules miss then is a warning.
fn tell_of_lost_columns(
    findings: &mut Findings,
    name: &str,
    found: &FoundTable,
    tables: &[(&TableSchema, TableRequest)],
) {
    let is_lost = |column: &&ColumnReport| matches!(column.problem, Some(SourceError::ColumnLost { .. }));
    let lost: BTreeSet<&str> = found.columns.iter().filter(is_lost).map(|column| &*column.name).collect();
    let losses: Vec<Loss<'_>> = tables
        .iter()
        .filter(|(schema, _)| tables.len() == 1 || &*schema.name.module != SMOKE_TESTS)
        .map(|(schema, _)| (*schema, lost.iter().copied().filter(|name| schema.column_index(name).is_some()).collect()))
        .collect();
    let least = losses.iter().map(|(_, columns)| columns.len()).min().unwrap_or(0);
    let (at_fault, others): (Vec<Loss<'_>>, Vec<Loss<'_>>) =
        losses.into_iter().filter(|(_, columns)| !columns.is_empty()).partition(|(_, columns)| columns.len() == least);
    let told: BTreeSet<&str> = at_fault.iter().flat_map(|(_, columns)| columns.iter().copied()).collect();
    let not_told = |columns: Vec<_>| columns.into_iter().filter(|column| !told.contains(column)).collect();
    let others: Vec<Loss<'_>> = others.into_iter().map(|(schema, columns)| (schema, not_told(columns))).collect();
    findings.errors.extend(lost_columns(name, &at_fault));
    findings.warnings.extend(lost_columns(name, &others));
}

/// What is said of columns that the files of a table lack, with what to write into the source file where the place does not
/// have them.
fn lost_columns(name: &str, losses: &[Loss<'_>]) -> Option<String> {
    let statement = |column: &str| {
        let (schema, _) = losses.iter().find(|(_, columns)| columns.contains(&column))?;
        Some(format!("\"{}.{column}\"", short_name(schema)))
    };
    let lost: BTreeSet<&str> = losses.iter().flat_map(|(_, columns)| columns.iter().copied()).collect();
    let statements = lost.iter().filter_map(|column| statement(column)).collect::<Vec<_>>().join(", ");
    let columns = lost.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
    let users = losses.iter().map(|(schema, _)| short_name(schema)).collect::<Vec<_>>().join(", ");
    (!lost.is_empty()).then(|| {
        format!(
            "table `{name}` has no column {columns}, so studies over {users} that need what is missing are refused: have it \
             delivered; or, where this place does not have it, say so in the source file: absent = [{statements}]"
        )
    })
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
