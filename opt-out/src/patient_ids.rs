//! Whose rows they are: the keys of patients as a column, and one by one.
//!
//! A key goes into masks, merges and answers, and nowhere else: it has no `Debug` and no `Display`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use peristyle_policy::patients::{KeyType, PatientKey};

/// Bytes of a key of [`KeyType::Bytes16`].
const KEY_BYTES: i32 = 16;

/// The key of one patient. Keys of an extract are all of one type, and in order within it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_debug_implementations, reason = "a patient's key must not be printed")]
pub enum PatientId {
    /// A 64-bit integer
    Int(i64),
    /// 16 bytes
    Bytes16([u8; 16]),
    /// A text, in order of its bytes
    Text(Arc<str>),
}

/// The keys of the patients of some rows; none is NULL.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "patients' keys must not be printed")]
pub enum PatientIds {
    /// Of [`KeyType::Int`]
    Int(Int64Array),
    /// Of [`KeyType::Bytes16`]
    Bytes16(FixedSizeBinaryArray),
    /// Of [`KeyType::Text`]
    Text(StringArray),
}

/// The Arrow type of the column `patient_id` where patients are known by such keys: Int64, FixedSizeBinary(16) or Utf8.
pub fn patient_id_type(key_type: KeyType) -> DataType {
    match key_type {
        KeyType::Int => DataType::Int64,
        KeyType::Bytes16 => DataType::FixedSizeBinary(KEY_BYTES),
        KeyType::Text => DataType::Utf8,
    }
}

impl PatientIds {
    /// The keys in a column of an [Arrow type of keys](patient_id_type); `None` for another type, and where one is NULL.
    pub fn of(column: &ArrayRef) -> Option<Self> {
        if column.null_count() > 0 {
            return None;
        }
        match column.data_type() {
            DataType::Int64 => column.as_primitive_opt::<Int64Type>().cloned().map(Self::Int),
            DataType::FixedSizeBinary(KEY_BYTES) => column.as_fixed_size_binary_opt().cloned().map(Self::Bytes16),
            DataType::Utf8 => column.as_string_opt::<i32>().cloned().map(Self::Text),
            _ => None,
        }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Int(keys) => keys.len(),
            Self::Bytes16(keys) => keys.len(),
            Self::Text(keys) => keys.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key of a row below [`len`](Self::len); `None` beyond.
    pub fn get(&self, row: usize) -> Option<PatientId> {
        self.key(row).map(PatientId::from)
    }

    /// The same, not copied.
    pub fn key(&self, row: usize) -> Option<PatientKey<'_>> {
        if row >= self.len() {
            return None;
        }
        Some(match self {
            Self::Int(keys) => PatientKey::Int(keys.value(row)),
            Self::Bytes16(keys) => PatientKey::Bytes16(keys.value(row).first_chunk()?),
            Self::Text(keys) => PatientKey::Text(keys.value(row)),
        })
    }

    /// The first key.
    pub fn first(&self) -> Option<PatientId> {
        self.get(0)
    }

    /// The last key.
    pub fn last(&self) -> Option<PatientId> {
        self.get(self.len().checked_sub(1)?)
    }

    /// Ends a run of rows of one patient after another: calls `run` with the row after its last one. `false`, and no more
    /// calls, where a row's patient comes before that of the row before.
    pub fn runs(&self, run: impl FnMut(usize)) -> bool {
        match self {
            Self::Int(keys) => runs_of_ints(keys.values(), run),
            Self::Bytes16(keys) => runs(keys.len(), |row| Some(keys.value(row)), run),
            Self::Text(keys) => runs(keys.len(), |row| Some(keys.value(row)), run),
        }
    }

    /// Whether no row's patient comes before that of the row before.
    pub(crate) fn ascend(&self) -> bool {
        match self {
            // Without a branch a row.
            Self::Int(keys) => {
                let (before, after) = (keys.values(), keys.values().get(1..).unwrap_or_default());
                before.iter().zip(after).fold(true, |ascend, (before, after)| ascend & (before <= after))
            }
            _ => self.runs(|_| {}),
        }
    }

