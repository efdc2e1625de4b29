//! Which rows of a block a domain has, and whose they are.

use std::sync::{Arc, OnceLock};

use arrow::array::{Array, UInt32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};

use crate::vector::Truth;

/// The rows of an event table, or what filters keep of them, for the patients of one block.
#[derive(Clone, Debug)]
pub(crate) struct DomainRows(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Rows of the table in this block, ascending; `None` is all of them
    selected: Option<UInt32Array>,
    /// For each patient where its rows begin among these rows, and the end of the last
    offsets: Arc<[u32]>,
    /// For each row the place of its patient in the block
    patients: OnceLock<UInt32Array>,
}

impl DomainRows {
    /// All rows of a table.
    pub(crate) fn all(offsets: Arc<[u32]>) -> Self {
        DomainRows(Arc::new(Inner { selected: None, offsets, patients: OnceLock::new() }))
    }

    /// Chosen rows of a table, ascending; `offsets` are those of the whole table.
    pub(crate) fn chosen(selected: Vec<u32>, table_offsets: &[u32]) -> Self {
        let offsets = offsets_among(&selected, table_offsets);
        DomainRows(Arc::new(Inner { selected: Some(selected.into()), offsets, patients: OnceLock::new() }))
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.0.offsets.last().map_or(0, |end| *end as usize)
    }

    /// For each patient where its rows begin, and the end of the last.
    pub(crate) fn offsets(&self) -> &[u32] {
        &self.0.offsets
    }

    /// Number of patients in the block.
    pub(crate) fn patients_len(&self) -> usize {
        self.0.offsets.len().saturating_sub(1)
    }

    /// Rows of the table, or `None` if all belong to it.
    pub(crate) fn selected(&self) -> Option<&UInt32Array> {
        self.0.selected.as_ref()
    }

    /// The table's row behind one of these rows.
    pub(crate) fn table_row(&self, row: u32) -> u32 {
        self.0.selected.as_ref().map_or(row, |selected| selected.value(row as usize))
    }

    /// For each row the place of its patient in the block.
    pub(crate) fn patients(&self) -> &UInt32Array {
        self.0.patients.get_or_init(|| {
            let mut patients = Vec::with_capacity(self.len());
            for (patient, range) in self.0.offsets.windows(2).enumerate() {
                patients.resize(range[1] as usize, patient as u32);
            }
            patients.into()
        })
    }

    /// The rows for which a condition holds, given for each of these rows.
    pub(crate) fn filter_by_row(&self, condition: &Truth) -> Self {
        match condition {
            Truth::Always => self.clone(),
            Truth::Never => self.keep(Vec::new()),
            Truth::Rows(rows) => self.keep(rows.set_indices_u32().collect()),
        }
    }

    /// The rows of the patients for whom a condition holds.
    pub(crate) fn filter_by_patient(&self, condition: &Truth) -> Self {
        match condition {
            Truth::Always => self.clone(),
            Truth::Never => self.keep(Vec::new()),
            Truth::Rows(patients) => {
                let ranges = self.0.offsets.windows(2).enumerate();
                let kept = ranges.filter(|(patient, _)| patients.value(*patient));
                self.keep(kept.flat_map(|(_, range)| range[0]..range[1]).collect())
            }
        }
    }

    /// These of the rows, ascending places among them.
    fn keep(&self, places: Vec<u32>) -> Self {
        let offsets = self.offsets_of(&places);
        let selected = match &self.0.selected {
            None => UInt32Array::from(places),
            Some(selected) => places.iter().map(|place| selected.value(*place as usize)).collect::<Vec<_>>().into(),
        };
        DomainRows(Arc::new(Inner { selected: Some(selected), offsets, patients: OnceLock::new() }))
    }

    /// Where each patient's rows begin among these of the rows: counted by patient, which takes no branch a row.
    fn offsets_of(&self, places: &[u32]) -> Arc<[u32]> {
        let patients = self.patients().values();
        let mut offsets = vec![0_u32; self.0.offsets.len()];
        for place in places {
            offsets[patients[*place as usize] as usize + 1] += 1;
        }
        let mut before = 0;
        for offset in &mut offsets {
            before += *offset;
            *offset = before;
        }
        offsets.into()
    }

    /// Whether each patient has a row.
    pub(crate) fn exists(&self) -> BooleanBuffer {
        let offsets = &self.0.offsets;
        BooleanBuffer::collect_bool(self.patients_len(), |patient| offsets[patient] < offsets[patient + 1])
    }
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
