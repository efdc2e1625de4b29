//! Which rows of a patient who counts may be seen, of rows that are keys into a dictionary: what the rule says of an entry
//! is said once.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::Date32Type;
use peristyle_policy::Rule;

use super::activation::{ActiveRows, AtActivated, NotJudged, cut_offs, none_of};
use super::enforcement::{Enforcement, SeenPatients, Verdict};
use super::tally::SegmentTally;
use crate::bits::Ranges;
use crate::source::CodedRows;

/// Later than all cut-offs, and than none: of rows that are never read.
const NEVER: i64 = i64::MAX;

/// Of each entry of a dictionary the earliest cut-off of a patient whose rows with it may be seen.
#[derive(Debug)]
pub(crate) struct EarliestCutOffs {
    of_entry: Vec<i64>,
    /// Whether rows of every entry are read where there is no cut-off
    all_are_read: bool,
}

impl ActiveRows {
    /// For [`Self::judge_codes`]. `entries` are of the column of [`Self::column`].
    pub(crate) fn earliest_cut_offs(
        &self,
        enforcement: &Enforcement,
        entries: &ArrayRef,
    ) -> Result<EarliestCutOffs, NotJudged> {
        let of_entry: Vec<i64> = match (self, enforcement.activation()) {
            (_, None) => vec![NEVER; entries.len()],
            (Self::All, _) => vec![i64::MIN; entries.len()],
            (Self::UntilCutOff { .. }, Some(_)) => {
                let dates = entries.as_primitive_opt::<Date32Type>().ok_or(NotJudged::UnexpectedArray)?;
                dates.iter().map(|date| date.map_or(NEVER, i64::from)).collect()
            }
            (Self::AtActivatedPractices { .. }, Some(activation)) => {
                let activated = AtActivated::of(activation, entries)?;
                (0..entries.len()).map(|row| if activated.keeps(row) { i64::MIN } else { NEVER }).collect()
            }
        };
        let all_are_read = of_entry.iter().all(|earliest| *earliest <= i64::from(i32::MAX));
        Ok(EarliestCutOffs { of_entry, all_are_read })
    }

    /// As [`Self::judge`].
    pub(crate) fn judge_codes(
        &self,
        enforcement: &Enforcement,
        of: &SeenPatients,
        (codes, earliest): (&CodedRows, &EarliestCutOffs),
        tally: &mut SegmentTally,
    ) -> Result<Verdict, NotJudged> {
        let rows: usize = of.spans.lengths().sum();
        let Some(activation) = enforcement.activation() else { return Ok(none_of(rows)) };
        if codes.len() != rows {
            return Err(NotJudged::UnexpectedArray);
        }
        let cut_offs = match self {
            Self::All => return Ok(of.verdict()),
            Self::UntilCutOff { .. } => {
                Some(cut_offs(&activation.activations.cut_offs, &of.patients).map_err(NotJudged::Key)?)
            }
            Self::AtActivatedPractices { .. } => None,
        };
        Ok(ByEntry { codes, earliest, cut_offs }.judged(of, tally))
    }
}

/// Rows as keys, and the cut-offs of their patients.
struct ByEntry<'a> {
    codes: &'a CodedRows,
    earliest: &'a EarliestCutOffs,
    /// None where nobody has one
    cut_offs: Option<Vec<i32>>,
}

