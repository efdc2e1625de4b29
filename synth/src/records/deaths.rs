//! Deaths as they are registered, with the causes on the certificate.

use crate::dice::Dice;
use crate::life::Life;
use crate::world::World;

/// Places as the catalogue spells them, with their share.
pub(crate) const PLACES: [(&str, f64); 6] = [
    ("Care Home", 0.21),
    ("Elsewhere", 0.02),
    ("Home", 0.28),
    ("Hospice", 0.05),
    ("Hospital", 0.43),
    ("Other communal establishment", 0.01),
];

/// Lines of a certificate.
pub(crate) const LINES: usize = 15;

/// A registered death.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) date: i32,
    /// Indices into ICD-10 codes
    pub(crate) underlying: Option<i32>,
    pub(crate) causes: [Option<i32>; LINES],
    /// Index into [`PLACES`]
    pub(crate) place: i32,
    /// Registered again, on a later day: the first is the one that counts
    pub(crate) again_on: Option<i32>,
}

/// The registered death of a patient.
pub(crate) fn draw(world: &World, life: &Life, dice: &mut Dice) -> Option<Certificate> {
    let death = life.death?;
    // Certificates arrive late.
    if death > world.last_date - dice.exponential(14.0) as i32 {
        return None;
    }
    let planted = world.icd10.lists.iter().filter(|list| list.events(life, dice) > 0).collect::<Vec<_>>();
    let mut codes: Vec<i32> = planted.iter().map(|list| list.any(dice)).collect();
    codes.extend((0..1 + dice.geometric(1.6)).map(|_| world.icd10.any(dice)));
    codes.truncate(LINES);
    let mut causes = [None; LINES];
    for (line, code) in causes.iter_mut().zip(&codes) {
        *line = Some(*code);
    }
    let underlying = codes.get(dice.below(codes.len() as u64) as usize).copied();
    let place = world.places_of_death.draw(dice) as i32;
    let again_on = (dice.chance(0.005) && death < world.last_date).then_some(death + 1);
    Some(Certificate { date: death, underlying, causes, place, again_on })
}
