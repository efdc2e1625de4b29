//! Who patients are, where they lived and were registered, and how they died.

use peristyle_model::scalar::DATE_MAX;

use super::patient_id;
use crate::dice::Dice;
use crate::life::{Life, SEXES};
use crate::practices;
use crate::records::{addresses, deaths};
use crate::tables::{Columns, Rows};
use crate::world::World;

pub(super) struct Patient(Columns);

impl Patient {
    pub(super) fn new() -> Self {
        let letters = SEXES.map(|(_, letter, _)| letter);
        Patient(patient_id().date("DateOfBirth").date("DateOfDeath").category("Sex", letters).required())
    }
}

impl Rows for Patient {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        let death = life.death_known_to_practice(dice).unwrap_or(DATE_MAX);
        let row = self.0.push_int(life.patient).push_day(life.birth);
        row.push_day(death).push_index(life.sex as i32);
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.0
    }
}

pub(super) struct RegistrationHistory(Columns);

/// Ids of registrations are the patient's times this, plus a number.
const REGISTRATIONS_MAX: i64 = 1 << 4;

impl RegistrationHistory {
    pub(super) fn new() -> Self {
        let columns = patient_id().id("Registration_ID").required().int("Organisation_ID").required();
        RegistrationHistory(columns.moment("StartDate").moment("EndDate"))
    }
}

impl Rows for RegistrationHistory {
    fn add(&mut self, life: &Life, _dice: &mut Dice) {
        for (number, registration) in life.registrations.iter().enumerate() {
            let row = self.0.push_int(life.patient).push_int(life.patient * REGISTRATIONS_MAX + number as i64);
            row.push_int(practices::id(registration.practice)).push_day(registration.start).push_day(registration.end);
        }
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.0
    }
}

pub(super) struct PatientAddress<'a> {
    world: &'a World,
    columns: Columns,
}

impl<'a> PatientAddress<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let columns = patient_id()
            .id("PatientAddress_ID")
            .required()
            .moment("StartDate")
            .moment("EndDate")
            .small("AddressType")
            .required()
            .small("RuralUrbanClassificationCode")
            .required()
            .small("ImdRankRounded")
            .required()
            .coded("MSOACode", &addresses::neighbourhood_codes())
            .required();
        PatientAddress { world, columns }
    }
}

impl Rows for PatientAddress<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        addresses::draw(self.world, life, dice, |home| {
            let row = self.columns.push_int(life.patient).push_int(home.id).push_day(home.start).push_day(home.end);
            // What is not known has a number or a text of its own: there is no NULL.
            row.push_int(home.kind)
                .push_int(home.place.map_or(-1, |place| place.rural_urban))
                .push_int(home.place.map_or(-1, |place| place.deprivation))
                .push_index(home.place.map_or(addresses::NO_POSTCODE, |place| place.neighbourhood));
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

/// Whether something is so, or was not said.
const ANSWERS: [&str; 3] = ["Y", "N", ""];

fn answer(answer: Option<bool>) -> i32 {
    match answer {
        Some(true) => 0,
        Some(false) => 1,
        None => 2,
    }
}

pub(super) struct PotentialCareHomeAddress<'a> {
    world: &'a World,
    columns: Columns,
}

impl<'a> PotentialCareHomeAddress<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let columns = patient_id()
            .id("PatientAddress_ID")
            .required()
            .category("LocationRequiresNursing", ANSWERS)
            .required()
            .category("LocationDoesNotRequireNursing", ANSWERS)
            .required();
        PotentialCareHomeAddress { world, columns }
    }
}

impl Rows for PotentialCareHomeAddress<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        addresses::draw(self.world, life, dice, |home| {
            if let Some(care) = home.care {
                let row = self.columns.push_int(life.patient).push_int(home.id);
                row.push_index(answer(care.with_nursing)).push_index(answer(care.without_nursing));
            }
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
        let mut columns = patient_id().date("dod").code("icd10u", codes);
        for line in 1..=deaths::LINES {
            columns = columns.code(&format!("ICD10{line:03}"), codes);
        }
        OnsDeaths { world, columns: columns.category("Place_of_occurrence", deaths::PLACES.map(|(place, _)| place)) }
    }
}

impl Rows for OnsDeaths<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        let Some(certificate) = deaths::draw(self.world, life, dice) else {
            return;
        };
        for date in [Some(certificate.date), certificate.again_on].into_iter().flatten() {
            let row = self.columns.push_int(life.patient).push_day(date).push_index(certificate.underlying);
            for cause in certificate.causes {
                row.push_index(cause);
            }
            row.push_index(certificate.place);
        }
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}