    /// The keys of these rows, all of them below [`len`](Self::len).
    pub(crate) fn taken(&self, rows: &[usize]) -> Self {
        let rows = rows.iter().copied();
        match self {
            Self::Int(keys) => Self::Int(rows.map(|row| keys.value(row)).collect::<Vec<_>>().into()),
            Self::Bytes16(keys) => {
                let bytes: Vec<u8> = rows.flat_map(|row| bytes16(keys.value(row))).collect();
                Self::Bytes16(FixedSizeBinaryArray::new(KEY_BYTES, bytes.into(), None))
            }
            Self::Text(keys) => Self::Text(StringArray::from_iter_values(rows.map(|row| keys.value(row)))),
        }
    }

    /// The column itself.
    pub fn into_array(self) -> ArrayRef {
        match self {
            Self::Int(keys) => Arc::new(keys),
            Self::Bytes16(keys) => Arc::new(keys),
            Self::Text(keys) => Arc::new(keys),
        }
    }
}

/// Rows one after another that have the same patient. In order of patient there is one span a patient; in any other
/// order there may be several.
#[derive(Clone, Debug)]
pub(crate) struct Spans {
    /// Where each ends: the row after its last
    ends: Vec<usize>,
}

impl Spans {
    pub(crate) fn of(ids: &PatientIds) -> Self {
        let ends = match ids {
            PatientIds::Int(keys) => span_ends_of_ints(keys.values()),
            PatientIds::Bytes16(keys) => span_ends(keys.len(), |row| Some(keys.value(row))),
            PatientIds::Text(keys) => span_ends(keys.len(), |row| Some(keys.value(row))),
        };
        Self { ends }
    }

    /// Spans of these lengths, one after another.
    pub(crate) fn of_lengths(lengths: impl Iterator<Item = usize>) -> Self {
        let end = |before: &mut usize, length| {
            *before += length;
            Some(*before)
        };
        Self { ends: lengths.scan(0, end).collect() }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many rows each has.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = usize> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        self.ends.iter().zip(starts).map(|(end, start)| end - start)
    }

    /// The patient of each. `ids` are those that the spans were made of.
    pub(crate) fn keys(&self, ids: &PatientIds) -> PatientIds {
        let last_rows: Vec<usize> = self.ends.iter().map(|end| end - 1).collect();
        ids.taken(&last_rows)
    }
}

/// As [`runs`]. Most pieces are of one patient, which is seen without a branch a row.
fn runs_of_ints(keys: &[i64], mut run: impl FnMut(usize)) -> bool {
    let mut before = keys.first().copied();
    for_each_change(keys, |row, key| {
        let ascends = Some(key) > before;
        if ascends {
            run(row);
            before = Some(key);
        }
        ascends
    }) && {
        if !keys.is_empty() {
            run(keys.len());
        }
        true
    }
}

/// As [`span_ends`].
fn span_ends_of_ints(keys: &[i64]) -> Vec<usize> {
    let mut ends = Vec::with_capacity(keys.len() / 32 + 1);
    for_each_change(keys, |row, _| {
        ends.push(row);
        true
    });
    if !keys.is_empty() {
        ends.push(keys.len());
    }
    ends
}

/// Calls with every row whose key is another than that of the row before, and its key, for as long as the answer is yes;
/// whether it always was.
fn for_each_change(keys: &[i64], mut changes: impl FnMut(usize, i64) -> bool) -> bool {
    const PIECE: usize = 32;
    let Some(mut before) = keys.first().copied() else { return true };
    for (piece, start) in keys.chunks(PIECE).zip((0..).step_by(PIECE)) {
        if piece.iter().fold(true, |same, key| same & (*key == before)) {
            continue;
        }
        for (row, key) in (start..).zip(piece) {
            if *key != before {
                if !changes(row, *key) {
                    return false;
                }
                before = *key;
            }
        }
    }
    true
}

fn span_ends<'k, K: PartialEq + ?Sized + 'k>(rows: usize, key: impl Fn(usize) -> Option<&'k K>) -> Vec<usize> {
    let mut ends: Vec<usize> = (1..rows).filter(|&row| key(row) != key(row - 1)).collect();
    if rows > 0 {
        ends.push(rows);
    }
    ends
}

fn runs<'k, K: Ord + ?Sized + 'k>(
    rows: usize,
    key: impl Fn(usize) -> Option<&'k K>,
    mut run: impl FnMut(usize),
) -> bool {
    if rows == 0 {
        return true;
    }
    let mut before = key(0);
    for row in 1..rows {
        let this = key(row);
        match this.cmp(&before) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => run(row),
            std::cmp::Ordering::Less => return false,
        }
        before = this;
    }
    run(rows);
    true
}

