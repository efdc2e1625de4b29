//! Who patients are, where they lived and were registered, and how they died.

use crate::dice::Dice;
use crate::life::{Life, SEXES};
use crate::practices::{self, REGIONS, areas};
use crate::records::{addresses, deaths};
use crate::tables::{Columns, Rows};
use crate::world::World;

use super::patient_id;

pub(super) struct Patients(Columns);

impl Patients {
    pub(super) fn new() -> Self {
        Patients(patient_id().date("date_of_birth").category("sex", SEXES.map(|(sex, ..)| sex)).date("date_of_death"))
    }
}

impl Rows for Patients {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        let row = self.0.push_int(life.patient).push_day(life.birth).push_index(life.sex as i32);
        row.push_day(life.death_known_to_practice(dice));
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.0
    }
}

pub(super) struct PracticeRegistrations<'a> {
    world: &'a World,
    columns: Columns,
}

impl<'a> PracticeRegistrations<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let columns = patient_id()
            .date("start_date")
            .date("end_date")
            .int("practice_pseudo_id")
            .coded("practice_stp", &areas())
            .category("practice_nuts1_region_name", REGIONS.map(|(region, _)| region))
            .date("practice_systmone_go_live_date");
        PracticeRegistrations { world, columns }
    }
}

impl Rows for PracticeRegistrations<'_> {
    fn add(&mut self, life: &Life, _dice: &mut Dice) {
        for registration in &life.registrations {
            let practice = &self.world.practices[registration.practice];
            let row = self.columns.push_int(life.patient).push_day(registration.start).push_day(registration.end);
            row.push_int(practices::id(registration.practice))
                .push_index(practice.area as i32)
                .push_index(practice.region as i32)
                .push_day(practice.go_live);
        }
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

pub(super) struct Addresses<'a> {
    world: &'a World,
    columns: Columns,
}

impl<'a> Addresses<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let columns = patient_id()
            .id("address_id")
            .date("start_date")
            .date("end_date")
            .int("address_type")
            .int("rural_urban_classification")
            .int("imd_rounded")
            .coded("msoa_code", &addresses::neighbourhood_codes())
            .flag("has_postcode")
            .flag("care_home_is_potential_match")
            .flag("care_home_requires_nursing")
            .flag("care_home_does_not_require_nursing");
        Addresses { world, columns }
    }
}

impl Rows for Addresses<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        addresses::draw(self.world, life, dice, |home| {
            let row = self.columns.push_int(life.patient).push_int(home.id).push_day(home.start).push_day(home.end);
            row.push_int(home.kind)
                .push_int(home.place.map(|place| place.rural_urban))
                .push_int(home.place.map(|place| place.deprivation))
                .push_index(home.place.map(|place| place.neighbourhood))
                .push_flag(home.place.is_some())
                .push_flag(home.care.is_some())
                .push_flag(home.care.and_then(|care| care.with_nursing))
                .push_flag(home.care.and_then(|care| care.without_nursing));
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

pub(super) struct OnsDeaths<'a> {
    world: &'a World,
    columns: Columns,
}

impl<'a> OnsDeaths<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let codes = &world.icd10.codes;
        let mut columns = patient_id().date("date").code("underlying_cause_of_death", codes);
        for line in 1..=deaths::LINES {
            columns = columns.code(&format!("cause_of_death_{line:02}"), codes);
        }
        OnsDeaths { world, columns: columns.category("place", deaths::PLACES.map(|(place, _)| place)) }
    }
}

impl Rows for OnsDeaths<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        let Some(certificate) = deaths::draw(self.world, life, dice) else {
            return;
        };
        let row = self.columns.push_int(life.patient).push_day(certificate.date).push_index(certificate.underlying);
        for cause in certificate.causes {
            row.push_index(cause);
        }
        row.push_index(certificate.place);
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}
