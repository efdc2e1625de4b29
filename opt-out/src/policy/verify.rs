//! From a policy to a verified one: every register that the run needs is read, held against its limits, and pinned.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Date32Type;
use peristyle_policy::activation::Activations;
use peristyle_policy::counts::{CountsFile, check_least};
use peristyle_policy::patients::{KeyType, PatientSet, PatientSetBuilder};
use peristyle_policy::policy::{Policy, PracticeKeyType};
use peristyle_policy::practices::{ActivatedFrom, ActivatedPractices, Practices};
use peristyle_policy::register::{Lists, Register, RegisterId};
use peristyle_policy::{AppliedRules, Day, Digest, Rule};

use super::VerifiedPolicy;
use super::enforcement::{ActivationInForce, Enforcement, OptOuts};
use super::error::RegisterError;
use super::link_tables::{needed, read_links};
use super::pins::Pins;
use super::register::{OpenedRegister, Opening, RegisterRows};
use super::registrations::{Registrations, practice_keys};
use crate::connector::ConnectedExtract;
use crate::patient_ids::PatientIds;
use crate::request::ColumnType;
use crate::source::Extract;

/// What a policy is verified for: one run.
#[derive(Clone, Copy, Debug)]
pub struct PolicyRun<'a> {
    /// The policy
    pub policy: &'a Policy,
    /// The rules of it that the run is under
    pub rules: &'a AppliedRules,
    /// The extract, for registers that are among its tables
    pub tables: &'a Extract,
    /// The extracts, where tables are views over suppliers' raw ones
    pub extracts: &'a [ConnectedExtract],
    /// The user-facing tables that the run asks for, as `ehrql.tables.core.patients`: by them it is known which links are
    /// followed
    pub asked: &'a BTreeSet<Arc<str>>,
    /// The day of the run
    pub today: Day,
    /// How often the counts were written as far as the ledger knows; 0 where it knows nothing
    pub known_counts: u64,
}

/// A register that was read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRegister {
    /// Which
    pub id: RegisterId,
    /// Of which day it is
    pub as_of: Day,
    /// Its rows
    pub rows: u64,
    /// What the policy's limits are about: patients or practices listed, or rows of registrations
    pub members: u64,
    /// SHA-256 of what it says: of the keys it lists, or of who counts and until when
    pub digest: Digest,
}

/// The content of some registers.
#[derive(Default)]
struct ReadRegisters {
    verified: Vec<VerifiedRegister>,
    type_one: Option<OptOuts>,
    national: Option<OptOuts>,
    practices: Option<ActivatedPractices>,
    activations: Option<Activations>,
    pins: Pins,
}

impl VerifiedPolicy {
    /// Reads the registers of the rules that the run is under, holds them against the policy's limits and against the
    /// counts of late runs, adds to those counts, and pins the registers' files. Blocks.
    ///
    /// # Errors
    /// Any doubt about a register. Nothing has been opened but registers.
    pub fn verify(run: &PolicyRun<'_>) -> Result<Self, RegisterError> {
        let needed = needed(run.policy, run.extracts, run.asked)?;
        let mut registers = run.rules.registers(run.policy);
        let read = ReadRegisters::read(run.policy, &registers, run.tables, run.today)?;
        let (enforcement, mut verified, mut pins) = read.enforcement(run.policy);
        let links = read_links(run, &needed, &enforcement, &mut verified, &mut pins)?;
        registers.extend(needed.iter().map(|link| &link.register));
        let mut counts_sequence = None;
        if !registers.is_empty() {
            let counts = CountsFile::open(run.policy)?;
            counts.require_sequence(run.known_counts)?;
            let counted = counted(&registers, &verified);
            counted.iter().try_for_each(|(register, count)| counts.check(register, *count, run.today))?;
            counts_sequence = Some(CountsFile::record(run.policy, &counted, run.today)?.sequence());
        }
        // What changed while it was read may be half of each.
        pins.check()?;
        Ok(Self {
            stamp: run.policy.name.as_str().into(),
            enforcement: Arc::new(enforcement),
            links,
            registers: verified,
            pins,
            counts_sequence,
        })
    }
}

