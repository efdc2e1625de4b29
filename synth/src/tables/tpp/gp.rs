//! What practices record.

use super::patient_id;
use super::reference::{Products, products};
use crate::dice::Dice;
use crate::life::Life;
use crate::practices;
use crate::records::events::{Code, Event};
use crate::records::{appointments, events, medications, minutes, vaccinations};
use crate::tables::{Columns, Rows};
use crate::world::World;

/// `CodedEvent` and `CodedEvent_SNOMED`: an event is in the one or in the other.
pub(super) struct CodedEvents<'a> {
    world: &'a World,
    columns: Columns,
    /// The index of the code of an event that belongs here
    code: fn(&Event) -> Option<Option<i32>>,
}

impl<'a> CodedEvents<'a> {
    pub(super) fn ctv3(world: &'a World) -> Self {
        let columns = Self::common().code("CTV3Code", &world.ctv3.codes).required();
        let code = |event: &Event| match event.code {
            Code::Ctv3(code) => Some(Some(code)),
            Code::Snomed(_) => None,
        };
        CodedEvents { world, columns, code }
    }

    pub(super) fn snomed(world: &'a World) -> Self {
        let columns = Self::common().code("ConceptId", &world.snomed.codes);
        let code = |event: &Event| match event.code {
            Code::Snomed(code) => Some(code),
            Code::Ctv3(_) => None,
        };
        CodedEvents { world, columns, code }
    }

    fn common() -> Columns {
        let columns = patient_id().id("CodedEvent_ID").required().id("Consultation_ID").required();
        columns.moment("ConsultationDate").real("NumericValue").required()
    }
}

impl Rows for CodedEvents<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        events::draw(self.world, life, dice, |event| {
            if let Some(code) = (self.code)(&event) {
                let row = self.columns.push_int(life.patient).push_int(event.id).push_int(event.consultation);
                row.push_moment(event.date, minutes(event.consultation)).push_number(event.value).push_index(code);
            }
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

pub(super) struct MedicationIssue<'a> {
    world: &'a World,
    products: Products,
    columns: Columns,
}

/// Amounts as they are written; a product is always issued in the same.
const QUANTITIES: [&str; 6] = ["28 tablets", "56 tablets", "100 ml", "1 inhaler", "30 capsules", "14 tablets"];

impl<'a> MedicationIssue<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let products = products(world);
        let columns = patient_id()
            .id("MedicationIssue_ID")
            .required()
            .id("Consultation_ID")
            .required()
            .moment("ConsultationDate")
            .code("MultilexDrug_ID", &products.ids)
            .required()
            .small("MedicationStatus")
            .required()
            .category("Quantity", QUANTITIES)
            .required()
            .id("RepeatMedication_ID")
            .required();
        MedicationIssue { world, products, columns }
    }
}

impl Rows for MedicationIssue<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        medications::draw(self.world, life, dice, |issue| {
            let product = self.products.of(&issue);
            let row = self.columns.push_int(life.patient).push_int(issue.id).push_int(issue.consultation);
            row.push_moment(issue.date, minutes(issue.consultation))
                .push_index(product)
                .push_int(i64::from(product % 5))
                .push_index(product % QUANTITIES.len() as i32)
                .push_int(issue.course);
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

pub(super) struct Vaccination(Columns);

impl Vaccination {
    pub(super) fn new() -> Self {
        let products = vaccinations::VACCINES.map(|(product, _)| product);
        Vaccination(
            patient_id()
                .id("Vaccination_ID")
                .required()
                .moment("VaccinationDate")
                .category("VaccinationName", products)
                .required()
                .int("VaccinationName_ID")
                .required(),
        )
    }
}

impl Rows for Vaccination {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        vaccinations::draw(life, dice, |dose| {
            let row = self.0.push_int(life.patient).push_int(dose.id).push_moment(dose.date, minutes(dose.id));
            row.push_index(dose.vaccine as i32).push_int(vaccinations::name_id(dose.vaccine));
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.0
    }
}

pub(super) struct Appointment<'a> {
    world: &'a World,
    columns: Columns,
}

/// One appointment in so many stands in the table twice.
const TWICE_EVERY: i64 = 200;

impl<'a> Appointment<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let columns = patient_id()
            .id("Appointment_ID")
            .required()
            .int("Organisation_ID")
            .required()
            .moment("BookedDate")
            .moment("StartDate")
            .moment("SeenDate")
            .small("Status")
            .required();
        Appointment { world, columns }
    }
}

impl Rows for Appointment<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        appointments::draw(self.world, life, dice, |appointment| {
            let practice = life.registrations.iter().rev().find(|registration| registration.start <= appointment.start);
            let practice = practice.map_or(0, |registration| practices::id(registration.practice));
            let times = if appointment.id % TWICE_EVERY == 0 { 2 } else { 1 };
            for _ in 0..times {
                let row = self.columns.push_int(life.patient).push_int(appointment.id).push_int(practice);
                row.push_moment(appointment.booked, minutes(appointment.id ^ 1))
                    .push_moment(appointment.start, minutes(appointment.id))
                    .push_moment(appointment.seen, minutes(appointment.id))
                    .push_int(appointments::STATES[appointment.state].1);
            }
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}