impl From<PatientKey<'_>> for PatientId {
    fn from(key: PatientKey<'_>) -> Self {
        match key {
            PatientKey::Int(key) => Self::Int(key),
            PatientKey::Bytes16(key) => Self::Bytes16(*key),
            PatientKey::Text(key) => Self::Text(key.into()),
        }
    }
}

impl PatientId {
    /// As the policy's sets take it.
    pub fn as_key(&self) -> PatientKey<'_> {
        match self {
            Self::Int(key) => PatientKey::Int(*key),
            Self::Bytes16(key) => PatientKey::Bytes16(key),
            Self::Text(key) => PatientKey::Text(key),
        }
    }

    /// Many keys as a column of their [Arrow type](patient_id_type). All must be of the given type: `None` else.
    pub fn column(keys: &[PatientId], key_type: KeyType) -> Option<ArrayRef> {
        match key_type {
            KeyType::Int => {
                let int = |key: &PatientId| if let PatientId::Int(key) = key { Some(*key) } else { None };
                Some(Arc::new(Int64Array::from(keys.iter().map(int).collect::<Option<Vec<_>>>()?)))
            }
            KeyType::Bytes16 => {
                let bytes = |key: &PatientId| if let PatientId::Bytes16(key) = key { Some(*key) } else { None };
                let keys = keys.iter().map(bytes).collect::<Option<Vec<_>>>()?;
                let column = FixedSizeBinaryArray::try_new(KEY_BYTES, keys.into_flattened().into(), None);
                Some(Arc::new(column.ok()?))
            }
            KeyType::Text => {
                let text = |key: &PatientId| if let PatientId::Text(key) = key { Some(key.clone()) } else { None };
                let keys = keys.iter().map(text).collect::<Option<Vec<_>>>()?;
                Some(Arc::new(StringArray::from_iter_values(keys)))
            }
        }
    }
}

/// A value of a column of type FixedSizeBinary(16).
pub(crate) fn bytes16(value: &[u8]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(value).for_each(|(byte, value)| *byte = *value);
    bytes
}

/// The values of such a column that has no NULLs.
pub(crate) fn all_bytes16(column: &FixedSizeBinaryArray) -> Vec<[u8; 16]> {
    column.iter().flatten().map(bytes16).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn column(keys: &[&str], key_type: KeyType) -> ArrayRef {
        let key = |key: &&str| match key_type {
            KeyType::Int => PatientId::Int(key.parse().unwrap()),
            KeyType::Bytes16 => PatientId::Bytes16(bytes16(key.as_bytes())),
            KeyType::Text => PatientId::Text((*key).into()),
        };
        PatientId::column(&keys.iter().map(key).collect::<Vec<_>>(), key_type).unwrap()
    }

    #[test]
    fn runs_end_where_another_patient_begins() {
        let cases: [(&[&str], Option<&[usize]>); 6] = [
            (&[], Some(&[])),
            (&["1"], Some(&[1])),
            (&["1", "1", "2"], Some(&[2, 3])),
            (&["1", "2", "3"], Some(&[1, 2, 3])),
            (&["2", "1"], None),
            (&["1", "2", "2", "1"], None),
        ];
        for key_type in [KeyType::Int, KeyType::Bytes16, KeyType::Text] {
            for (keys, expected) in cases {
                let column = column(keys, key_type);
                assert_eq!(column.data_type(), &patient_id_type(key_type));
                let ids = PatientIds::of(&column).unwrap();
                let mut ends = Vec::new();
                let in_order = ids.runs(|end| ends.push(end));
                assert_eq!(in_order.then_some(ends.as_slice()), expected, "{keys:?}");
                assert_eq!(ids.len(), keys.len());
                assert_eq!(&ids.into_array(), &column);
            }
        }
    }

    #[test]
    fn a_column_of_another_type_or_with_a_null_has_no_keys() {
        let nulls: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let floats: ArrayRef = Arc::new(arrow::array::Float64Array::from(vec![1.0]));
        assert!(PatientIds::of(&nulls).is_none() && PatientIds::of(&floats).is_none());
        assert!(PatientId::column(&[PatientId::Int(1)], KeyType::Text).is_none());
    }
}
