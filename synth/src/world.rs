//! What all patients of a population share: practices, vocabularies, frequencies.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use peristyle_model::scalar::{Civil, civil_from_days};
use peristyle_model::types::CodeSystem;

use crate::codes::CodeBook;
use crate::dice::{Dice, Weighted};
use crate::life::Life;
use crate::population::Population;
use crate::practices::{self, Practice};
use crate::records::{addresses, appointments, deaths, medications};

/// Purposes of the draws that no patient owns; patients count from 1.
const NO_PATIENT: u64 = 0;
const PRACTICES: u64 = 0;
const NEIGHBOURHOODS: u64 = 1;

/// A patient has at most so many times the mean of anything.
const TIMES_MEAN_MAX: f64 = 50.0;

/// Years that [`World::months`] counts from, and how many.
const MONTHS_FROM: i32 = 2000;
const MONTHS_YEARS: i32 = 100;

/// What all patients share.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) last_date: i32,
    pub(crate) events_per_patient: f64,
    pub(crate) practices: Vec<Practice>,
    practice_sizes: Weighted,
    /// Kind of area, and deprivation
    pub(crate) neighbourhoods: Vec<(i64, i64)>,
    pub(crate) appointment_states: Weighted,
    pub(crate) places_of_death: Weighted,
    pub(crate) snomed: CodeBook,
    pub(crate) ctv3: CodeBook,
    pub(crate) dmd: CodeBook,
    pub(crate) icd10: CodeBook,
    pub(crate) opcs4: CodeBook,
    /// `YYYYMM`, by [`World::month`]
    pub(crate) months: ArrayRef,
    /// Mean of [`Life::need`] over patients, so that counts can be scaled to the mean that was asked for
    need_mean: f64,
    /// No patient has more events, issues or appointments
    records_max: i64,
    /// Between the keys of 16 bytes of two patients, in their first half
    key_stride: u64,
}

impl World {
    pub(crate) fn new(population: &Population) -> Self {
        let book = |system, size| CodeBook::new(system, size, &population.planted);
        let dice = &mut Dice::new(population.seed, NO_PATIENT, PRACTICES);
        let practices = practices::draw(population, dice);
        let planted_max = population.planted.len() * Dice::GEOMETRIC_MAX;
        let records_max = (TIMES_MEAN_MAX * population.events_per_patient) as u64 + planted_max as u64 + 2;
        let mut world = World {
            seed: population.seed,
            last_date: population.last_date,
            events_per_patient: population.events_per_patient,
            practice_sizes: Weighted::new(&practices.iter().map(|_| dice.skew(0.5)).collect::<Vec<_>>()),
            practices,
            neighbourhoods: addresses::neighbourhoods(&mut Dice::new(population.seed, NO_PATIENT, NEIGHBOURHOODS)),
            appointment_states: Weighted::new(&appointments::STATES.map(|(_, _, share, _)| share)),
            places_of_death: Weighted::new(&deaths::PLACES.map(|(_, share)| share)),
            snomed: book(CodeSystem::SnomedCt, 20_000),
            ctv3: book(CodeSystem::Ctv3, 20_000),
            dmd: book(CodeSystem::Dmd, 5_000),
            icd10: book(CodeSystem::Icd10, 3_000),
            opcs4: book(CodeSystem::Opcs4, 800),
            months: months(),
            need_mean: 1.0,
            records_max: records_max.next_power_of_two() as i64,
            key_stride: u64::MAX / (population.patients + 1),
        };
        let sample = 1..=16_384;
        let sum: f64 = sample.clone().map(|patient| Life::draw(&world, patient).need).sum();
        world.need_mean = sum / sample.count() as f64;
        world
    }

    /// How many rows a patient has, where `mean` is the mean over all patients; at most fifty times the mean.
    pub(crate) fn count(&self, life: &Life, mean: f64, dice: &mut Dice) -> usize {
        dice.round(mean * (life.need * life.skew / self.need_mean).min(TIMES_MEAN_MAX))
    }

    /// Mean number of rows with made-up codes, where all rows together have this mean and some hold planted codes. Even
    /// where those alone are as many as were asked for, a quarter has made-up ones.
    pub(crate) fn without_planted(&self, mean: f64, books: &[&CodeBook]) -> f64 {
        let planted: f64 = books.iter().map(|book| book.planted_per_patient()).sum();
        (mean - planted).max(mean / 4.0)
    }

    /// A practice, larger ones more often.
    pub(crate) fn any_practice(&self, dice: &mut Dice) -> usize {
        self.practice_sizes.draw(dice)
    }

    /// Where a patient's ids of events, of issues and of appointments begin. The next patient's come after all of them,
    /// and close, as real ones are.
    pub(crate) fn first_event_id(&self, life: &Life) -> i64 {
        life.patient * self.records_max
    }

    /// Where a patient's ids of consultations begin; those for medicines come after all others.
    pub(crate) fn first_consultation_id(&self, life: &Life) -> i64 {
        life.patient * 2 * self.records_max.max(medications::DAYS_MAX)
    }

    /// Where the ids of a patient's consultations for medicines begin.
    pub(crate) fn first_medicine_consultation_id(&self, life: &Life) -> i64 {
        self.first_consultation_id(life) + self.records_max.max(medications::DAYS_MAX)
    }

    /// The index of a day's month, as hospital records tell it.
    pub(crate) fn month(&self, day: i32) -> i32 {
        let Civil { year, month, .. } = civil_from_days(day);
        ((year - MONTHS_FROM) * 12 + month as i32 - 1).clamp(0, MONTHS_YEARS * 12 - 1)
    }

    /// The key of 16 bytes by which EMIS knows a patient.
    pub(crate) fn key(&self, patient: i64) -> [u8; 16] {
        let mix = |salt: u64| mixed(self.seed ^ mixed(patient as u64 ^ salt));
        // Keys ascend with patients, so that files ordered by either are ordered by both; the rest is noise.
        let high = patient as u64 * self.key_stride + mix(1) % self.key_stride;
        (u128::from(high) << 64 | u128::from(mix(2))).to_be_bytes()
    }
}

/// A bijection that leaves no trace of its argument's order (the finaliser of SplitMix64).
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn months() -> ArrayRef {
    let months = (0..MONTHS_YEARS * 12).map(|month| format!("{}{:02}", MONTHS_FROM + month / 12, 1 + month % 12));
    Arc::new(StringArray::from_iter_values(months))
}
