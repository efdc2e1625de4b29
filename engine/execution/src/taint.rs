//! Which values hang on something that could not be computed.
//!
//! A kernel yields NULL where it has no value, and notes a fault. Whether that matters is only known at the end: a
//! `case` that chose another branch, a condition beside one that decides by itself, or a population without the patient
//! leave it behind. So faults travel with the values, to the outputs. Where no step of a block fails, nothing here runs.

use std::collections::BTreeMap;

use arrow::array::{Array, BooleanArray};
use datafusion::common::Result;
use peristyle_model::graph::Binary;

use crate::blame::Worst;
use crate::evaluate::{Evaluation, Held};
use crate::kernels::{FaultRows, case};
use crate::program::{Slot, Step, StepOp};
use crate::rows::DomainRows;
use crate::vector::{Truth, Vector};

/// What a slot's values hang on: for each place the worst fault behind its value.
///
/// A place is a row where the step has many a patient, else a patient; rows themselves, picked rows and sets are
/// tainted by patient.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taint {
    /// Behind every value
    everywhere: Option<Worst>,
    at: BTreeMap<u32, Worst>,
}

impl Taint {
    fn is_empty(&self) -> bool {
        self.everywhere.is_none() && self.at.is_empty()
    }

    fn note(&mut self, place: u32, worst: Worst) {
        self.at.entry(place).and_modify(|known| *known = worst.min(*known)).or_insert(worst);
    }

    fn note_everywhere(&mut self, worst: Worst) {
        self.everywhere = Some(self.everywhere.map_or(worst, |known| known.min(worst)));
    }

    fn extend(&mut self, other: &Taint) {
        other.everywhere.into_iter().for_each(|worst| self.note_everywhere(worst));
        other.at.iter().for_each(|(place, worst)| self.note(*place, *worst));
    }

    /// The worst fault behind the value at `place`.
    fn behind(&self, place: u32) -> Option<Worst> {
        self.everywhere.into_iter().chain(self.at.get(&place).copied()).min()
    }

    /// From patients to their rows.
    fn by_row(&self, rows: &DomainRows) -> Taint {
        let offsets = rows.offsets();
        let mut taint = Taint { everywhere: self.everywhere, at: BTreeMap::new() };
        for (patient, worst) in &self.at {
            let range = offsets[*patient as usize]..offsets[*patient as usize + 1];
            taint.at.extend(range.map(|row| (row, *worst)));
        }
        taint
    }

    /// From rows to their patients. What is behind every row is behind every patient, also one without a row: it is
    /// the definition's own constants that fail.
    fn by_patient(&self, rows: &DomainRows) -> Taint {
        let patients = rows.patients();
        let mut taint = Taint { everywhere: self.everywhere, at: BTreeMap::new() };
        self.at.iter().for_each(|(row, worst)| taint.note(patients.value(*row as usize), *worst));
        taint
    }

    /// The worst fault behind any value.
    pub(crate) fn worst(&self) -> Option<Worst> {
        self.everywhere.into_iter().chain(self.at.values().copied()).min()
    }

    /// The worst fault behind the values of some patients.
    pub(crate) fn worst_among(&self, len: usize, is_among: impl Fn(usize) -> bool) -> Option<Worst> {
        let everywhere = self.everywhere.filter(|_| (0..len).any(&is_among));
        let at = self.at.iter().filter(|(place, _)| is_among(**place as usize)).map(|(_, worst)| *worst);
        everywhere.into_iter().chain(at).min()
    }
}

/// How the places of a slot are counted: by the rows of a slot, or by patient.
fn places(step: &Step, held: &Held) -> Option<Slot> {
    match held {
        Held::Vector(_) => step.rows,
        _ => None,
    }
}

