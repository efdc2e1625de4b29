//! Rows of a link's table, gathered in any order and taken by their other key.

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::{Int32Type, Int64Type};
use peristyle_policy::Digest;
use peristyle_policy::patients::{KeyType, PatientKey, PatientKeyError, PatientSet};
use sha2::{Digest as _, Sha256};

use super::activation::cut_offs;
use super::enforcement::Enforcement;
use super::links::{KeysBuilder, Standing};
use crate::patient_ids::{PatientId, PatientIds, bytes16};

/// One row: 40 bytes for keys of 16 bytes, 32 for integers.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkRow<K> {
    key: K,
    /// The patient, or of a text its digest: only whether two are the same is asked
    patient: [u8; 16],
    standing: Standing,
    /// The patient's cut-off; `i32::MAX` for none
    cut_off: i32,
}

/// All rows that have both keys.
pub(super) enum Gathered {
    Int(Vec<LinkRow<i64>>),
    Bytes16(Vec<LinkRow<[u8; 16]>>),
    Text(Vec<LinkRow<Box<str>>>),
}

/// What the patients of a link's rows are held against.
pub(super) struct Judges<'r> {
    pub(super) rules: &'r Enforcement,
    /// Every patient of the extract, where that is known
    pub(super) everybody: Option<&'r PatientSet>,
}

impl Judges<'_> {
    /// How each patient stands, and until when.
    fn judge(&self, patients: &PatientIds) -> Result<Vec<(Standing, i32)>, PatientKeyError> {
        let rules = self.rules.rules_on(patients)?;
        let known =
            self.everybody.map(|everybody| super::enforcement::listed_among(everybody, patients)).transpose()?;
        let days = self.rules.activation().map(|in_force| cut_offs(&in_force.activations.cut_offs, patients));
        let days = days.transpose()?;
        let standing = |at: usize| {
            let hiding = rules.iter().find(|on| on.hides(at)).map(|on| Standing::hidden_by(on.rule));
            let unknown = known.as_ref().is_some_and(|known| !known.stays(at));
            hiding.unwrap_or(if unknown { Standing::NotInExtract } else { Standing::Permitted })
        };
        let day = |at: usize| days.as_ref().map_or(i32::MAX, |days| days.get(at).copied().unwrap_or(i32::MIN));
        Ok((0..patients.len()).map(|at| (standing(at), day(at))).collect())
    }
}

impl Gathered {
    pub(super) fn new(key_type: KeyType) -> Self {
        match key_type {
            KeyType::Int => Self::Int(Vec::new()),
            KeyType::Bytes16 => Self::Bytes16(Vec::new()),
            KeyType::Text => Self::Text(Vec::new()),
        }
    }

    /// Takes some rows: their patients, and a column of their other keys. A row without one links nothing. `false` where
    /// the column is not of the link's type.
    pub(super) fn push(
        &mut self,
        patients: &PatientIds,
        keys: &ArrayRef,
        judges: &Judges<'_>,
    ) -> Result<bool, PatientKeyError> {
        let judged = judges.judge(patients)?;
        let patient = |at: usize| patients.get(at).map(|patient| same_bytes(&patient)).unwrap_or_default();
        match self {
            Self::Int(rows) => {
                let Some(keys) = keys.as_primitive_opt::<Int64Type>() else { return Ok(false) };
                rows.extend(linking(keys.iter(), &judged, patient));
            }
            Self::Bytes16(rows) => {
                let Some(keys) = keys.as_fixed_size_binary_opt() else { return Ok(false) };
                rows.extend(linking(keys.iter().map(|key| key.map(bytes16)), &judged, patient));
            }
            Self::Text(rows) => {
                let dictionary = keys.as_dictionary_opt::<Int32Type>();
                let Some(texts) = dictionary.and_then(|dictionary| dictionary.downcast_dict::<StringArray>()) else {
                    return Ok(false);
                };
                // What is empty is no key, as in a column of keys.
                let keys = texts.into_iter().map(|key| key.filter(|key| !key.is_empty()).map(Box::from));
                rows.extend(linking(keys, &judged, patient));
            }
        }
        Ok(true)
    }

    /// SHA-256 over which key is whose, whatever the order of rows. Puts them in order.
    pub(super) fn digest(&mut self, patient_key: KeyType) -> Digest {
        let mut said = Sha256::new();
        said.update(b"peristyle link 1\n");
        said.update(patient_key.key().as_bytes());
        match self {
            Self::Int(rows) => digest(rows, &mut said, b"int", |key, said| said.update(key.to_be_bytes())),
            Self::Bytes16(rows) => digest(rows, &mut said, b"bytes16", |key, said| said.update(key)),
            Self::Text(rows) => digest(rows, &mut said, b"text", |key, said| {
                said.update((key.len() as u64).to_be_bytes());
                said.update(key.as_bytes());
            }),
        }
        let said: [u8; 32] = said.finalize().into();
        Digest::of(&said)
    }

    /// Hands over each key once. Gives how many there are. The rows are in order, as [`Self::digest`] has put them.
    pub(super) fn by_key(self, keys: &mut KeysBuilder) -> Result<u64, PatientKeyError> {
        match self {
            Self::Int(rows) => by_key(&rows, |key| PatientKey::Int(*key), keys),
            Self::Bytes16(rows) => by_key(&rows, PatientKey::Bytes16, keys),
            Self::Text(rows) => by_key(&rows, |key| PatientKey::Text(key), keys),
        }
    }
}

/// The rows that have a key.
fn linking<K>(
    keys: impl Iterator<Item = Option<K>>,
    judged: &[(Standing, i32)],
    patient: impl Fn(usize) -> [u8; 16],
) -> impl Iterator<Item = LinkRow<K>> {
    let rows = keys.zip(judged).enumerate();
    rows.filter_map(move |(at, (key, (standing, cut_off)))| {
        Some(LinkRow { key: key?, patient: patient(at), standing: *standing, cut_off: *cut_off })
    })
}

/// Bytes that only this patient has: of a text, 128 bits of its SHA-256.
fn same_bytes(patient: &PatientId) -> [u8; 16] {
    match patient {
        PatientId::Int(key) => i128::from(*key).to_be_bytes(),
        PatientId::Bytes16(key) => *key,
        PatientId::Text(key) => bytes16(&Sha256::digest(key.as_bytes())),
    }
}

fn digest<K: Ord>(rows: &mut [LinkRow<K>], said: &mut Sha256, kind: &[u8], each: impl Fn(&K, &mut Sha256)) {
    rows.sort_unstable();
    said.update(kind);
    let mut before: Option<&LinkRow<K>> = None;
    for row in &*rows {
        if before.is_none_or(|before| (&before.key, before.patient) != (&row.key, row.patient)) {
            each(&row.key, said);
            said.update(row.patient);
        }
        before = Some(row);
    }
}

fn by_key<'r, K: Eq>(
    rows: &'r [LinkRow<K>],
    as_key: impl Fn(&'r K) -> PatientKey<'r>,
    keys: &mut KeysBuilder,
) -> Result<u64, PatientKeyError> {
    let mut count = 0;
    for of_key in rows.chunk_by(|a, b| a.key == b.key) {
        let Some(first) = of_key.first() else { continue };
        let patients = of_key.chunk_by(|a, b| a.patient == b.patient).count();
        let worst = of_key.iter().map(|row| row.standing).min().unwrap_or(Standing::NotInExtract);
        let cut_off = of_key.iter().map(|row| row.cut_off).min().unwrap_or(i32::MIN);
        keys.push(as_key(&first.key), patients, worst, cut_off)?;
        count += 1;
    }
    Ok(count)
}
