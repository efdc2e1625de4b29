//! Outpatient appointments.

use super::{hospital_from, in_hospital_years};
use crate::dice::Dice;
use crate::life::Life;
use crate::tables::or_null;
use crate::world::World;

/// Mean number of appointments.
pub(crate) const PER_PATIENT: f64 = 1.5;

/// Ids are the patient's times this, plus a number.
const PER_PATIENT_MAX: i64 = 1 << 8;

pub(crate) const STATUSES: [&str; 7] = ["5", "2", "3", "7", "6", "4", "0"];
pub(crate) const MEDIA: [&str; 5] = ["01", "02", "03", "98", "04"];
pub(crate) const FIRSTS: [&str; 5] = ["2", "1", "4", "3", "5"];
pub(crate) const OUTCOMES: [&str; 3] = ["2", "1", "3"];
pub(crate) const GROUPS: [&str; 4] = ["WF01A", "WF01B", "WF02A", "WF01C"];
pub(crate) const TREATMENTS: [&str; 12] =
    ["110", "130", "502", "330", "300", "320", "120", "101", "100", "301", "410", "650"];

/// An outpatient appointment. Indices are into the arrays above.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit {
    /// Unlike that of any other visit
    pub(crate) id: i64,
    pub(crate) date: i32,
    pub(crate) referred: Option<i32>,
    pub(crate) status: i32,
    pub(crate) medium: Option<i32>,
    pub(crate) first: i32,
    pub(crate) outcome: Option<i32>,
    pub(crate) group: i32,
    pub(crate) treatment: i32,
}

/// Calls `each` with every visit of a patient.
pub(crate) fn draw(world: &World, life: &Life, dice: &mut Dice, mut each: impl FnMut(&Visit)) {
    if !in_hospital_years(life) {
        return;
    }
    // One who is seen by a specialty goes there again.
    let usual = dice.below(TREATMENTS.len() as u64) as i32;
    for number in 0..world.count(life, PER_PATIENT, dice).min(PER_PATIENT_MAX as usize) {
        let date = life.any_day(hospital_from(), dice);
        let wait = dice.exponential(60.0).min(500.0) as i32;
        // Earlier ones are more common.
        let few = |count: usize, dice: &mut Dice| {
            let rank = dice.unit();
            (rank * rank * rank * count as f64) as i32
        };
        each(&Visit {
            id: life.patient * PER_PATIENT_MAX + number as i64,
            date,
            referred: or_null(date - wait, 0.3, dice),
            status: few(STATUSES.len(), dice),
            medium: or_null(few(MEDIA.len(), dice), 0.1, dice),
            first: few(FIRSTS.len(), dice),
            outcome: or_null(few(OUTCOMES.len(), dice), 0.05, dice),
            group: few(GROUPS.len(), dice),
            treatment: if dice.chance(0.7) { usual } else { few(TREATMENTS.len(), dice) },
        });
    }
}
