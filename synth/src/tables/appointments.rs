//! `appointments`: booked, mostly kept.

use std::sync::Arc;

use arrow::array::{ArrayBuilder, Date32Builder, Int64Builder, RecordBatch};
use arrow::error::ArrowError;

use super::Rows;
use super::columns::{Coded, batch};
use crate::dice::{Dice, Weighted};
use crate::life::Life;
use crate::world::World;

/// Appointments beside clinical events.
pub(super) const PER_EVENT: f64 = 0.1;

/// States as the catalogue spells them, how common, and whether the patient was seen.
const STATES: [(&str, f64, bool); 15] = [
    ("Booked", 0.02, false),
    ("Arrived", 0.02, true),
    ("Did Not Attend", 0.05, false),
    ("In Progress", 0.005, true),
    ("Finished", 0.80, true),
    ("Requested", 0.003, false),
    ("Blocked", 0.002, false),
    ("Visit", 0.01, true),
    ("Waiting", 0.005, false),
    ("Cancelled by Patient", 0.05, false),
    ("Cancelled by Unit", 0.02, false),
    ("Cancelled by Other Service", 0.005, false),
    ("No Access Visit", 0.003, false),
    ("Cancelled Due To Death", 0.001, false),
    ("Patient Walked Out", 0.006, false),
];

pub(crate) struct Appointments<'a> {
    world: &'a World,
    states: Weighted,
    patient_id: Int64Builder,
    booked_date: Date32Builder,
    start_date: Date32Builder,
    seen_date: Date32Builder,
    status: Coded,
}

impl<'a> Appointments<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Appointments {
            world,
            states: Weighted::new(&STATES.map(|(_, share, _)| share)),
            patient_id: Int64Builder::new(),
            booked_date: Date32Builder::new(),
            start_date: Date32Builder::new(),
            seen_date: Date32Builder::new(),
            status: Coded::of(STATES.map(|(state, ..)| state)),
        }
    }
}

impl Rows for Appointments<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        if !life.is_active() {
            return;
        }
        for _ in 0..self.world.count(life, self.world.events_per_patient * PER_EVENT, dice) {
            let start = life.any_day(life.active.0, dice);
            let ahead = if dice.chance(0.4) { 0 } else { dice.exponential(12.0).min(90.0) as i32 };
            let state = self.states.draw(dice);
            self.patient_id.append_value(life.patient);
            self.booked_date.append_value(start - ahead);
            self.start_date.append_value(start);
            self.seen_date.append_option(STATES[state].2.then_some(start));
            self.status.push(Some(state as i32));
        }
    }

    fn len(&self) -> usize {
        self.patient_id.len()
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        batch(
            Arc::new(self.patient_id.finish()),
            [
                ("booked_date", Arc::new(self.booked_date.finish())),
                ("start_date", Arc::new(self.start_date.finish())),
                ("seen_date", Arc::new(self.seen_date.finish())),
                ("status", self.status.take()?),
            ],
        )
    }
}
