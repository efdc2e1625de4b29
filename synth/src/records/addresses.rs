//! Addresses: a home per registration, a care home for some of the old.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};

use crate::dice::Dice;
use crate::life::Life;
use crate::tables::or_null;
use crate::world::World;

/// Small areas a practice's patients live in.
const NEIGHBOURHOODS_PER_PRACTICE: usize = 6;
/// All there are.
const NEIGHBOURHOODS: usize = 7_000;

/// Ranks of deprivation are told in steps of 100 up to 32,800.
const DEPRIVATION_STEPS: u64 = 329;

/// Ids are the patient's times this, plus a number.
const PER_PATIENT_MAX: i64 = 1 << 4;

/// Where a patient lived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home {
    /// Unlike that of any other address
    pub(crate) id: i64,
    pub(crate) start: Option<i32>,
    pub(crate) end: Option<i32>,
    pub(crate) kind: i64,
    /// NULL without a postcode
    pub(crate) place: Option<Place>,
    pub(crate) care: Option<Care>,
}

/// What is known of a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// From 0 to [`NEIGHBOURHOODS`]
    pub(crate) neighbourhood: i32,
    pub(crate) rural_urban: i64,
    pub(crate) deprivation: i64,
}

/// What is known of a care home.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Care {
    pub(crate) with_nursing: Option<bool>,
    pub(crate) without_nursing: Option<bool>,
}

/// Calls `each` with every address of a patient, one for each registration.
pub(crate) fn draw(world: &World, life: &Life, dice: &mut Dice, mut each: impl FnMut(Home)) {
    for (number, registration) in life.registrations.iter().enumerate() {
        each(Home {
            id: life.patient * PER_PATIENT_MAX + number as i64,
            start: or_null(registration.start, 0.01, dice),
            end: registration.end,
            kind: [0, 0, 0, 0, 0, 0, 0, 0, 1, 3][dice.below(10) as usize],
            place: place(world, registration.practice, dice),
            care: care(life.age(registration.end.unwrap_or(world.last_date)), dice),
        });
    }
}

fn place(world: &World, practice: usize, dice: &mut Dice) -> Option<Place> {
    let known = !dice.chance(0.02);
    let near = dice.below(NEIGHBOURHOODS_PER_PRACTICE as u64) as usize;
    let neighbourhood = (practice * NEIGHBOURHOODS_PER_PRACTICE + near) % NEIGHBOURHOODS;
    let (rural_urban, deprivation) = world.neighbourhoods[neighbourhood];
    known.then_some(Place { neighbourhood: neighbourhood as i32, rural_urban, deprivation })
}

fn care(age: f64, dice: &mut Dice) -> Option<Care> {
    let share = if age < 65.0 { 0.001 } else { ((age - 60.0) / 150.0).min(0.3) };
    if !dice.chance(share) {
        return None;
    }
    let nursing = dice.chance(0.4);
    Some(Care { with_nursing: or_null(nursing, 0.3, dice), without_nursing: or_null(!nursing, 0.3, dice) })
}

/// What is said of each neighbourhood is the same for all who live there: kind of area, and deprivation.
pub(crate) fn neighbourhoods(dice: &mut Dice) -> Vec<(i64, i64)> {
    (0..NEIGHBOURHOODS).map(|_| (1 + dice.below(8) as i64, 100 * dice.below(DEPRIVATION_STEPS) as i64)).collect()
}

/// The code of a place without postcode in [`neighbourhood_codes`].
pub(crate) const NO_POSTCODE: i32 = NEIGHBOURHOODS as i32;

/// The codes of neighbourhoods, and what suppliers write where there is none.
pub(crate) fn neighbourhood_codes() -> ArrayRef {
    let codes = (1..=NEIGHBOURHOODS).map(|number| format!("E020{number:05}"));
    Arc::new(StringArray::from_iter_values(codes.chain(["NPC".to_owned()])))
}
