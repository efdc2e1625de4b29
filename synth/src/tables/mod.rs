//! The user-facing tables, each in a file of its own: its columns, and how a life fills them.

mod addresses;
mod apcs;
mod appointments;
mod clinical_events;
mod columns;
mod medications;
mod ons_deaths;
mod patients;
mod practice_registrations;
mod vaccinations;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use crate::dice::Dice;
use crate::life::Life;
use crate::world::World;

/// A user-facing table of `ehrql.tables.tpp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as in the catalogue")]
pub enum Table {
    Patients,
    PracticeRegistrations,
    ClinicalEvents,
    Medications,
    Vaccinations,
    Appointments,
    Addresses,
    OnsDeaths,
    Apcs,
}

/// Rows of one table, as they are being made.
pub(crate) trait Rows {
    /// Adds the rows of one patient.
    fn add(&mut self, life: &Life, dice: &mut Dice);
    /// How many rows there are.
    fn len(&self) -> usize;
    /// Takes the rows that were added; the columns and their types are always the same.
    fn take(&mut self) -> Result<RecordBatch, ArrowError>;
}

impl Table {
    /// Every table that can be made.
    pub const ALL: [Table; 9] = [
        Table::Patients,
        Table::PracticeRegistrations,
        Table::ClinicalEvents,
        Table::Medications,
        Table::Vaccinations,
        Table::Appointments,
        Table::Addresses,
        Table::OnsDeaths,
        Table::Apcs,
    ];

    /// Its name in the catalogue and as a file.
    pub fn name(self) -> &'static str {
        match self {
            Table::Patients => "patients",
            Table::PracticeRegistrations => "practice_registrations",
            Table::ClinicalEvents => "clinical_events",
            Table::Medications => "medications",
            Table::Vaccinations => "vaccinations",
            Table::Appointments => "appointments",
            Table::Addresses => "addresses",
            Table::OnsDeaths => "ons_deaths",
            Table::Apcs => "apcs",
        }
    }

    /// The table of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The number of the table's random streams; [`Life`] has 0. Never reused, so that populations stay as they are.
    pub(crate) fn purpose(self) -> u64 {
        1 + self as u64
    }

    /// About how many rows a patient has.
    pub(crate) fn rows_per_patient(self, world: &World) -> f64 {
        match self {
            Table::Patients => 1.0,
            Table::PracticeRegistrations | Table::Addresses => 2.5,
            Table::ClinicalEvents => world.events_per_patient,
            Table::Medications => world.events_per_patient * medications::PER_EVENT,
            Table::Vaccinations => 8.0,
            Table::Appointments => world.events_per_patient * appointments::PER_EVENT,
            Table::OnsDeaths => 0.15,
            Table::Apcs => apcs::PER_PATIENT,
        }
    }

    /// No rows yet.
    pub(crate) fn rows(self, world: &World) -> Box<dyn Rows + '_> {
        match self {
            Table::Patients => Box::new(patients::Patients::default()),
            Table::PracticeRegistrations => Box::new(practice_registrations::PracticeRegistrations::new(world)),
            Table::ClinicalEvents => Box::new(clinical_events::ClinicalEvents::new(world)),
            Table::Medications => Box::new(medications::Medications::new(world)),
            Table::Vaccinations => Box::new(vaccinations::Vaccinations::new(world)),
            Table::Appointments => Box::new(appointments::Appointments::new(world)),
            Table::Addresses => Box::new(addresses::Addresses::new(world)),
            Table::OnsDeaths => Box::new(ons_deaths::OnsDeaths::new(world)),
            Table::Apcs => Box::new(apcs::Apcs::new(world)),
        }
    }
}
