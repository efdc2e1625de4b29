//! Policy: what a run may read. A [`VerifiedPolicy`] stands for the check of its registers, a [`ScanPermit`] for leave
//! to open one table; neither can be made outside this crate.

use arrow::array::{BooleanArray, Int64Array};

/// A policy whose registers have been checked. Nothing opens without one.
///
/// There is no public constructor but [`VerifiedPolicy::dummy_tables`]: outside this crate a policy cannot be written
/// down, only obtained.
#[derive(Debug)]
pub struct VerifiedPolicy {
    stamp: &'static str,
    permitted: PermittedPatients,
}

impl VerifiedPolicy {
    /// The one policy that lets everything through: for tables of people who do not exist.
    pub fn dummy_tables() -> Self {
        Self { stamp: "dummy", permitted: PermittedPatients::All }
    }

    /// A policy that hides everybody else.
    #[cfg(test)]
    pub(crate) fn permitting(patients: impl IntoIterator<Item = i64>) -> Self {
        let permitted = std::sync::Arc::new(patients.into_iter().collect());
        Self { stamp: "test", permitted: PermittedPatients::Only(permitted) }
    }

    /// How outputs and logs name the policy: `dummy`.
    pub fn stamp(&self) -> &str {
        self.stamp
    }

    /// Leave to open a table. Every refusal that a policy can state before files are opened belongs here.
    pub(crate) fn permit_scan(&self) -> ScanPermit {
        ScanPermit { permitted: self.permitted.clone() }
    }
}

/// Leave to open one table, and whose rows may be seen in it.
///
/// The only way to a file's bytes takes a `ScanPermit`, and only a [`VerifiedPolicy`] makes one.
#[derive(Clone, Debug)]
pub struct ScanPermit {
    permitted: PermittedPatients,
}

impl ScanPermit {
    /// Whose rows may be seen.
    pub(crate) fn permitted(&self) -> &PermittedPatients {
        &self.permitted
    }
}

/// The patients whose rows may be seen.
#[derive(Clone, Debug)]
pub(crate) enum PermittedPatients {
    /// Every patient, present and future
    All,
    /// These and no others: what tests of the mask hide patients with
    #[cfg(test)]
    Only(std::sync::Arc<std::collections::BTreeSet<i64>>),
}

impl PermittedPatients {
    /// Whether nobody is hidden, so that what counts rows gives nothing away.
    pub(crate) fn is_everyone(&self) -> bool {
        matches!(self, PermittedPatients::All)
    }

    /// Which of these rows may be seen: `None` where all may. The mask has no NULLs.
    pub(crate) fn mask(&self, patients: &Int64Array) -> Option<BooleanArray> {
        match self {
            PermittedPatients::All => {
                let _ = patients;
                None
            }
            #[cfg(test)]
            PermittedPatients::Only(permitted) => {
                Some(patients.values().iter().map(|patient| Some(permitted.contains(patient))).collect())
            }
        }
    }
}
