//! Which rows of a block a domain has, and whose they are.

use std::sync::{Arc, OnceLock};

use arrow::array::{Array, BooleanBufferBuilder, UInt32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};

use crate::vector::Truth;

/// The rows of an event table, or what filters keep of them, for the patients of one block.
#[derive(Clone, Debug)]
pub(crate) struct DomainRows(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    /// For each patient where its rows begin among these rows, and the end of the last
    offsets: OnceLock<Arc<[u32]>>,
    patients_len: usize,
    /// Rows of the table in this block, ascending; looked for where a filter has kept some of others
    kept: OnceLock<UInt32Array>,
    /// For each row the place of its patient in the block
    patients: OnceLock<UInt32Array>,
}

/// Where rows come from.
#[derive(Debug)]
enum Source {
    /// All rows of the table
    All,
    /// These of them
    Chosen(UInt32Array),
    /// Of other rows those whose bit is set. Often only their number is asked for, so that they stay bits
    Kept(DomainRows, BooleanBuffer),
}

impl DomainRows {
    fn new(source: Source, offsets: Arc<[u32]>) -> Self {
        let patients_len = offsets.len().saturating_sub(1);
        Self::with(source, patients_len, offsets.into())
    }

    /// Those of `rows` whose bit is set.
    fn kept(rows: &Self, bits: BooleanBuffer) -> Self {
        Self::with(Source::Kept(rows.clone(), bits), rows.patients_len(), OnceLock::new())
    }

    fn with(source: Source, patients_len: usize, offsets: OnceLock<Arc<[u32]>>) -> Self {
        let (kept, patients) = (OnceLock::new(), OnceLock::new());
        DomainRows(Arc::new(Inner { source, offsets, patients_len, kept, patients }))
    }

    /// All rows of a table.
    pub(crate) fn all(offsets: Arc<[u32]>) -> Self {
        Self::new(Source::All, offsets)
    }

    /// Chosen rows of a table, ascending; `offsets` are those of the whole table.
    pub(crate) fn chosen(selected: Vec<u32>, table_offsets: &[u32]) -> Self {
        let offsets = offsets_among(&selected, table_offsets);
        Self::new(Source::Chosen(selected.into()), offsets)
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        match &self.0.source {
            Source::Kept(_, bits) => bits.count_set_bits(),
            _ => self.offsets().last().map_or(0, |end| *end as usize),
        }
    }

    /// For each patient where its rows begin, and the end of the last.
    pub(crate) fn offsets(&self) -> &[u32] {
        self.0.offsets.get_or_init(|| match &self.0.source {
            Source::Kept(rows, bits) => ranks(bits, rows.offsets()),
            // Those of all rows and of chosen ones are given.
            Source::All | Source::Chosen(_) => Arc::new([]),
        })
    }

    /// Number of patients in the block.
    pub(crate) fn patients_len(&self) -> usize {
        self.0.patients_len
    }

    /// Rows of the table, or `None` if all belong to it.
    pub(crate) fn selected(&self) -> Option<&UInt32Array> {
        match &self.0.source {
            Source::All => None,
            Source::Chosen(selected) => Some(selected),
            Source::Kept(rows, bits) => Some(self.0.kept.get_or_init(|| {
                let mut places: Vec<u32> = Vec::with_capacity(self.len());
                places.extend(bits.set_indices_u32());
                if let Some(selected) = rows.selected() {
                    places.iter_mut().for_each(|place| *place = selected.value(*place as usize));
                }
                places.into()
            })),
        }
    }

    /// For each row the place of its patient in the block.
    pub(crate) fn patients(&self) -> &UInt32Array {
        self.0.patients.get_or_init(|| {
            let mut patients = Vec::with_capacity(self.len());
            for (patient, range) in self.offsets().windows(2).enumerate() {
                patients.resize(range[1] as usize, patient as u32);
            }
            patients.into()
        })
    }

    /// The rows for which a condition holds, given for each of these rows.
    pub(crate) fn filter_by_row(&self, condition: &Truth) -> Self {
        match condition {
            Truth::Always => self.clone(),
            Truth::Never => self.none(),
            Truth::Rows(rows) => Self::kept(self, rows.clone()),
        }
    }

