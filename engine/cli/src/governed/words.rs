//! From the policy's words to the ledger's.

use std::collections::{BTreeMap, BTreeSet};

use peristyle_audit::{
    Agreement, Digest, FreeText, Moment, Name, RecordError, RegisterUsed, Removed, Rule, SetAside, Standing,
};
use peristyle_opt_out::VerifiedRegister;
use peristyle_policy::permissions::Permissions;
use peristyle_policy::set_aside::{BodySignature, VerifiedSetAside, parse_public_key};
use peristyle_policy::{Applied, AppliedRules, Day, LiftReason};

use crate::exit::ExitStatus;
use crate::failure::Failure;

const DAY_SECONDS: i64 = 86_400;

/// Something cannot stand in a record, so that the run cannot be recorded.
pub(crate) fn unrecorded(error: RecordError) -> Failure {
    Failure::new(ExitStatus::Audit, error.to_string())
}

/// A name, of what is said.
pub(crate) fn name(what: &'static str, text: &str) -> Result<Name, Failure> {
    Name::new(what, text).map_err(unrecorded)
}

/// The name of a table or output, or, where a ledger holds no such name, its number. Definitions name outputs more
/// freely than ledgers do.
pub(crate) fn name_or_number(what: &'static str, text: &str, number: usize) -> Result<Name, Failure> {
    Name::new(what, text).or_else(|_| Name::new(what, &format!("{what} {}", number + 1))).map_err(unrecorded)
}

/// The engine's name.
pub(crate) fn engine() -> Result<Name, Failure> {
    name("the engine", concat!("peristyle ", env!("CARGO_PKG_VERSION")))
}

/// A digest.
pub(crate) fn digest(digest: peristyle_policy::Digest) -> Digest {
    Digest::from(*digest.as_bytes())
}

/// Permissions.
pub(crate) fn permissions(given: &Permissions) -> Result<BTreeSet<Name>, Failure> {
    let recorded = given.names().map(|given| {
        Name::new("a permission", given.as_str())
            .map_err(|error| Failure::new(ExitStatus::Permission, error.to_string()))
    });
    recorded.collect()
}

/// A rule.
pub(crate) fn rule(rule: peristyle_policy::Rule) -> Rule {
    match rule {
        peristyle_policy::Rule::TypeOne => Rule::Type1OptOut,
        peristyle_policy::Rule::National => Rule::NationalDataOptOut,
        peristyle_policy::Rule::PracticeActivation => Rule::PracticeActivation,
    }
}

/// Every rule, and how it stands.
pub(crate) fn rules(rules: &AppliedRules) -> BTreeMap<Rule, Standing> {
    peristyle_policy::Rule::ALL.map(|known| (rule(known), standing(rules.outcome(known)))).into()
}

/// Of several reasons, the gravest.
fn standing(outcome: &Applied<()>) -> Standing {
    match outcome {
        Applied::InForce(()) => Standing::Applied,
        Applied::Lifted(lifted) => gravest(lifted.reasons()),
    }
}

fn gravest(reasons: &[LiftReason]) -> Standing {
    let is = |wanted: fn(&LiftReason) -> bool| reasons.iter().any(wanted);
    if is(|reason| matches!(reason, LiftReason::SetAside { .. })) {
        Standing::LiftedBySetAside
    } else if is(|reason| matches!(reason, LiftReason::Permission(_))) {
        Standing::LiftedByPermission
    } else {
        Standing::NotInPolicy
    }
}

/// What one rule removed.
pub(crate) fn removed(removed: peristyle_opt_out::Removed) -> Removed {
    Removed { patients: removed.patients, rows: removed.rows }
}

/// A register that was read.
pub(crate) fn register(register: &VerifiedRegister) -> Result<RegisterUsed, Failure> {
    Ok(RegisterUsed {
        as_of: first_moment(register.as_of),
        members: register.members,
        name: name("a register", &register.id.place())?,
        rows: register.rows,
        sha256: digest(register.digest),
    })
}

/// A set-aside that holds.
pub(crate) fn set_aside(verified: &VerifiedSetAside) -> Result<SetAside, Failure> {
    let refused = |error: RecordError| Failure::new(ExitStatus::SetAside, format!("the set-aside: {error}"));
    let record = verified.record();
    let outside = || Failure::new(ExitStatus::SetAside, "the set-aside: its days lie outside the years 1970 to 9999");
    let agreement = |signature: &BodySignature| {
        let key = parse_public_key(&signature.public_key).map(|key| Digest::of(key.as_bytes()));
        let key_sha256 = key.ok_or_else(|| refused(RecordError::NotADigest { what: "a signer's key" }))?;
        let body = FreeText::new("the name of a body", signature.body.as_str()).map_err(refused)?;
        Ok(Agreement { body, key_sha256 })
    };
    Ok(SetAside {
        agreed_by: record.signatures.iter().map(agreement).collect::<Result<_, Failure>>()?,
        from: first_moment(record.from).ok_or_else(outside)?,
        id: Name::new("its identifier", record.id.as_str()).map_err(refused)?,
        reason: FreeText::new("its reason", &record.reason).map_err(refused)?,
        rules: record.rules.iter().map(|known| rule(*known)).collect(),
        sha256: digest(record.digest()),
        until: last_moment(record.until).ok_or_else(outside)?,
    })
}

fn first_moment(day: Day) -> Option<Moment> {
    Moment::from_seconds(i64::from(day.epoch_days()) * DAY_SECONDS)
}

fn last_moment(day: Day) -> Option<Moment> {
    Moment::from_seconds(i64::from(day.epoch_days()) * DAY_SECONDS + DAY_SECONDS - 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn days_are_whole() {
        let day = day("2026-03-02");
        assert_eq!(first_moment(day).unwrap().to_string(), "2026-03-02T00:00:00Z");
        assert_eq!(last_moment(day).unwrap().to_string(), "2026-03-02T23:59:59Z");
    }

    #[test]
    fn the_gravest_reason_stands() {
        let permission = || LiftReason::Permission(peristyle_policy::Name::parse("include_t1oo").unwrap());
        let set_aside = || {
            let id = peristyle_policy::Name::parse("SA-1").unwrap();
            LiftReason::SetAside { id, until: day("2026-03-02") }
        };
        for (reasons, expected) in [
            (vec![permission(), set_aside()], Standing::LiftedBySetAside),
            (vec![LiftReason::NotByDefault, permission()], Standing::LiftedByPermission),
            (vec![LiftReason::NotByDefault], Standing::NotInPolicy),
        ] {
            assert_eq!(gravest(&reasons), expected);
        }
        assert_eq!(standing(&Applied::InForce(())), Standing::Applied);
    }

    #[test]
    fn names_that_no_ledger_holds_are_numbers() {
        for (text, expected) in [("dataset", "dataset"), ("_seen", "output 2"), ("é", "output 2")] {
            assert_eq!(name_or_number("output", text, 1).unwrap().as_str(), expected);
        }
    }
}
