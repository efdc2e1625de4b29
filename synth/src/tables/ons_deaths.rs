//! `ons_deaths`: one row for each of the dead, with the causes on the certificate.

use std::sync::Arc;

use arrow::array::{ArrayBuilder, ArrayRef, Date32Builder, Int64Builder, RecordBatch};
use arrow::error::ArrowError;

use super::Rows;
use super::columns::{Coded, batch_of};
use crate::dice::{Dice, Weighted};
use crate::life::Life;
use crate::world::World;

/// Places as the catalogue spells them, with their share.
const PLACES: [(&str, f64); 6] = [
    ("Care Home", 0.21),
    ("Elsewhere", 0.02),
    ("Home", 0.28),
    ("Hospice", 0.05),
    ("Hospital", 0.43),
    ("Other communal establishment", 0.01),
];

/// Lines of a certificate.
const CAUSES: [&str; 15] = [
    "cause_of_death_01",
    "cause_of_death_02",
    "cause_of_death_03",
    "cause_of_death_04",
    "cause_of_death_05",
    "cause_of_death_06",
    "cause_of_death_07",
    "cause_of_death_08",
    "cause_of_death_09",
    "cause_of_death_10",
    "cause_of_death_11",
    "cause_of_death_12",
    "cause_of_death_13",
    "cause_of_death_14",
    "cause_of_death_15",
];

pub(crate) struct OnsDeaths<'a> {
    world: &'a World,
    places: Weighted,
    patient_id: Int64Builder,
    date: Date32Builder,
    underlying_cause_of_death: Coded,
    causes: [Coded; CAUSES.len()],
    place: Coded,
}

impl<'a> OnsDeaths<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        OnsDeaths {
            world,
            places: Weighted::new(&PLACES.map(|(_, share)| share)),
            patient_id: Int64Builder::new(),
            date: Date32Builder::new(),
            underlying_cause_of_death: Coded::new(&world.icd10.codes),
            causes: CAUSES.map(|_| Coded::new(&world.icd10.codes)),
            place: Coded::of(PLACES.map(|(place, _)| place)),
        }
    }
}

impl Rows for OnsDeaths<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        let Some(death) = life.death else {
            return;
        };
        // Certificates arrive late.
        if death > self.world.last_date - dice.exponential(14.0) as i32 {
            return;
        }
        let planted = self.world.icd10.lists.iter().filter(|list| list.events(life, dice) > 0).collect::<Vec<_>>();
        let mut causes: Vec<i32> = planted.iter().map(|list| list.any(dice)).collect();
        causes.extend((0..1 + dice.geometric(1.6)).map(|_| self.world.icd10.any(dice)));
        causes.truncate(CAUSES.len());
        self.patient_id.append_value(life.patient);
        self.date.append_value(death);
        self.underlying_cause_of_death.push(causes.get(dice.below(causes.len() as u64) as usize).copied());
        for (line, column) in self.causes.iter_mut().enumerate() {
            column.push(causes.get(line).copied());
        }
        let place = self.places.draw(dice);
        self.place.push(Some(place as i32));
    }

    fn len(&self) -> usize {
        self.patient_id.len()
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("date", Arc::new(self.date.finish())),
            ("underlying_cause_of_death", self.underlying_cause_of_death.take()?),
        ];
        for (name, column) in CAUSES.into_iter().zip(&mut self.causes) {
            columns.push((name, column.take()?));
        }
        columns.push(("place", self.place.take()?));
        batch_of(Arc::new(self.patient_id.finish()), columns)
    }
}
