//! `apcs`: spells in hospital, with strings of many codes as the source has them: `||E119 ,E780 ||I801`.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayBuilder, AsArray, Date32Builder, Int64Builder, RecordBatch, StringBuilder};
use arrow::error::ArrowError;

use super::Rows;
use super::columns::{Coded, batch, or_null};
use crate::codes::CodeBook;
use crate::dice::Dice;
use crate::life::Life;
use crate::world::World;

/// Mean number of spells.
pub(super) const PER_PATIENT: f64 = 1.5;

/// Unique: the patient's id times this, plus a number.
const PER_PATIENT_MAX: i64 = 1 << 10;

const DESTINATIONS: [&str; 4] = ["19", "54", "79", "51"];
const DISCHARGE_METHODS: [&str; 4] = ["1", "2", "4", "3"];
const ADMISSION_METHODS: [&str; 6] = ["21", "11", "12", "22", "13", "2A"];
const CLASSIFICATIONS: [&str; 3] = ["1", "2", "3"];
const GROUPS: [&str; 8] = ["DZ11K", "EB10A", "FD05B", "HT13A", "LA04H", "NZ30C", "PB03Z", "WJ06E"];

pub(crate) struct Apcs<'a> {
    world: &'a World,
    patient_id: Int64Builder,
    apcs_ident: Int64Builder,
    admission_date: Date32Builder,
    discharge_date: Date32Builder,
    discharge_destination: Coded,
    discharge_method: Coded,
    spell_core_hrg_sus: Coded,
    admission_method: Coded,
    primary_diagnosis: Coded,
    secondary_diagnosis: Coded,
    all_diagnoses: StringBuilder,
    all_procedures: StringBuilder,
    days_in_critical_care: Int64Builder,
    patient_classification: Coded,
    /// The string that is being put together
    text: String,
}

impl<'a> Apcs<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Apcs {
            world,
            patient_id: Int64Builder::new(),
            apcs_ident: Int64Builder::new(),
            admission_date: Date32Builder::new(),
            discharge_date: Date32Builder::new(),
            discharge_destination: Coded::of(DESTINATIONS),
            discharge_method: Coded::of(DISCHARGE_METHODS),
            spell_core_hrg_sus: Coded::of(GROUPS),
            admission_method: Coded::of(ADMISSION_METHODS),
            primary_diagnosis: Coded::new(&world.icd10.codes),
            secondary_diagnosis: Coded::new(&world.icd10.codes),
            all_diagnoses: StringBuilder::new(),
            all_procedures: StringBuilder::new(),
            days_in_critical_care: Int64Builder::new(),
            patient_classification: Coded::of(CLASSIFICATIONS),
            text: String::new(),
        }
    }

    fn add_spell(&mut self, life: &Life, number: usize, diagnoses: &[i32], procedures: &[i32], dice: &mut Dice) {
        let admission = life.any_day(life.active.0, dice);
        let discharge = (admission + dice.exponential(3.0).min(200.0) as i32).min(life.active.1);
        self.patient_id.append_value(life.patient);
        self.apcs_ident.append_value(life.patient * PER_PATIENT_MAX + number as i64);
        self.admission_date.append_value(admission);
        self.discharge_date.append_option(or_null(discharge, 0.01, dice));
        let mut few =
            |column: &mut Coded, count: u64| column.push(Some(dice.below(count).min(dice.below(count)) as i32));
        few(&mut self.discharge_destination, DESTINATIONS.len() as u64);
        few(&mut self.discharge_method, DISCHARGE_METHODS.len() as u64);
        few(&mut self.spell_core_hrg_sus, GROUPS.len() as u64);
        few(&mut self.admission_method, ADMISSION_METHODS.len() as u64);
        few(&mut self.patient_classification, CLASSIFICATIONS.len() as u64);
        self.primary_diagnosis.push(diagnoses.first().copied());
        self.secondary_diagnosis.push(diagnoses.get(1).copied());
        join(&self.world.icd10, diagnoses, &mut self.text);
        self.all_diagnoses.append_option((!diagnoses.is_empty()).then_some(&self.text));
        join(&self.world.opcs4, procedures, &mut self.text);
        self.all_procedures.append_option((!procedures.is_empty()).then_some(&self.text));
        let critical = if dice.chance(0.05) { i64::from((discharge - admission) / 2) } else { 0 };
        self.days_in_critical_care.append_value(critical);
    }
}

/// The first code opens an episode; the others are secondary to it.
fn join(book: &CodeBook, codes: &[i32], text: &mut String) {
    text.clear();
    let strings = book.codes.as_string::<i32>();
    for (place, code) in codes.iter().enumerate() {
        let before = if place == 0 { "||" } else { " ," };
        // Writing to a string does not fail.
        let _ = write!(text, "{before}{}", strings.value(*code as usize));
    }
}

impl Rows for Apcs<'_> {
    fn add(&mut self, life: &Life, dice: &mut Dice) {
        if !life.is_active() {
            return;
        }
        let world = self.world;
        let planted = |book: &CodeBook, dice: &mut Dice| -> Vec<i32> {
            book.lists
                .iter()
                .flat_map(|list| (0..list.events(life, dice)).map(|_| list.any(dice)).collect::<Vec<_>>())
                .collect()
        };
        // A spell for each planted code, so that it is the primary diagnosis.
        let (diagnoses, procedures) = (planted(&world.icd10, dice), planted(&world.opcs4, dice));
        let count = world.count(life, PER_PATIENT, dice).max(diagnoses.len()).max(procedures.len());
        for number in 0..count.min(PER_PATIENT_MAX as usize) {
            let mut these: Vec<i32> = diagnoses.get(number).copied().into_iter().collect();
            these.extend((0..1 + dice.geometric(2.5)).map(|_| world.icd10.any(dice)));
            let mut done: Vec<i32> = procedures.get(number).copied().into_iter().collect();
            done.extend((0..dice.geometric(1.0)).map(|_| world.opcs4.any(dice)));
            self.add_spell(life, number, &these, &done, dice);
        }
    }

    fn len(&self) -> usize {
        self.patient_id.len()
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        batch(
            Arc::new(self.patient_id.finish()),
            [
                ("apcs_ident", Arc::new(self.apcs_ident.finish())),
                ("admission_date", Arc::new(self.admission_date.finish())),
                ("discharge_date", Arc::new(self.discharge_date.finish())),
                ("discharge_destination", self.discharge_destination.take()?),
                ("discharge_method", self.discharge_method.take()?),
                ("spell_core_hrg_sus", self.spell_core_hrg_sus.take()?),
                ("admission_method", self.admission_method.take()?),
                ("primary_diagnosis", self.primary_diagnosis.take()?),
                ("secondary_diagnosis", self.secondary_diagnosis.take()?),
                ("all_diagnoses", Arc::new(self.all_diagnoses.finish())),
                ("all_procedures", Arc::new(self.all_procedures.finish())),
                ("days_in_critical_care", Arc::new(self.days_in_critical_care.finish())),
                ("patient_classification", self.patient_classification.take()?),
            ],
        )
    }
}
