//! Registrations into activations: one patient after another where the register is in order, else sorted first.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use peristyle_policy::activation::{Activations, ActivationsBuilder, RegistrationEnd};
use peristyle_policy::patients::{KeyType, PatientKey, PatientKeyError};
use peristyle_policy::practices::ActivatedPractices;

use super::register::RegisterRows;
use crate::patient_ids::{PatientId, PatientIds};

/// Takes a register's rows in any order.
pub(super) enum Registrations<'p> {
    /// The rows come in order of patient
    InOrder { builder: ActivationsBuilder, practices: &'p ActivatedPractices },
    /// They do not, or nobody promises it: 16 bytes a row for integer keys, and sorted at the end
    Gathered { rows: Gathered, key_type: KeyType, practices: &'p ActivatedPractices },
}

/// Rows to be sorted. An end and whether the practice is activated are one number, in the order of ends.
pub(super) enum Gathered {
    Int(Vec<(i64, i64)>),
    Other(Vec<(PatientId, i64)>),
}

/// An end that is open, as a number.
const OPEN: i64 = i64::MAX;

/// An end and its practice as one number; both in range by [`RegistrationEnd`]'s check.
fn packed(end: RegistrationEnd, activated: bool) -> i64 {
    match end {
        RegistrationEnd::At(moment) => moment * 2 + i64::from(activated),
        RegistrationEnd::Open if activated => OPEN,
        RegistrationEnd::Open => OPEN - 1,
    }
}

fn unpacked(number: i64) -> (RegistrationEnd, bool) {
    match number {
        OPEN => (RegistrationEnd::Open, true),
        number if number == OPEN - 1 => (RegistrationEnd::Open, false),
        number => (RegistrationEnd::At(number.div_euclid(2)), number.rem_euclid(2) == 1),
    }
}

impl<'p> Registrations<'p> {
    pub(super) fn new(key_type: KeyType, in_order: bool, practices: &'p ActivatedPractices) -> Self {
        if in_order {
            return Self::InOrder { builder: ActivationsBuilder::new(key_type), practices };
        }
        let rows = match key_type {
            KeyType::Int => Gathered::Int(Vec::new()),
            KeyType::Bytes16 | KeyType::Text => Gathered::Other(Vec::new()),
        };
        Self::Gathered { rows, key_type, practices }
    }

    /// Takes some rows.
    pub(super) fn push(&mut self, rows: &RegisterRows) -> Result<(), PatientKeyError> {
        let practices = match self {
            Self::InOrder { practices, .. } | Self::Gathered { practices, .. } => *practices,
        };
        let activated = rows.practice.as_ref().map(|column| activated(practices, column)).unwrap_or_default();
        let ends = rows.end.as_ref().and_then(|ends| ends.as_primitive_opt::<TimestampMicrosecondType>());
        for row in 0..rows.keys.len() {
            if rows.belongs.as_ref().is_some_and(|belongs| !belongs.value(row)) {
                continue;
            }
            let end = ends.filter(|ends| ends.is_valid(row)).map(|ends| ends.value(row));
            let end = RegistrationEnd::from_microseconds(end);
            let activated = activated.get(row).copied().unwrap_or(false);
            let Some(patient) = rows.keys.key(row) else { continue };
            match self {
                Self::InOrder { builder, .. } => builder.push(patient, activated, end)?,
                Self::Gathered { rows, .. } => match (rows, patient) {
                    (Gathered::Int(rows), PatientKey::Int(key)) => rows.push((key, packed(end, activated))),
                    (Gathered::Other(rows), patient) => rows.push((patient.into(), packed(end, activated))),
                    (Gathered::Int(_), other) => {
                        let found = other.key_type();
                        return Err(PatientKeyError::WrongType { expected: KeyType::Int, found });
                    }
                },
            }
        }
        Ok(())
    }

    /// Who counts, and until when.
    pub(super) fn finish(self) -> Result<Activations, PatientKeyError> {
        match self {
            Self::InOrder { builder, .. } => builder.finish(),
            Self::Gathered { rows, key_type, .. } => {
                let mut builder = ActivationsBuilder::new(key_type);
                let mut push = |patient: PatientId, number: i64| {
                    let (end, activated) = unpacked(number);
                    builder.push(patient.as_key(), activated, end)
                };
                match rows {
                    Gathered::Int(mut rows) => {
                        rows.sort_unstable();
                        rows.into_iter().try_for_each(|(key, number)| push(PatientId::Int(key), number))?;
                    }
                    Gathered::Other(mut rows) => {
                        rows.sort_unstable();
                        rows.into_iter().try_for_each(|(key, number)| push(key, number))?;
                    }
                }
                builder.finish()
            }
        }
    }
}

/// Whether each row's practice is activated.
fn activated(practices: &ActivatedPractices, column: &ArrayRef) -> Vec<bool> {
    if let Some(keys) = column.as_primitive_opt::<Int64Type>() {
        return keys.iter().map(|key| practices.has_int(key)).collect();
    }
    let dictionary = column.as_dictionary_opt::<Int32Type>();
    let texts = dictionary.and_then(|dictionary| dictionary.downcast_dict::<arrow::array::StringArray>());
    texts.map(|texts| texts.into_iter().map(|key| practices.has_text(key)).collect()).unwrap_or_default()
}

/// The keys of a register of practices.
pub(super) fn practice_keys(
    keys: &PatientIds,
) -> impl Iterator<Item = Option<peristyle_policy::practices::PracticeKey>> {
    use peristyle_policy::practices::PracticeKey;
    (0..keys.len()).map(|row| match keys.get(row)? {
        PatientId::Int(key) => Some(PracticeKey::Int(key)),
        PatientId::Text(key) => Some(PracticeKey::Text(key.as_ref().into())),
        PatientId::Bytes16(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_keeps_ends_and_their_order() {
        let ends = [i64::MIN / 4, -3, -2, 0, 1, 253_402_214_400_000_000].map(RegistrationEnd::At);
        let mut before = i64::MIN;
        for end in ends.into_iter().chain([RegistrationEnd::Open]) {
            for activated in [false, true] {
                let number = packed(end, activated);
                assert_eq!(unpacked(number), (end, activated));
                assert!(number > before);
                before = number;
            }
        }
    }
}