impl Evaluation<'_> {
    /// What the result of a step hangs on: what its inputs hang on, and what failed in itself.
    pub(crate) fn taint(&self, slot: Slot, step: &Step, held: &Held, faults: &FaultRows) -> Result<Option<Taint>> {
        let mut taint = match &step.op {
            StepOp::Case { conditions, values } => self.case_taint(step, held, conditions, values)?,
            StepOp::Binary { function: function @ (Binary::And | Binary::Or), lhs, rhs } => {
                self.logic_taint(step, held, *function == Binary::Or, [*lhs, *rhs])?
            }
            _ => {
                let mut taint = Taint::default();
                for input in step.inputs() {
                    if let Some(of_input) = self.input_taint(step, held, input)? {
                        taint.extend(&of_input);
                    }
                }
                taint
            }
        };
        let constant = matches!(held, Held::Vector(vector) if vector.is_constant());
        for (place, fault) in &faults.0 {
            let worst = Worst { slot, fault: *fault };
            if constant { taint.note_everywhere(worst) } else { taint.note(*place, worst) }
        }
        Ok(Some(taint).filter(|taint| !taint.is_empty()))
    }

    /// What an input hangs on, by the places of the step that reads it.
    fn input_taint(&self, step: &Step, held: &Held, input: Slot) -> Result<Option<Taint>> {
        let Some(taint) = self.taint_of(input) else { return Ok(None) };
        let from = places(&self.program.steps[input], self.held(input)?);
        Ok(Some(match (from, places(step, held)) {
            (None, Some(rows)) => taint.by_row(self.rows(rows)?),
            (Some(rows), None) => taint.by_patient(self.rows(rows)?),
            _ => taint.clone(),
        }))
    }

    /// A `case` hangs on the value that it chose and on the conditions up to the one that chose it.
    fn case_taint(&self, step: &Step, held: &Held, conditions: &[Slot], values: &[Option<Slot>]) -> Result<Taint> {
        let of_input = |input: Slot| self.input_taint(step, held, input);
        let of_conditions = conditions.iter().map(|slot| of_input(*slot)).collect::<Result<Vec<_>>>()?;
        let of_values =
            values.iter().map(|slot| slot.map_or(Ok(None), of_input)).collect::<Result<Vec<Option<Taint>>>>()?;
        let mut taint = Taint::default();
        if of_conditions.iter().chain(&of_values).all(Option::is_none) {
            return Ok(taint);
        }
        let truths = conditions.iter().map(|slot| self.vector(*slot)?.truth()).collect::<Result<Vec<Truth>>>()?;
        let constant = matches!(held, Held::Vector(vector) if vector.is_constant());
        let len = if constant { 1 } else { self.len(step)? };
        for (place, chosen) in case::choose(&truths, len).into_iter().enumerate() {
            let chosen = chosen as usize;
            let asked = of_conditions[..of_conditions.len().min(chosen + 1)].iter().chain([&of_values[chosen]]);
            let worst = asked.flatten().filter_map(|taint| taint.behind(place as u32)).min();
            match worst {
                Some(worst) if constant => taint.note_everywhere(worst),
                Some(worst) => taint.note(place as u32, worst),
                None => {}
            }
        }
        Ok(taint)
    }

    /// A side that decides by itself (false in `and`, true in `or`) leaves the other one out of account.
    fn logic_taint(&self, step: &Step, held: &Held, deciding: bool, sides: [Slot; 2]) -> Result<Taint> {
        let [lhs, rhs] = sides;
        let (of_lhs, of_rhs) = (self.input_taint(step, held, lhs)?, self.input_taint(step, held, rhs)?);
        let mut taint = Taint::default();
        for (own, other_taint, other) in [(&of_lhs, &of_rhs, rhs), (&of_rhs, &of_lhs, lhs)] {
            let Some(own) = own else { continue };
            let other = Deciding::new(self.vector(other)?, deciding);
            let decided = |place: u32| {
                other.decides(place) && other_taint.as_ref().is_none_or(|taint| taint.behind(place).is_none())
            };
            if let Some(worst) = own.everywhere {
                match held {
                    Held::Vector(vector) if !vector.is_constant() => {
                        (0..self.len(step)? as u32).filter(|place| !decided(*place)).for_each(|p| taint.note(p, worst));
                    }
                    _ if decided(0) => {}
                    _ => taint.note_everywhere(worst),
                }
            }
            own.at.iter().filter(|(place, _)| !decided(**place)).for_each(|(place, worst)| taint.note(*place, *worst));
        }
        Ok(taint)
    }
}

/// Where a side of a logical operation decides it.
enum Deciding<'a> {
    Everywhere(bool),
    Rows(&'a BooleanArray, bool),
}

impl<'a> Deciding<'a> {
    fn new(side: &'a Vector, deciding: bool) -> Self {
        match side {
            Vector::Bool(array) => Deciding::Rows(array, deciding),
            Vector::Constant(peristyle_model::graph::Constant::Bool(value)) => Deciding::Everywhere(*value == deciding),
            _ => Deciding::Everywhere(false),
        }
    }

    fn decides(&self, place: u32) -> bool {
        match self {
            Deciding::Everywhere(decides) => *decides,
            Deciding::Rows(array, deciding) => {
                let row = if array.len() == 1 { 0 } else { place as usize };
                array.is_valid(row) && array.value(row) == *deciding
            }
        }
    }
}
