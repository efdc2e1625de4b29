//! Appointments: booked, mostly kept.

use crate::dice::Dice;
use crate::life::Life;
use crate::world::World;

/// Appointments beside clinical events.
pub(crate) const PER_EVENT: f64 = 0.1;

/// States as the catalogue spells them, the supplier's number, how common, and whether the patient was seen.
pub(crate) const STATES: [(&str, i64, f64, bool); 15] = [
    ("Booked", 0, 0.02, false),
    ("Arrived", 1, 0.02, true),
    ("Did Not Attend", 2, 0.05, false),
    ("In Progress", 3, 0.005, true),
    ("Finished", 4, 0.80, true),
    ("Requested", 5, 0.003, false),
    ("Blocked", 6, 0.002, false),
    ("Visit", 8, 0.01, true),
    ("Waiting", 9, 0.005, false),
    ("Cancelled by Patient", 10, 0.05, false),
    ("Cancelled by Unit", 11, 0.02, false),
    ("Cancelled by Other Service", 12, 0.005, false),
    ("No Access Visit", 14, 0.003, false),
    ("Cancelled Due To Death", 15, 0.001, false),
    ("Patient Walked Out", 16, 0.006, false),
];

/// An appointment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appointment {
    /// Unlike that of any other appointment
    pub(crate) id: i64,
    pub(crate) booked: i32,
    pub(crate) start: i32,
    pub(crate) seen: Option<i32>,
    /// Index into [`STATES`]
    pub(crate) state: usize,
}

/// Calls `each` with every appointment of a patient.
pub(crate) fn draw(world: &World, life: &Life, dice: &mut Dice, mut each: impl FnMut(Appointment)) {
    if !life.is_active() {
        return;
    }
    for number in 0..world.count(life, world.events_per_patient * PER_EVENT, dice) {
        let start = life.any_day(life.active.0, dice);
        let ahead = if dice.chance(0.4) { 0 } else { dice.exponential(12.0).min(90.0) as i32 };
        let state = world.appointment_states.draw(dice);
        each(Appointment {
            id: world.first_event_id(life) + number as i64,
            booked: start - ahead,
            start,
            seen: STATES[state].3.then_some(start),
            state,
        });
    }
}
