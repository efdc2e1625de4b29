//! Which rows of a patient who counts may be seen, where practice activation is applied.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanBufferBuilder};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Date32Type, Int32Type, Int64Type};
use peristyle_policy::Rule;
use peristyle_policy::patients::{PatientDays, PatientKeyError};

use super::enforcement::{ActivationInForce, Enforcement};
use super::tally::SegmentTally;
use crate::patient_ids::{PatientIds, Spans};
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

    /// Which of the rows may be seen, by the column of [`Self::column`]; counts the others.
    pub(crate) fn judge(
        &self,
        enforcement: &Enforcement,
        ids: &PatientIds,
        judged_by: &ArrayRef,
        tally: &mut SegmentTally,
    ) -> Result<BooleanBuffer, NotJudged> {
        let Some(activation) = enforcement.activation() else {
            // A rule about rows without the policy that makes it: nothing is let through.
            return Ok(BooleanBuffer::new_unset(ids.len()));
        };
        let spans = Spans::of(ids);
        let patients = spans.keys(ids);
        let kept = match self {
            Self::All => BooleanBuffer::new_set(ids.len()),
            Self::UntilCutOff { .. } => until_cut_off(activation, &patients, &spans, judged_by)?,
            Self::AtActivatedPractices { .. } => at_activated(activation, judged_by)?,
        };
        let mut start = 0;
        for (at, length) in spans.lengths().enumerate() {
            let removed = length - kept.slice(start, length).count_set_bits();
            if removed > 0 {
                tally.removed(Rule::PracticeActivation, &patients, at, removed);
            }
            start += length;
        }
        Ok(kept)
    }
}

fn until_cut_off(
    activation: &ActivationInForce,
    patients: &PatientIds,
    spans: &Spans,
    dates: &ArrayRef,
) -> Result<BooleanBuffer, NotJudged> {
    let dates = dates.as_primitive_opt::<Date32Type>().ok_or(NotJudged::UnexpectedArray)?;
    let cut_offs = cut_offs(&activation.activations.cut_offs, patients).map_err(NotJudged::Key)?;
    let mut kept = BooleanBufferBuilder::new(dates.len());
    let mut start = 0;
    for (length, cut_off) in spans.lengths().zip(cut_offs) {
        let of_patient = dates.slice(start, length);
        match (cut_off, of_patient.null_count()) {
            (i32::MAX, 0) => kept.append_n(length, true),
            // A row without a date is never read: nothing says that it comes before the cut-off.
            _ => of_patient.iter().for_each(|date| kept.append(date.is_some_and(|date| date <= cut_off))),
        }
        start += length;
    }
    Ok(kept.finish())
}

/// The cut-off of each patient; later than all days where there is none.
fn cut_offs(days: &PatientDays, patients: &PatientIds) -> Result<Vec<i32>, PatientKeyError> {
    match patients {
        PatientIds::Int(keys) => days.days_of_ints(keys.values(), i32::MAX),
        PatientIds::Bytes16(keys) => {
            let keys: Vec<[u8; 16]> = keys.iter().flatten().map(crate::patient_ids::bytes16).collect();
            days.days_of_bytes16(keys.iter(), i32::MAX)
        }
        PatientIds::Text(keys) => days.days_of_texts(keys.iter().flatten(), i32::MAX),
    }
}

fn at_activated(activation: &ActivationInForce, practices: &ArrayRef) -> Result<BooleanBuffer, NotJudged> {
    let activated = &activation.practices;
    if let Some(keys) = practices.as_primitive_opt::<Int64Type>() {
        return Ok(keys.iter().map(|practice| activated.has_int(practice)).collect());
    }
    let dictionary = practices.as_dictionary_opt::<Int32Type>().ok_or(NotJudged::UnexpectedArray)?;
    let entries = dictionary.values().as_string_opt::<i32>().ok_or(NotJudged::UnexpectedArray)?;
    let has: Vec<bool> = entries.iter().map(|practice| activated.has_text(practice)).collect();
    let of_key = |key: Option<i32>| key.and_then(|key| has.get(usize::try_from(key).ok()?).copied()).unwrap_or(false);
    Ok(dictionary.keys().iter().map(of_key).collect())
}
