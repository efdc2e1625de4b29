//! Vaccinations: childhood courses, flu in autumn for the old, SARS-CoV-2 from December 2020.

use peristyle_model::scalar::{Civil, civil_from_days, days_from_civil};

use crate::dice::Dice;
use crate::life::Life;

/// Made-up products, and the indices of the diseases that each is against.
pub(crate) const VACCINES: [(&str, &[usize]); 8] = [
    ("Influenza vaccine A", &[0]),
    ("Influenza vaccine B", &[0]),
    ("COVID-19 vaccine A", &[1]),
    ("COVID-19 vaccine B", &[1]),
    ("MMR vaccine", &[2, 3, 4]),
    ("Pneumococcal vaccine", &[5]),
    ("Meningococcal vaccine", &[6]),
    ("Six-in-one vaccine", &[7]),
];

/// Diseases as suppliers spell them.
pub(crate) const DISEASES: [&str; 8] =
    ["INFLUENZA", "SARS-2 CORONAVIRUS", "MEASLES", "MUMPS", "RUBELLA", "PNEUMOCOCCAL", "MENINGOCOCCAL", "PERTUSSIS"];

/// Vaccines given in childhood: index into [`VACCINES`], months of age.
const CHILDHOOD: [(usize, i32); 7] = [(7, 2), (6, 2), (7, 3), (7, 4), (4, 12), (5, 12), (4, 40)];

const DAYS_A_MONTH: f64 = 30.44;

/// Ids are the patient's times this, plus a number.
const PER_PATIENT_MAX: i64 = 1 << 6;

/// A vaccine given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dose {
    /// Unlike that of any other dose
    pub(crate) id: i64,
    pub(crate) date: i32,
    /// Index into [`VACCINES`]
    pub(crate) vaccine: usize,
}

/// Calls `each` with every dose of a patient.
pub(crate) fn draw(life: &Life, dice: &mut Dice, mut each: impl FnMut(Dose)) {
    if !life.is_active() {
        return;
    }
    let mut id = life.patient * PER_PATIENT_MAX;
    let mut given = |vaccine: usize, date: i32| {
        if (life.active.0..=life.active.1).contains(&date) {
            each(Dose { id, date, vaccine });
            id += 1;
        }
    };
    childhood(life, dice, &mut given);
    influenza(life, dice, &mut given);
    coronavirus(life, dice, &mut given);
}

fn childhood(life: &Life, dice: &mut Dice, given: &mut impl FnMut(usize, i32)) {
    for (vaccine, months) in CHILDHOOD {
        let date = life.birth + (f64::from(months) * DAYS_A_MONTH) as i32 + dice.between(0, 45);
        if dice.chance(0.92) {
            given(vaccine, date);
        }
    }
}

fn influenza(life: &Life, dice: &mut Dice, given: &mut impl FnMut(usize, i32)) {
    for year in civil_from_days(life.active.0).year..=civil_from_days(life.active.1).year {
        let date = days_from_civil(Civil { year, month: 9, day: 15 }) + dice.exponential(30.0).min(120.0) as i32;
        let uptake = match life.age(date) {
            age if age >= 65.0 => 0.75,
            age if age >= 50.0 => 0.3,
            _ => 0.06,
        };
        if dice.chance(uptake) {
            given(dice.below(2) as usize, date);
        }
    }
}

fn coronavirus(life: &Life, dice: &mut Dice, given: &mut impl FnMut(usize, i32)) {
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
        given(vaccine, date);
        date += dice.between(77, 200);
        uptake -= 0.05;
    }
}

/// The number by which the supplier knows a vaccine.
pub(crate) fn name_id(vaccine: usize) -> i64 {
    vaccine as i64 * 3 + 100
}
