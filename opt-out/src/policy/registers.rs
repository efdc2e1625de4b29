//! Reading the registers of a run: practices first, by which registrations are judged; the others side by side.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Date32Type;
use peristyle_policy::activation::Activations;
use peristyle_policy::counts::check_least;
use peristyle_policy::patients::{KeyType, PatientSet, PatientSetBuilder};
use peristyle_policy::policy::{Policy, PracticeKeyType};
use peristyle_policy::practices::{ActivatedFrom, ActivatedPractices, Practices};
use peristyle_policy::register::{Lists, Register, RegisterId};
use peristyle_policy::{AppliedRules, Day, Digest, Rule};

use super::enforcement::{ActivationInForce, Enforcement, OptOuts};
use super::error::RegisterError;
use super::pins::Pins;
use super::register::{OpenedRegister, Opening, ReadSummary, RegisterRows};
use super::registrations::{Registrations, practice_keys};
use super::verify::VerifiedRegister;
use crate::patient_ids::PatientIds;
use crate::request::ColumnType;
use crate::source::Extract;

/// The content of some registers.
#[derive(Default)]
pub(super) struct ReadRegisters {
    pub(super) verified: Vec<VerifiedRegister>,
    contents: BTreeMap<RegisterId, Content>,
    pub(super) pins: Pins,
}

/// What registers are read for.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) policy: &'a Policy,
    pub(super) tables: &'a Extract,
    pub(super) today: Day,
    /// How many registers are read at the same time, at most
    pub(super) threads: usize,
    /// Whether errors may say which row of a register is at fault
    pub(super) tells_rows: bool,
}

/// One register, read and checked.
struct ReadRegister {
    verified: VerifiedRegister,
    content: Content,
    pins: Pins,
}

/// The rules of a run over the registers that were read for it.
pub(super) struct EnforcedRules {
    pub(super) enforcement: Enforcement,
    pub(super) verified: Vec<VerifiedRegister>,
    pub(super) pins: Pins,
}

enum Content {
    OptOuts(OptOuts),
    Practices(ActivatedPractices),
    Activations(Activations),
}

impl ReadRegisters {
    /// The rules of a run, each with its register's content. A rule that is in force and whose register is not among
    /// those that were read is an error.
    pub(super) fn enforcement(mut self, policy: &Policy, rules: &AppliedRules) -> Result<EnforcedRules, RegisterError> {
        let type_one = rules.outcome(Rule::TypeOne).enforced_by(|| self.opt_outs(RegisterId::TypeOne))?;
        let national = rules.outcome(Rule::National).enforced_by(|| self.opt_outs(RegisterId::National))?;
        let activation = rules.outcome(Rule::PracticeActivation).enforced_by(|| self.activation(policy))?;
        let Self { verified, pins, .. } = self;
        let enforcement = Enforcement { policy: Some(policy.clone()), type_one, national, activation, link: None };
        Ok(EnforcedRules { enforcement, verified, pins })
    }

    fn opt_outs(&mut self, register: RegisterId) -> Result<OptOuts, RegisterError> {
        match self.contents.remove(&register) {
            Some(Content::OptOuts(opt_outs)) => Ok(opt_outs),
            _ => Err(RegisterError::NotRead { register }),
        }
    }

    fn activation(&mut self, policy: &Policy) -> Result<ActivationInForce, RegisterError> {
        let not_read = |register| RegisterError::NotRead { register };
        let Some(terms) = policy.practice_activation.applied() else { return Err(not_read(RegisterId::Practices)) };
        let Some(Content::Practices(practices)) = self.contents.remove(&RegisterId::Practices) else {
            return Err(not_read(RegisterId::Practices));
        };
        let Some(Content::Activations(activations)) = self.contents.remove(&RegisterId::Registrations) else {
            return Err(not_read(RegisterId::Registrations));
        };
        Ok(ActivationInForce { activations, practices, practice_key: terms.practice_key })
    }

    /// Reads registers. Where several are at fault, the error is of the first of them, by what they are.
    pub(super) fn read(reading: &Reading<'_>, registers: &[&Register]) -> Result<Self, RegisterError> {
        let listed = |id: &RegisterId| registers.iter().any(|register| register.id == *id);
        let mut in_order: Vec<&Register> = registers.to_vec();
        if listed(&RegisterId::Registrations) && !listed(&RegisterId::Practices) {
            let of_rule = reading.policy.registers_of(Rule::PracticeActivation);
            in_order.extend(of_rule.into_iter().filter(|register| register.id == RegisterId::Practices));
        }
        in_order.sort_by_key(|register| register.id.clone());
        let practices = in_order.iter().find(|register| register.id == RegisterId::Practices);
        let practices = practices.map(|register| reading.one(register, &ActivatedPractices::default())).transpose();
        let activated = match &practices {
            Ok(Some(Some(ReadRegister { content: Content::Practices(activated), .. }))) => activated.clone(),
            _ => ActivatedPractices::default(),
        };
        // Without practices, what registrations say is not asked: the practices' error comes first.
        let (failed, mut practices) = (practices.is_err(), Some(practices.map(Option::flatten)));
        let others = in_order.iter().filter(|register| match register.id {
            RegisterId::Practices => false,
            RegisterId::Registrations => !failed,
            _ => true,
        });
        let others: Vec<&Register> = others.copied().collect();
        let mut found = reading.side_by_side(&others, &activated).into_iter();
        let mut read = Self::default();
        for register in in_order {
            let one = if register.id == RegisterId::Practices { practices.take() } else { found.next() };
            // Each has been read, or the error of one before it has been told: no rule is left out.
            if let Some(one) = one.unwrap_or_else(|| Err(RegisterError::NotRead { register: register.id.clone() }))? {
                read.take(one);
            }
        }
        read.verified.retain(|verified| listed(&verified.id));
        Ok(read)
    }

