//! Which rows of a patient who counts may be seen, where practice activation is applied.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanBufferBuilder, Date32Array, Int32Array, Int64Array};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Date32Type, Int32Type, Int64Type};
use peristyle_policy::Rule;
use peristyle_policy::patients::{PatientDays, PatientKeyError};
use peristyle_policy::practices::ActivatedPractices;

use super::enforcement::{ActivationInForce, Enforcement, SeenPatients, Verdict};
use super::tally::SegmentTally;
use crate::patient_ids::{PatientIds, all_bytes16};
use crate::request::ColumnType;

/// Which rows may be seen of patients who may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ActiveRows {
    /// All
    All,
    /// Those with a date, until the patient's cut-off
    UntilCutOff {
        /// The column of the date
        date_column: Arc<str>,
    },
    /// Those at activated practices
    AtActivatedPractices {
        /// The column of the practice's key
        practice_column: Arc<str>,
        /// `Int` or `Str`
        column_type: ColumnType,
    },
}

/// Why rows could not be judged.
#[derive(Debug)]
pub(crate) enum NotJudged {
    /// The column is not of the type that was asked for
    UnexpectedArray,
    /// The policy's sets are of other keys
    Key(PatientKeyError),
}

impl ActiveRows {
    /// The column by which rows are judged, and as what it is read.
    pub(super) fn column(&self) -> Option<(&Arc<str>, ColumnType)> {
        match self {
            Self::All => None,
            Self::UntilCutOff { date_column } => Some((date_column, ColumnType::Day)),
            Self::AtActivatedPractices { practice_column, column_type } => Some((practice_column, *column_type)),
        }
    }

    /// Which rows of patients who may be seen may be seen themselves, by the column of [`Self::column`], which has a row
    /// for each of the batch's. What it holds in rows of other patients is not looked at. Counts what it removes.
    pub(crate) fn judge(
        &self,
        enforcement: &Enforcement,
        of: &SeenPatients,
        judged_by: &ArrayRef,
        tally: &mut SegmentTally,
    ) -> Result<Verdict, NotJudged> {
        let rows: usize = of.spans.lengths().sum();
        let Some(activation) = enforcement.activation() else { return Ok(none_of(rows)) };
        if judged_by.len() != rows {
            return Err(NotJudged::UnexpectedArray);
        }
        Ok(match self {
            Self::All => of.verdict(),
            Self::UntilCutOff { .. } => judged(of, &UntilCutOff::of(activation, &of.patients, judged_by)?, tally),
            Self::AtActivatedPractices { .. } => judged(of, &AtActivated::of(activation, judged_by)?, tally),
        })
    }
}

/// A rule about rows without the policy that makes it: nothing is let through.
pub(super) fn none_of(rows: usize) -> Verdict {
    Verdict::Some(BooleanBuffer::new_unset(rows))
}

/// Applies a rule to the rows of patients who may be seen. Counts what it removes.
fn judged(of: &SeenPatients, rule: &impl SpanRule, tally: &mut SegmentTally) -> Verdict {
    let mut kept = BooleanBufferBuilder::new(of.spans.lengths().sum());
    let (mut start, mut all) = (0, true);
    for (at, (length, seen)) in of.spans.lengths().zip(&of.seen).enumerate() {
        if *seen {
            let passed = rule.judge(at, start, length, &mut kept);
            if passed < length {
                tally.removed(Rule::PracticeActivation, &of.patients, at, length - passed);
                all = false;
            }
        } else {
            kept.append_n(length, false);
            all = false;
        }
        start += length;
    }
    if all { Verdict::All } else { Verdict::Some(kept.finish()) }
}

/// A rule about rows, applied to one patient's at a time.
trait SpanRule {
    /// Appends whether each of the `length` rows from `start` on may be seen, of the patient at `at`; how many may.
    fn judge(&self, at: usize, start: usize, length: usize, kept: &mut BooleanBufferBuilder) -> usize;
}