impl ByEntry<'_> {
    /// Most patients have no cut-off, and most rows a value: only others are looked at.
    fn judged(&self, of: &SeenPatients, tally: &mut SegmentTally) -> Verdict {
        let rows = self.codes.len();
        let valid = self.codes.valid(0, rows).filter(|valid| valid.count_set_bits() < rows);
        let without_value = valid.as_ref().map(|valid| !valid);
        let mut without_value = without_value.iter().flat_map(BooleanBuffer::set_indices).peekable();
        // A row without a value is never read.
        let mut kept = valid.as_ref().map_or_else(|| Ranges::all_set(rows), Ranges::of);
        let (mut start, mut all) = (0, true);
        for (at, (length, seen)) in of.spans.lengths().zip(&of.seen).enumerate() {
            let end = start + length;
            let mut removed = 0;
            while without_value.next_if(|row| *row < end).is_some() {
                removed += 1;
            }
            if !seen {
                kept.clear(start, length);
                all = false;
            } else {
                let cut_off = self.cut_off(at);
                if cut_off < i32::MAX || !self.earliest.all_are_read {
                    removed += self.remove((start, length), cut_off, &mut kept);
                }
                if removed > 0 {
                    tally.removed(Rule::PracticeActivation, &of.patients, at, removed);
                    all = false;
                }
            }
            start = end;
        }
        if all { Verdict::All } else { Verdict::Some(kept.into_bits()) }
    }

    fn cut_off(&self, at: usize) -> i32 {
        match &self.cut_offs {
            None => i32::MAX,
            // A patient without an answer has no rows that may be seen.
            Some(cut_offs) => cut_offs.get(at).copied().unwrap_or(i32::MIN),
        }
    }

    /// Takes out the rows, of those with a value, that are not read with this cut-off; how many.
    fn remove(&self, (start, length): (usize, usize), cut_off: i32, kept: &mut Ranges) -> usize {
        let is_read =
            |key: &i32| self.earliest.of_entry.get(*key as usize).is_some_and(|known| *known <= i64::from(cut_off));
        let valid = self.codes.valid(start, length);
        let mut keys = self.codes.keys(start, length).iter();
        let mut removed = 0;
        for row in 0..length {
            let valued = valid.as_ref().is_none_or(|valid| valid.value(row));
            if valued && !keys.next().is_some_and(is_read) {
                kept.clear(start + row, 1);
                removed += 1;
            }
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow::array::{Date32Array, Int64Array};
    use peristyle_policy::activation::{ActivationsBuilder, RegistrationEnd};
    use peristyle_policy::patients::{KeyType, PatientKey, PatientSetBuilder};
    use peristyle_policy::policy::PracticeKeyType;
    use peristyle_policy::practices::PracticeKey;
    use peristyle_policy::{Applied, Lifted};
    use proptest::prelude::*;

    use super::*;
    use crate::patient_ids::PatientIds;
    use crate::policy::enforcement::{ActivationInForce, OptOuts};
    use crate::policy::tally::TableTally;

    /// Patients 0 to 7: an odd one has opted out; 0 and 4 never counted; 2 has a cut-off at day 2; 6 has none.
    fn enforcement() -> Enforcement {
        let (mut listed, mut activations) =
            (PatientSetBuilder::new(KeyType::Int), ActivationsBuilder::new(KeyType::Int));
        listed.extend_ints(&[1, 3, 5, 7]).unwrap();
        for (patient, activated, end) in [(1, true, None), (2, true, Some(2)), (2, false, None), (6, true, None)] {
            activations.push(PatientKey::Int(patient), activated, RegistrationEnd::from_day(end)).unwrap();
        }
        Enforcement {
            type_one: Applied::InForce(OptOuts { listed: listed.finish(), listed_may_be_seen: false }),
            activation: Applied::InForce(ActivationInForce {
                activations: activations.finish().unwrap(),
                practices: [PracticeKey::Int(1), PracticeKey::Int(3)].into_iter().collect(),
                practice_key: PracticeKeyType::Int,
            }),
            ..Enforcement::lifted(&Lifted::over_made_up_records())
        }
    }

    fn told(verdict: &Verdict, rows: usize) -> Vec<bool> {
        match verdict {
            Verdict::All => vec![true; rows],
            Verdict::Some(bits) => bits.iter().collect(),
        }
    }

    proptest! {
        /// Rows are judged the same as keys into entries as they are one by one, and as many are counted.
        #[test]
        fn keys_are_judged_as_values(
            rows in prop::collection::vec((0i64..8, prop::option::weighted(0.9, 0i32..5), 1usize..30), 0..40),
            entry_without_value in any::<bool>(),
            at_practices in any::<bool>(),
        ) {
            let rows: Vec<(i64, Option<i32>)> = rows.into_iter().flat_map(|(id, key, times)| vec![(id, key); times]).collect();
            let enforcement = enforcement();
            let ids = PatientIds::Int(rows.iter().map(|(id, _)| *id).collect::<Int64Array>());
            let value = |key: i32| (!(entry_without_value && key == 4)).then_some(key);
            let array = |values: Vec<Option<i32>>| -> ArrayRef {
                if at_practices {
                    Arc::new(values.into_iter().map(|value| value.map(i64::from)).collect::<Int64Array>())
                } else {
                    Arc::new(Date32Array::from(values))
                }
            };
            let (values, entries) =
                (array(rows.iter().map(|(_, key)| key.and_then(value)).collect()), array((0..5).map(value).collect()));
            let keys = rows.iter().filter_map(|(_, key)| *key).collect();
            let valid = rows.iter().map(|(_, key)| key.is_some()).collect();
            let codes = CodedRows::new(rows.len(), Some(valid), keys, Arc::clone(&entries)).unwrap();
            let active = if at_practices {
                ActiveRows::AtActivatedPractices { practice_column: "p".into(), column_type: crate::request::ColumnType::Int }
            } else {
                ActiveRows::UntilCutOff { date_column: "d".into() }
            };
            let judged = |by_key: bool| {
                let mut tally = SegmentTally::default();
                let seen = enforcement.judge(&ids, &mut tally).unwrap();
                let verdict = if by_key {
                    let earliest = active.earliest_cut_offs(&enforcement, &entries).unwrap();
                    active.judge_codes(&enforcement, &seen, (&codes, &earliest), &mut tally).unwrap()
                } else {
                    active.judge(&enforcement, &seen, &values, &mut tally).unwrap()
                };
                let table = TableTally::new(&"t".into());
                table.add(tally);
                let told = told(&verdict, rows.len());
                let patients = seen.patients_among(&told.iter().copied().collect());
                (told, patients.into_array(), table.removals())
            };
            let (by_key, by_value) = (judged(true), judged(false));
            prop_assert_eq!(&by_key, &by_value);
            let mut expected: Vec<i64> =
                rows.iter().zip(&by_key.0).filter(|(_, told)| **told).map(|((id, _), _)| *id).collect();
            let mut found = by_key.1.as_primitive::<arrow::datatypes::Int64Type>().values().to_vec();
            expected.dedup();
            found.dedup();
            prop_assert_eq!(found, expected, "patients of whom there is a row");
        }
    }
}
