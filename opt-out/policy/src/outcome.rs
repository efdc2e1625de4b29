//! Which rules a run is under, and why others are not.

use std::fmt;

use crate::applied::{Applied, LiftReason, Lifted};
use crate::day::Day;
use crate::name::Name;
use crate::permissions::{Feature, Permissions};
use crate::policy::{AppliesTo, JudgedBy, Policy};
use crate::register::Register;
use crate::rule::Rule;
use crate::set_aside::VerifiedSetAside;

/// What a policy comes to for one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedRules {
    outcomes: [Applied<()>; 3],
    disclosure_control_locked: bool,
    judged_by: JudgedBy,
}

/// The rules that a run of `project` on the day `today` is under. `set_aside` counts only where it was verified for just
/// this policy, project and day. All reasons are told, also where one would do: a run that a set-aside covers says so.
pub fn applied_rules(
    policy: &Policy,
    permissions: &Permissions,
    set_aside: Option<&VerifiedSetAside>,
    project: &Name,
    today: Day,
) -> AppliedRules {
    let outcome = |rule| outcome(rule, policy, permissions, set_aside, project, today);
    let may_disable = permissions.include(Feature::DisableDisclosureControl.permission());
    AppliedRules {
        outcomes: Rule::ALL.map(outcome),
        disclosure_control_locked: policy.disclosure_control.locked && !may_disable,
        judged_by: policy.disclosure_control.judged_by,
    }
}

/// The rules of a run for which none is lifted that the policy applies: for whoever asks what runs would find.
pub fn all_rules(policy: &Policy) -> AppliedRules {
    let outcome = |rule| {
        let stated = match rule {
            Rule::TypeOne => policy.type_one.stated().err(),
            Rule::National => policy.national.stated().err(),
            Rule::PracticeActivation => policy.practice_activation.stated().err(),
        };
        match stated {
            None => Applied::InForce(()),
            Some(because) => because_of(vec![LiftReason::NotInPolicy { because: because.to_owned() }]),
        }
    };
    AppliedRules {
        outcomes: Rule::ALL.map(outcome),
        disclosure_control_locked: policy.disclosure_control.locked,
        judged_by: policy.disclosure_control.judged_by,
    }
}

fn outcome(
    rule: Rule,
    policy: &Policy,
    permissions: &Permissions,
    set_aside: Option<&VerifiedSetAside>,
    project: &Name,
    today: Day,
) -> Applied<()> {
    let terms = match rule {
        Rule::TypeOne => policy.type_one.stated().map(|terms| (&terms.lifted_by, &terms.applies_to)),
        Rule::National => policy.national.stated().map(|terms| (&terms.lifted_by, &terms.applies_to)),
        Rule::PracticeActivation => {
            policy.practice_activation.stated().map(|terms| (&terms.lifted_by, &AppliesTo::AllProjects))
        }
    };
    let (lifted_by, applies_to) = match terms {
        Ok(terms) => terms,
        Err(because) => return because_of(vec![LiftReason::NotInPolicy { because: because.to_owned() }]),
    };
    let mut reasons = Vec::new();
    if matches!(applies_to, AppliesTo::Projects(projects) if !projects.contains(project)) {
        reasons.push(LiftReason::NotByDefault);
    }
    let given = lifted_by.iter().filter(|permission| permissions.include(permission.as_str()));
    reasons.extend(given.cloned().map(LiftReason::Permission));
    if let Some(set_aside) = set_aside.filter(|set_aside| set_aside.lifts(rule, policy, project, today)) {
        let record = set_aside.record();
        reasons.push(LiftReason::SetAside { id: record.id.clone(), until: record.until });
    }
    because_of(reasons)
}

/// In force, unless there is a reason why not.
fn because_of(reasons: Vec<LiftReason>) -> Applied<()> {
    Lifted::by(reasons).map_or(Applied::InForce(()), Applied::Lifted)
}

impl AppliedRules {
    /// What became of a rule.
    pub fn outcome(&self, rule: Rule) -> &Applied<()> {
        match rule {
            Rule::TypeOne => &self.outcomes[0],
            Rule::National => &self.outcomes[1],
            Rule::PracticeActivation => &self.outcomes[2],
        }
    }

