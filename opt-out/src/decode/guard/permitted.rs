//! Which rows may be seen: of which patients, and of these which.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;

use super::Guard;
use super::mask::{Kept, Mask};
use crate::bits::narrowed;
use crate::conform::{Conformer, patients};
use crate::error::SourceError;
use crate::keyless::with_key;
use crate::patient_ids::PatientIds;
use crate::policy::{SeenPatients, SegmentTally, Verdict};
use crate::request::PatientKeyColumn;
use crate::source::{RawBatch, RawColumn};

impl Guard<'_> {
    /// The rows that may be seen: those of permitted patients, and of these the rows that the permit lets through. What
    /// rows are judged by is looked at only where the patient is permitted.
    pub(super) fn permitted(&mut self, raw: &RawBatch, numbers: Option<u64>) -> Result<Kept, SourceError> {
        let Some(key) = &self.task.source.patient_key else {
            // Nobody's rows: a supplier's dictionary.
            self.tally.read(raw.rows, raw.rows);
            return Ok(Kept { ids: None, mask: None, rows: raw.rows });
        };
        let permit = &self.task.permit;
        if permit.enforcement().is_of_link()
            && let Some(keyed) = with_key(&raw.patients, raw.rows)
        {
            return self.permitted_of_keyed(raw, Mask::new(keyed), numbers);
        }
        let ids = self.ids(key, raw, numbers)?;
        let verdict = if permit.hides_nothing() {
            Verdict::All
        } else {
            let judged = permit.enforcement().judge(&ids, &mut self.tally);
            let seen = judged.map_err(|error| self.refused(&error))?;
            match self.columns.judged_by {
                Some(column) => {
                    let column = raw.columns.get(column).ok_or_else(|| self.stopped())?;
                    self.judge_rows(&ids, &seen, column, numbers)?
                }
                None => seen.verdict(),
            }
        };
        let Verdict::Some(bits) = verdict else {
            self.tally.read(raw.rows, raw.rows);
            return Ok(Kept { ids: Some(ids), mask: None, rows: raw.rows });
        };
        let mask = Mask::new(bits);
        let rows = mask.filter().count();
        self.tally.read(raw.rows, rows);
        self.metrics.rows_removed_by_policy.add(raw.rows - rows);
        let ids = mask.ids(ids).ok_or_else(|| self.stopped())?;
        Ok(Kept { ids: Some(ids), mask: Some(mask), rows })
    }

    /// The same of rows that are known by the key of a link, which some of them have not.
    fn permitted_of_keyed(&mut self, raw: &RawBatch, keyed: Mask, numbers: Option<u64>) -> Result<Kept, SourceError> {
        let patients = keyed.column(&raw.patients).ok_or_else(|| self.stopped())?;
        let columns = keyed.columns(&raw.columns).ok_or_else(|| self.stopped())?;
        let rows = RawBatch { first_row: raw.first_row, rows: keyed.filter().count(), patients, columns };
        self.tally.without_key(raw.rows - rows.rows);
        self.metrics.rows_removed_by_policy.add(raw.rows - rows.rows);
        // All of these have a key.
        let kept = self.permitted(&rows, numbers)?;
        let mask = match kept.mask {
            Some(mask) => Mask::new(narrowed(&keyed.bits, &mask.bits)),
            None => keyed,
        };
        Ok(Kept { mask: Some(mask), ..kept })
    }

    fn ids(&self, key: &PatientKeyColumn, raw: &RawBatch, numbers: Option<u64>) -> Result<PatientIds, SourceError> {
        let number = |index| numbers.map(|first| first + index as u64);
        patients(&raw.patients, key.key_type)
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
