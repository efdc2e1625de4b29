//! Attendances at emergency departments.

use super::{hospital_from, in_hospital_years};
use crate::dice::Dice;
use crate::life::Life;
use crate::tables::or_null;
use crate::world::World;

/// Mean number of attendances.
pub(crate) const PER_PATIENT: f64 = 0.8;

/// Ids are the patient's times this, plus a number.
const PER_PATIENT_MAX: i64 = 1 << 8;

/// Diagnoses an attendance can have.
pub(crate) const DIAGNOSES: usize = 24;

/// SNOMED CT codes of where patients went: made up.
pub(crate) const DESTINATIONS: [&str; 4] = ["306689006", "306706006", "1066341000000100", "306705005"];
pub(crate) const GROUPS: [&str; 5] = ["VB08Z", "VB09Z", "VB11Z", "VB07Z", "VB02Z"];

/// An attendance. Indices are into the arrays above, and into SNOMED CT codes.
#[derive(Clone, Debug)]
pub(crate) struct Attendance {
    /// Unlike that of any other attendance
    pub(crate) id: i64,
    pub(crate) arrived: i32,
    /// When it was decided to admit the patient; NULL for most
    pub(crate) to_admit: Option<i32>,
    /// When the patient was hurt; NULL for the ill
    pub(crate) injured: Option<i32>,
    pub(crate) group: Option<i32>,
    pub(crate) destination: Option<i32>,
    pub(crate) diagnoses: [Option<i32>; DIAGNOSES],
}

/// Calls `each` with every attendance of a patient.
pub(crate) fn draw(world: &World, life: &Life, dice: &mut Dice, mut each: impl FnMut(&Attendance)) {
    if !in_hospital_years(life) {
        return;
    }
    // Few of those whom a planted list fits come because of it.
    let is_reason = |dice: &mut Dice| dice.chance(0.1);
    let mut reasons = Vec::new();
    for list in &world.snomed.lists {
        if list.events(life, dice) > 0 && is_reason(dice) {
            reasons.push(list.any(dice));
        }
    }
    let count = world.count(life, PER_PATIENT, dice).max(reasons.len());
    for number in 0..count.min(PER_PATIENT_MAX as usize) {
        let arrived = life.any_day(hospital_from(), dice);
        let mut attendance = Attendance {
            id: life.patient * PER_PATIENT_MAX + number as i64,
            arrived,
            to_admit: or_null(arrived, 0.75, dice),
            injured: or_null(arrived - dice.below(2) as i32, 0.7, dice),
            group: or_null(dice.below(GROUPS.len() as u64) as i32, 0.02, dice),
            destination: or_null(dice.below(DESTINATIONS.len() as u64) as i32, 0.05, dice),
            diagnoses: [None; DIAGNOSES],
        };
        let codes = reasons.get(number).copied().into_iter();
        let others = dice.geometric(1.2);
        let codes = codes.chain((0..others).map(|_| world.snomed.any(dice)));
        for (diagnosis, code) in attendance.diagnoses.iter_mut().zip(codes) {
            *diagnosis = Some(code);
        }
        each(&attendance);
    }
}
