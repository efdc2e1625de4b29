//! What a caller asks for.

use std::sync::Arc;

use peristyle_model::scalar::{Civil, days_from_civil};
use peristyle_model::types::CodeSystem;

use crate::Order;
use crate::error::SynthError;

/// A code list that some patients must have, so that a given definition finds something.
#[derive(Clone, Debug, PartialEq)]
pub struct Planted {
    /// Decides the tables: SNOMED CT and CTV3 in clinical events, dm+d in medications, ICD-10 in admissions and
    /// deaths, OPCS-4 in admissions. BNF codes occur in no table that is made
    pub system: CodeSystem,
    /// The codes; earlier ones are used more often
    pub codes: Vec<Arc<str>>,
    /// Share of patients that have any of them, from 0 to 1
    pub patient_rate: f64,
    /// Mean number of rows with them, for a patient that has any; at least 1
    pub events_per_patient: f64,
}

impl Planted {
    /// A list that one patient in seventeen has, eight times on average: about as common as diabetes.
    pub fn common(system: CodeSystem, codes: impl IntoIterator<Item = Arc<str>>) -> Self {
        Planted { system, codes: codes.into_iter().collect(), patient_rate: 0.06, events_per_patient: 8.0 }
    }
}

/// A synthetic population. Equal ones hold equal rows, whatever the threads.
#[derive(Clone, Debug, PartialEq)]
pub struct Population {
    /// How many patients; their ids are 1 to this
    pub patients: u64,
    /// Mean number of clinical events per patient, those with planted codes included; more if those alone are more than
    /// three quarters. Medications and appointments go with it: a quarter and a tenth
    pub events_per_patient: f64,
    /// Another seed, another population
    pub seed: u64,
    /// Code lists that are used in events
    pub planted: Vec<Planted>,
    /// The order of rows in the files
    pub order: Order,
    /// The extract's day, in days since 1970-01-01: nothing happens after it
    pub last_date: i32,
}

impl Default for Population {
    fn default() -> Self {
        Population {
            patients: 1_000,
            events_per_patient: 100.0,
            seed: 0,
            planted: Vec::new(),
            order: Order::ByPatient,
            last_date: days_from_civil(Civil { year: 2025, month: 6, day: 30 }),
        }
    }
}

/// Patient ids and the keys of random streams stay well inside 64 bits up to here.
const PATIENTS_MAX: u64 = 10_000_000_000;

impl Population {
    /// Refuses settings that make no sense.
    pub(crate) fn check(&self) -> Result<(), SynthError> {
        let refuse = |setting, given: String, must| Err(SynthError::Setting { setting, given, must });
        if !(1..=PATIENTS_MAX).contains(&self.patients) {
            return refuse("the number of patients", self.patients.to_string(), "from 1 to 10,000,000,000");
        }
        if !(0.0..=100_000.0).contains(&self.events_per_patient) {
            return refuse("events per patient", self.events_per_patient.to_string(), "from 0 to 100,000");
        }
        let years = days_from_civil(Civil { year: 2000, month: 1, day: 1 })..=days_from_civil(Civil {
            year: 2100,
            month: 1,
            day: 1,
        });
        if !years.contains(&self.last_date) {
            return refuse("the last date", format!("day {}", self.last_date), "in the years 2000 to 2099");
        }
        for planted in &self.planted {
            if !(0.0..=1.0).contains(&planted.patient_rate) {
                return refuse("the patient rate of a code list", planted.patient_rate.to_string(), "from 0 to 1");
            }
            if !(1.0..=1_000.0).contains(&planted.events_per_patient) {
                let given = planted.events_per_patient.to_string();
                return refuse("events per patient of a code list", given, "from 1 to 1,000");
            }
        }
        Ok(())
    }
}
