//! Leave for a run: what it asks is allowed. Its registers have not been read yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use peristyle_opt_out::{ConnectedExtract, PolicyRun, VerifiedPolicy};
use peristyle_policy::counts::CountsFile;
use peristyle_policy::counts::ledger::CountsFiles;
use peristyle_policy::set_aside::VerifiedSetAside;
use peristyle_policy::{AppliedRules, Day, Name, Policy};

use crate::failure::Failure;
use crate::logging::LogFormat;
use crate::run::{self, Metadata};
use crate::source_file::SourceFile;
use crate::ui;

/// Leave for a run.
pub(crate) struct Clearance<'r> {
    pub(crate) policy: &'r Policy,
    pub(crate) rules: &'r AppliedRules,
    pub(crate) set_aside: Option<&'r VerifiedSetAside>,
    pub(crate) project: &'r Name,
    pub(crate) today: Day,
}

impl Clearance<'_> {
    /// Says, before all else, that opt-outs are set aside, where they are.
    pub(crate) fn announce(&self, format: LogFormat) {
        if let Some(set_aside) = self.set_aside {
            ui::announce(format, &set_aside.announcement());
        }
    }

    /// Reads the registers that the run needs, links of the tables that it asks for among them, and holds them against
    /// the policy's limits. A run that needs none needs the counts all the same: they keep the ledger's head. Blocks.
    pub(crate) fn verify(
        &self,
        place: &SourceFile,
        extracts: &[ConnectedExtract],
        asked: &BTreeSet<Arc<str>>,
        known_counts: u64,
        threads: usize,
    ) -> Result<VerifiedPolicy, Failure> {
        let Self { policy, rules, today, .. } = *self;
        if CountsFiles::of(policy).is_some() {
            CountsFile::open(policy)?;
        }
        let tables = &place.extract;
        let run = PolicyRun { policy, rules, tables, extracts, asked, today, known_counts, threads };
        Ok(VerifiedPolicy::verify(&run)?)
    }

    /// What the run's outputs say of themselves.
    pub(crate) fn metadata(&self) -> Metadata {
        let mut metadata = BTreeMap::from([
            ("policy".to_owned(), self.policy.name.to_string()),
            ("policy_sha256".to_owned(), self.policy.digest().to_string()),
            ("project".to_owned(), self.project.to_string()),
            run::version(),
        ]);
        if let Some(set_aside) = self.set_aside {
            metadata.insert("set_aside".to_owned(), set_aside.record().id.to_string());
        }
        metadata
    }
}