    /// The rows of the patients for whom a condition holds.
    pub(crate) fn filter_by_patient(&self, condition: &Truth) -> Self {
        match condition {
            Truth::Always => self.clone(),
            Truth::Never => self.none(),
            Truth::Rows(patients) => {
                let mut rows = BooleanBufferBuilder::new(self.len());
                for (patient, range) in self.offsets().windows(2).enumerate() {
                    rows.append_n((range[1] - range[0]) as usize, patients.value(patient));
                }
                Self::kept(self, rows.finish())
            }
        }
    }

    /// Which of `rows` these are, which must be what filters have kept of them.
    pub(crate) fn among(&self, rows: &Self) -> Option<Among<'_>> {
        match &self.0.source {
            _ if Arc::ptr_eq(&self.0, &rows.0) => Some(Among::All),
            Source::Kept(parent, bits) if Arc::ptr_eq(&parent.0, &rows.0) => Some(Among::These(bits)),
            Source::Chosen(chosen) if chosen.is_empty() => Some(Among::None),
            _ => None,
        }
    }

    fn none(&self) -> Self {
        Self::new(Source::Chosen(Vec::<u32>::new().into()), vec![0; self.patients_len() + 1].into())
    }

    /// Whether each patient has a row.
    pub(crate) fn exists(&self) -> BooleanBuffer {
        match &self.0.source {
            Source::Kept(rows, bits) if self.0.offsets.get().is_none() => {
                if bits.len() < FEW_ROWS * self.patients_len() {
                    owners_of(bits, rows.patients().values(), self.patients_len())
                } else {
                    any_of_each(bits, rows.offsets())
                }
            }
            _ => {
                let offsets = self.offsets();
                BooleanBuffer::collect_bool(self.patients_len(), |patient| offsets[patient] < offsets[patient + 1])
            }
        }
    }
}

/// Which of some rows filters have kept.
pub(crate) enum Among<'a> {
    All,
    None,
    These(&'a BooleanBuffer),
}

/// Rows a patient, below which it is faster to go from row to row than from patient to patient.
const FEW_ROWS: usize = 4;

/// Which patients have a row whose bit is set; `patients` are those of the rows, ascending.
fn owners_of(bits: &BooleanBuffer, patients: &[u32], patients_len: usize) -> BooleanBuffer {
    let mut owners = vec![0_u64; patients_len.div_ceil(64)];
    // The word of the owners that is being filled: that of the rows before.
    let (mut place, mut word) = (0, 0_u64);
    for row in bits.set_indices() {
        let patient = patients[row] as usize;
        if patient / 64 != place {
            owners[place] |= word;
            (place, word) = (patient / 64, 0);
        }
        word |= 1 << (patient % 64);
    }
    if let Some(last) = owners.get_mut(place) {
        *last |= word;
    }
    BooleanBuffer::new(owners.into(), 0, patients_len)
}

/// Whether any bit is set between each of these ascending places and the next.
fn any_of_each(bits: &BooleanBuffer, places: &[u32]) -> BooleanBuffer {
    let words: Vec<u64> = bits.bit_chunks().iter_padded().chain([0]).collect();
    // The 64 bits from a place on, of which as many are looked at as there are before the next.
    let any = |from: u32, to: u32| {
        let (word, shift) = (from as usize / 64, from % 64);
        let next = words.get(word + 1).copied().unwrap_or(0);
        let bits = (words[word] >> shift) | ((next << 1) << (63 - shift));
        bits & (u64::MAX >> (64 - (to - from).clamp(1, 64))) != 0
    };
    BooleanBuffer::collect_bool(places.len().saturating_sub(1), |patient| {
        let (mut from, to) = (places[patient], places[patient + 1]);
        while from < to {
            if any(from, to) {
                return true;
            }
            from += 64;
        }
        false
    })
}

