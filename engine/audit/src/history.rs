//! The runs of a ledger, each with its start and its end put together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::AuditError;
use crate::finding::Finding;
use crate::key::LedgerKey;
use crate::line::{Entry, Line};
use crate::record::{ClockAccepted, CountsAccepted, Moment, Name, Repair, RunFinish, RunStart};
use crate::walk::walk;

/// One run as the ledger has it.
#[derive(Clone, Debug)]
pub struct Run {
    /// The number of the record that it started with
    pub run: u64,
    /// What was known when it started
    pub start: RunStart,
    /// How it ended; none if it is under way or its process died
    pub finish: Option<RunFinish>,
}

/// Which runs to show. The default is all.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only runs that started at or after this moment
    pub from: Option<Moment>,
    /// Only runs that started before this moment
    pub until: Option<Moment>,
    /// Only runs of this project
    pub project: Option<Name>,
}

impl Selection {
    fn selects(&self, start: &RunStart) -> bool {
        self.from.is_none_or(|from| start.started >= from)
            && self.until.is_none_or(|until| start.started < until)
            && self.project.as_ref().is_none_or(|project| start.project.as_ref() == Some(project))
    }
}

/// The runs of a ledger in the order in which they started, what people accepted, its repairs, and what is wrong with it.
/// The whole ledger is checked, whatever is selected.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    runs: BTreeMap<u64, Run>,
    acceptances: Vec<CountsAccepted>,
    clocks: Vec<ClockAccepted>,
    repairs: Vec<Repair>,
    findings: Vec<Finding>,
    findings_count: u64,
}

impl History {
    /// Reads the runs that `selection` selects.
    ///
    /// # Errors
    /// If the ledger is not there or cannot be read. Lines that are altered are left out and stand in
    /// [`History::findings`].
    pub fn read(path: &Path, selection: &Selection, key: &LedgerKey) -> Result<History, AuditError> {
        let mut runs = BTreeMap::new();
        let (mut acceptances, mut clocks, mut repairs) = (Vec::new(), Vec::new(), Vec::new());
        let walked = walk(path, None, key, |line: Line| match line.entry {
            Entry::Started(start) if selection.selects(&start) => {
                runs.insert(line.sequence, Run { run: line.sequence, start: *start, finish: None });
            }
            Entry::Started(_) => {}
            Entry::Finished { finish, run } => {
                // A second end of a run is a finding; the first one stands.
                if let Some(run) = runs.get_mut(&run) {
                    run.finish.get_or_insert(*finish);
                }
            }
            Entry::ClockAccepted(accepted) => clocks.push(*accepted),
            Entry::CountsAccepted(accepted) => acceptances.push(*accepted),
            Entry::Repaired(repair) => repairs.push(*repair),
        })?;
        let findings_count = walked.findings.len() as u64 + walked.findings_left_off;
        let (path, findings) = (path.to_owned(), walked.findings);
        Ok(History { path, runs, acceptances, clocks, repairs, findings, findings_count })
    }

    /// The ledger.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The runs, in the order in which they started.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values()
    }

    /// What people answered for: counts of registers that were begun or accepted. All of them, whatever is selected.
    pub fn acceptances(&self) -> &[CountsAccepted] {
        &self.acceptances
    }

    /// Clocks that were ahead, and who answered for them.
    pub fn clocks(&self) -> &[ClockAccepted] {
        &self.clocks
    }

    /// The repairs of the ledger.
    pub fn repairs(&self) -> &[Repair] {
        &self.repairs
    }

    /// What is wrong with the ledger: the first hundred findings.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Number of findings, those beyond the first hundred included.
    pub fn findings_count(&self) -> u64 {
        self.findings_count
    }
}
