//! The order of rows by patient.

use std::sync::Arc;

use crate::error::{Place, SourceError};
use crate::patient_ids::{PatientId, PatientIds};
use crate::source::TableSource;

/// First and last patient of some rows in order, and the number of the first row.
#[derive(Clone)]
pub(crate) struct PatientSpan {
    pub(crate) first: PatientId,
    pub(crate) last: PatientId,
    pub(crate) first_row: Option<u64>,
}

/// The first row that may not follow the one before it.
pub(super) fn first_wrong(ids: &PatientIds, one_row: bool) -> Option<usize> {
    let mut runs = 0;
    let in_order = if one_row { ids.runs(|_| runs += 1) } else { ids.ascend() };
    if in_order && (!one_row || runs == ids.len()) {
        return None;
    }
    (1..ids.len()).find(|&row| {
        let (before, after) = (ids.get(row - 1), ids.get(row));
        before > after || (one_row && before == after)
    })
}

/// The error for two neighbouring rows that may not follow each other: of one patient, or in the wrong order.
pub(crate) fn disorder(source: &TableSource, place: &Place, same_patient: bool, row: Option<u64>) -> SourceError {
    let (table, place) = (Arc::clone(&source.table), place.clone());
    if same_patient {
        let first_row = row.map(|row| row.saturating_sub(1)).filter(|&row| row > 0);
        return SourceError::DuplicatePatient { table, place: Some(place), row, first_row };
    }
    if place == Place::Given { SourceError::Unsorted { table } } else { SourceError::OutOfOrder { table, place, row } }
}
