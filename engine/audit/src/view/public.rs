//! The transparency view: what ran, when and why, fit to be published.
//!
//! What is left out, and why: the source's files and the ledger's path (the operator's), registers and their sizes (an
//! opt-out register's size over time tells who joined it), rows read and passed (with what was removed, they give exact
//! sums), digests of outputs and of the ledger's lines (an output of few cells can be guessed and its digest compared).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::table::{columns, fields};
use super::{indented, listed, rules_by_standing};
use crate::error::AuditError;
use crate::history::{History, Run};
use crate::record::{
    Activity, Code, Digest, FreeText, Moment, Name, Outcome, OutputWritten, Rule, SetAside, Standing, TableCounts,
};

/// Counts up to this one are suppressed, as ehrQL's measures do.
const SUPPRESSED_MAX: u64 = 7;
/// Other counts are rounded to the nearest multiple of this.
const ROUNDED_TO: u64 = 5;

/// A count fit to be published: `None` for a count of 7 or fewer, else rounded to the nearest 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
struct PublicCount(Option<u64>);

impl PublicCount {
    /// A count is suppressed or rounded to a multiple of 5: no half can come up, since 5 is odd, so that rounding half to
    /// even is rounding to the nearest.
    fn of(count: u64) -> PublicCount {
        let below = count - count % ROUNDED_TO;
        let rounded = if count % ROUNDED_TO > ROUNDED_TO / 2 { below.saturating_add(ROUNDED_TO) } else { below };
        PublicCount((count > SUPPRESSED_MAX).then_some(rounded))
    }
}

impl fmt::Display for PublicCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(count) => write!(f, "{count}"),
            None => write!(f, "≤{SUPPRESSED_MAX}"),
        }
    }
}

/// What may be published of a ledger. [`Display`](fmt::Display) gives it as text for people.
#[derive(Clone, Debug, Serialize)]
pub struct PublicView {
    counts: &'static str,
    runs: Vec<PublicRun>,
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
    policy_sha256: Option<Digest>,
    permissions: BTreeSet<Name>,
    rules: BTreeMap<Rule, Standing>,
    set_aside: Option<PublicSetAside>,
    outcome: PublicOutcome,
    outputs: Vec<PublicOutput>,
    removed: Vec<PublicRemoved>,
}

#[derive(Clone, Debug, Serialize)]
struct PublicSetAside {
    agreed_by: Vec<FreeText>,
    from: Moment,
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
            agreed_by: set_aside.agreed_by.clone(),
            from: set_aside.from,
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
        let rows = if patients.0.is_none() { PublicCount(None) } else { PublicCount::of(removed.rows) };
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
            ("policy", listed(self.policy_sha256)),
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
        write!(f, "{} (agreed by {}; from {from} until {until}", self.reason, listed(&self.agreed_by))?;
        write!(f, "; lifts {}; record {})", listed(self.rules.iter().map(|rule| rule.name())), self.sha256)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn small_counts_are_suppressed_and_others_rounded() {
        let cases = [
            (0, None),
            (1, None),
            (7, None),
            (8, Some(10)),
            (10, Some(10)),
            (12, Some(10)),
            (13, Some(15)),
            (17, Some(15)),
            (18, Some(20)),
            (57_000_002, Some(57_000_000)),
            (u64::MAX, Some(u64::MAX)),
            (u64::MAX - 3, Some(u64::MAX - 5)),
        ];
        for (count, expected) in cases {
            assert_eq!(PublicCount::of(count).0, expected, "{count}");
        }
    }
}