    /// Whether a rule is applied.
    pub fn applies(&self, rule: Rule) -> bool {
        self.outcome(rule).in_force().is_some()
    }

    /// The registers that the run needs: those of the rules that are applied to it.
    pub fn registers<'p>(&self, policy: &'p Policy) -> Vec<&'p Register> {
        Rule::ALL.into_iter().filter(|rule| self.applies(*rule)).flat_map(|rule| policy.registers_of(rule)).collect()
    }

    /// Whether any rule is lifted by a set-aside, alone or among other reasons.
    pub fn under_set_aside(&self) -> bool {
        self.outcomes.iter().any(|outcome| match outcome {
            Applied::InForce(()) => false,
            Applied::Lifted(lifted) => {
                lifted.reasons().iter().any(|reason| matches!(reason, LiftReason::SetAside { .. }))
            }
        })
    }

    /// Whether the run's definition may not switch disclosure control off.
    pub fn disclosure_control_locked(&self) -> bool {
        self.disclosure_control_locked
    }

    /// What decides whether a measure's number is small, where disclosure control is on.
    pub fn judged_by(&self) -> JudgedBy {
        self.judged_by
    }
}

/// One line a rule, for people.
impl fmt::Display for AppliedRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rule in Rule::ALL {
            match self.outcome(rule) {
                Applied::InForce(()) => writeln!(f, "{rule}: applied")?,
                Applied::Lifted(lifted) => {
                    let reasons: Vec<String> = lifted.reasons().iter().map(LiftReason::to_string).collect();
                    writeln!(f, "{rule}: not applied ({})", reasons.join("; "))?;
                }
            }
        }
        let locked = if self.disclosure_control_locked { "locked" } else { "may be switched off" };
        write!(f, "disclosure control: {locked}, judged by {}", self.judged_by.key())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::collections::BTreeSet;

    use crate::fixtures::{THREE_RULES, TYPE_ONE_ONLY, day, name, policy, signing_key};
    use crate::set_aside::Record;

    const TODAY: &str = "2026-03-15";

    fn set_aside(policy: &Policy, rules: &[Rule]) -> VerifiedSetAside {
        let bodies = ["nhs-england", "joint-gp-it-committee"];
        let mut record = Record {
            peristyle_set_aside: 1,
            id: name("SA-2026-001"),
            policy: policy.name.clone(),
            projects: BTreeSet::from([name("outbreak")]),
            rules: rules.iter().copied().collect(),
            reason: "An outbreak of a notifiable disease.".to_owned(),
            bodies: bodies.iter().map(|body| name(body)).collect(),
            from: day("2026-03-02"),
            until: day("2026-03-29"),
            signatures: Vec::new(),
        };
        bodies.iter().zip(1..).for_each(|(body, key)| record.sign(&name(body), &signing_key(key).1).unwrap());
        VerifiedSetAside::verify(&record, policy, &name("outbreak"), day(TODAY)).unwrap()
    }

    fn subsets<T: Copy>(all: &[T]) -> Vec<Vec<T>> {
        let chosen = |choice: usize| (0..all.len()).filter(move |at| choice >> at & 1 == 1).map(|at| all[at]).collect();
        (0..1 << all.len()).map(chosen).collect()
    }

    /// One run of project `outbreak`, against the rule as DESIGN §5 states it: a rule is applied that the policy applies
    /// to the project, that no permission of it lifts, and that no set-aside does.
    fn check(
        policy: &Policy,
        national: bool,
        given: &[usize],
        set_aside_rules: &[Rule],
        set_aside: Option<&VerifiedSetAside>,
    ) {
        // The fourth is a permission that lifts nothing.
        let permissions = ["include_t1oo", "include_ndoo", "include_gp_unactivated", "event_level_data"];
        let permissions: Permissions = given.iter().map(|&at| name(permissions[at])).collect();
        let rules = applied_rules(policy, &permissions, set_aside, &name("outbreak"), day(TODAY));
        let mut registers = 0;
        for (at, rule) in Rule::ALL.into_iter().enumerate() {
            let lifts = [rule == Rule::National && !national, given.contains(&at), set_aside_rules.contains(&rule)];
            let lifts = lifts.into_iter().filter(|lifts| *lifts).count();
            let told = match rules.outcome(rule) {
                Applied::InForce(()) => 0,
                Applied::Lifted(lifted) => lifted.reasons().len(),
            };
            assert_eq!(
                (rules.applies(rule), told),
                (lifts == 0, lifts),
                "{rule}: {given:?} {set_aside_rules:?} {national}"
            );
            registers += if lifts > 0 { 0 } else { 1 + usize::from(rule == Rule::PracticeActivation) };
        }
        assert_eq!(rules.under_set_aside(), !set_aside_rules.is_empty());
        assert_eq!(rules.registers(policy).len(), registers);
    }

    /// National by default or not and the project named or not, every set-aside, every set of permissions: 256 runs.
    #[test]
    fn every_combination() {
        let not_default = |projects: &str| {
            THREE_RULES.replace("by_default = true ", &format!("by_default = false\nprojects = {projects} "))
        };
        for (text, national) in [
            (THREE_RULES.clone(), true),
            (not_default("[]"), false),
            (not_default("[\"outbreak\", \"flu\"]"), true),
            (not_default("[\"flu\"]"), false),
        ] {
            let policy = policy(&text);
            for rules in subsets(&[Rule::TypeOne, Rule::National]) {
                let verified = (!rules.is_empty()).then(|| set_aside(&policy, &rules));
                subsets(&[0, 1, 2, 3])
                    .iter()
                    .for_each(|given| check(&policy, national, given, &rules, verified.as_ref()));
            }
        }
    }

    /// A set-aside that was verified for another run lifts nothing.
    #[test]
    fn a_set_aside_is_for_one_run() {
        let here = policy(&THREE_RULES);
        let changed = policy(&THREE_RULES.replace("longest_days = 28", "longest_days = 29"));
        let verified = set_aside(&here, &[Rule::TypeOne]);
        for (policy, project, today, applies) in [
            (&here, "outbreak", TODAY, false),
            (&here, "flu", TODAY, true),
            (&here, "outbreak", "2026-03-16", true),
            (&changed, "outbreak", TODAY, true),
        ] {
            let rules = applied_rules(policy, &Permissions::none(), Some(&verified), &name(project), day(today));
            assert_eq!(rules.applies(Rule::TypeOne), applies, "{project} {today}");
        }
    }

    #[test]
    fn disclosure_control_is_locked_by_policy_and_freed_by_permission() {
        let free = THREE_RULES.replace("locked = true ", "locked = false ");
        for (text, permissions, locked) in [
            (THREE_RULES.as_str(), "[]", true),
            (THREE_RULES.as_str(), "[\"include_t1oo\"]", true),
            (THREE_RULES.as_str(), "[\"disable_disclosure_control\"]", false),
            (&free, "[]", false),
        ] {
            let permissions = Permissions::parse(Some(permissions)).unwrap();
            let rules = applied_rules(&policy(text), &permissions, None, &name("flu"), day(TODAY));
            assert_eq!(rules.disclosure_control_locked(), locked, "{permissions:?}");
        }
    }

    /// What decides whether a number is small is the policy's to say, whoever asks.
    #[test]
    fn what_is_small_is_as_the_policy_says() {
        let by_sums = THREE_RULES.replace("judged_by = \"people\" ", "judged_by = \"sums\" ");
        for (text, judged_by) in [(THREE_RULES.as_str(), JudgedBy::People), (&by_sums, JudgedBy::Sums)] {
            for permissions in ["[]", "[\"disable_disclosure_control\"]"] {
                let permissions = Permissions::parse(Some(permissions)).unwrap();
                let rules = applied_rules(&policy(text), &permissions, None, &name("flu"), day(TODAY));
                assert_eq!(rules.judged_by(), judged_by);
            }
        }
    }

    #[test]
    fn people_are_told() {
        let here = policy(&THREE_RULES);
        let permissions = Permissions::parse(Some("[\"include_ndoo\"]")).unwrap();
        let set_aside = set_aside(&here, &[Rule::TypeOne, Rule::National]);
        let emergency = applied_rules(&here, &permissions, Some(&set_aside), &name("outbreak"), day(TODAY));
        let small = applied_rules(&policy(TYPE_ONE_ONLY), &permissions, None, &name("flu"), day(TODAY));
        insta::assert_snapshot!(format!("{emergency}\n\n{small}"));
    }
}
