//! What practices record.

use crate::dice::Dice;
use crate::life::Life;
use crate::records::events::Code;
use crate::records::{appointments, events, medications, vaccinations};
use crate::tables::{Columns, Rows};
use crate::world::World;

use super::patient_id;

pub(super) struct ClinicalEvents<'a> {
    world: &'a World,
    columns: Columns,
}

impl<'a> ClinicalEvents<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let columns = patient_id()
            .date("date")
            .code("snomedct_code", &world.snomed.codes)
            .code("ctv3_code", &world.ctv3.codes)
            .float("numeric_value")
            .id("consultation_id");
        ClinicalEvents { world, columns }
    }
}

impl Rows for ClinicalEvents<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        events::draw(self.world, life, dice, |event| {
            let (snomed, ctv3) = match event.code {
                Code::Snomed(code) => (code, None),
                Code::Ctv3(code) => (None, Some(code)),
            };
            let row = self.columns.push_int(life.patient).push_day(event.date).push_index(snomed).push_index(ctv3);
            row.push_number(event.value).push_int(event.consultation);
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

pub(super) struct Medications<'a> {
    world: &'a World,
    columns: Columns,
}

impl<'a> Medications<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let columns = patient_id().date("date").code("dmd_code", &world.dmd.codes).id("consultation_id");
        Medications { world, columns }
    }
}

impl Rows for Medications<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        medications::draw(self.world, life, dice, |issue| {
            let row = self.columns.push_int(life.patient).push_day(issue.date).push_index(issue.code);
            row.push_int(issue.consultation);
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

pub(super) struct Vaccinations(Columns);

impl Vaccinations {
    pub(super) fn new() -> Self {
        let products = vaccinations::VACCINES.map(|(product, _)| product);
        Vaccinations(
            patient_id()
                .id("vaccination_id")
                .date("date")
                .category("target_disease", vaccinations::DISEASES)
                .category("product_name", products),
        )
    }
}

impl Rows for Vaccinations {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        vaccinations::draw(life, dice, |dose| {
            // A vaccine against several diseases is told once for each.
            for disease in vaccinations::VACCINES[dose.vaccine].1 {
                let row = self.0.push_int(life.patient).push_int(dose.id).push_day(dose.date);
                row.push_index(*disease as i32).push_index(dose.vaccine as i32);
            }
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.0
    }
}

pub(super) struct Appointments<'a> {
    world: &'a World,
    columns: Columns,
}

impl<'a> Appointments<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let columns = patient_id()
            .date("booked_date")
            .date("start_date")
            .date("seen_date")
            .category("status", appointments::STATES.map(|(state, ..)| state));
        Appointments { world, columns }
    }
}

impl Rows for Appointments<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        appointments::draw(self.world, life, dice, |appointment| {
            let row = self.columns.push_int(life.patient).push_day(appointment.booked).push_day(appointment.start);
            row.push_day(appointment.seen).push_index(appointment.state as i32);
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}
