//! How many of a register's keys are those of patients of the extract: a wrong column, file or pseudonym shows by it.

use peristyle_policy::patients::{KeyType, LetterCase, PatientSet};
use peristyle_policy::policy::Policy;
use peristyle_policy::register::{Register, RegisterId};

use super::enforcement::Enforcement;
use super::error::RegisterError;
use super::patient_table::{PatientTable, PatientTableAt};
use super::pins::Pins;
use super::verify::PolicyRun;

/// How many of some keys were found in the patient table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// How many there are
    pub(super) keys: u64,
    /// How many of them were found
    pub(super) found: u64,
}

impl Found {
    /// Fails where fewer were found than the policy states.
    pub(super) fn check(self, register: &Register) -> Result<(), RegisterError> {
        let least_percent = register.limits.least_found_percent.unwrap_or_default();
        let (keys, found) = (u128::from(self.keys), u128::from(self.found));
        if found * 100 >= keys * u128::from(least_percent) {
            return Ok(());
        }
        let found_percent = u8::try_from(found * 100 / keys).unwrap_or_default();
        Err(RegisterError::FewFound { register: register.id.clone(), found_percent, least_percent })
    }
}

/// A register, and the patients whom it lists for the run.
struct Listed<'r> {
    register: &'r Register,
    patients: &'r PatientSet,
}

/// Holds the registers of patients that a run has read against its patient table; pins what was read of that.
pub(super) fn check_found(run: &PolicyRun<'_>, rules: &Enforcement, pins: &mut Pins) -> Result<(), RegisterError> {
    let listed = listed(run, rules);
    let is_checked = |of: &Listed<'_>| of.register.limits.least_found_percent.is_some_and(|least| least > 0);
    let texts = run.policy.patient_key == KeyType::Text && run.policy.text_keys.case == LetterCase::Exact;
    if !listed.iter().any(|of| texts || is_checked(of)) {
        return Ok(());
    }
    let failed = |source| RegisterError::PatientTable { source };
    let at = PatientTableAt::find(run.policy, run.tables, run.extracts).map_err(failed)?;
    let opened = at.as_ref().map(PatientTableAt::open).transpose().map_err(failed)?.flatten();
    let Some((at, table)) = at.zip(opened) else {
        return match listed.iter().find(|of| is_checked(of)) {
            Some(of) => Err(RegisterError::NoPatientTable { register: of.register.id.clone() }),
            None => Ok(()),
        };
    };
    pins.join(at.pins(&table)?);
    let sets: Vec<&PatientSet> = listed.iter().map(|of| of.patients).collect();
    let met = table.met(&sets, run.threads).map_err(failed)?;
    for (of, met) in listed.iter().zip(&met) {
        Found { keys: of.patients.count(), found: met.count() }.check(of.register)?;
    }
    if texts {
        for (of, met) in listed.iter().zip(&met) {
            check_case(of, &of.patients.only(met, false), &table, run.threads)?;
        }
    }
    Ok(())
}

/// Keys that were not found must not be those of patients in other letters.
fn check_case(
    of: &Listed<'_>,
    not_found: &PatientSet,
    table: &PatientTable,
    threads: usize,
) -> Result<(), RegisterError> {
    if not_found.count() == 0 {
        return Ok(());
    }
    let other = table.has_in_other_case(&not_found.lowered(), threads);
    match other.map_err(|source| RegisterError::PatientTable { source })? {
        true => Err(RegisterError::OtherCase { register: of.register.id.clone() }),
        false => Ok(()),
    }
}

/// The registers of patients in force, with whom they list.
fn listed<'r>(run: &'r PolicyRun<'_>, rules: &'r Enforcement) -> Vec<Listed<'r>> {
    let of = |id: RegisterId| run.policy.registers().find(|register| register.id == id);
    let type_one = rules.type_one.in_force().map(|opt_outs| &opt_outs.listed);
    let national = rules.national.in_force().map(|opt_outs| &opt_outs.listed);
    let counted = rules.activation().map(|in_force| &in_force.activations.counted);
    let all = [(RegisterId::TypeOne, type_one), (RegisterId::National, national), (RegisterId::Registrations, counted)];
    let listed = all.into_iter().filter_map(|(id, patients)| Some(Listed { register: of(id)?, patients: patients? }));
    listed.collect()
}

/// The patients of a run's extract, and what they were read from.
pub(super) struct ExtractPatients {
    pub(super) patients: PatientSet,
    pub(super) pins: Pins,
}

impl ExtractPatients {
    /// Reads them; `None` where nothing says which table has them. Blocks.
    pub(super) fn read(
        policy: &Policy,
        tables: &crate::source::Extract,
        extracts: &[crate::connector::ConnectedExtract],
    ) -> Result<Option<Self>, RegisterError> {
        let failed = |source| RegisterError::PatientTable { source };
        let Some(at) = PatientTableAt::find(policy, tables, extracts).map_err(failed)? else { return Ok(None) };
        let Some(table) = at.open().map_err(failed)? else { return Ok(None) };
        let pins = at.pins(&table)?;
        Ok(Some(Self { patients: table.all().map_err(failed)?, pins }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    #[test]
    fn a_part_is_enough_or_it_is_not() {
        let text = include_str!("../../policy/policies/type-one-only.toml");
        let policy = Policy::parse(text.as_bytes(), Path::new("policy.toml")).unwrap();
        let register = policy.registers().next().unwrap();
        for (least, keys, found, enough) in [
            (0, 7, 0, true),
            (1, 7, 0, false),
            (95, 100, 95, true),
            (95, 100, 94, false),
            (95, 3, 3, true),
            (95, 3, 2, false),
            (100, 57_000_000, 56_999_999, false),
            (100, 0, 0, true),
        ] {
            let mut register = register.clone();
            register.limits.least_found_percent = Some(least);
            assert_eq!(Found { keys, found }.check(&register).is_ok(), enough, "{least} {keys} {found}");
        }
    }
}
