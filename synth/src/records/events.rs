//! Clinical events come in consultations; planted code lists are used from an onset on.

use peristyle_model::scalar::{Civil, days_from_civil};

use crate::codes::PlantedList;
use crate::dice::Dice;
use crate::life::Life;
use crate::tables::or_null;
use crate::world::World;

/// One code of one system: suppliers keep the two apart.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Code {
    /// Index into SNOMED CT codes; NULL where an entry has none
    Snomed(Option<i32>),
    /// Index into CTV3 codes
    Ctv3(i32),
}

/// A coded entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    /// Unlike that of any other event
    pub(crate) id: i64,
    pub(crate) date: Option<i32>,
    pub(crate) code: Code,
    /// A multiple of an eighth, which every layout's type holds exactly; 0 where nothing was measured
    pub(crate) value: f32,
    pub(crate) consultation: i64,
}

/// Kinds of measurement: mean, standard deviation, steps in one. Glycated haemoglobin, body mass index, blood pressure
/// (two), cholesterol, kidney function, weight.
const MEASUREMENTS: [(f64, f64, f64); 7] = [
    (48.0, 12.0, 1.0),
    (27.5, 5.5, 8.0),
    (134.0, 18.0, 1.0),
    (79.0, 11.0, 1.0),
    (5.125, 1.125, 8.0),
    (76.0, 20.0, 1.0),
    (78.0, 17.0, 8.0),
];

/// One code in so many of the vocabulary is a measurement.
const MEASUREMENT_EVERY: usize = 4;

/// The year in which practices went from CTV3 to SNOMED CT.
const SNOMED_YEAR: i32 = 2018;

/// Calls `each` with every event of a patient.
pub(crate) fn draw(world: &World, life: &Life, dice: &mut Dice, mut each: impl FnMut(Event)) {
    if !life.is_active() {
        return;
    }
    let mut numbers = Numbers { event: world.first_event_id(life), consultation: world.first_consultation_id(life) };
    draw_planted(world, life, &mut numbers, dice, &mut each);
    let mean = world.without_planted(world.events_per_patient, &[&world.snomed, &world.ctv3]);
    let mut left = world.count(life, mean, dice);
    let changed = days_from_civil(Civil { year: SNOMED_YEAR, month: 6, day: 1 });
    while left > 0 {
        let day = life.any_day(life.active.0, dice);
        let date = or_null(day, 0.003, dice);
        let together = (1 + dice.geometric(1.5)).min(left);
        for _ in 0..together {
            let snomed_share = if day < changed { 0.4 } else { 0.95 };
            let (code, value) = background(world, snomed_share, dice);
            each(numbers.event(date, code, value));
        }
        numbers.consultation += 1;
        left -= together;
    }
}

/// The next numbers.
struct Numbers {
    event: i64,
    consultation: i64,
}

impl Numbers {
    fn event(&mut self, date: Option<i32>, code: Code, value: f32) -> Event {
        let event = Event { id: self.event, date, code, value, consultation: self.consultation };
        self.event += 1;
        event
    }
}

/// Events with the codes of the planted lists, each in a consultation of its own.
fn draw_planted(world: &World, life: &Life, numbers: &mut Numbers, dice: &mut Dice, each: &mut impl FnMut(Event)) {
    let lists = world.snomed.lists.iter().map(|list| (list, true));
    for (list, is_snomed) in lists.chain(world.ctv3.lists.iter().map(|list| (list, false))) {
        let count = list.events(life, dice);
        if count == 0 {
            continue;
        }
        let onset = life.any_day(life.active.0, dice);
        for _ in 0..count {
            let code = planted_code(list, is_snomed, dice);
            let value = or_null(measured(0, dice), 0.1, dice).unwrap_or(0.0);
            each(numbers.event(Some(life.any_day(onset, dice)), code, value));
            numbers.consultation += 1;
        }
    }
}

fn planted_code(list: &PlantedList, is_snomed: bool, dice: &mut Dice) -> Code {
    let code = list.any(dice);
    if is_snomed { Code::Snomed(Some(code)) } else { Code::Ctv3(code) }
}

/// A made-up code of either system, and what was measured.
fn background(world: &World, snomed_share: f64, dice: &mut Dice) -> (Code, f32) {
    // The two vocabularies are namings of the same things: a number is a measurement in both, or in neither.
    let code = world.snomed.any(dice);
    let kind = code as usize / MEASUREMENT_EVERY;
    let is_measurement = (code as usize).is_multiple_of(MEASUREMENT_EVERY) && !dice.chance(0.05);
    let value = if is_measurement { measured(kind % MEASUREMENTS.len(), dice) } else { 0.0 };
    let code = if dice.chance(snomed_share) { Code::Snomed(or_null(code, 0.005, dice)) } else { Code::Ctv3(code) };
    (code, value)
}

fn measured(kind: usize, dice: &mut Dice) -> f32 {
    let (mean, deviation, steps) = MEASUREMENTS[kind];
    ((mean + deviation * dice.normal()).max(0.5) * steps).round() as f32 / steps as f32
}