/// Reads registers and checks their shape, date and least count, but not how they compare to late runs: for whoever
/// begins or accepts counts. Blocks.
///
/// # Errors
/// As [`VerifiedPolicy::verify`].
pub fn read_registers(
    policy: &Policy,
    registers: &[&Register],
    tables: &Extract,
    today: Day,
) -> Result<Vec<VerifiedRegister>, RegisterError> {
    let read = ReadRegisters::read(policy, registers, tables, today)?;
    read.pins.check()?;
    Ok(read.verified)
}

/// What each register counts, for the file of counts.
fn counted<'p>(registers: &[&'p Register], verified: &[VerifiedRegister]) -> Vec<(&'p Register, u64)> {
    let members =
        |register: &Register| verified.iter().find(|known| known.id == register.id).map(|known| known.members);
    registers.iter().map(|register| (*register, members(register).unwrap_or(0))).collect()
}

impl ReadRegisters {
    /// The rules that they come to, what was checked, and what was pinned.
    fn enforcement(self, policy: &Policy) -> (Enforcement, Vec<VerifiedRegister>, Pins) {
        let Self { verified, type_one, national, practices, activations, pins } = self;
        let activation = activations.zip(practices).zip(policy.practice_activation.applied());
        let activation = activation.map(|((activations, practices), terms)| ActivationInForce {
            activations,
            practices,
            practice_key: terms.practice_key,
        });
        let policy = Some(policy.clone());
        (Enforcement { policy, type_one, national, activation, link: None }, verified, pins)
    }

    fn read(policy: &Policy, registers: &[&Register], tables: &Extract, today: Day) -> Result<Self, RegisterError> {
        let mut read = Self::default();
        let mut in_order: Vec<&Register> = registers.to_vec();
        // Practices come before the registrations that are judged by them.
        in_order.sort_by_key(|register| register.id.clone());
        if registers.iter().any(|register| register.id == RegisterId::Registrations)
            && !registers.iter().any(|register| register.id == RegisterId::Practices)
        {
            let of_rule = policy.registers_of(Rule::PracticeActivation);
            in_order.extend(of_rule.into_iter().filter(|register| register.id == RegisterId::Practices));
            in_order.sort_by_key(|register| register.id.clone());
        }
        for register in in_order {
            read.one(policy, register, tables, today)?;
        }
        read.verified.retain(|verified| registers.iter().any(|register| register.id == verified.id));
        Ok(read)
    }

    fn one(&mut self, policy: &Policy, register: &Register, tables: &Extract, today: Day) -> Result<(), RegisterError> {
        let practice_key = policy.practice_activation.applied().map(|terms| terms.practice_key);
        let (practice_key_type, practice_type) = match practice_key {
            Some(PracticeKeyType::Text) => (KeyType::Text, ColumnType::Str),
            Some(PracticeKeyType::Int) | None => (KeyType::Int, ColumnType::Int),
        };
        let key_type = if register.id == RegisterId::Practices { practice_key_type } else { policy.patient_key };
        let opening = Opening { key_type, practice_type, link_column: None, sealed: true };
        let mut opened = OpenedRegister::open(register, tables, opening)?;
        let (summary, members, digest) = match register.lists {
            Lists::HasOptedOut | Lists::HasNotOptedOut => {
                let (summary, listed) = patients(register, &opened, key_type, today)?;
                let (members, digest) = (listed.count(), listed.digest());
                let listed_may_be_seen = register.lists == Lists::HasNotOptedOut;
                let opt_outs = Some(OptOuts { listed, listed_may_be_seen });
                if register.id == RegisterId::National {
                    self.national = opt_outs
                } else {
                    self.type_one = opt_outs
                }
                (summary, members, digest)
            }
            Lists::ActivatedPractices => {
                let (summary, practices, digest) = practices(register, &opened)?;
                self.practices = Some(practices.activated_on(today));
                (summary, practices.count(), digest)
            }
            Lists::Registrations { .. } => {
                let none = ActivatedPractices::default();
                let practices = self.practices.as_ref().unwrap_or(&none);
                let (summary, activations) = registrations(register, &opened, key_type, practices)?;
                let parts = [activations.counted.digest(), activations.cut_offs.digest()];
                let digest = Digest::of(&parts.map(|part| *part.as_bytes()).concat());
                self.activations = Some(activations);
                (summary, summary.rows, digest)
            }
            // No rule is decided by one: `link_tables` reads them.
            Lists::Link { .. } => return Ok(()),
        };
        register.check_freshness(summary.as_of, today)?;
        check_least(register, members)?;
        let Some(as_of) = summary.as_of else { return Ok(()) };
        self.verified.push(VerifiedRegister { id: register.id.clone(), as_of, rows: summary.rows, members, digest });
        self.pins.join(std::mem::take(&mut opened.pins));
        Ok(())
    }
}

