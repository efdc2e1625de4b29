//! An emergency set-aside, as a run that used one records it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Digest, FreeText, Moment, Name, Rule};

/// The signed set-aside that a run was made under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAside {
    /// The bodies that agreed
    pub agreed_by: Vec<Agreement>,
    /// From when it holds
    pub from: Moment,
    /// What the policy and the ledger call it
    pub id: Name,
    /// Why the rules are lifted
    pub reason: FreeText,
    /// The rules that it lifts
    pub rules: BTreeSet<Rule>,
    /// SHA-256 of the signed record
    pub sha256: Digest,
    /// Until when it holds
    pub until: Moment,
}

/// A body's agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// The body
    pub body: FreeText,
    /// SHA-256 of the public key that its signature was checked with
    pub key_sha256: Digest,
}
