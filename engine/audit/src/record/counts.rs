//! The counts of registers, as the ledger knows of them: which file of them was written last, and who accepted what.

use serde::{Deserialize, Serialize};

use super::{Digest, FreeText, Moment, Name, RegisterUsed};

/// Counts that were written. A file of them that was written less often was put back: the ledger knows better.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountsWritten {
    /// The policy that they are kept for
    pub policy: Name,
    /// How often they were written, this time included
    pub sequence: u64,
}

/// What a person did to the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acceptance {
    /// `peristyle policy begin`: there were none
    Begun,
    /// `peristyle policy accept`: the registers changed by more than the policy allows, and that is right
    Accepted,
}

impl Acceptance {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Acceptance::Begun => "begun",
            Acceptance::Accepted => "accepted",
        }
    }
}

/// A person answers for what registers count. Written before the counts are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountsAccepted {
    /// What was done
    pub acceptance: Acceptance,
    /// When
    pub accepted: Moment,
    /// Who says so
    pub by: FreeText,
    /// The policy
    pub policy: Name,
    /// SHA-256 of what it says
    pub policy_sha256: Digest,
    /// The registers, as they were read
    pub registers: Vec<RegisterUsed>,
    /// What recent runs had counted of them before; none of those that were begun
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub was: Vec<CountedBefore>,
}

/// What recent runs had counted of a register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountedBefore {
    /// The greatest count, in members
    pub greatest: u64,
    /// The least count, in members
    pub least: u64,
    /// The register
    pub name: Name,
}
