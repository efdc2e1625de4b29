//! Which rows may be seen: of which patients, and of these which.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::DataType;

use super::Guard;
use super::mask::Mask;
use crate::bits::narrowed;
use crate::conform::{Conformer, patients};
use crate::error::SourceError;
use crate::keyless::with_key;
use crate::patient_ids::PatientIds;
use crate::policy::{EarliestCutOffs, SeenPatients, SegmentTally, Verdict};
use crate::request::PatientKeyColumn;
use crate::source::{RawBatch, RawColumn};

/// Rows that may be seen, before the predicate.
pub(super) struct Permitted {
    pub(super) ids: Option<RowIds>,
    /// Which of the rows that were read; all, where there is none
    pub(super) mask: Option<Mask>,
    pub(super) rows: usize,
    /// Of whom they are, one after another, where that is known without a look at each row
    patients: Option<PatientIds>,
}

/// Whose rows they are. That of rows that may not be seen is only told to the masks that remove them.
pub(super) enum RowIds {
    /// Of all rows that were read
    OfRead(PatientIds),
    /// Of the permitted ones alone
    OfPermitted(PatientIds),
}

impl Permitted {
    fn all(ids: Option<PatientIds>, rows: usize) -> Self {
        Self { ids: ids.map(RowIds::OfRead), mask: None, rows, patients: None }
    }

    /// Whose they are, row by row. None where masks do not fit.
    pub(super) fn ids(&self) -> Option<Option<PatientIds>> {
        let ids = match (&self.ids, &self.mask) {
            (None, _) => return Some(None),
            (Some(RowIds::OfRead(ids)), Some(mask)) => mask.ids(ids.clone())?,
            (Some(RowIds::OfRead(ids) | RowIds::OfPermitted(ids)), _) => ids.clone(),
        };
        Some(Some(ids))
    }

    /// Whose rows some of them are, which are bits of the rows that were read. None where masks do not fit.
    pub(super) fn ids_of(&self, some: &Mask) -> Option<Option<PatientIds>> {
        let ids = match (&self.ids, &self.mask) {
            (None, _) => return Some(None),
            (Some(RowIds::OfPermitted(ids)), Some(mask)) => {
                let bits = mask.filter().filter(&BooleanArray::new(some.bits.clone(), None)).ok()?;
                Mask::new(bits.as_boolean_opt()?.values().clone()).ids(ids.clone())?
            }
            (Some(RowIds::OfRead(ids) | RowIds::OfPermitted(ids)), _) => some.ids(ids.clone())?,
        };
        Some(Some(ids))
    }

    /// Whose they are, in their order: each patient at least once, and as often as there are rows only where nobody may
    /// have two.
    pub(super) fn in_order(&self, one_row: bool) -> Option<Option<PatientIds>> {
        match &self.patients {
            Some(patients) if !one_row => Some(Some(patients.clone())),
            _ => self.ids(),
        }
    }
}

/// What is known of the entries of the dictionary by which rows are judged.
pub(super) struct JudgedEntries {
    found: ArrayRef,
    /// None where an entry cannot be taken: whether a row has it is then looked at
    earliest: Option<Arc<EarliestCutOffs>>,
}