    fn take(&mut self, ReadRegister { verified, content, pins }: ReadRegister) {
        self.contents.insert(verified.id.clone(), content);
        self.verified.push(verified);
        self.pins.join(pins);
    }
}

impl Reading<'_> {
    /// Reads registers on as many threads as there may be; what was found of each, in their order.
    fn side_by_side(
        &self,
        registers: &[&Register],
        practices: &ActivatedPractices,
    ) -> Vec<Result<Option<ReadRegister>, RegisterError>> {
        // The last are the longest: registrations have the most rows.
        let waiting = Mutex::new((0..registers.len()).collect::<Vec<usize>>());
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let work = || {
            let next = std::iter::from_fn(next);
            let read = next.filter_map(|at| Some((at, self.one(registers.get(at)?, practices))));
            read.collect::<Vec<_>>()
        };
        let mut found = thread::scope(|scope| {
            // Where there cannot be another thread, this one reads them all.
            let another = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
            let others: Vec<_> = (1..self.threads.min(registers.len())).filter_map(another).collect();
            let mut found = work();
            for other in others {
                match other.join() {
                    Ok(more) => found.extend(more),
                    Err(panicked) => std::panic::resume_unwind(panicked),
                }
            }
            found
        });
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, read)| read).collect()
    }

    /// Reads one register; `None` where no rule is decided by it.
    fn one(&self, register: &Register, practices: &ActivatedPractices) -> Result<Option<ReadRegister>, RegisterError> {
        let Self { policy, tables, today, .. } = *self;
        let practice_key = policy.practice_activation.applied().map(|terms| terms.practice_key);
        let (practice_key_type, practice_type) = match practice_key {
            Some(PracticeKeyType::Text) => (KeyType::Text, ColumnType::Str),
            Some(PracticeKeyType::Int) | None => (KeyType::Int, ColumnType::Int),
        };
        let key_type = if register.id == RegisterId::Practices { practice_key_type } else { policy.patient_key };
        let opening = Opening {
            key_type,
            practice_type,
            link_column: None,
            text_keys: policy.text_keys,
            sealed: true,
            tells_rows: self.tells_rows,
        };
        let opened = OpenedRegister::open(register, tables, opening)?;
        let (summary, content, members, digest) = match register.lists {
            Lists::HasOptedOut | Lists::HasNotOptedOut => {
                let (summary, listed) = patients(register, &opened, key_type, today)?;
                let (members, digest) = (listed.count(), listed.digest());
                let listed_may_be_seen = register.lists == Lists::HasNotOptedOut;
                (summary, Content::OptOuts(OptOuts { listed, listed_may_be_seen }), members, digest)
            }
            Lists::ActivatedPractices => {
                let (summary, practices, digest) = self::practices(register, &opened)?;
                (summary, Content::Practices(practices.activated_on(today)), practices.count(), digest)
            }
            Lists::Registrations { .. } => {
                let (summary, activations) = registrations(register, &opened, key_type, practices)?;
                let parts = [activations.counted.digest(), activations.cut_offs.digest()];
                let digest = Digest::of(&parts.map(|part| *part.as_bytes()).concat());
                (summary, Content::Activations(activations), summary.rows, digest)
            }
            // `link_tables` reads them.
            Lists::Link { .. } => return Ok(None),
        };
        register.check_freshness(summary.as_of, today)?;
        check_least(register, members)?;
        let not_read = || RegisterError::NotRead { register: register.id.clone() };
        let as_of = summary.as_of.ok_or_else(not_read)?;
        let verified = VerifiedRegister { id: register.id.clone(), as_of, rows: summary.rows, members, digest };
        Ok(Some(ReadRegister { verified, content, pins: opened.pins }))
    }
}

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
) -> Result<(ReadSummary, PatientSet), RegisterError> {
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
fn practices(
    register: &Register,
    opened: &OpenedRegister<'_>,
) -> Result<(ReadSummary, Practices, Digest), RegisterError> {
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
) -> Result<(ReadSummary, Activations), RegisterError> {
    let failed = |source| RegisterError::Key { register: register.id.clone(), source };
    let mut registrations = Registrations::new(key_type, opened.promises_order(), practices);
    let summary = opened.read(|rows| registrations.push(&rows).map_err(failed))?;
    Ok((summary, registrations.finish().map_err(failed)?))
}
