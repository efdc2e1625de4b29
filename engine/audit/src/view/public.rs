//! The transparency view: what ran, when and why, fit to be published.
//!
//! What is left out, and why: the source's files and the ledger's path (the operator's), registers and their sizes (an
//! opt-out register's size over time tells who joined it), rows read and passed (with what was removed, they give exact
//! sums), rows of linked tables that are of no patient here (how two sources overlap is nobody's rule), digests of outputs and of the ledger's lines (an output of few cells can be guessed and its digest compared).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::public_count::PublicCount;
use super::table::{columns, fields};
use super::{indented, listed, named, rules_by_standing};
use crate::error::AuditError;
use crate::history::{History, Run};
use crate::record::{
    Acceptance, Activity, Code, CountsAccepted, Digest, FreeText, Moment, Name, Outcome, OutputWritten, Rule, SetAside,
    Standing, TableCounts,
};

/// What may be published of a ledger. [`Display`](fmt::Display) gives it as text for people.
#[derive(Clone, Debug, Serialize)]
pub struct PublicView {
    counts: &'static str,
    runs: Vec<PublicRun>,
    acceptances: Vec<PublicAcceptance>,
    clock_set_right: Vec<Moment>,
    repaired: Vec<Moment>,
}

#[derive(Clone, Debug, Serialize)]
struct PublicRun {
    run: u64,
    started: Moment,
    finished: Option<Moment>,
    activity: Activity,
    project: Option<Name>,
    engine: Name,
    definition_sha256: Option<Digest>,
    policy: Option<Name>,
    policy_sha256: Option<Digest>,
    permissions: BTreeSet<Name>,
    rules: BTreeMap<Rule, Standing>,
    set_aside: Option<PublicSetAside>,
    outcome: PublicOutcome,
    outputs: Vec<PublicOutput>,
    removed: Vec<PublicRemoved>,
}

/// Not who accepted: whoever runs the place answers for it.
#[derive(Clone, Debug, Serialize)]
struct PublicAcceptance {
    acceptance: Acceptance,
    accepted: Moment,
    policy: Name,
    registers: Vec<Name>,
}

#[derive(Clone, Debug, Serialize)]
struct PublicSetAside {
    agreed_by: Vec<FreeText>,
    from: Moment,
    id: Name,
    reason: FreeText,
    rules: BTreeSet<Rule>,
    sha256: Digest,
    until: Moment,
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum PublicOutcome {
    Answered,
    Failed { code: Code, exit_code: u8 },
    Refused { code: Code, exit_code: u8 },
    Unfinished,
}

#[derive(Clone, Debug, Serialize)]
struct PublicOutput {
    name: Name,
    rows: PublicCount,
}

#[derive(Clone, Debug, Serialize)]
struct PublicRemoved {
    table: Name,
    rule: Rule,
    rows: PublicCount,
    patients: PublicCount,
}

impl PublicView {
    /// The public view of the runs that were read.
    ///
    /// # Errors
    /// [`AuditError::NotVerified`] if anything is wrong with the ledger: what is published has been checked.
    pub fn of(history: &History) -> Result<PublicView, AuditError> {
        if let Some(first) = history.findings().first() {
            let (path, findings) = (history.path().to_owned(), history.findings_count());
            return Err(AuditError::NotVerified { path, findings, first: first.clone() });
        }
        Ok(PublicView {
            counts: "counts of 7 or fewer are null, all others are rounded to the nearest 5",
            runs: history.runs().map(PublicRun::of).collect(),
            acceptances: history.acceptances().iter().map(PublicAcceptance::of).collect(),
            clock_set_right: history.clocks().iter().map(|clock| clock.accepted).collect(),
            repaired: history.repairs().iter().map(|repair| repair.repaired).collect(),
        })
    }

    /// The view as JSON.
    ///
    /// # Errors
    /// None that the types of a record allow.
    pub fn to_json(&self) -> Result<String, AuditError> {
        indented(self)
    }
}

impl PublicAcceptance {
    fn of(accepted: &CountsAccepted) -> PublicAcceptance {
        PublicAcceptance {
            acceptance: accepted.acceptance,
            accepted: accepted.accepted,
            policy: accepted.policy.clone(),
            registers: accepted.registers.iter().map(|register| register.name.clone()).collect(),
        }
    }
}

impl PublicRun {
    fn of(run: &Run) -> PublicRun {
        let (start, finish) = (&run.start, run.finish.as_ref());
        let (outcome, outputs) = match finish.map(|finish| &finish.outcome) {
            None => (PublicOutcome::Unfinished, [].as_slice()),
            Some(Outcome::Answered { outputs }) => (PublicOutcome::Answered, outputs.as_slice()),
            Some(Outcome::Failed { code, exit_code }) => {
                (PublicOutcome::Failed { code: code.clone(), exit_code: *exit_code }, [].as_slice())
            }
            Some(Outcome::Refused { code, exit_code }) => {
                (PublicOutcome::Refused { code: code.clone(), exit_code: *exit_code }, [].as_slice())
            }
        };
        PublicRun {
            run: run.run,
            started: start.started,
            finished: finish.map(|finish| finish.finished),
            activity: start.activity,
            project: start.project.clone(),
            engine: start.engine.clone(),
            definition_sha256: start.definition_sha256,
            policy: start.policy.clone(),
            policy_sha256: start.policy_sha256,
            permissions: start.permissions.clone(),
            rules: start.rules.clone(),
            set_aside: start.set_aside.as_ref().map(PublicSetAside::of),
            outcome,
            outputs: outputs.iter().map(PublicOutput::of).collect(),
            removed: finish.map_or_else(Vec::new, |finish| finish.tables.iter().flat_map(removed_from).collect()),
        }
    }
}

impl PublicSetAside {
    fn of(set_aside: &SetAside) -> PublicSetAside {
        PublicSetAside {
            agreed_by: set_aside.agreed_by.iter().map(|agreement| agreement.body.clone()).collect(),
            from: set_aside.from,
            id: set_aside.id.clone(),
            reason: set_aside.reason.clone(),
            rules: set_aside.rules.clone(),
            sha256: set_aside.sha256,
            until: set_aside.until,
        }
    }
}

impl PublicOutput {
    fn of(output: &OutputWritten) -> PublicOutput {
        PublicOutput { name: output.name.clone(), rows: PublicCount::of(output.rows) }
    }
}

fn removed_from(counts: &TableCounts) -> impl Iterator<Item = PublicRemoved> + '_ {
    counts.removed.iter().map(|(rule, removed)| {
        let patients = PublicCount::of(removed.patients);
        // However many rows, those of a handful of patients are about a handful of patients.
        let rows = if patients.is_suppressed() { patients } else { PublicCount::of(removed.rows) };
        PublicRemoved { table: counts.table.clone(), rule: *rule, rows, patients }
    })
}

