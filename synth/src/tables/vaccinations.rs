//! `vaccinations`: childhood courses, flu in autumn for the old, SARS-CoV-2 from December 2020.

use std::sync::Arc;

use arrow::array::{ArrayBuilder, Date32Builder, Int64Builder, RecordBatch};
use arrow::error::ArrowError;
use peristyle_model::scalar::{Civil, civil_from_days, days_from_civil};

use super::Rows;
use super::columns::{Coded, batch, or_null};
use crate::dice::Dice;
use crate::life::Life;
use crate::world::World;

/// Diseases with made-up products; indices into this are used below.
const VACCINES: [(&str, &str); 8] = [
    ("INFLUENZA", "Influenza vaccine A"),
    ("INFLUENZA", "Influenza vaccine B"),
    ("SARS-2 CORONAVIRUS", "COVID-19 vaccine A"),
    ("SARS-2 CORONAVIRUS", "COVID-19 vaccine B"),
    ("MEASLES", "MMR vaccine"),
    ("PNEUMOCOCCAL", "Pneumococcal vaccine"),
    ("MENINGOCOCCAL", "Meningococcal vaccine"),
    ("PERTUSSIS", "Six-in-one vaccine"),
];
const DISEASES: [&str; 6] =
    ["INFLUENZA", "SARS-2 CORONAVIRUS", "MEASLES", "PNEUMOCOCCAL", "MENINGOCOCCAL", "PERTUSSIS"];

/// Vaccines given in childhood: index into [`VACCINES`], months of age.
const CHILDHOOD: [(usize, i32); 7] = [(7, 2), (6, 2), (7, 3), (7, 4), (4, 12), (5, 12), (4, 40)];

const DAYS_A_MONTH: f64 = 30.44;

/// Unique: the patient's id times this, plus a number.
const PER_PATIENT_MAX: i64 = 1 << 8;

pub(crate) struct Vaccinations<'a> {
    world: &'a World,
    patient_id: Int64Builder,
    vaccination_id: Int64Builder,
    date: Date32Builder,
    target_disease: Coded,
    product_name: Coded,
}

impl<'a> Vaccinations<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Vaccinations {
            world,
            patient_id: Int64Builder::new(),
            vaccination_id: Int64Builder::new(),
            date: Date32Builder::new(),
            target_disease: Coded::of(DISEASES),
            product_name: Coded::of(VACCINES.map(|(_, product)| product)),
        }
    }

    fn push(&mut self, life: &Life, number: &mut i64, vaccine: usize, date: i32, dice: &mut Dice) {
        if !(life.active.0..=life.active.1).contains(&date) {
            return;
        }
        let disease = DISEASES.iter().position(|disease| *disease == VACCINES[vaccine].0);
        self.patient_id.append_value(life.patient);
        self.vaccination_id.append_value(life.patient * PER_PATIENT_MAX + *number);
        self.date.append_option(or_null(date, 0.001, dice));
        self.target_disease.push(disease.map(|disease| disease as i32));
        self.product_name.push(Some(vaccine as i32));
        *number += 1;
    }

    fn add_childhood(&mut self, life: &Life, number: &mut i64, dice: &mut Dice) {
        for (vaccine, months) in CHILDHOOD {
            let date = life.birth + (f64::from(months) * DAYS_A_MONTH) as i32 + dice.between(0, 45);
            if dice.chance(0.92) {
                self.push(life, number, vaccine, date, dice);
            }
        }
    }

    fn add_influenza(&mut self, life: &Life, number: &mut i64, dice: &mut Dice) {
        for year in civil_from_days(life.active.0).year..=civil_from_days(life.active.1).year {
            let date = days_from_civil(Civil { year, month: 9, day: 15 }) + dice.exponential(30.0).min(120.0) as i32;
            let uptake = match life.age(date) {
                age if age >= 65.0 => 0.75,
                age if age >= 50.0 => 0.3,
                _ => 0.06,
            };
            if dice.chance(uptake) {
                let vaccine = dice.below(2) as usize;
                self.push(life, number, vaccine, date, dice);
            }
        }
    }

    fn add_coronavirus(&mut self, life: &Life, number: &mut i64, dice: &mut Dice) {
        let start = days_from_civil(Civil { year: 2020, month: 12, day: 8 });
        // The old came first.
        let age = life.age(start);
        let mut date = start + ((90.0 - age).clamp(0.0, 80.0) * 2.7) as i32 + dice.between(0, 40);
        let vaccine = 2 + dice.below(2) as usize;
        let mut uptake = 0.55 + (age / 200.0).clamp(-0.5, 0.4);
        for _ in 0..6 {
            if !dice.chance(uptake) {
                break;
            }
            self.push(life, number, vaccine, date, dice);
            date += dice.between(77, 200);
            uptake -= 0.05;
        }
    }
}

impl Rows for Vaccinations<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        if !life.is_active() {
            return;
        }
        debug_assert!(life.active.1 <= self.world.last_date);
        let mut number = 0;
        self.add_childhood(life, &mut number, dice);
        self.add_influenza(life, &mut number, dice);
        self.add_coronavirus(life, &mut number, dice);
    }

    fn len(&self) -> usize {
        self.patient_id.len()
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        batch(
            Arc::new(self.patient_id.finish()),
            [
                ("vaccination_id", Arc::new(self.vaccination_id.finish())),
                ("date", Arc::new(self.date.finish())),
                ("target_disease", self.target_disease.take()?),
                ("product_name", self.product_name.take()?),
            ],
        )
    }
}
