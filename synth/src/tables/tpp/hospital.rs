//! What hospitals record. Each table is in two parts that overlap: the month of activity says which of them counts.

use super::patient_id;
use crate::dice::Dice;
use crate::life::{ETHNICITIES, Life};
use crate::practices;
use crate::records::{admissions, emergencies, outpatients};
use crate::tables::{Columns, Rows};
use crate::world::World;

/// Which of the two parts of a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// What is still refreshed
    Current,
    /// What no longer is
    Archived,
}

/// The archive ends with this month, the current part begins with the other; readers change between them at 202304.
const ARCHIVED_UNTIL: (i32, u32) = (2024, 3);
const CURRENT_FROM: (i32, u32) = (2022, 4);

impl Part {
    /// Whether what happened on a day is in this part.
    fn holds(self, day: i32) -> bool {
        match self {
            Part::Current => day >= practices::first_of(CURRENT_FROM),
            Part::Archived => day < practices::first_of((ARCHIVED_UNTIL.0, ARCHIVED_UNTIL.1 + 1)),
        }
    }
}

pub(super) struct Apcs<'a> {
    world: &'a World,
    part: Part,
    columns: Columns,
    /// The string that is being put together
    text: String,
}

impl<'a> Apcs<'a> {
    pub(super) fn new(world: &'a World, part: Part) -> Self {
        let columns = patient_id()
            .id("APCS_Ident")
            .required()
            .date("Admission_Date")
            .date("Discharge_Date")
            .category("Discharge_Destination", admissions::DESTINATIONS)
            .category("Discharge_Method", admissions::DISCHARGE_METHODS)
            .category("Spell_Core_HRG_SUS", admissions::GROUPS)
            .category("Admission_Method", admissions::ADMISSION_METHODS)
            .category("Patient_Classification", admissions::CLASSIFICATIONS)
            .text("Der_Diagnosis_All")
            .text("Der_Procedure_All")
            .category("Ethnic_Group", ETHNICITIES)
            .coded("Der_Activity_Month", &world.months);
        Apcs { world, part, columns, text: String::new() }
    }
}

impl Rows for Apcs<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        let (world, part) = (self.world, self.part);
        admissions::draw(world, life, dice, |spell| {
            if !part.holds(spell.month_day()) {
                return;
            }
            let row = self.columns.push_int(life.patient).push_int(spell.id);
            row.push_day(spell.admitted)
                .push_day(spell.discharged)
                .push_index(spell.destination)
                .push_index(spell.discharge_method)
                .push_index(spell.group)
                .push_index(spell.admission_method)
                .push_index(spell.classification)
                .push_text(admissions::joined(&world.icd10, &spell.diagnoses, &mut self.text))
                .push_text(admissions::joined(&world.opcs4, &spell.procedures, &mut self.text))
                .push_index(life.ethnicity_told(spell.id))
                .push_index(world.month(spell.month_day()));
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

pub(super) struct ApcsDer<'a> {
    world: &'a World,
    part: Part,
    columns: Columns,
    /// The number that is being written
    text: String,
}

impl<'a> ApcsDer<'a> {
    pub(super) fn new(world: &'a World, part: Part) -> Self {
        let columns = patient_id()
            .id("APCS_Ident")
            .required()
            .code("Spell_Primary_Diagnosis", &world.icd10.codes)
            .code("Spell_Secondary_Diagnosis", &world.icd10.codes)
            .text("Spell_PbR_CC_Day");
        ApcsDer { world, part, columns, text: String::new() }
    }
}

impl Rows for ApcsDer<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        let part = self.part;
        admissions::draw(self.world, life, dice, |spell| {
            if !part.holds(spell.month_day()) {
                return;
            }
            self.text.clear();
            self.text.push_str(&spell.critical_days.to_string());
            let row = self.columns.push_int(life.patient).push_int(spell.id);
            row.push_index(spell.diagnoses.first().copied())
                .push_index(spell.diagnoses.get(1).copied())
                .push_text(self.text.as_str());
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

pub(super) struct Ec<'a> {
    world: &'a World,
    part: Part,
    columns: Columns,
}

impl<'a> Ec<'a> {
    pub(super) fn new(world: &'a World, part: Part) -> Self {
        let columns = patient_id()
            .id("EC_Ident")
            .required()
            .date("Arrival_Date")
            .date("EC_Decision_To_Admit_Date")
            .date("EC_Injury_Date")
            .category("Discharge_Destination_SNOMED_CT", emergencies::DESTINATIONS)
            .category("SUS_HRG_Code", emergencies::GROUPS)
            .category("Ethnic_Category", ETHNICITIES)
            .coded("Der_Activity_Month", &world.months);
        Ec { world, part, columns }
    }
}

impl Rows for Ec<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        let (world, part) = (self.world, self.part);
        emergencies::draw(world, life, dice, |attendance| {
            if !part.holds(attendance.arrived) {
                return;
            }
            let row = self.columns.push_int(life.patient).push_int(attendance.id).push_day(attendance.arrived);
            row.push_day(attendance.to_admit)
                .push_day(attendance.injured)
                .push_index(attendance.destination)
                .push_index(attendance.group)
                .push_index(life.ethnicity_told(attendance.id))
                .push_index(world.month(attendance.arrived));
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}

pub(super) struct EcDiagnosis<'a> {
    world: &'a World,
    part: Part,
    columns: Columns,
}

impl<'a> EcDiagnosis<'a> {
    pub(super) fn new(world: &'a World, part: Part) -> Self {
        let mut columns = patient_id().id("EC_Ident").required();
        for number in 1..=emergencies::DIAGNOSES {
            columns = columns.code(&format!("EC_Diagnosis_{number:02}"), &world.snomed.codes);
        }
        EcDiagnosis { world, part, columns }
    }
}

impl Rows for EcDiagnosis<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        let part = self.part;
        emergencies::draw(self.world, life, dice, |attendance| {
            if !part.holds(attendance.arrived) {
                return;
            }
            let row = self.columns.push_int(life.patient).push_int(attendance.id);
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
    part: Part,
    columns: Columns,
}

impl<'a> Opa<'a> {
    pub(super) fn new(world: &'a World, part: Part) -> Self {
        let columns = patient_id()
            .id("OPA_Ident")
            .required()
            .date("Appointment_Date")
            .category("Attendance_Status", outpatients::STATUSES)
            .category("Consultation_Medium_Used", outpatients::MEDIA)
            .category("First_Attendance", outpatients::FIRSTS)
            .category("HRG_Code", outpatients::GROUPS)
            .category("Outcome_of_Attendance", outpatients::OUTCOMES)
            .date("Referral_Request_Received_Date")
            .category("Treatment_Function_Code", outpatients::TREATMENTS)
            .category("Ethnic_Category", ETHNICITIES)
            .coded("Der_Activity_Month", &world.months);
        Opa { world, part, columns }
    }
}

impl Rows for Opa<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        let (world, part) = (self.world, self.part);
        outpatients::draw(world, life, dice, |visit| {
            if !part.holds(visit.date) {
                return;
            }
            let row = self.columns.push_int(life.patient).push_int(visit.id).push_day(visit.date);
            row.push_index(visit.status)
                .push_index(visit.medium)
                .push_index(visit.first)
                .push_index(visit.group)
                .push_index(visit.outcome)
                .push_day(visit.referred)
                .push_index(visit.treatment)
                .push_index(life.ethnicity_told(visit.id))
                .push_index(world.month(visit.date));
        });
    }

    fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }
}
