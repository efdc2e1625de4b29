//! A supplier's extract, through its connector: raw tables held against the manifest, views against what is there.

use std::collections::{BTreeMap, BTreeSet};

use peristyle_connectors::Manifest;
use peristyle_opt_out::{Connector, FoundTable, SourceError, TableReport, ViewNeeds, examine};
use peristyle_policy::Policy;

use super::findings::{
    Answer, Findings, TableFinding, TableState, UserFacing, Users, missing, unknown_layouts, with_users,
    without_registers,
};
use crate::failure::Failure;
use crate::source_file::SourceFile;

/// What is at fault in a raw table: by column, or all of it where the column is empty.
type Faults = BTreeMap<(String, String), String>;

/// Looks at the extract of a source.
pub(super) fn find(place: &SourceFile, manifest: &Manifest, policy: Option<&Policy>) -> Result<Findings, Failure> {
    let connector = &manifest.connector;
    let text_keys = policy.map(|policy| policy.text_keys).unwrap_or_default();
    let (reports, unread) = examine(&place.extract, &connector.wanted_tables(), &text_keys)?;
    let links: Vec<&str> = connector.links.values().map(|link| &*link.table).collect();
    let mut findings = Findings { unread: without_registers(unread, policy, &links), ..Findings::default() };
    let known: Vec<&str> = connector.raw.keys().map(|name| &**name).collect();
    findings.warnings.extend(unknown_layouts(place, policy, &known));
    if let Some(policy) = policy.filter(|policy| policy.patient_key != connector.patient_key) {
        let (ours, theirs) = (policy.patient_key.key(), connector.patient_key.key());
        findings.errors.push(format!(
            "the policy's registers know patients by {ours}, and connector `{}` by {theirs}: every table is refused",
            connector.name
        ));
    }
    let mut faults = Faults::new();
    for report in reports {
        let name = report.name.to_string();
        if let Ok(found) = &report.found {
            findings.errors.extend(identifiers(&name, found, manifest));
        }
        let state = state(connector, report, &findings.unread, &mut faults);
        findings.tables.push(TableFinding { name, state });
    }
    let mut users: BTreeMap<(String, String), Users> = BTreeMap::new();
    for (table, needs) in connector.needs() {
        let answer = match needs {
            Err(reason) => Answer::Refused(format!("its view {reason}")),
            Ok(needs) => answer(&table, &needs, &faults, &mut users),
        };
        if let Answer::Refused(reason) = &answer
            && reason.starts_with("its view ")
        {
            findings.errors.push(format!("`{table}`: {reason}"));
        }
        findings.user_facing.push(UserFacing { table: table.to_string(), answer });
    }
    for (table, because) in &connector.missing {
        let answer = Answer::NotGiven(because.clone());
        findings.user_facing.push(UserFacing { table: table.to_string(), answer });
    }
    findings.user_facing.sort_by(|one, other| one.table.cmp(&other.table));
    for (fault, problem) in &faults {
        match users.get(fault) {
            Some(users) => findings.errors.push(with_users(problem, users)),
            None => findings.warnings.push(format!("{problem}; no view needs it")),
        }
    }
    Ok(findings)
}

/// Columns whose values look like identifiers of people, and of which nobody has said that they are none.
fn identifiers(table: &str, found: &FoundTable, manifest: &Manifest) -> Vec<String> {
    let is_reviewed = |column: &str| manifest.reviewed.get(table).is_some_and(|columns| columns.contains_key(column));
    let looks_like = found.columns.iter().filter_map(|column| Some((&*column.name, column.looks_like?)));
    let not_reviewed = looks_like.filter(|(column, _)| !is_reviewed(column));
    let said = not_reviewed.map(|(column, shape)| {
        format!(
            "column `{column}` of raw table `{table}` looks like {shape}: leave it out of the manifest, or, where its values \
             identify nobody, say why there in `reviewed = \"WHY\"` of the column"
        )
    });
    said.collect()
}

fn state(connector: &Connector, report: TableReport, unread: &[String], faults: &mut Faults) -> TableState {
    let name = report.name.to_string();
    let may_be_absent = connector.raw.get(&report.name).is_some_and(|raw| raw.may_be_absent);
    match report.found {
        Err(SourceError::TableMissing { .. }) if may_be_absent => TableState::Absent,
        Err(SourceError::TableMissing { .. }) => {
            let problem = missing(&name, unread);
            faults.insert((name, String::new()), problem);
            TableState::Missing
        }
        Err(error) => {
            faults.insert((name, String::new()), error.to_string());
            TableState::Broken(error)
        }
        Ok(found) => {
            let before = faults.len();
            note(&name, &found, faults);
            TableState::Found(Box::new(found), faults.len() > before)
        }
    }
}

fn note(name: &str, found: &FoundTable, faults: &mut Faults) {
    let whole = found.patient_key_problem.as_ref().or(found.rows.as_ref().err());
    if let Some(problem) = whole {
        faults.insert((name.to_owned(), String::new()), problem.to_string());
    }
    if found.patient_key_problem.is_some() {
        // The rest would be said of a file whose columns are not known.
        return;
    }
    for column in &found.columns {
        if let Some(problem) = &column.problem {
            faults.insert((name.to_owned(), column.name.to_string()), problem.to_string());
        }
    }
}

/// What a view can give of what is there; who meets which fault is noted.
fn answer(table: &str, needs: &ViewNeeds, faults: &Faults, users: &mut BTreeMap<(String, String), Users>) -> Answer {
    let met: Vec<(&(String, String), &String)> = faults.iter().filter(|(fault, _)| is_met(fault, &needs.all)).collect();
    if met.is_empty() {
        return Answer::Served;
    }
    let mut at_fault = BTreeSet::new();
    for (fault, _) in &met {
        let mut columns = Vec::new();
        for (column, scanned) in &needs.by_column {
            if is_met(fault, scanned) {
                columns.push(column.to_string());
            }
        }
        at_fault.extend(columns.iter().cloned());
        if columns.iter().any(|column| column == "patient_id") {
            columns.clear();
        }
        users.entry((*fault).clone()).or_default().insert(table.to_owned(), columns);
    }
    if at_fault.contains("patient_id") || at_fault.is_empty() {
        let reasons: Vec<&str> = met.iter().map(|(_, problem)| problem.as_str()).collect();
        return Answer::Refused(reasons.first().copied().unwrap_or_default().to_owned());
    }
    Answer::Partly(at_fault.into_iter().collect())
}

type Scanned = BTreeMap<std::sync::Arc<str>, BTreeSet<std::sync::Arc<str>>>;

fn is_met((table, column): &(String, String), scanned: &Scanned) -> bool {
    let columns = scanned.get(table.as_str());
    columns.is_some_and(|columns| column.is_empty() || columns.contains(column.as_str()))
}
