//! What hospitals record.

use crate::dice::Dice;
use crate::life::Life;
use crate::records::{admissions, emergencies, outpatients};
use crate::tables::{Columns, Rows};
use crate::world::World;

use super::patient_id;

pub(super) struct Apcs<'a> {
    world: &'a World,
    columns: Columns,
    /// The string that is being put together
    text: String,
}

impl<'a> Apcs<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let columns = patient_id()
            .id("apcs_ident")
            .date("admission_date")
            .date("discharge_date")
            .category("discharge_destination", admissions::DESTINATIONS)
            .category("discharge_method", admissions::DISCHARGE_METHODS)
            .category("spell_core_hrg_sus", admissions::GROUPS)
            .category("admission_method", admissions::ADMISSION_METHODS)
            .code("primary_diagnosis", &world.icd10.codes)
            .code("secondary_diagnosis", &world.icd10.codes)
            .text("all_diagnoses")
            .text("all_procedures")
            .int("days_in_critical_care")
            .category("patient_classification", admissions::CLASSIFICATIONS);
        Apcs { world, columns, text: String::new() }
    }
}

impl Rows for Apcs<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        let world = self.world;
        admissions::draw(world, life, dice, |spell| {
            let row = self.columns.push_int(life.patient).push_int(spell.id);
            row.push_day(spell.admitted)
                .push_day(spell.discharged)
                .push_index(spell.destination)
                .push_index(spell.discharge_method)
                .push_index(spell.group)
                .push_index(spell.admission_method)
                .push_index(spell.diagnoses.first().copied())
                .push_index(spell.diagnoses.get(1).copied())
                .push_text(admissions::joined(&world.icd10, &spell.diagnoses, &mut self.text))
                .push_text(admissions::joined(&world.opcs4, &spell.procedures, &mut self.text))
                .push_int(spell.critical_days)
                .push_index(spell.classification);
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

pub(super) struct Ec<'a> {
    world: &'a World,
    columns: Columns,
}

impl<'a> Ec<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let columns = patient_id().id("ec_ident").date("arrival_date").category("sus_hrg_code", emergencies::GROUPS);
        Ec { world, columns }
    }
}

impl Rows for Ec<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        emergencies::draw(self.world, life, dice, |attendance| {
            let row = self.columns.push_int(life.patient).push_int(attendance.id);
            row.push_day(attendance.arrived).push_index(attendance.group);
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

pub(super) struct EmergencyCareAttendances<'a> {
    world: &'a World,
    columns: Columns,
}

impl<'a> EmergencyCareAttendances<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let mut columns =
            patient_id().id("id").date("arrival_date").category("discharge_destination", emergencies::DESTINATIONS);
        for number in 1..=emergencies::DIAGNOSES {
            columns = columns.code(&format!("diagnosis_{number:02}"), &world.snomed.codes);
        }
        EmergencyCareAttendances { world, columns }
    }
}

impl Rows for EmergencyCareAttendances<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        emergencies::draw(self.world, life, dice, |attendance| {
            let row = self.columns.push_int(life.patient).push_int(attendance.id);
            row.push_day(attendance.arrived).push_index(attendance.destination);
            for diagnosis in attendance.diagnoses {
                row.push_index(diagnosis);
            }
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

pub(super) struct Opa<'a> {
    world: &'a World,
    columns: Columns,
}

impl<'a> Opa<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let columns = patient_id()
            .id("opa_ident")
            .date("appointment_date")
            .category("attendance_status", outpatients::STATUSES)
            .category("consultation_medium_used", outpatients::MEDIA)
            .category("first_attendance", outpatients::FIRSTS)
            .category("hrg_code", outpatients::GROUPS)
            .category("outcome_of_attendance", outpatients::OUTCOMES)
            .date("referral_request_received_date")
            .category("treatment_function_code", outpatients::TREATMENTS);
        Opa { world, columns }
    }
}

impl Rows for Opa<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        outpatients::draw(self.world, life, dice, |visit| {
            let row = self.columns.push_int(life.patient).push_int(visit.id).push_day(visit.date);
            row.push_index(visit.status)
                .push_index(visit.medium)
                .push_index(visit.first)
                .push_index(visit.group)
                .push_index(visit.outcome)
                .push_day(visit.referred)
                .push_index(visit.treatment);
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}
