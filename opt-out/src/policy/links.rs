//! Links: from another key to whether its rows may be seen.
//!
//! ```text
//! link table ─► (other key, patient) ─► rules on each patient ─► by other key: every patient ─► LinkedKeys ─► mask
//!  (a register: pinned, dated, counted)    in the extract?        may be seen, and no more than one?
//! ```
//! Opt-outs are known by the patient's key alone, so rows of another key are held against what was found here. A key that
//! is not in the table has nobody who could be asked, and is not seen.

use peristyle_policy::activation::Activations;
use peristyle_policy::patients::{
    KeyType, PatientDaysBuilder, PatientKey, PatientKeyError, PatientSet, PatientSetBuilder,
};
use peristyle_policy::{Applied, Lifted, Rule};

use super::enforcement::{ActivationInForce, Enforcement, hide, listed_among};
use super::link_rows::Gathered;
use super::tally::SegmentTally;
use crate::connector::PatientsPerKey;
use crate::patient_ids::{PatientIds, Spans};

/// What was found of the keys of a link.
#[derive(Debug)]
pub(crate) struct LinkedKeys {
    /// Those whose rows may be seen
    pub(super) permitted: PatientSet,
    /// Why others may not, where a rule says so: for the counts alone
    pub(super) hidden: Vec<(Rule, PatientSet)>,
}

impl LinkedKeys {
    /// Hides what is not permitted; counts it for the first rule that hides a patient of the key, else as of nobody.
    pub(super) fn hide(
        &self,
        seen: &mut [bool],
        keys: &PatientIds,
        spans: &Spans,
        tally: &mut SegmentTally,
    ) -> Result<(), PatientKeyError> {
        let permitted = listed_among(&self.permitted, keys)?;
        for (rule, hidden) in &self.hidden {
            let hidden = listed_among(hidden, keys)?;
            hide(seen, keys, spans, (*rule, tally), |at| hidden.stays(at));
        }
        for (at, (seen, length)) in seen.iter_mut().zip(spans.lengths()).enumerate() {
            if *seen && !permitted.stays(at) {
                *seen = false;
                tally.unlinked(keys, at, length);
            }
        }
        Ok(())
    }
}

/// What is known of one row of a link's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// A rule hides its patient: its place among [`Rule::ALL`]
    HiddenBy(u8),
    /// The extract does not have the patient
    NotInExtract,
    /// Its patient may be seen
    Permitted,
}

impl Standing {
    pub(super) fn hidden_by(rule: Rule) -> Self {
        let place = Rule::ALL.iter().position(|known| *known == rule).unwrap_or_default();
        Self::HiddenBy(u8::try_from(place).unwrap_or_default())
    }
}

/// Makes the enforcement of a linked table, key by key.
pub(super) struct KeysBuilder {
    patients: PatientsPerKey,
    permitted: PatientSetBuilder,
    hidden: [PatientSetBuilder; 3],
    cut_offs: PatientDaysBuilder,
}

impl KeysBuilder {
    pub(super) fn new(key_type: KeyType, patients: PatientsPerKey) -> Self {
        let set = || PatientSetBuilder::new(key_type);
        Self { patients, permitted: set(), hidden: [set(), set(), set()], cut_offs: PatientDaysBuilder::new(key_type) }
    }

    /// Takes a key: how many patients have it, how the worst of them stands, and the earliest of their cut-offs.
    pub(super) fn push(
        &mut self,
        key: PatientKey<'_>,
        patients: usize,
        worst: Standing,
        cut_off: i32,
    ) -> Result<(), PatientKeyError> {
        match worst {
            Standing::HiddenBy(rule) => match self.hidden.get_mut(usize::from(rule)) {
                Some(hidden) => hidden.push(key),
                None => Ok(()),
            },
            Standing::NotInExtract => Ok(()),
            Standing::Permitted if self.patients == PatientsPerKey::One && patients > 1 => Ok(()),
            Standing::Permitted => {
                if cut_off < i32::MAX {
                    self.cut_offs.push(key, cut_off)?;
                }
                self.permitted.push(key)
            }
        }
    }

    /// The rules of a run, as they are over the linked table.
    pub(super) fn finish(self, rules: &Enforcement) -> Enforcement {
        let Self { permitted, hidden, cut_offs, .. } = self;
        let (permitted, cut_offs) = (permitted.finish(), cut_offs.finish());
        // Who counts has been asked about the patients: of the keys, nobody asks.
        let counted = PatientSetBuilder::new(permitted.key_type()).finish();
        let activation = rules.activation.map(|in_force| ActivationInForce {
            activations: Activations { counted, cut_offs },
            practices: in_force.practices.clone(),
            practice_key: in_force.practice_key,
        });
        let hidden = Rule::ALL.into_iter().zip(hidden.map(PatientSetBuilder::finish));
        let hidden = hidden.filter(|(_, keys)| keys.count() > 0).collect();
        let asked = || Applied::Lifted(Lifted::asked_of_patients());
        Enforcement {
            policy: rules.policy.clone(),
            type_one: asked(),
            national: asked(),
            activation,
            link: Some(LinkedKeys { permitted, hidden }),
        }
    }
}

/// Settles what was gathered of a link's table. Gives how many keys there are, too.
pub(super) fn settled(
    gathered: Gathered,
    key_type: KeyType,
    patients: PatientsPerKey,
    rules: &Enforcement,
) -> Result<(Enforcement, u64), PatientKeyError> {
    let mut builder = KeysBuilder::new(key_type, patients);
    let keys = gathered.by_key(&mut builder)?;
    Ok((builder.finish(rules), keys))
}
