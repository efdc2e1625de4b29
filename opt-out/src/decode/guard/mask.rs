//! Which rows are kept.

use std::cell::OnceCell;

use arrow::array::{Array, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{FilterBuilder, FilterPredicate};

use crate::patient_ids::PatientIds;
use crate::source::RawColumn;

/// Which of some rows are kept, as bits and as what filters columns, which is made once for all of them.
pub(in crate::decode) struct Mask {
    pub(in crate::decode) bits: BooleanBuffer,
    filter: OnceCell<FilterPredicate>,
}

impl Mask {
    pub(super) fn new(bits: BooleanBuffer) -> Self {
        Self { bits, filter: OnceCell::new() }
    }

    pub(super) fn filter(&self) -> &FilterPredicate {
        self.filter.get_or_init(|| FilterBuilder::new(&BooleanArray::new(self.bits.clone(), None)).optimize().build())
    }

    pub(super) fn ids(&self, ids: PatientIds) -> Option<PatientIds> {
        PatientIds::of(&self.filter().filter(&ids.into_array()).ok()?)
    }

    pub(super) fn column(&self, column: &RawColumn) -> Option<RawColumn> {
        let kept = |array: &dyn Array| self.filter().filter(array).ok();
        match column {
            RawColumn::Missing => Some(RawColumn::Missing),
            RawColumn::Typed(array) => kept(array).map(RawColumn::Typed),
            RawColumn::Text(cells) => Some(RawColumn::Text(kept(cells)?.to_data().into())),
            RawColumn::Codes(codes) => codes.kept(&self.bits).map(RawColumn::Typed),
        }
    }

    pub(in crate::decode) fn columns(&self, columns: &[RawColumn]) -> Option<Vec<RawColumn>> {
        columns.iter().map(|column| self.column(column)).collect()
    }
}

/// Rows of which some have been removed.
pub(super) struct Kept {
    pub(super) ids: Option<PatientIds>,
    /// Which of the rows that were read; all, where there is none
    pub(super) mask: Option<Mask>,
    pub(super) rows: usize,
}

/// The kept rows of a column that was read; all, where there is no mask.
pub(super) fn kept_of(mask: Option<&Mask>, column: &RawColumn) -> Option<RawColumn> {
    match (mask, column) {
        (Some(mask), column) => mask.column(column),
        (None, RawColumn::Codes(codes)) => codes.to_array().map(RawColumn::Typed),
        (None, column) => Some(column.clone()),
    }
}
