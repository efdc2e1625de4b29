//! Which patients' rows may be seen: the rules of a run over the sets of its registers.

use std::fmt;

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::BooleanBuffer;
use peristyle_policy::activation::Activations;
use peristyle_policy::patients::{KeyType, PatientKeyError, PatientSet, RowMask, TextComparison};
use peristyle_policy::policy::{CatalogueStatement, Policy, PracticeKeyType, RowRule, RowRuleError};
use peristyle_policy::practices::ActivatedPractices;
use peristyle_policy::{Applied, Lifted, Rule};

use super::links::LinkedKeys;
use super::tally::SegmentTally;
use crate::bits::Ranges;
use crate::patient_ids::{PatientIds, Spans, all_bytes16};
use crate::request::ColumnType;

/// The rules that a run is under, each with what enforces it. There is no default: a rule that hides nobody says why.
#[derive(Debug)]
pub(crate) struct Enforcement {
    /// None for dummy tables: nobody is looked up, so keys may be of any type
    pub(super) policy: Option<Policy>,
    pub(super) type_one: Applied<OptOuts>,
    pub(super) national: Applied<OptOuts>,
    pub(super) activation: Applied<ActivationInForce>,
    /// Of a linked table: its keys are those of a link, and the rules have been asked about their patients already
    pub(super) link: Option<LinkedKeys>,
}

/// A list for or against.
#[derive(Debug)]
pub(super) struct OptOuts {
    pub(super) listed: PatientSet,
    /// Whether who is listed may be seen, and nobody else; or the other way round
    pub(super) listed_may_be_seen: bool,
}

/// Who counts, until when, and which practices take part.
#[derive(Debug)]
pub(super) struct ActivationInForce {
    pub(super) activations: Activations,
    pub(super) practices: ActivatedPractices,
    pub(super) practice_key: PracticeKeyType,
}

/// What one rule says of some patients.
pub(super) struct RuleOnPatients {
    pub(super) rule: Rule,
    listed: RowMask,
    listed_may_be_seen: bool,
}

impl RuleOnPatients {
    /// Whether it hides the patient at `at`.
    pub(super) fn hides(&self, at: usize) -> bool {
        self.listed.stays(at) != self.listed_may_be_seen
    }
}

/// What the rules say of a batch's rows.
pub(crate) enum Verdict {
    /// All rows may be seen
    All,
    /// The rows whose bit is set may be seen
    Some(BooleanBuffer),
}

/// What the rules say of a batch's patients: one answer for each of its spans.
pub(crate) struct SeenPatients {
    /// Rows one after another of one patient
    pub(super) spans: Spans,
    /// The patient of each
    pub(crate) patients: PatientIds,
    /// Whether the patient may be seen
    pub(super) seen: Vec<bool>,
}

impl SeenPatients {
    /// The same for a batch of the rows alone that are of patients who may be seen.
    pub(crate) fn only_seen(&self) -> Self {
        let lengths = self.spans.lengths().zip(&self.seen).filter(|(_, seen)| **seen).map(|(length, _)| length);
        let kept: Vec<usize> = (0..self.seen.len()).filter(|at| self.seen.get(*at) == Some(&true)).collect();
        let spans = Spans::of_lengths(lengths);
        Self { patients: self.patients.taken(&kept), seen: vec![true; kept.len()], spans }
    }

    /// The patients of whom there is a row among `rows`, one after another as their rows come.
    pub(crate) fn patients_among(&self, rows: &BooleanBuffer) -> PatientIds {
        let rows = Ranges::of(rows);
        let (mut start, mut some) = (0, Vec::with_capacity(self.seen.len()));
        for (at, (length, seen)) in self.spans.lengths().zip(&self.seen).enumerate() {
            if *seen && rows.any(start, length) {
                some.push(at);
            }
            start += length;
        }
        self.patients.taken(&some)
    }

    /// Hides patients who are not among these, and counts their rows as of nobody.
    pub(super) fn keep_only(&mut self, existing: &PatientSet, tally: &mut SegmentTally) -> Result<(), PatientKeyError> {
        let known = listed_among(existing, &self.patients)?;
        for (at, (seen, length)) in self.seen.iter_mut().zip(self.spans.lengths()).enumerate() {
            if *seen && !known.stays(at) {
                *seen = false;
                tally.unlinked(&self.patients, at, length);
            }
        }
        Ok(())
    }

    /// Which rows are of patients who may be seen.
    pub(crate) fn verdict(&self) -> Verdict {
        if self.seen.iter().all(|seen| *seen) {
            return Verdict::All;
        }
        let mut rows = BooleanBufferBuilder::new(self.spans.lengths().sum());
        self.spans.lengths().zip(&self.seen).for_each(|(length, seen)| rows.append_n(length, *seen));
        Verdict::Some(rows.finish())
    }
}

impl Enforcement {
    /// No rule is in force, for this reason.
    pub(super) fn lifted(why: &Lifted) -> Self {
        Self {
            policy: None,
            type_one: Applied::Lifted(why.clone()),
            national: Applied::Lifted(why.clone()),
            activation: Applied::Lifted(why.clone()),
            link: None,
        }
    }

