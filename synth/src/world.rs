//! What all patients of a population share: practices, vocabularies, frequencies.

use peristyle_model::scalar::{Civil, days_from_civil};
use peristyle_model::types::CodeSystem;

use crate::codes::CodeBook;
use crate::dice::{Dice, Weighted};
use crate::life::Life;
use crate::population::Population;

/// A general practice.
pub(crate) struct Practice {
    /// Index into [`REGIONS`]
    pub(crate) region: usize,
    /// Of 42 areas; each lies in one region
    pub(crate) area: usize,
    /// When its records became electronic
    pub(crate) go_live: i32,
}

/// Regions with their share of the population, roughly.
pub(crate) const REGIONS: [(&str, f64); 9] = [
    ("North East", 0.05),
    ("North West", 0.13),
    ("Yorkshire and The Humber", 0.10),
    ("East Midlands", 0.09),
    ("West Midlands", 0.11),
    ("East", 0.11),
    ("London", 0.15),
    ("South East", 0.16),
    ("South West", 0.10),
];

/// Areas a region has, so that there are 42 in all, and numbers are never shared.
const AREAS_PER_REGION: usize = 5;
const AREAS: usize = 42;

/// Purposes of the draws that no patient owns; patients count from 1.
const NO_PATIENT: u64 = 0;

/// What all patients share.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) last_date: i32,
    pub(crate) events_per_patient: f64,
    pub(crate) practices: Vec<Practice>,
    practice_sizes: Weighted,
    pub(crate) snomed: CodeBook,
    pub(crate) ctv3: CodeBook,
    pub(crate) dmd: CodeBook,
    pub(crate) icd10: CodeBook,
    pub(crate) opcs4: CodeBook,
    /// Mean of [`Life::need`] over patients, so that counts can be scaled to the mean that was asked for
    need_mean: f64,
}

impl World {
    pub(crate) fn new(population: &Population) -> Self {
        let book = |system, size| CodeBook::new(system, size, &population.planted);
        let practices = (population.patients / 8_000).clamp(8, 6_500) as usize;
        let mut dice = Dice::new(population.seed, NO_PATIENT, 0);
        let mut world = World {
            seed: population.seed,
            last_date: population.last_date,
            events_per_patient: population.events_per_patient,
            practices: draw_practices(practices, &mut dice),
            practice_sizes: Weighted::new(&(0..practices).map(|_| dice.skew(0.5)).collect::<Vec<_>>()),
            snomed: book(CodeSystem::SnomedCt, 20_000),
            ctv3: book(CodeSystem::Ctv3, 20_000),
            dmd: book(CodeSystem::Dmd, 5_000),
            icd10: book(CodeSystem::Icd10, 3_000),
            opcs4: book(CodeSystem::Opcs4, 800),
            need_mean: 1.0,
        };
        let sample = 1..=16_384;
        let sum: f64 = sample.clone().map(|patient| Life::draw(&world, patient).need).sum();
        world.need_mean = sum / sample.count() as f64;
        world
    }

    /// How many rows a patient has, where `mean` is the mean over all patients; at most fifty times the mean.
    pub(crate) fn count(&self, life: &Life, mean: f64, dice: &mut Dice) -> usize {
        dice.round(mean * (life.need * life.skew / self.need_mean).min(50.0))
    }

    /// A practice, larger ones more often.
    pub(crate) fn any_practice(&self, dice: &mut Dice) -> usize {
        self.practice_sizes.draw(dice)
    }
}

fn draw_practices(count: usize, dice: &mut Dice) -> Vec<Practice> {
    let regions = Weighted::new(&REGIONS.map(|(_, share)| share));
    let (earliest, latest) = (2_005, 2_018);
    (0..count)
        .map(|_| {
            let region = regions.draw(dice);
            let area = (region * AREAS_PER_REGION + dice.below(AREAS_PER_REGION as u64) as usize).min(AREAS - 1);
            let month = 1 + dice.below(12) as u32;
            let go_live = days_from_civil(Civil { year: dice.between(earliest, latest), month, day: 1 });
            Practice { region, area, go_live }
        })
        .collect()
}
