//! `clinical_events`: the large table. Events come in consultations; planted code lists are used from an onset on.

use std::sync::Arc;

use arrow::array::{ArrayBuilder, Date32Builder, Float64Builder, Int64Builder, RecordBatch};
use arrow::error::ArrowError;

use super::Rows;
use super::columns::{Coded, batch, or_null};
use crate::codes::PlantedList;
use crate::dice::Dice;
use crate::life::Life;
use crate::world::World;

/// Consultation ids are the patient's id times this, plus a number: unique, and close together as real ones are.
pub(super) const CONSULTATIONS_PER_PATIENT: i64 = 1 << 20;

/// Kinds of measurement: mean, standard deviation, decimals. Glycated haemoglobin, body mass index, blood pressure
/// (two), cholesterol, kidney function, weight.
const MEASUREMENTS: [(f64, f64, i32); 7] = [
    (48.0, 12.0, 0),
    (27.5, 5.5, 1),
    (134.0, 18.0, 0),
    (79.0, 11.0, 0),
    (5.1, 1.1, 1),
    (76.0, 20.0, 0),
    (78.0, 17.0, 1),
];

/// One code in so many of the vocabulary is a measurement.
const MEASUREMENT_EVERY: usize = 4;

pub(crate) struct ClinicalEvents<'a> {
    world: &'a World,
    patient_id: Int64Builder,
    date: Date32Builder,
    snomedct_code: Coded,
    ctv3_code: Coded,
    numeric_value: Float64Builder,
    consultation_id: Int64Builder,
}

/// Codes of an event and what may have been measured.
struct Event {
    snomed: Option<i32>,
    ctv3: Option<i32>,
    value: Option<f64>,
}

impl<'a> ClinicalEvents<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        ClinicalEvents {
            world,
            patient_id: Int64Builder::new(),
            date: Date32Builder::new(),
            snomedct_code: Coded::new(&world.snomed.codes),
            ctv3_code: Coded::new(&world.ctv3.codes),
            numeric_value: Float64Builder::new(),
            consultation_id: Int64Builder::new(),
        }
    }

    fn push(&mut self, patient: i64, date: Option<i32>, consultation: i64, event: Event) {
        self.patient_id.append_value(patient);
        self.date.append_option(date);
        self.snomedct_code.push(event.snomed);
        self.ctv3_code.push(event.ctv3);
        self.numeric_value.append_option(event.value);
        self.consultation_id.append_value(patient * CONSULTATIONS_PER_PATIENT + consultation);
    }

    /// Rows with the codes of the planted lists; how many.
    fn add_planted(&mut self, life: &Life, dice: &mut Dice) -> usize {
        let world = self.world;
        let before = self.len();
        let mut consultation = CONSULTATIONS_PER_PATIENT / 2;
        let lists = world.snomed.lists.iter().map(|list| (list, true));
        for (list, is_snomed) in lists.chain(world.ctv3.lists.iter().map(|list| (list, false))) {
            let count = list.events(life, dice);
            let onset = life.any_day(life.active.0, dice);
            for _ in 0..count {
                let event = planted_event(world, list, is_snomed, dice);
                self.push(life.patient, Some(life.any_day(onset, dice)), consultation, event);
                consultation += 1;
            }
        }
        self.len() - before
    }
}

fn planted_event(world: &World, list: &PlantedList, is_snomed: bool, dice: &mut Dice) -> Event {
    let value = or_null(measured(0, dice), 0.4, dice);
    let (own, other) = (list.any(dice), if is_snomed { world.ctv3.any(dice) } else { world.snomed.any(dice) });
    let (snomed, ctv3) = if is_snomed { (own, other) } else { (other, own) };
    Event { snomed: Some(snomed), ctv3: Some(ctv3), value }
}

fn background_event(world: &World, dice: &mut Dice) -> Event {
    let code = world.snomed.any(dice);
    let value = if (code as usize).is_multiple_of(MEASUREMENT_EVERY) {
        let kind = code as usize / MEASUREMENT_EVERY % MEASUREMENTS.len();
        or_null(measured(kind, dice), 0.05, dice)
    } else {
        // Suppliers store zero where nothing was measured, now and then.
        dice.chance(0.05).then_some(0.0)
    };
    // CTV3 is an older naming of the same things; not everything was mapped.
    Event { snomed: or_null(code, 0.015, dice), ctv3: or_null(code, 0.03, dice), value }
}

fn measured(kind: usize, dice: &mut Dice) -> f64 {
    let (mean, deviation, decimals) = MEASUREMENTS[kind];
    let scale = 10f64.powi(decimals);
    ((mean + deviation * dice.normal()).max(0.1) * scale).round() / scale
}

impl Rows for ClinicalEvents<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        if !life.is_active() {
            return;
        }
        let world = self.world;
        let count = world.count(life, world.events_per_patient, dice);
        let mut left = count.saturating_sub(self.add_planted(life, dice));
        let mut consultation = 0;
        while left > 0 {
            let date = or_null(life.any_day(life.active.0, dice), 0.003, dice);
            let together = (1 + dice.geometric(1.5)).min(left);
            for _ in 0..together {
                self.push(life.patient, date, consultation, background_event(world, dice));
            }
            left -= together;
            consultation += 1;
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
                ("snomedct_code", self.snomedct_code.take()?),
                ("ctv3_code", self.ctv3_code.take()?),
                ("numeric_value", Arc::new(self.numeric_value.finish())),
                ("consultation_id", Arc::new(self.consultation_id.finish())),
            ],
        )
    }
}
