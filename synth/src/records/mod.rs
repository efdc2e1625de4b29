//! What happens to a patient, subject by subject: the same in whichever layout it is written.

pub(crate) mod addresses;
pub(crate) mod admissions;
pub(crate) mod appointments;
pub(crate) mod deaths;
pub(crate) mod emergencies;
pub(crate) mod events;
pub(crate) mod medications;
pub(crate) mod opt_outs;
pub(crate) mod outpatients;
pub(crate) mod vaccinations;

use peristyle_model::scalar::{Civil, days_from_civil};

use crate::life::Life;

/// What a random stream of a patient is for. Tables of one subject draw the same rows. Numbers are never used again for
/// another subject, so that populations stay as they are; the life itself has 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Patients = 1,
    Registrations = 2,
    Events = 3,
    Medications = 4,
    Vaccinations = 5,
    Appointments = 6,
    Addresses = 7,
    Deaths = 8,
    Admissions = 9,
    Emergencies = 10,
    Outpatients = 11,
    OptOuts = 12,
}

/// The first day that hospital records are kept of.
pub(crate) fn hospital_from() -> i32 {
    days_from_civil(Civil { year: 2016, month: 4, day: 1 })
}

/// Whether hospital records of a patient can exist.
pub(crate) fn in_hospital_years(life: &Life) -> bool {
    life.is_active() && life.active.1 >= hospital_from()
}

/// Minutes after midnight at which something happened: a quarter of an hour between 8 and 18, told by its number, so
/// that what happened together has one time and no draw is spent on it.
pub(crate) fn minutes(number: i64) -> i64 {
    let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    8 * 60 + 15 * (mixed % 40) as i64
}
