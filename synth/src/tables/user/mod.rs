//! The user-facing tables of `ehrql.tables.tpp`.

mod gp;
mod hospital;
mod people;

use super::{Layout, Rows, Table, per_patient};
use crate::records::Subject;
use crate::world::World;

const fn table(
    name: &'static str,
    subject: Subject,
    rows_per_patient: fn(&World) -> f64,
    rows: for<'w> fn(&'w World) -> Box<dyn Rows + 'w>,
) -> Table {
    Table::of(Layout::User, name, subject, rows_per_patient, rows)
}

/// Named as in the catalogue.
pub(super) const TABLES: [Table; 12] = [
    table("patients", Subject::Patients, per_patient::one, |_| Box::new(people::Patients::new())),
    table("practice_registrations", Subject::Registrations, per_patient::registrations, |world| {
        Box::new(people::PracticeRegistrations::new(world))
    }),
    table("clinical_events", Subject::Events, per_patient::events, |world| Box::new(gp::ClinicalEvents::new(world))),
    table("medications", Subject::Medications, per_patient::issues, |world| Box::new(gp::Medications::new(world))),
    table("vaccinations", Subject::Vaccinations, per_patient::doses, |_| Box::new(gp::Vaccinations::new())),
    table("appointments", Subject::Appointments, per_patient::appointments, |world| {
        Box::new(gp::Appointments::new(world))
    }),
    table("addresses", Subject::Addresses, per_patient::registrations, |world| Box::new(people::Addresses::new(world))),
    table("ons_deaths", Subject::Deaths, per_patient::deaths, |world| Box::new(people::OnsDeaths::new(world))),
    table("apcs", Subject::Admissions, per_patient::spells, |world| Box::new(hospital::Apcs::new(world))),
    table("ec", Subject::Emergencies, per_patient::attendances, |world| Box::new(hospital::Ec::new(world))),
    table("emergency_care_attendances", Subject::Emergencies, per_patient::attendances, |world| {
        Box::new(hospital::EmergencyCareAttendances::new(world))
    }),
    table("opa", Subject::Outpatients, per_patient::visits, |world| Box::new(hospital::Opa::new(world))),
];

/// The patient, whose column is the first of every table.
fn patient_id() -> super::Columns {
    super::Columns::default().patient("patient_id")
}
