//! Whether a record holds: for this policy, this project, today.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, VerifyingKey};

use super::error::SetAsideError;
use super::keys::public_key_text;
use super::record::{BodySignature, Record};
use crate::day::Day;
use crate::digest::Digest;
use crate::name::Name;
use crate::policy::{Policy, SetAsideTerms};
use crate::rule::Rule;

/// A set-aside that holds, and the only one that lifts anything. It is bound to the policy, the project and the day that
/// it was verified for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSetAside {
    record: Record,
    policy_digest: Digest,
    project: Name,
    day: Day,
}

impl VerifiedSetAside {
    /// Verifies `record` for a run of `project` under `policy` on the day `today`. A record with a signature that does
    /// not hold is refused even where the others would do.
    pub fn verify(record: &Record, policy: &Policy, project: &Name, today: Day) -> Result<Self, SetAsideError> {
        let id = record.id.clone();
        let Some(terms) = &policy.set_aside else {
            return Err(SetAsideError::NoneAccepted { policy: policy.name.clone() });
        };
        if record.policy != policy.name {
            return Err(SetAsideError::OtherPolicy { id, named: record.policy.clone(), policy: policy.name.clone() });
        }
        // Records are plain values: one that was not read by `Record::parse` is examined here.
        let record = Record::parse(record.to_json().as_bytes())?;
        check_signatures(&record, terms)?;
        let days = i64::from(record.until.days_since(record.from)) + 1;
        if terms.withdrawn.contains(&id) {
            return Err(SetAsideError::Withdrawn { id });
        }
        if days > i64::from(terms.longest_days) {
            return Err(SetAsideError::LastsTooLong { id, days, longest_days: terms.longest_days });
        }
        if today < record.from {
            return Err(SetAsideError::NotYetValid { id, from: record.from, today });
        }
        if today > record.until {
            return Err(SetAsideError::Expired { id, until: record.until, today });
        }
        if !record.projects.contains(project) {
            let projects = record.projects.iter().cloned().collect();
            return Err(SetAsideError::OtherProject { id, project: project.clone(), projects });
        }
        Ok(Self { record, policy_digest: policy.digest(), project: project.clone(), day: today })
    }

    /// Fails unless the set-aside lifts `rule`.
    pub fn require(&self, rule: Rule) -> Result<(), SetAsideError> {
        if self.record.rules.contains(&rule) {
            Ok(())
        } else {
            Err(SetAsideError::OtherRule { id: self.record.id.clone(), rule })
        }
    }

    /// Whether it lifts `rule` for a run of `project` under `policy` on `day`; never for another run than it was verified
    /// for.
    pub(crate) fn lifts(&self, rule: Rule, policy: &Policy, project: &Name, day: Day) -> bool {
        rule.can_be_set_aside()
            && self.record.rules.contains(&rule)
            && self.policy_digest == policy.digest()
            && self.project == *project
            && self.day == day
    }

    /// What was agreed.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The first line of a run under it.
    pub fn announcement(&self) -> String {
        let Record { id, rules, until, reason, .. } = &self.record;
        let rules: Vec<String> = rules.iter().map(Rule::to_string).collect();
        let (rules, project) = (rules.join(" and "), &self.project);
        format!("EMERGENCY SET-ASIDE {id}: {rules} are lifted for project {project} until {until}. Reason: {reason}")
    }
}

fn check_signatures(record: &Record, terms: &SetAsideTerms) -> Result<(), SetAsideError> {
    for signature in &record.signatures {
        let (id, body) = (record.id.clone(), signature.body.clone());
        let Some(keys) = terms.bodies.get(&body) else { return Err(SetAsideError::UnknownBody { id, body }) };
        let Some(key) = keys.iter().find(|key| public_key_text(key) == signature.public_key) else {
            return Err(SetAsideError::WrongKey { id, body });
        };
        if !holds(record, signature, key) {
            return Err(SetAsideError::Altered { id, body });
        }
    }
    let signed = |body: &Name| record.signatures.iter().any(|signature| signature.body == *body);
    let needed: BTreeSet<&Name> = terms.bodies.keys().chain(&record.bodies).collect();
    let missing: Vec<Name> = needed.into_iter().filter(|body| !signed(body)).cloned().collect();
    if missing.is_empty() { Ok(()) } else { Err(SetAsideError::MissingBodies { id: record.id.clone(), missing }) }
}

fn holds(record: &Record, signature: &BodySignature, key: &VerifyingKey) -> bool {
    let bytes = BASE64.decode(&signature.signature).ok();
    let signed = bytes.and_then(|bytes| Signature::from_slice(&bytes).ok());
    // Strict: no key or signature of small order, for which there would be several valid signatures of one text.
    signed.is_some_and(|signed| key.verify_strict(&record.signed_bytes(&signature.body), &signed).is_ok())
}
