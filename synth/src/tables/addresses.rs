//! `addresses`: a home per registration, a care home for some of the old.

use std::sync::Arc;

use arrow::array::{ArrayBuilder, ArrayRef, BooleanBuilder, Date32Builder, Int64Builder, RecordBatch, StringArray};
use arrow::error::ArrowError;

use super::Rows;
use super::columns::{Coded, batch, or_null};
use crate::dice::Dice;
use crate::life::Life;
use crate::world::World;

/// Small areas a practice's patients live in.
const NEIGHBOURHOODS_PER_PRACTICE: usize = 6;
/// All there are: `E0200001` to here.
const NEIGHBOURHOODS: usize = 7_000;

/// Ranks of deprivation are told in steps of 100 up to 32,800.
const DEPRIVATION_STEPS: u64 = 329;

/// Unique: the patient's id times this, plus a number.
const PER_PATIENT_MAX: i64 = 1 << 6;

pub(crate) struct Addresses<'a> {
    world: &'a World,
    patient_id: Int64Builder,
    address_id: Int64Builder,
    start_date: Date32Builder,
    end_date: Date32Builder,
    address_type: Int64Builder,
    rural_urban_classification: Int64Builder,
    imd_rounded: Int64Builder,
    msoa_code: Coded,
    has_postcode: BooleanBuilder,
    care_home_is_potential_match: BooleanBuilder,
    care_home_requires_nursing: BooleanBuilder,
    care_home_does_not_require_nursing: BooleanBuilder,
}

impl<'a> Addresses<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let neighbourhoods = (1..=NEIGHBOURHOODS).map(|number| format!("E020{number:05}"));
        let neighbourhoods: ArrayRef = Arc::new(StringArray::from_iter_values(neighbourhoods));
        Addresses {
            world,
            patient_id: Int64Builder::new(),
            address_id: Int64Builder::new(),
            start_date: Date32Builder::new(),
            end_date: Date32Builder::new(),
            address_type: Int64Builder::new(),
            rural_urban_classification: Int64Builder::new(),
            imd_rounded: Int64Builder::new(),
            msoa_code: Coded::new(&neighbourhoods),
            has_postcode: BooleanBuilder::new(),
            care_home_is_potential_match: BooleanBuilder::new(),
            care_home_requires_nursing: BooleanBuilder::new(),
            care_home_does_not_require_nursing: BooleanBuilder::new(),
        }
    }

    fn push_place(&mut self, practice: usize, dice: &mut Dice) {
        let known = !dice.chance(0.02);
        let near = dice.below(NEIGHBOURHOODS_PER_PRACTICE as u64) as usize;
        let neighbourhood = (practice * NEIGHBOURHOODS_PER_PRACTICE + near) % NEIGHBOURHOODS;
        // What is said of a neighbourhood is the same for all who live there.
        let mut place = Dice::new(self.world.seed ^ 0x0050_4c41_4345, neighbourhood as u64, 0);
        let rural = 1 + place.below(8) as i64;
        let deprivation = 100 * place.below(DEPRIVATION_STEPS) as i64;
        self.rural_urban_classification.append_option(known.then_some(rural));
        self.imd_rounded.append_option(known.then_some(deprivation));
        self.msoa_code.push(known.then_some(neighbourhood as i32));
        self.has_postcode.append_value(known);
    }

    fn push_care_home(&mut self, age: f64, dice: &mut Dice) {
        let share = if age < 65.0 { 0.001 } else { ((age - 60.0) / 150.0).min(0.3) };
        let care_home = dice.chance(share);
        let nursing = dice.chance(0.4);
        self.care_home_is_potential_match.append_value(care_home);
        self.care_home_requires_nursing.append_option(or_null(care_home && nursing, 0.3, dice));
        self.care_home_does_not_require_nursing.append_option(or_null(care_home && !nursing, 0.3, dice));
    }
}

impl Rows for Addresses<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        for (number, registration) in life.registrations.iter().enumerate() {
            self.patient_id.append_value(life.patient);
            self.address_id.append_value(life.patient * PER_PATIENT_MAX + number as i64);
            self.start_date.append_option(or_null(registration.start, 0.01, dice));
            self.end_date.append_option(registration.end);
            self.address_type.append_value([0, 0, 0, 0, 0, 0, 0, 0, 1, 3][dice.below(10) as usize]);
            self.push_place(registration.practice, dice);
            self.push_care_home(life.age(registration.end.unwrap_or(self.world.last_date)), dice);
        }
    }

    fn len(&self) -> usize {
        self.patient_id.len()
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        batch(
            Arc::new(self.patient_id.finish()),
            [
                ("address_id", Arc::new(self.address_id.finish())),
                ("start_date", Arc::new(self.start_date.finish())),
                ("end_date", Arc::new(self.end_date.finish())),
                ("address_type", Arc::new(self.address_type.finish())),
                ("rural_urban_classification", Arc::new(self.rural_urban_classification.finish())),
                ("imd_rounded", Arc::new(self.imd_rounded.finish())),
                ("msoa_code", self.msoa_code.take()?),
                ("has_postcode", Arc::new(self.has_postcode.finish())),
                ("care_home_is_potential_match", Arc::new(self.care_home_is_potential_match.finish())),
                ("care_home_requires_nursing", Arc::new(self.care_home_requires_nursing.finish())),
                ("care_home_does_not_require_nursing", Arc::new(self.care_home_does_not_require_nursing.finish())),
            ],
        )
    }
}
