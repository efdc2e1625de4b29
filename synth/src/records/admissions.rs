//! Spells in hospital, with strings of many codes as the source has them: `||E119 ,E780 ||I801`.

use std::fmt::Write as _;

use super::{hospital_from, in_hospital_years};
use crate::codes::CodeBook;
use crate::dice::Dice;
use crate::life::Life;
use crate::tables::or_null;
use crate::world::World;

/// Mean number of spells.
pub(crate) const PER_PATIENT: f64 = 1.0;

/// Ids are the patient's times this, plus a number.
const PER_PATIENT_MAX: i64 = 1 << 8;

pub(crate) const DESTINATIONS: [&str; 4] = ["19", "54", "79", "51"];
pub(crate) const DISCHARGE_METHODS: [&str; 4] = ["1", "2", "4", "3"];
pub(crate) const ADMISSION_METHODS: [&str; 6] = ["21", "11", "12", "22", "13", "2A"];
pub(crate) const CLASSIFICATIONS: [&str; 3] = ["1", "2", "3"];
pub(crate) const GROUPS: [&str; 8] = ["DZ11K", "EB10A", "FD05B", "HT13A", "LA04H", "NZ30C", "PB03Z", "WJ06E"];

/// A spell in hospital. Indices are into the arrays above, and into ICD-10 and OPCS-4 codes.
#[derive(Debug, Default)]
pub(crate) struct Spell {
    /// Unlike that of any other spell
    pub(crate) id: i64,
    pub(crate) admitted: i32,
    pub(crate) discharged: Option<i32>,
    pub(crate) destination: i32,
    pub(crate) discharge_method: i32,
    pub(crate) group: i32,
    pub(crate) admission_method: i32,
    pub(crate) classification: i32,
    pub(crate) diagnoses: Vec<i32>,
    pub(crate) procedures: Vec<i32>,
    pub(crate) critical_days: i64,
}

impl Spell {
    /// The day by which the source sorts spells into months.
    pub(crate) fn month_day(&self) -> i32 {
        self.discharged.unwrap_or(self.admitted)
    }
}

/// Calls `each` with every spell of a patient.
pub(crate) fn draw(world: &World, life: &Life, dice: &mut Dice, mut each: impl FnMut(&Spell)) {
    if !in_hospital_years(life) {
        return;
    }
    // A spell for each planted code, so that it is the primary diagnosis.
    let (diagnoses, procedures) = (planted(&world.icd10, life, dice), planted(&world.opcs4, life, dice));
    let count = world.count(life, PER_PATIENT, dice).max(diagnoses.len()).max(procedures.len());
    let mut spell = Spell::default();
    for number in 0..count.min(PER_PATIENT_MAX as usize) {
        spell.id = life.patient * PER_PATIENT_MAX + number as i64;
        spell.diagnoses.clear();
        spell.diagnoses.extend(diagnoses.get(number));
        spell.diagnoses.extend((0..1 + dice.geometric(2.5)).map(|_| world.icd10.any(dice)));
        spell.procedures.clear();
        spell.procedures.extend(procedures.get(number));
        spell.procedures.extend((0..dice.geometric(1.0)).map(|_| world.opcs4.any(dice)));
        draw_stay(life, &mut spell, dice);
        each(&spell);
    }
}

fn planted(book: &CodeBook, life: &Life, dice: &mut Dice) -> Vec<i32> {
    let mut codes = Vec::new();
    for list in &book.lists {
        codes.extend((0..list.events(life, dice)).map(|_| list.any(dice)));
    }
    codes
}

fn draw_stay(life: &Life, spell: &mut Spell, dice: &mut Dice) {
    spell.admitted = life.any_day(hospital_from(), dice);
    let discharged = (spell.admitted + dice.exponential(3.0).min(200.0) as i32).min(life.active.1);
    spell.discharged = or_null(discharged, 0.01, dice);
    // Earlier ones are more common.
    let mut few = |count: usize| dice.below(count as u64).min(dice.below(count as u64)) as i32;
    spell.destination = few(DESTINATIONS.len());
    spell.discharge_method = few(DISCHARGE_METHODS.len());
    spell.group = few(GROUPS.len());
    spell.admission_method = few(ADMISSION_METHODS.len());
    spell.classification = few(CLASSIFICATIONS.len());
    spell.critical_days = if dice.chance(0.05) { i64::from((discharged - spell.admitted) / 2) } else { 0 };
}

/// The codes as one string, if there are any: the first code opens an episode, the others are secondary to it.
pub(crate) fn joined<'t>(book: &CodeBook, codes: &[i32], text: &'t mut String) -> Option<&'t str> {
    text.clear();
    let strings = book.strings();
    for (place, code) in codes.iter().enumerate() {
        let before = if place == 0 { "||" } else { " ," };
        // Writing to a string does not fail.
        let _ = write!(text, "{before}{}", strings.value(*code as usize));
    }
    (!codes.is_empty()).then_some(text)
}
