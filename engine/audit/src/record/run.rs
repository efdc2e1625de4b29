//! The two halves of a run's record, and the marks that a repair leaves.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Code, CountsWritten, Digest, FileName, FreeText, Moment, Name, SetAside, SourceSnapshot};

/// What a run was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// `peristyle generate-dataset`
    GenerateDataset,
    /// `peristyle generate-measures`
    GenerateMeasures,
    /// `peristyle explain`: registers and the heads of files are read, no rows. It has no outputs
    Explain,
}

impl Activity {
    /// The subcommand's name.
    pub fn name(self) -> &'static str {
        match self {
            Activity::GenerateDataset => "generate-dataset",
            Activity::GenerateMeasures => "generate-measures",
            Activity::Explain => "explain",
        }
    }
}

/// A rule of DESIGN §5 that removes rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Rule {
    /// The Type 1 opt-out
    #[serde(rename = "type_1_opt_out")]
    Type1OptOut,
    /// The National Data Opt-out
    #[serde(rename = "national_data_opt_out")]
    NationalDataOptOut,
    /// Practices that are not activated, or are switched off
    #[serde(rename = "practice_activation")]
    PracticeActivation,
}

impl Rule {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Type1OptOut => "Type 1 opt-out",
            Rule::NationalDataOptOut => "National Data Opt-out",
            Rule::PracticeActivation => "practice activation",
        }
    }
}

/// Whether a rule held for a run, and if not, what lifted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The rule held
    Applied,
    /// A permission of the project lifted it
    LiftedByPermission,
    /// An emergency set-aside lifted it
    LiftedBySetAside,
    /// The policy does not apply it
    NotInPolicy,
}

impl Standing {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Applied => "applied",
            Standing::LiftedByPermission => "lifted by permission",
            Standing::LiftedBySetAside => "lifted by set-aside",
            Standing::NotInPolicy => "not in policy",
        }
    }
}

/// What is known before a register or a table is opened: written, and on the disk, before either is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunStart {
    /// What was asked for
    pub activity: Activity,
    /// SHA-256 of the definition's document; none if it could not be read
    pub definition_sha256: Option<Digest>,
    /// The engine, such as `peristyle 0.1.0`
    pub engine: Name,
    /// The permissions that the run was given
    pub permissions: BTreeSet<Name>,
    /// The policy's name; none if it could not be read
    pub policy: Option<Name>,
    /// SHA-256 of the policy file; none if it could not be read
    pub policy_sha256: Option<Digest>,
    /// The project that asked; none if the run was given none
    pub project: Option<Name>,
    /// Every rule, and whether it holds for this run; empty if the policy could not be read
    pub rules: BTreeMap<Rule, Standing>,
    /// The emergency set-aside that the run is made under
    pub set_aside: Option<SetAside>,
    /// When the run began
    pub started: Moment,
}

/// What is known when a run ends, however it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFinish {
    /// The counts of registers that the run wrote; none if it wrote none
    pub counts: Option<CountsWritten>,
    /// When the run ended
    pub finished: Moment,
    /// How it ended
    pub outcome: Outcome,
    /// The registers that were checked and pinned
    pub registers: Vec<RegisterUsed>,
    /// The files that were read; none if the run was refused before
    pub source: Option<SourceSnapshot>,
    /// What was read and removed, by table
    pub tables: Vec<TableCounts>,
}

/// How a run ended. Only an answered run has outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// The outputs were written, and are put in place once this record is on the disk
    Answered {
        /// The outputs
        outputs: Vec<OutputWritten>,
    },
    /// The run could not be carried through
    Failed {
        /// What went wrong
        code: Code,
        /// The exit code of the process
        exit_code: u8,
    },
    /// The policy, its registers or the permissions forbid the run
    Refused {
        /// Why
        code: Code,
        /// The exit code of the process
        exit_code: u8,
    },
}

/// An output as it was put in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputWritten {
    /// The output table, such as `dataset` or `measures`
    pub name: Name,
    /// Number of rows
    pub rows: u64,
    /// SHA-256 of the file's bytes
    pub sha256: Digest,
}

/// A register as it was pinned for the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterUsed {
    /// The moment that the register's freshness was judged by
    pub as_of: Option<Moment>,
    /// Number of patients, or of practices, that it lists
    pub members: u64,
    /// The register, such as `type_1_dissents`
    pub name: Name,
    /// Number of rows
    pub rows: u64,
    /// SHA-256 of its content
    pub sha256: Digest,
}

/// What the guarded scan of one table read and removed. A row, and a patient, counts once: for the first rule that
/// removed it, in the order of [`Rule`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableCounts {
    /// What each rule removed
    pub removed: BTreeMap<Rule, Removed>,
    /// Rows that went past the scan
    pub rows_passed: u64,
    /// Rows that the scan read
    pub rows_read: u64,
    /// The table, such as `ehrql.tables.core.clinical_events`
    pub table: Name,
    /// Of a table whose rows are known by another key than the patient's: rows of keys that are of no patient of the
    /// extract, or of more than may have one. What is counted as patients are the keys; none where there are none
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlinked: Option<Removed>,
}

/// What one rule removed from one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Patients who lost a row
    pub patients: u64,
    /// Rows
    pub rows: u64,
}

/// A line that a crash left half-written was moved aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repair {
    /// The file beside the ledger that the bytes were moved to
    pub moved_to: FileName,
    /// When
    pub repaired: Moment,
    /// Number of bytes that were moved
    pub torn_bytes: u64,
    /// Their SHA-256
    pub torn_sha256: Digest,
}

/// A person answers for the clock: it was ahead when the last record was written, and is right now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockAccepted {
    /// When, by the clock that is right
    pub accepted: Moment,
    /// When the record before says that it was written
    pub ahead: Moment,
    /// Who says so
    pub by: FreeText,
}
