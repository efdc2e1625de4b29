//! General practices: where they are, and whether they take part.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use peristyle_model::scalar::{Civil, days_from_civil};

use crate::dice::{Dice, Weighted};
use crate::population::Population;

/// A general practice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Practice {
    /// Index into [`REGIONS`]
    pub(crate) region: usize,
    /// Index into [`areas`]; each lies in one region
    pub(crate) area: usize,
    /// When its records became electronic
    pub(crate) go_live: i32,
    /// When it agreed that its records are used; NULL if it has not
    pub(crate) activated: Option<i32>,
    /// When it took that back; NULL if it has not
    pub(crate) switched_off: Option<i32>,
}

/// Regions as the catalogue spells them, with their share of the population, roughly.
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

/// Areas a region has, so that numbers are never shared.
const AREAS_PER_REGION: usize = 5;
const AREAS: usize = 42;

/// Patients of a practice, and practices there are, few or many patients.
const PATIENTS_PER_PRACTICE: u64 = 8_000;
const PRACTICES_MIN: u64 = 50;
const PRACTICES_MAX: u64 = 6_500;

/// One practice in so many was switched off; one in so many was never activated.
const SWITCHED_OFF_EVERY: usize = 50;
const NEVER_ACTIVATED_EVERY: usize = 100;

/// The codes of areas.
pub(crate) fn areas() -> ArrayRef {
    Arc::new(StringArray::from_iter_values((1..=AREAS).map(|area| format!("E540000{area:02}"))))
}

impl Practice {
    /// Whether its records may be used at the end of the extract.
    pub(crate) fn takes_part(&self) -> bool {
        self.activated.is_some() && self.switched_off.is_none()
    }
}

/// The practices of a population.
pub(crate) fn draw(population: &Population, dice: &mut Dice) -> Vec<Practice> {
    let count = (population.patients / PATIENTS_PER_PRACTICE).clamp(PRACTICES_MIN, PRACTICES_MAX) as usize;
    let regions = Weighted::new(&REGIONS.map(|(_, share)| share));
    let mut practices: Vec<Practice> = (0..count).map(|_| draw_one(&regions, population.last_date, dice)).collect();
    for (at, practice) in practices.iter_mut().enumerate() {
        // Evenly among all, so that even a few practices have one: in the middle of each fifty, and of each hundred.
        if at % SWITCHED_OFF_EVERY == SWITCHED_OFF_EVERY / 2 {
            practice.switched_off = Some(population.last_date - dice.between(1, 365));
        } else if at % NEVER_ACTIVATED_EVERY == NEVER_ACTIVATED_EVERY / 2 - 1 {
            practice.activated = None;
        }
    }
    practices
}

fn draw_one(regions: &Weighted, last_date: i32, dice: &mut Dice) -> Practice {
    let (earliest, latest) = (2_005, 2_018);
    let region = regions.draw(dice);
    let area = (region * AREAS_PER_REGION + dice.below(AREAS_PER_REGION as u64) as usize).min(AREAS - 1);
    let month = 1 + dice.below(12) as u32;
    let go_live = days_from_civil(Civil { year: dice.between(earliest, latest), month, day: 1 });
    let activated = Some(last_date - dice.between(366, 1_500));
    Practice { region, area, go_live, activated, switched_off: None }
}

/// The number by which tables know the practice at an index.
pub(crate) fn id(index: usize) -> i64 {
    index as i64 + 1
}

/// The first day of a month, given as year and month.
pub(crate) fn first_of((year, month): (i32, u32)) -> i32 {
    days_from_civil(Civil { year, month, day: 1 })
}
