//! `medications`: courses of one medicine, issued every four or eight weeks.

use std::sync::Arc;

use arrow::array::{ArrayBuilder, Date32Builder, Int64Builder, RecordBatch};
use arrow::error::ArrowError;

use super::Rows;
use super::clinical_events::CONSULTATIONS_PER_PATIENT;
use super::columns::{Coded, batch, or_null};
use crate::dice::Dice;
use crate::life::Life;
use crate::world::World;

/// Issues of medicines beside clinical events.
pub(super) const PER_EVENT: f64 = 0.25;

/// Mean issues of a course after the first.
const REPEATS: f64 = 5.0;

pub(crate) struct Medications<'a> {
    world: &'a World,
    patient_id: Int64Builder,
    date: Date32Builder,
    dmd_code: Coded,
    consultation_id: Int64Builder,
}

impl<'a> Medications<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Medications {
            world,
            patient_id: Int64Builder::new(),
            date: Date32Builder::new(),
            dmd_code: Coded::new(&world.dmd.codes),
            consultation_id: Int64Builder::new(),
        }
    }

    /// At most so many issues from a day on; how many.
    fn add_course(
        &mut self,
        life: &Life,
        issues: usize,
        mut code: impl FnMut(&mut Dice) -> i32,
        dice: &mut Dice,
    ) -> usize {
        let mut day = life.any_day(life.active.0, dice);
        let gap = if dice.chance(0.7) { 28 } else { 56 };
        for issue in 0..issues {
            if day > life.active.1 {
                return issue;
            }
            self.patient_id.append_value(life.patient);
            self.date.append_option(or_null(day, 0.001, dice));
            self.dmd_code.push(or_null(code(dice), 0.01, dice));
            // Medicines are issued on days of their own.
            let consultation = life.patient * CONSULTATIONS_PER_PATIENT + CONSULTATIONS_PER_PATIENT / 4;
            self.consultation_id.append_option(or_null(consultation + i64::from(day - life.active.0), 0.1, dice));
            day += gap + dice.between(-3, 5);
        }
        issues
    }
}

impl Rows for Medications<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        if !life.is_active() {
            return;
        }
        let world = self.world;
        let mut left = world.count(life, world.events_per_patient * PER_EVENT, dice);
        for list in &world.dmd.lists {
            let issues = list.events(life, dice);
            left = left.saturating_sub(self.add_course(life, issues, |dice| list.any(dice), dice));
        }
        while left > 0 {
            let code = world.dmd.any(dice);
            let issues = (1 + dice.geometric(REPEATS)).min(left);
            left -= self.add_course(life, issues, |_| code, dice).max(1);
        }
    }

    fn len(&self) -> usize {
        self.patient_id.len()
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        batch(
            Arc::new(self.patient_id.finish()),
            [
                ("date", Arc::new(self.date.finish())),
                ("dmd_code", self.dmd_code.take()?),
                ("consultation_id", Arc::new(self.consultation_id.finish())),
            ],
        )
    }
}
