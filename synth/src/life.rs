//! One patient's life: what all tables must agree on.

use peristyle_model::scalar::{Civil, days_from_civil, to_first_of_month};

use crate::dice::Dice;
use crate::world::World;

/// Sexes as the catalogue spells them and as suppliers do, with their share.
pub(crate) const SEXES: [(&str, &str, f64); 4] =
    [("female", "F", 0.503), ("male", "M", 0.4958), ("intersex", "I", 0.0002), ("unknown", "U", 0.001)];

/// What hospitals write of ethnicity; the last two say nothing.
pub(crate) const ETHNICITIES: [&str; 10] = ["A", "C", "H", "J", "M", "N", "R", "S", "Z", "99"];

/// A stay at one practice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Registration {
    pub(crate) start: i32,
    /// NULL while it lasts
    pub(crate) end: Option<i32>,
    /// Index into the world's practices
    pub(crate) practice: usize,
}

/// What all tables must agree on. Dates are days since 1970-01-01.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Life {
    pub(crate) patient: i64,
    /// The first of a month
    pub(crate) birth: i32,
    pub(crate) death: Option<i32>,
    /// Index into [`SEXES`]
    pub(crate) sex: usize,
    pub(crate) registrations: Vec<Registration>,
    /// When GP activity may lie: first and last day
    pub(crate) active: (i32, i32),
    /// How much care age and time ask for; 0 for one who was never active
    pub(crate) need: f64,
    /// How many records the patient has beside others of the same need; 1 on average
    pub(crate) skew: f64,
    /// From 0, the most ill, to 1: who has one planted code list is likely to have another
    pub(crate) health: f64,
}

/// Purposes of random streams; tables count from here.
const PURPOSE: u64 = 0;

const DAYS_A_YEAR: f64 = 365.25;

/// GP activity older than this is hardly ever coded.
const YEARS_KEPT: f64 = 20.0;

/// Mortality as Gompertz saw it: risk a year at birth, and its growth a year of age. Half live to about 84.
const RISK: f64 = 0.000_03;
const GROWTH: f64 = 0.095;

/// The year from which on deaths are known: who died before is in no table.
const KNOWN_FROM: i32 = 2009;

impl Life {
    /// The life of `patient`, which counts from 1.
    pub(crate) fn draw(world: &World, patient: u64) -> Self {
        let dice = &mut Dice::new(world.seed, patient, PURPOSE);
        let (birth, age_known) = draw_birth(world.last_date, dice);
        let sex = draw_sex(dice);
        let lifetime = age_of_death(age_known, dice);
        let death = f64::from(birth) + lifetime * DAYS_A_YEAR;
        // The first of the month is the day of birth that is told: a death in that month may come before it.
        let death = (death <= f64::from(world.last_date)).then(|| (death as i32).max(birth));
        let registrations = draw_registrations(world, birth, death, dice);
        let active = active_days(world, &registrations);
        let (need, skew, health) = (need(birth, active), dice.skew(0.9), dice.unit());
        Life { patient: patient as i64, birth, death, sex, registrations, active, need, skew, health }
    }

    /// Age in years on a day.
    pub(crate) fn age(&self, day: i32) -> f64 {
        f64::from(day - self.birth) / DAYS_A_YEAR
    }

    /// The day of death as the practice has it: it does not hear of every one.
    pub(crate) fn death_known_to_practice(&self, dice: &mut Dice) -> Option<i32> {
        self.death.filter(|_| !dice.chance(0.02))
    }

    /// Ethnicity as a hospital wrote it in the record of that id: an index into [`ETHNICITIES`]. Mostly the same.
    pub(crate) fn ethnicity_told(&self, id: i64) -> i32 {
        let usual = (self.health * 1_000.0) as i32 % 20;
        let usual = if usual < 12 { 0 } else { usual - 11 };
        if id % 7 == 3 { (ETHNICITIES.len() as i32) - 1 - (id % 2) as i32 } else { usual.min(7) }
    }

    /// Whether there is a day on which something could have happened.
    pub(crate) fn is_active(&self) -> bool {
        self.need > 0.0
    }

    /// A day of GP activity from `first` on: more of it lately, more in winter, little at weekends.
    pub(crate) fn any_day(&self, first: i32, dice: &mut Dice) -> i32 {
        let (start, end) = (self.active.0.max(first).min(self.active.1), self.active.1);
        let mut day = start;
        // A day in July is turned down three times in ten; after a few it is taken anyway.
        for _ in 0..4 {
            day = start + (f64::from(end - start + 1) * dice.unit().powf(0.75)) as i32;
            let from_midwinter = (f64::from(day) % DAYS_A_YEAR - 15.0) / DAYS_A_YEAR;
            if dice.chance(0.85 + 0.15 * (std::f64::consts::TAU * from_midwinter).cos()) {
                break;
            }
        }
        // 1970-01-01 was a Thursday.
        let weekday = (day + 3).rem_euclid(7);
        let before_weekend = day - (weekday - 4).max(0);
        if before_weekend >= start && dice.chance(0.9) { before_weekend } else { day.min(end) }
    }
}

/// The first of the month of birth, and the age at which the patient became known: as many are born each year, and
/// who died before [`KNOWN_FROM`] is left out, so that ages come out as in a living population.
fn draw_birth(last_date: i32, dice: &mut Dice) -> (i32, f64) {
    let known_from = days_from_civil(Civil { year: KNOWN_FROM, month: 1, day: 1 }).min(last_date);
    let oldest = known_from - (105.0 * DAYS_A_YEAR) as i32;
    // Half of all draws are taken; 64 in a row that are not do not happen.
    let mut birth = known_from;
    let mut age_known = 0.0;
    for _ in 0..64 {
        birth = to_first_of_month(dice.between(oldest, last_date));
        age_known = (f64::from(known_from - birth) / DAYS_A_YEAR).max(0.0);
        if dice.chance(surviving(age_known)) {
            break;
        }
    }
    (birth, age_known)
}