impl fmt::Display for PublicView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Runs: {}. Times are in UTC. Counts of 7 or fewer are suppressed, shown as ≤7; all",
            self.runs.len()
        )?;
        writeln!(f, "others are rounded to the nearest 5.")?;
        if !self.runs.is_empty() {
            let rows: Vec<_> = self.runs.iter().map(PublicRun::summary).collect();
            write!(f, "\n{}", columns(&["#run", "started", "finished", "project", "asked for", "outcome"], &rows, ""))?;
        }
        for run in &self.runs {
            write!(f, "\n{run}")?;
        }
        for PublicAcceptance { acceptance, accepted, policy, registers } in &self.acceptances {
            let (acceptance, when, registers) = (acceptance.name(), accepted.for_people(), listed(registers));
            writeln!(f, "\nCounts of registers of policy {policy} were {acceptance} on {when}: {registers}.")?;
        }
        if !self.clock_set_right.is_empty() {
            let moments = self.clock_set_right.iter().map(|moment| moment.for_people());
            writeln!(f, "\nThe clock was set right, having been ahead, on {}.", listed(moments))?;
        }
        if !self.repaired.is_empty() {
            let moments = self.repaired.iter().map(|moment| moment.for_people());
            writeln!(f, "\nA half-written line was moved aside on {}.", listed(moments))?;
        }
        Ok(())
    }
}

impl PublicRun {
    fn summary(&self) -> Vec<String> {
        vec![
            self.run.to_string(),
            self.started.for_people(),
            self.finished.map_or_else(|| "–".to_owned(), Moment::for_people),
            listed(&self.project),
            self.activity.name().to_owned(),
            self.outcome.to_string(),
        ]
    }
}

impl fmt::Display for PublicOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublicOutcome::Answered => f.write_str("answered"),
            PublicOutcome::Failed { code, exit_code } => write!(f, "failed: {code} (exit {exit_code})"),
            PublicOutcome::Refused { code, exit_code } => write!(f, "refused: {code} (exit {exit_code})"),
            PublicOutcome::Unfinished => f.write_str("unfinished"),
        }
    }
}

impl fmt::Display for PublicRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "run {}", self.run)?;
        let set_aside = self.set_aside.as_ref().map_or_else(String::new, PublicSetAside::to_string);
        let outputs = self.outputs.iter().map(|output| format!("{}: {} rows", output.name, output.rows));
        let pairs = [
            ("definition", listed(self.definition_sha256)),
            ("policy", named(self.policy.as_ref(), self.policy_sha256)),
            ("engine", self.engine.to_string()),
            ("permissions", listed(&self.permissions)),
            ("rules", rules_by_standing(&self.rules)),
            ("set-aside", set_aside),
            ("outputs", if self.outputs.is_empty() { String::new() } else { listed(outputs) }),
        ];
        f.write_str(&fields(&pairs, "  "))?;
        if !self.removed.is_empty() {
            let row = |removed: &PublicRemoved| {
                let [rows, patients] = [removed.rows, removed.patients].map(|count| count.to_string());
                vec![removed.table.to_string(), removed.rule.name().to_owned(), rows, patients]
            };
            let rows: Vec<_> = self.removed.iter().map(row).collect();
            f.write_str(&columns(&["removed from", "by", "#rows", "#of patients"], &rows, "  "))?;
        }
        Ok(())
    }
}

impl fmt::Display for PublicSetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, until] = [self.from, self.until].map(Moment::for_people);
        let (id, reason, agreed) = (&self.id, &self.reason, listed(&self.agreed_by));
        write!(f, "{id}: {reason} (agreed by {agreed}; from {from} until {until}")?;
        write!(f, "; lifts {}; record {})", listed(self.rules.iter().map(|rule| rule.name())), self.sha256)
    }
}