    #[cfg(test)]
    pub(super) fn permitting(patients: impl IntoIterator<Item = i64>) -> Self {
        use peristyle_policy::patients::PatientSetBuilder;
        let mut listed = PatientSetBuilder::new(KeyType::Int);
        let patients: Vec<i64> = patients.into_iter().collect();
        assert!(listed.extend_ints(&patients).is_ok());
        let type_one = Applied::InForce(OptOuts { listed: listed.finish(), listed_may_be_seen: true });
        Self { type_one, ..Self::lifted(&Lifted::over_made_up_records()) }
    }

    /// How texts that are keys are compared.
    pub(crate) fn text_keys(&self) -> TextComparison {
        self.policy.as_ref().map(|policy| policy.text_keys).unwrap_or_default()
    }

    /// What patients are known by; `None` where it does not matter.
    pub(super) fn key_type(&self) -> Option<KeyType> {
        if let Some(link) = &self.link {
            return Some(link.permitted.key_type());
        }
        let sets = [&self.type_one, &self.national];
        let of_sets = sets.into_iter().filter_map(Applied::in_force).map(|opt_outs| opt_outs.listed.key_type()).next();
        self.policy.as_ref().map(|policy| policy.patient_key).or(of_sets)
    }

    pub(super) fn practice_type(&self) -> Option<ColumnType> {
        let activation = self.activation.in_force()?;
        Some(match activation.practice_key {
            PracticeKeyType::Int => ColumnType::Int,
            PracticeKeyType::Text => ColumnType::Str,
        })
    }

    pub(super) fn activation(&self) -> Option<&ActivationInForce> {
        self.activation.in_force()
    }

    /// Which rows of a table are read, by policy and catalogue.
    pub(super) fn row_rule(&self, table: &str, stated: CatalogueStatement<'_>) -> Result<RowRule, RowRuleError> {
        match (&self.policy, &self.activation) {
            (_, Applied::Lifted(_)) => Ok(RowRule::AllRows),
            (Some(policy), Applied::InForce(_)) => policy.row_rule(table, stated),
            (None, Applied::InForce(_)) => Err(RowRuleError::Unstated { table: table.to_owned() }),
        }
    }

    /// Which rows of a raw table of registrations are read.
    pub(super) fn at_activated_practices(&self, column: &str) -> RowRule {
        match &self.activation {
            Applied::InForce(_) => RowRule::AtActivatedPractices { practice_column: column.to_owned() },
            Applied::Lifted(_) => RowRule::AllRows,
        }
    }

    /// Whether no patient is hidden, whoever they are.
    pub(crate) fn hides_nobody(&self) -> bool {
        let lifted = |opt_outs: &Applied<OptOuts>| matches!(opt_outs, Applied::Lifted(_));
        let activation_lifted = matches!(self.activation, Applied::Lifted(_));
        lifted(&self.type_one) && lifted(&self.national) && activation_lifted && self.link.is_none()
    }

    /// Whether its keys are those of a link, so that rows without one are nobody's.
    pub(crate) fn is_of_link(&self) -> bool {
        self.link.is_some()
    }

    /// What each rule in force says of patients, in the order in which rows count for them.
    pub(super) fn rules_on(&self, patients: &PatientIds) -> Result<Vec<RuleOnPatients>, PatientKeyError> {
        let mut rules = Vec::new();
        for (rule, opt_outs) in [(Rule::TypeOne, &self.type_one), (Rule::National, &self.national)] {
            if let Applied::InForce(OptOuts { listed, listed_may_be_seen }) = opt_outs {
                let listed = listed_among(listed, patients)?;
                rules.push(RuleOnPatients { rule, listed, listed_may_be_seen: *listed_may_be_seen });
            }
        }
        if let Applied::InForce(ActivationInForce { activations, .. }) = &self.activation {
            let listed = listed_among(&activations.counted, patients)?;
            rules.push(RuleOnPatients { rule: Rule::PracticeActivation, listed, listed_may_be_seen: true });
        }
        Ok(rules)
    }

    /// Which patients may be seen; counts the rows of the others, for the first rule that hides them.
    pub(crate) fn judge(&self, ids: &PatientIds, tally: &mut SegmentTally) -> Result<SeenPatients, PatientKeyError> {
        // One key for all rows in a row that have it: the sets are asked once a patient, not once an event.
        let spans = Spans::of(ids);
        let patients = spans.keys(ids);
        let mut seen = vec![true; spans.len()];
        if let Some(link) = &self.link {
            link.hide(&mut seen, &patients, &spans, tally)?;
        } else {
            for on in self.rules_on(&patients)? {
                hide(&mut seen, &patients, &spans, (on.rule, tally), |at| on.hides(at));
            }
        }
        Ok(SeenPatients { spans, patients, seen })
    }
}

pub(super) fn listed_among(set: &PatientSet, patients: &PatientIds) -> Result<RowMask, PatientKeyError> {
    match patients {
        PatientIds::Int(keys) => set.mask_ints(keys.values()),
        PatientIds::Bytes16(keys) => set.mask_bytes16(all_bytes16(keys).iter()),
        PatientIds::Text(keys) => set.mask_texts(keys.iter().flatten()),
    }
}

pub(super) fn hide(
    seen: &mut [bool],
    patients: &PatientIds,
    spans: &Spans,
    (rule, tally): (Rule, &mut SegmentTally),
    hidden: impl Fn(usize) -> bool,
) {
    for (at, (seen, length)) in seen.iter_mut().zip(spans.lengths()).enumerate() {
        if *seen && hidden(at) {
            *seen = false;
            tally.removed(rule, patients, at, length);
        }
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::All => "All",
            Verdict::Some(_) => "Some",
        })
    }
}