struct UntilCutOff<'a> {
    dates: &'a Date32Array,
    cut_offs: Vec<i32>,
}

impl<'a> UntilCutOff<'a> {
    fn of(activation: &ActivationInForce, patients: &PatientIds, dates: &'a ArrayRef) -> Result<Self, NotJudged> {
        let dates = dates.as_primitive_opt::<Date32Type>().ok_or(NotJudged::UnexpectedArray)?;
        let cut_offs = cut_offs(&activation.activations.cut_offs, patients).map_err(NotJudged::Key)?;
        Ok(Self { dates, cut_offs })
    }
}

impl SpanRule for UntilCutOff<'_> {
    fn judge(&self, at: usize, start: usize, length: usize, kept: &mut BooleanBufferBuilder) -> usize {
        // A patient without an answer has no rows that may be seen.
        let cut_off = self.cut_offs.get(at).copied().unwrap_or(i32::MIN);
        if cut_off == i32::MAX {
            // A row without a date is never read: nothing says that it comes before the cut-off.
            return match self.dates.nulls() {
                None => {
                    kept.append_n(length, true);
                    length
                }
                Some(nulls) => {
                    let dated = nulls.inner().slice(start, length);
                    kept.append_buffer(&dated);
                    dated.count_set_bits()
                }
            };
        }
        let mut passed = 0;
        for row in start..start + length {
            let keeps = self.dates.is_valid(row) && self.dates.value(row) <= cut_off;
            kept.append(keeps);
            passed += usize::from(keeps);
        }
        passed
    }
}

/// Keys of practices, as integers or as a dictionary of texts, with what is known of each entry.
pub(super) enum AtActivated<'a> {
    Ints(&'a Int64Array, &'a ActivatedPractices),
    Texts(&'a Int32Array, Vec<bool>),
}

impl<'a> AtActivated<'a> {
    pub(super) fn of(activation: &'a ActivationInForce, practices: &'a ArrayRef) -> Result<Self, NotJudged> {
        let activated = &activation.practices;
        if let Some(keys) = practices.as_primitive_opt::<Int64Type>() {
            return Ok(Self::Ints(keys, activated));
        }
        let dictionary = practices.as_dictionary_opt::<Int32Type>().ok_or(NotJudged::UnexpectedArray)?;
        let entries = dictionary.values().as_string_opt::<i32>().ok_or(NotJudged::UnexpectedArray)?;
        let has = entries.iter().map(|practice| activated.has_text(practice)).collect();
        Ok(Self::Texts(dictionary.keys(), has))
    }

    pub(super) fn keeps(&self, row: usize) -> bool {
        match self {
            Self::Ints(keys, activated) => activated.has_int(keys.is_valid(row).then(|| keys.value(row))),
            Self::Texts(keys, has) => {
                keys.is_valid(row)
                    && usize::try_from(keys.value(row)).is_ok_and(|key| has.get(key).copied().unwrap_or(false))
            }
        }
    }
}

impl SpanRule for AtActivated<'_> {
    fn judge(&self, _at: usize, start: usize, length: usize, kept: &mut BooleanBufferBuilder) -> usize {
        let mut passed = 0;
        for row in start..start + length {
            let keeps = self.keeps(row);
            kept.append(keeps);
            passed += usize::from(keeps);
        }
        passed
    }
}

/// The cut-off of each patient; later than all days where there is none.
pub(super) fn cut_offs(days: &PatientDays, patients: &PatientIds) -> Result<Vec<i32>, PatientKeyError> {
    match patients {
        PatientIds::Int(keys) => days.days_of_ints(keys.values(), i32::MAX),
        PatientIds::Bytes16(keys) => days.days_of_bytes16(all_bytes16(keys).iter(), i32::MAX),
        PatientIds::Text(keys) => days.days_of_texts(keys.iter().flatten(), i32::MAX),
    }
}
