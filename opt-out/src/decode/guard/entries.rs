//! What the predicate says of the entries of a dictionary, which is said once for all rows that have them.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;

use super::mask::{Kept, Mask};
use super::permitted::Permitted;
use super::{Guard, stopped};
use crate::error::SourceError;
use crate::source::{CodedRows, RawBatch, RawColumn};

/// A dictionary, and for which of its entries the predicate is true.
pub(super) struct KnownEntries {
    found: ArrayRef,
    held: Option<Arc<[bool]>>,
}

/// Rows of codes, and for which of their entries the predicate is true, that of no value last.
pub(super) struct ByEntry<'r> {
    codes: &'r CodedRows,
    held: Arc<[bool]>,
}

impl Guard<'_> {
    /// Whether any of the next rows may be wanted, of which a column has only these entries, or no value. They are left
    /// out only where nothing is hidden: what the policy removes is counted over all rows, whatever is asked of them.
    pub(in crate::decode) fn may_want(
        &mut self,
        read: usize,
        entries: &ArrayRef,
        rows: usize,
    ) -> Result<bool, SourceError> {
        let tested = self.columns.tested.iter().position(|placed| placed.read == read);
        let (Some(at), true) = (tested, self.task.permit.hides_nothing() && self.task.source.patient_key.is_some())
        else {
            return Ok(true);
        };
        let may = match self.tested.as_slice() {
            [_] => self.held_by_entry(entries)?.is_none_or(|held| held.contains(&true)),
            _ => self.may_hold(at, entries)?,
        };
        if !may {
            self.metrics.rows_pruned.add(rows);
            self.tally.read(rows, rows);
        }
        Ok(may)
    }

    /// Whether any of these rows may be wanted, as far as the codes of a column tell. Where none is, nothing else of them
    /// is read: whose they are matters only where something is hidden, or a patient may have only one.
    pub(in crate::decode) fn may_want_rows(
        &mut self,
        read: usize,
        codes: &CodedRows,
        rows: usize,
    ) -> Result<bool, SourceError> {
        let source = &self.task.source;
        let matters = !self.task.permit.hides_nothing() || source.one_row_per_patient || source.patient_key.is_none();
        if matters || !matches!(self.columns.tested.as_slice(), [placed] if placed.read == read) {
            return Ok(true);
        }
        let Some(held) = self.held_by_entry(codes.entries())? else { return Ok(true) };
        let (of_none, of_entry) = held.split_last().ok_or_else(|| self.stopped())?;
        if codes.any_holds(of_entry, *of_none) {
            return Ok(true);
        }
        self.metrics.rows_read.add(rows);
        self.metrics.rows_removed_by_predicate.add(rows);
        self.tally.read(rows, rows);
        Ok(false)
    }

    /// Whether the predicate, which asks about more than this column, may be true of a row with one of the entries.
    fn may_hold(&mut self, at: usize, entries: &ArrayRef) -> Result<bool, SourceError> {
        let (Some(predicate), Some(conformer)) = (&self.predicate, self.tested.get_mut(at)) else { return Ok(true) };
        let each = each_entry(entries).ok_or_else(|| stopped(self.task, self.place))?;
        // An entry that cannot be taken is a fault of the row that has it, if one has.
        let each = conformer.conform(&RawColumn::Typed(each), entries.len() + 1).ok();
        Ok(each.is_none_or(|each| predicate.may_hold(conformer.column(), &each)))
    }

    /// Where all that the predicate asks about is one column of codes: that column, and what it says of its entries. None
    /// where an entry cannot be taken: whether a row has it is then looked at.
    pub(super) fn by_entry<'r>(&mut self, raw: &'r RawBatch) -> Result<Option<ByEntry<'r>>, SourceError> {
        let ([placed], Some(_)) = (self.columns.tested.as_slice(), &self.predicate) else { return Ok(None) };
        let Some(RawColumn::Codes(codes)) = raw.columns.get(placed.read) else { return Ok(None) };
        Ok(self.held_by_entry(codes.entries())?.map(|held| ByEntry { codes, held }))
    }

    /// For which of these entries of the only column that it asks about the predicate is true, and last whether it is for no
    /// value. Found out once for a dictionary.
    fn held_by_entry(&mut self, entries: &ArrayRef) -> Result<Option<Arc<[bool]>>, SourceError> {
        if let Some(known) = &self.entries
            && Arc::ptr_eq(&known.found, entries)
        {
            return Ok(known.held.clone());
        }
        let ([conformer], Some(predicate)) = (self.tested.as_mut_slice(), &self.predicate) else { return Ok(None) };
        let stopped = || stopped(self.task, self.place);
        let each = each_entry(entries).ok_or_else(stopped)?;
        let held = match conformer.conform(&RawColumn::Typed(each), entries.len() + 1) {
            Ok(each) => {
                let held = predicate.evaluate_column(conformer.column(), &each).ok_or_else(stopped)?;
                Some(held.iter().collect::<Arc<[bool]>>())
            }
            Err(_) => None,
        };
        self.entries = Some(KnownEntries { found: Arc::clone(entries), held: held.clone() });
        Ok(held)
    }

    /// Of rows that may be seen, those of which the predicate is true, which is known for each entry.
    pub(super) fn wanted_of_codes(
        &mut self,
        permitted: Permitted,
        ByEntry { codes, held }: &ByEntry<'_>,
    ) -> Result<(Kept, Vec<ArrayRef>), SourceError> {
        let stopped = || stopped(self.task, self.place);
        let [conformer] = self.tested.as_mut_slice() else { return Err(stopped()) };
        let (of_none, of_entry) = held.split_last().ok_or_else(stopped)?;
        let held = codes.holding(of_entry, *of_none);
        let wanted = match &permitted.mask {
            Some(mask) => Mask::new(&mask.bits & &held),
            None => Mask::new(held),
        };
        let rows = wanted.bits.count_set_bits();
        self.metrics.rows_removed_by_predicate.add(permitted.rows - rows);
        let ids = permitted.ids_of(&wanted).ok_or_else(stopped)?;
        let array = codes.kept(&wanted.bits).ok_or_else(stopped)?;
        let array = conformer.conform(&RawColumn::Typed(array), rows).map_err(|_| stopped())?;
        Ok((Kept { ids, mask: Some(wanted), rows }, vec![array]))
    }
}

/// A row of each entry, and one without a value.
fn each_entry(entries: &ArrayRef) -> Option<ArrayRef> {
    let (rows, last) = (entries.len() + 1, entries.len());
    let valid: BooleanBuffer = (0..rows).map(|row| row < last).collect();
    let keys = (0..i32::try_from(last).ok()?).collect();
    CodedRows::new(rows, Some(valid), keys, Arc::clone(entries))?.to_array()
}