impl Guard<'_> {
    /// The rows that may be seen: those of permitted patients, and of these the rows that the permit lets through. What
    /// rows are judged by is looked at only where the patient is permitted.
    pub(super) fn permitted(&mut self, raw: &RawBatch, numbers: Option<u64>) -> Result<Permitted, SourceError> {
        let Some(key) = &self.task.source.patient_key else {
            // Nobody's rows: a supplier's dictionary.
            self.tally.read(raw.rows, raw.rows);
            return Ok(Permitted::all(None, raw.rows));
        };
        let permit = &self.task.permit;
        if permit.enforcement().is_of_link()
            && let Some(keyed) = with_key(&raw.patients, raw.rows)
        {
            return self.permitted_of_keyed(raw, Mask::new(keyed), numbers);
        }
        let ids = self.ids(key, raw, numbers)?;
        if permit.hides_nothing() {
            self.tally.read(raw.rows, raw.rows);
            return Ok(Permitted::all(Some(ids), raw.rows));
        }
        let judged = permit.judge(&ids, &mut self.tally);
        let seen = judged.map_err(|error| self.refused(&error))?;
        let verdict = match self.columns.judged_by {
            Some(column) => {
                let column = raw.columns.get(column).ok_or_else(|| self.stopped())?;
                self.judge_rows(&ids, &seen, column, numbers)?
            }
            None => seen.verdict(),
        };
        let Verdict::Some(bits) = verdict else {
            self.tally.read(raw.rows, raw.rows);
            return Ok(Permitted { patients: Some(seen.patients), ..Permitted::all(Some(ids), raw.rows) });
        };
        let rows = bits.count_set_bits();
        self.tally.read(raw.rows, rows);
        self.metrics.rows_removed_by_policy.add(raw.rows - rows);
        // A patient without a row that may be seen plays no part in the order either.
        let patients = self.task.ordered.then(|| seen.patients_among(&bits));
        Ok(Permitted { ids: Some(RowIds::OfRead(ids)), mask: Some(Mask::new(bits)), rows, patients })
    }

    /// The same of rows that are known by the key of a link, which some of them have not.
    fn permitted_of_keyed(
        &mut self,
        raw: &RawBatch,
        keyed: Mask,
        numbers: Option<u64>,
    ) -> Result<Permitted, SourceError> {
        let patients = keyed.column(&raw.patients).ok_or_else(|| self.stopped())?;
        let columns = keyed.columns(&raw.columns).ok_or_else(|| self.stopped())?;
        let rows = RawBatch { first_row: raw.first_row, rows: keyed.bits.count_set_bits(), patients, columns };
        self.tally.without_key(raw.rows - rows.rows);
        self.metrics.rows_removed_by_policy.add(raw.rows - rows.rows);
        // All of these have a key.
        let permitted = self.permitted(&rows, numbers)?;
        let ids = permitted.ids().ok_or_else(|| self.stopped())?.map(RowIds::OfPermitted);
        let mask = match &permitted.mask {
            Some(mask) => Mask::new(narrowed(&keyed.bits, &mask.bits)),
            None => keyed,
        };
        Ok(Permitted { ids, mask: Some(mask), ..permitted })
    }

    fn ids(&self, key: &PatientKeyColumn, raw: &RawBatch, numbers: Option<u64>) -> Result<PatientIds, SourceError> {
        let number = |index| numbers.map(|first| first + index as u64);
        patients(&raw.patients, key.key_type, &self.task.permit.enforcement().text_keys())
            .map_err(|fault| fault.told(&self.task.source.table, self.place, &key.name, number))
    }

    /// Narrows the verdict about patients to single rows. What rows are judged by is looked at only where the patient may
    /// be seen: dates as they are cannot fail, and all else is conformed for those rows alone.
    fn judge_rows(
        &mut self,
        ids: &PatientIds,
        seen: &SeenPatients,
        column: &RawColumn,
        numbers: Option<u64>,
    ) -> Result<Verdict, SourceError> {
        let permit = &self.task.permit;
        let judge = |of: &SeenPatients, column: &ArrayRef, tally: &mut SegmentTally| {
            permit.rows().judge(permit.enforcement(), of, column, tally)
        };
        let as_is = self.judge.as_ref().is_some_and(Conformer::takes_dates_as_they_are);
        if let RawColumn::Codes(codes) = column {
            if let Some(earliest) = self.earliest_by_entry(codes.entries(), as_is)? {
                let permit = &self.task.permit;
                let judged = permit.rows().judge_codes(permit.enforcement(), seen, (codes, &earliest), &mut self.tally);
                return judged.map_err(|error| self.not_judged(error));
            }
            let array = codes.to_array().ok_or_else(|| self.stopped())?;
            return self.judge_rows(ids, seen, &RawColumn::Typed(array), numbers);
        }
        let judged = match column {
            RawColumn::Typed(dates) if as_is && *dates.data_type() == DataType::Date32 => {
                judge(seen, dates, &mut self.tally)
            }
            _ => {
                let Verdict::Some(bits) = seen.verdict() else {
                    let conformed = self.conformed_judge(column, ids.len(), numbers)?;
                    let judged = judge(seen, &conformed, &mut self.tally);
                    return judged.map_err(|error| self.not_judged(error));
                };
                let mask = Mask::new(bits);
                let column = mask.column(column).ok_or_else(|| self.stopped())?;
                let conformed = self.conformed_judge(&column, mask.filter().count(), numbers)?;
                match judge(&seen.only_seen(), &conformed, &mut self.tally) {
                    Ok(Verdict::All) => Ok(Verdict::Some(mask.bits)),
                    Ok(Verdict::Some(kept)) => Ok(Verdict::Some(narrowed(&mask.bits, &kept))),
                    Err(error) => Err(error),
                }
            }
        };
        judged.map_err(|error| self.not_judged(error))
    }

    /// Of each entry of a dictionary the earliest cut-off with which its rows are read. Found out once for a dictionary.
    fn earliest_by_entry(
        &mut self,
        entries: &ArrayRef,
        as_is: bool,
    ) -> Result<Option<Arc<EarliestCutOffs>>, SourceError> {
        if let Some(known) = &self.judged
            && Arc::ptr_eq(&known.found, entries)
        {
            return Ok(known.earliest.clone());
        }
        let conformed = match &mut self.judge {
            _ if as_is && *entries.data_type() == DataType::Date32 => Some(Arc::clone(entries)),
            // An entry that cannot be taken is a fault of the row that has it, if one has that may be seen.
            Some(judge) => judge.conform(&RawColumn::Typed(Arc::clone(entries)), entries.len()).ok(),
            None => return Err(self.stopped()),
        };
        let permit = &self.task.permit;
        let earliest = conformed.map(|entries| permit.rows().earliest_cut_offs(permit.enforcement(), &entries));
        let earliest = earliest.transpose().map_err(|error| self.not_judged(error))?.map(Arc::new);
        self.judged = Some(JudgedEntries { found: Arc::clone(entries), earliest: earliest.clone() });
        Ok(earliest)
    }

    fn conformed_judge(
        &mut self,
        column: &RawColumn,
        rows: usize,
        numbers: Option<u64>,
    ) -> Result<ArrayRef, SourceError> {
        let Some(judge) = &mut self.judge else { return Err(self.stopped()) };
        let number = |index| numbers.map(|first| first + index as u64);
        judge
            .conform(column, rows)
            .map_err(|fault| fault.told(&self.task.source.table, self.place, judge.column(), number))
    }
}