/// How many bits are set before each of these ascending places.
fn ranks(bits: &BooleanBuffer, places: &[u32]) -> Arc<[u32]> {
    let mut words = Vec::with_capacity(bits.len() / 64 + 1);
    let mut before = 0_u32;
    for word in bits.bit_chunks().iter_padded().chain([0]) {
        words.push((before, word));
        before += word.count_ones();
    }
    let rank = |place: &u32| {
        let (before, word) = words[*place as usize / 64];
        before + (word & ((1 << (place % 64)) - 1)).count_ones()
    };
    places.iter().map(rank).collect()
}

/// Where each patient's rows begin among `kept`, which are ascending places among rows that `offsets` delimit.
fn offsets_among(kept: &[u32], offsets: &[u32]) -> Arc<[u32]> {
    let mut place = 0;
    let begins = offsets.iter().map(|end| {
        place += kept[place..].iter().take_while(|row| *row < end).count();
        place as u32
    });
    begins.collect()
}

/// For each patient of a block, the row of a table that stands for it, if there is one.
#[derive(Clone, Debug)]
pub(crate) struct PatientRows {
    places: UInt32Array,
}

impl PatientRows {
    pub(crate) fn new(places: Vec<u32>, present: Option<BooleanBuffer>) -> Self {
        let nulls = present.map(NullBuffer::new).filter(|nulls| nulls.null_count() > 0);
        PatientRows { places: UInt32Array::new(places.into(), nulls) }
    }

    /// Rows of the table in this block; NULL where the patient has none.
    pub(crate) fn places(&self) -> &UInt32Array {
        &self.places
    }

    /// Whether each patient has one.
    pub(crate) fn exists(&self) -> BooleanBuffer {
        match self.places.nulls() {
            Some(nulls) => nulls.inner().clone(),
            None => BooleanBuffer::new_set(self.places.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Patients with rows of which conditions keep some, twice over: the same as row by row.
        #[test]
        fn filters_keep_rows_and_count_them(
            lengths in prop_oneof![
                prop::collection::vec(0usize..70, 0..20),
                prop::collection::vec(0usize..4, 0..200),
            ],
            first in prop::collection::vec(any::<bool>(), 1400),
            second in prop::collection::vec(any::<bool>(), 1400),
            by_patient in any::<bool>(),
        ) {
            let mut offsets = vec![0_u32];
            offsets.extend(lengths.iter().scan(0, |end, length| { *end += *length as u32; Some(*end) }));
            let owner: Vec<usize> =
                lengths.iter().enumerate().flat_map(|(patient, length)| std::iter::repeat_n(patient, *length)).collect();
            let rows = DomainRows::all(offsets.into());
            // Whose there are is asked of bits first, and then of rows.
            let asked_first = rows
                .filter_by_row(&Truth::Rows(first[..owner.len()].iter().copied().collect()))
                .exists();
            let once = rows.filter_by_row(&Truth::Rows(first[..owner.len()].iter().copied().collect()));
            let kept: Vec<u32> = (0..owner.len() as u32).filter(|row| first[*row as usize]).collect();
            let twice = if by_patient {
                once.filter_by_patient(&Truth::Rows(second[..lengths.len()].iter().copied().collect()))
            } else {
                once.filter_by_row(&Truth::Rows(second[..kept.len()].iter().copied().collect()))
            };
            let keeps = |(place, row): (usize, &u32)| second[if by_patient { owner[*row as usize] } else { place }];
            let kept_twice: Vec<u32> =
                kept.iter().enumerate().filter(|kept| keeps((kept.0, kept.1))).map(|(_, row)| *row).collect();
            for (rows, kept) in [(&once, kept), (&twice, kept_twice)] {
                prop_assert_eq!(rows.selected().map(|rows| rows.values().to_vec()), Some(kept.clone()));
                prop_assert_eq!(rows.len(), kept.len());
                let owners: Vec<u32> = kept.iter().map(|row| owner[*row as usize] as u32).collect();
                prop_assert_eq!(rows.patients().values().to_vec(), owners.clone());
                let exists: Vec<bool> = (0..lengths.len()).map(|patient| owners.contains(&(patient as u32))).collect();
                prop_assert_eq!(rows.exists().iter().collect::<Vec<_>>(), exists);
            }
            prop_assert_eq!(once.exists(), asked_first);
        }
    }
}
