//! The operator's view: everything that the ledger holds, with exact counts. Not to be published.

use std::fmt;

use serde::Serialize;

use super::table::{columns, fields};
use super::{indented, listed, named, rules_by_standing};
use crate::error::AuditError;
use crate::history::{History, Run};
use crate::record::{
    Agreement, ClockAccepted, CountedBefore, CountsAccepted, Moment, Outcome, RegisterUsed, Repair, Rule, RunFinish,
    RunStart, SetAside,
};

/// All that a ledger holds, headed by what is wrong with it. [`Display`](fmt::Display) gives it as text for people.
#[derive(Clone, Debug, Serialize)]
pub struct OperatorView<'a> {
    ledger: String,
    findings: Vec<String>,
    runs: Vec<OperatorRun<'a>>,
    acceptances: &'a [CountsAccepted],
    clocks: &'a [ClockAccepted],
    repairs: &'a [Repair],
}

#[derive(Clone, Debug, Serialize)]
struct OperatorRun<'a> {
    run: u64,
    start: &'a RunStart,
    finish: Option<&'a RunFinish>,
}

impl OperatorView<'_> {
    /// The full view of the runs that were read.
    pub fn of(history: &History) -> OperatorView<'_> {
        OperatorView {
            ledger: history.path().display().to_string(),
            findings: history.findings().iter().map(ToString::to_string).collect(),
            runs: history.runs().map(OperatorRun::of).collect(),
            acceptances: history.acceptances(),
            clocks: history.clocks(),
            repairs: history.repairs(),
        }
    }

    /// The view as JSON.
    ///
    /// # Errors
    /// None that the types of a record allow.
    pub fn to_json(&self) -> Result<String, AuditError> {
        indented(self)
    }
}

impl OperatorRun<'_> {
    fn of(run: &Run) -> OperatorRun<'_> {
        OperatorRun { run: run.run, start: &run.start, finish: run.finish.as_ref() }
    }

    fn outcome(&self) -> String {
        match self.finish.map(|finish| &finish.outcome) {
            None => "unfinished: under way, or its process died".to_owned(),
            Some(Outcome::Answered { .. }) => "answered".to_owned(),
            Some(Outcome::Failed { code, exit_code }) => format!("failed: {code} (exit {exit_code})"),
            Some(Outcome::Refused { code, exit_code }) => format!("refused: {code} (exit {exit_code})"),
        }
    }
}

impl fmt::Display for OperatorView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "audit ledger {} (exact counts: not to be published)", self.ledger)?;
        for finding in &self.findings {
            writeln!(f, "FOUND: {finding}")?;
        }
        if !self.findings.is_empty() {
            writeln!(f, "NOT SOUND: run `peristyle audit verify`. What can be read follows.")?;
        }
        for run in &self.runs {
            write!(f, "\n{run}")?;
        }
        for accepted in self.acceptances {
            let CountsAccepted { acceptance, accepted: when, by, policy, policy_sha256, registers, was } = accepted;
            let (acceptance, when) = (acceptance.name(), when.for_people());
            writeln!(f, "\ncounts of policy {policy} {acceptance} by {by} on {when} (policy {policy_sha256})")?;
            f.write_str(&registers_text(registers))?;
            for CountedBefore { greatest, least, name } in was {
                writeln!(f, "  before it: {name} listed from {least} to {greatest} in recent runs")?;
            }
        }
        for ClockAccepted { accepted, ahead, by } in self.clocks {
            let (accepted, ahead) = (accepted.for_people(), ahead.for_people());
            writeln!(f, "\nclock set right on {accepted}, after a record of {ahead}: {by} answers for it")?;
        }
        for Repair { moved_to, repaired, torn_bytes, .. } in self.repairs {
            let when = repaired.for_people();
            writeln!(f, "\nrepaired on {when}: {torn_bytes} bytes of a half-written line moved to {moved_to}")?;
        }
        Ok(())
    }
}