/// The share of people that reach an age.
fn surviving(age: f64) -> f64 {
    (-RISK / GROWTH * ((GROWTH * age).exp() - 1.0)).exp()
}

/// The age of death of one who has reached `age`.
fn age_of_death(age: f64, dice: &mut Dice) -> f64 {
    let share = 1.0 - dice.unit();
    ((GROWTH * age).exp() - GROWTH / RISK * share.ln()).ln() / GROWTH
}

fn draw_sex(dice: &mut Dice) -> usize {
    let mut rest = dice.unit();
    for (index, (_, _, share)) in SEXES.iter().enumerate() {
        if rest < *share {
            return index;
        }
        rest -= share;
    }
    0
}

/// Registrations bounded in number; a move every dozen years, most within the region.
fn draw_registrations(world: &World, birth: i32, death: Option<i32>, dice: &mut Dice) -> Vec<Registration> {
    const MOVES_MAX: usize = 12;
    let year = |year| days_from_civil(Civil { year, month: 1, day: 1 });
    let end_of_life = death.unwrap_or(world.last_date);
    let mut start = if birth >= year(1985) {
        birth + dice.between(0, 60)
    } else {
        dice.between(birth.max(year(1965)), year(KNOWN_FROM).min(world.last_date))
    };
    // Whoever was never registered is in no supplier's records.
    start = start.min(end_of_life);
    let mut practice = world.any_practice(dice);
    let mut registrations = Vec::new();
    for _ in 0..MOVES_MAX {
        if start > end_of_life {
            break;
        }
        let end = start + 30 + dice.exponential(12.0 * DAYS_A_YEAR) as i32;
        if end >= end_of_life || registrations.len() == MOVES_MAX - 1 {
            registrations.push(Registration { start, end: death, practice });
            break;
        }
        registrations.push(Registration { start, end: Some(end), practice });
        if dice.chance(0.04) {
            break;
        }
        // Some are nowhere for a while, some at two practices for a few days.
        start = match dice.below(20) {
            0 | 1 => end + dice.between(1, 400),
            2 => end - dice.between(1, 14),
            _ => end,
        };
        practice = next_practice(world, practice, dice);
    }
    registrations
}

fn next_practice(world: &World, practice: usize, dice: &mut Dice) -> usize {
    let region = world.practices[practice].region;
    let far = dice.chance(0.3);
    let mut next = world.any_practice(dice);
    for _ in 0..8 {
        if next != practice && (far || world.practices[next].region == region) {
            break;
        }
        next = world.any_practice(dice);
    }
    next
}

/// First and last day of GP activity that is kept. Empty (last before first) for one who was never registered.
fn active_days(world: &World, registrations: &[Registration]) -> (i32, i32) {
    let kept_from = world.last_date - (YEARS_KEPT * DAYS_A_YEAR) as i32;
    match (registrations.first(), registrations.last()) {
        (Some(first), Some(last)) => {
            (first.start.max(kept_from), last.end.unwrap_or(world.last_date).min(world.last_date))
        }
        _ => (world.last_date, world.last_date - 1),
    }
}

/// More for longer, for the old, and for the very young.
fn need(birth: i32, (first, last): (i32, i32)) -> f64 {
    if last < first {
        return 0.0;
    }
    let years = f64::from(last - first + 1) / DAYS_A_YEAR;
    let age = f64::from((first + last) / 2 - birth) / DAYS_A_YEAR;
    let intensity = 0.5 + (age / 45.0).powi(2).min(3.0) + if age < 5.0 { 0.8 } else { 0.0 };
    years.powf(0.8) * intensity
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::population::Population;

    #[test]
    fn lives_are_in_order() {
        let world = World::new(&Population::default());
        for patient in 1..5_000 {
            let life = Life::draw(&world, patient);
            assert_eq!(life.birth, to_first_of_month(life.birth), "{life:?}");
            assert!(life.death.is_none_or(|death| (life.birth..=world.last_date).contains(&death)), "{life:?}");
            for registration in &life.registrations {
                assert!(registration.start >= life.birth, "{life:?}");
                assert!(registration.end.is_none_or(|end| end >= registration.start), "{life:?}");
                assert!(registration.end.unwrap_or(registration.start) <= world.last_date, "{life:?}");
            }
            if life.is_active() {
                let dice = &mut Dice::new(1, patient, 9);
                let day = life.any_day(life.birth, dice);
                assert!((life.active.0..=life.active.1).contains(&day), "{life:?}: {day}");
            }
        }
    }

    #[test]
    fn ages_and_moves_are_plausible() {
        let world = World::new(&Population::default());
        let lives: Vec<Life> = (1..20_000).map(|patient| Life::draw(&world, patient)).collect();
        let share = |holds: &dyn Fn(&Life) -> bool| lives.iter().filter(|life| holds(life)).count() as f64 / 19_999.0;
        let alive = |life: &Life| life.death.is_none();
        for (what, got, least, most) in [
            ("dead", share(&|life| !alive(life)), 0.08, 0.22),
            ("living children", share(&|life| alive(life) && life.age(world.last_date) < 18.0), 0.12, 0.28),
            ("living and over 80", share(&|life| alive(life) && life.age(world.last_date) > 80.0), 0.02, 0.10),
            ("at several practices", share(&|life| life.registrations.len() > 1), 0.40, 0.90),
            ("never active", share(&|life| !life.is_active()), 0.0, 0.15),
        ] {
            assert!((least..=most).contains(&got), "{what}: {got}");
        }
    }
}
