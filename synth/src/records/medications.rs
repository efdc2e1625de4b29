//! Medicines: courses of one product, issued every four or eight weeks.

use crate::dice::Dice;
use crate::life::Life;
use crate::tables::or_null;
use crate::world::World;

/// Issues of medicines beside clinical events.
pub(crate) const PER_EVENT: f64 = 0.25;

/// Mean issues of a course after the first.
const REPEATS: f64 = 5.0;

/// Days of consultations for medicines are numbered from a patient's first; twenty years and a little.
pub(crate) const DAYS_MAX: i64 = 1 << 13;

/// A medicine handed out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Issue {
    /// Unlike that of any other issue
    pub(crate) id: i64,
    pub(crate) date: i32,
    /// Index into dm+d codes; NULL for a product that dm+d does not know
    pub(crate) code: Option<i32>,
    pub(crate) consultation: i64,
    /// Id of the first issue of its course
    pub(crate) course: i64,
}

/// Calls `each` with every issue of a patient.
pub(crate) fn draw(world: &World, life: &Life, dice: &mut Dice, mut each: impl FnMut(Issue)) {
    if !life.is_active() {
        return;
    }
    let mut next = world.first_event_id(life);
    for list in &world.dmd.lists {
        let issues = list.events(life, dice);
        next += course(world, life, issues, next, |dice| list.any(dice), dice, &mut each) as i64;
    }
    let mean = world.without_planted(world.events_per_patient * PER_EVENT, &[&world.dmd]);
    let mut left = world.count(life, mean, dice);
    while left > 0 {
        let code = world.dmd.any(dice);
        let issues = (1 + dice.geometric(REPEATS)).min(left);
        let made = course(world, life, issues, next, |_| code, dice, &mut each).max(1);
        left -= made;
        next += made as i64;
    }
}

/// At most so many issues from a day on; how many.
fn course(
    world: &World,
    life: &Life,
    issues: usize,
    first_id: i64,
    mut code: impl FnMut(&mut Dice) -> i32,
    dice: &mut Dice,
    each: &mut impl FnMut(Issue),
) -> usize {
    if issues == 0 {
        return 0;
    }
    let mut date = life.any_day(life.active.0, dice);
    let gap = if dice.chance(0.7) { 28 } else { 56 };
    for issue in 0..issues {
        if date > life.active.1 {
            return issue;
        }
        // Medicines are issued on days of their own.
        let consultation = world.first_medicine_consultation_id(life) + i64::from(date - life.active.0);
        let code = or_null(code(dice), 0.01, dice);
        each(Issue { id: first_id + issue as i64, date, code, consultation, course: first_id });
        date += gap + dice.between(-3, 5);
    }
    issues
}