impl fmt::Display for OperatorRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.start;
        writeln!(f, "run {}: {}", self.run, self.outcome())?;
        let finished = self.finish.map_or_else(|| "–".to_owned(), |finish| finish.finished.for_people());
        let pairs = [
            ("project", listed(&start.project)),
            ("asked for", start.activity.name().to_owned()),
            ("started", start.started.for_people()),
            ("finished", finished),
            ("definition", listed(start.definition_sha256)),
            ("policy", named(start.policy.as_ref(), start.policy_sha256)),
            ("engine", start.engine.to_string()),
            ("permissions", listed(&start.permissions)),
            ("rules", rules_by_standing(&start.rules)),
            ("set-aside", start.set_aside.as_ref().map_or_else(String::new, set_aside)),
        ];
        f.write_str(&fields(&pairs, "  "))?;
        self.finish.map_or(Ok(()), |finish| f.write_str(&finish_text(finish)))
    }
}

fn set_aside(set_aside: &SetAside) -> String {
    let [from, until] = [set_aside.from, set_aside.until].map(Moment::for_people);
    let SetAside { agreed_by, id, reason, rules, sha256, .. } = set_aside;
    let rules = listed(rules.iter().map(|rule| rule.name()));
    let agreed = listed(agreed_by.iter().map(|Agreement { body, key_sha256 }| format!("{body} with key {key_sha256}")));
    format!("{id}: {reason} (agreed by {agreed}; from {from} until {until}; lifts {rules}; record {sha256})")
}

fn finish_text(finish: &RunFinish) -> String {
    let mut text = registers_text(&finish.registers);
    let mut block = |header: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            text.push_str(&columns(header, &rows, "  "));
        }
    };
    if let Some(source) = &finish.source {
        let [count, bytes] = [source.file_count(), source.bytes()].map(|count| count.to_string());
        let row = vec![source.connector().to_string(), count, bytes, source.files_sha256().to_string()];
        block(&["source", "#files", "#bytes", "SHA-256 of the list"], vec![row]);
        let files = source.files().iter();
        let files =
            files.map(|file| vec![file.name.to_string(), file.bytes.to_string(), file.footer_sha256.to_string()]);
        block(&["file", "#bytes", "SHA-256 of the footer"], files.collect());
    }
    let tables = finish.tables.iter().map(|counts| {
        let mut row = vec![counts.table.to_string(), counts.rows_read.to_string(), counts.rows_passed.to_string()];
        row.extend(RULES.map(|rule| match counts.removed.get(&rule) {
            Some(removed) => format!("{} of {}", removed.rows, removed.patients),
            None => "–".to_owned(),
        }));
        row
    });
    let [first, second, third] = RULES.map(|rule| format!("#{}", rule.name()));
    block(&["rows (of patients) of table", "#read", "#passed", &first, &second, &third], tables.collect());
    let unlinked = finish.tables.iter().filter_map(|counts| Some((counts, counts.unlinked?)));
    let unlinked = unlinked.map(|(counts, unlinked)| {
        vec![counts.table.to_string(), unlinked.rows.to_string(), unlinked.patients.to_string()]
    });
    block(&["rows of no one patient, of table", "#rows", "#of keys"], unlinked.collect());
    if let Outcome::Answered { outputs } = &finish.outcome {
        let row = |name: &str, rows: u64, sha256: String| vec![name.to_owned(), rows.to_string(), sha256];
        let outputs = outputs.iter().map(|output| row(output.name.as_str(), output.rows, output.sha256.to_string()));
        block(&["output", "#rows", "SHA-256"], outputs.collect());
    }
    if let Some(counts) = &finish.counts {
        block(&["counts of", "#written"], vec![vec![counts.policy.to_string(), counts.sequence.to_string()]]);
    }
    text
}

fn registers_text(registers: &[RegisterUsed]) -> String {
    let row = |register: &RegisterUsed| {
        let as_of = register.as_of.map_or_else(|| "–".to_owned(), Moment::for_people);
        let [rows, members] = [register.rows, register.members].map(|count| count.to_string());
        vec![register.name.to_string(), rows, members, as_of, register.sha256.to_string()]
    };
    match registers {
        [] => String::new(),
        _ => {
            let rows: Vec<_> = registers.iter().map(row).collect();
            columns(&["register", "#rows", "#members", "as of", "SHA-256"], &rows, "  ")
        }
    }
}

const RULES: [Rule; 3] = [Rule::Type1OptOut, Rule::NationalDataOptOut, Rule::PracticeActivation];