type Summary = super::register::ReadSummary;

fn day(column: Option<&ArrayRef>, row: usize) -> Option<Day> {
    let days = column?.as_primitive_opt::<Date32Type>()?;
    if days.is_null(row) { None } else { Day::from_epoch_days(days.value(row)) }
}

fn belongs(rows: &RegisterRows, row: usize) -> bool {
    rows.belongs.as_ref().is_none_or(|belongs| belongs.value(row))
}

/// The patients for whom a list holds today.
pub(super) fn patients(
    register: &Register,
    opened: &OpenedRegister<'_>,
    key_type: KeyType,
    today: Day,
) -> Result<(Summary, PatientSet), RegisterError> {
    let mut listed = PatientSetBuilder::new(key_type);
    let failed = |source| RegisterError::Key { register: register.id.clone(), source };
    let summary = opened.read(|rows| {
        let every_row = rows.belongs.is_none() && rows.from.is_none() && rows.until.is_none();
        if let (true, PatientIds::Int(keys)) = (every_row, &rows.keys) {
            return listed.extend_ints(keys.values()).map_err(failed);
        }
        for row in 0..rows.keys.len() {
            let (from, until) = (day(rows.from.as_ref(), row), day(rows.until.as_ref(), row));
            if belongs(&rows, row)
                && register.in_force(from, until, today)
                && let Some(patient) = rows.keys.get(row)
            {
                listed.push(patient.as_key()).map_err(failed)?;
            }
        }
        Ok(())
    })?;
    Ok((summary, listed.finish()))
}

/// All practices that a register lists, and the digest of what it says, whatever the order of its rows.
fn practices(register: &Register, opened: &OpenedRegister<'_>) -> Result<(Summary, Practices, Digest), RegisterError> {
    let (mut practices, mut said) = (Practices::new(), Vec::new());
    let summary = opened.read(|rows| {
        for (row, practice) in practice_keys(&rows.keys).enumerate() {
            let Some(practice) = practice.filter(|_| belongs(&rows, row)) else { continue };
            let (from, until) = (day(rows.from.as_ref(), row), day(rows.until.as_ref(), row));
            let from = if rows.from.is_some() { ActivatedFrom::Column(from) } else { ActivatedFrom::Listed };
            said.push(format!("{practice:?} {from:?} {until:?}"));
            let failed = |source| RegisterError::Practices { register: register.id.clone(), source };
            practices.push(practice, from, until).map_err(failed)?;
        }
        Ok(())
    })?;
    said.sort_unstable();
    Ok((summary, practices, Digest::of(said.join("\n").as_bytes())))
}

/// Who counts by their registrations.
fn registrations(
    register: &Register,
    opened: &OpenedRegister<'_>,
    key_type: KeyType,
    practices: &ActivatedPractices,
) -> Result<(Summary, Activations), RegisterError> {
    let failed = |source| RegisterError::Key { register: register.id.clone(), source };
    let mut registrations = Registrations::new(key_type, opened.promises_order(), practices);
    let summary = opened.read(|rows| registrations.push(&rows).map_err(failed))?;
    Ok((summary, registrations.finish().map_err(failed)?))
}
