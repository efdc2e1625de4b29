//! The tables of TPP's database that the user-facing ones are made from: names, types and what may be NULL are those of
//! its schema, and of the columns those that a connector can read.

mod gp;
mod hospital;
mod people;
mod reference;

use super::registers::OptOutList;
use super::{Columns, Layout, Rows, Table, per_patient};
use crate::records::Subject;
use crate::world::World;
use hospital::Part;

const fn table(
    name: &'static str,
    subject: Subject,
    rows_per_patient: fn(&World) -> f64,
    rows: for<'w> fn(&'w World) -> Box<dyn Rows + 'w>,
) -> Table {
    Table::of(Layout::Tpp, name, subject, rows_per_patient, rows)
}

/// Tables that the connector's example of a policy reads as registers.
pub(super) const REGISTERS: [&str; 4] =
    ["PatientsWithTypeOneDissent", "PatientsWithoutNDOO", "DirectionsAcknowledged", "RegistrationHistory"];

/// Named as in the database.
pub(super) const TABLES: [Table; 27] = [
    table("Patient", Subject::Patients, per_patient::one, |_| Box::new(people::Patient::new())),
    table("RegistrationHistory", Subject::Registrations, per_patient::registrations, |_| {
        Box::new(people::RegistrationHistory::new())
    }),
    Table::once(Layout::Tpp, "Organisation", reference::organisation),
    Table::once(Layout::Tpp, "DirectionsAcknowledged", reference::directions_acknowledged),
    table("PatientsWithTypeOneDissent", Subject::OptOuts, per_patient::opt_outs, |_| {
        Box::new(OptOutList::type_one("Patient_ID"))
    }),
    table("PatientsWithoutNDOO", Subject::OptOuts, per_patient::one, |_| {
        Box::new(OptOutList::without_national("Patient_ID"))
    }),
    table("PatientAddress", Subject::Addresses, per_patient::registrations, |world| {
        Box::new(people::PatientAddress::new(world))
    }),
    table("PotentialCareHomeAddress", Subject::Addresses, per_patient::care_homes, |world| {
        Box::new(people::PotentialCareHomeAddress::new(world))
    }),
    table("CodedEvent", Subject::Events, per_patient::events, |world| Box::new(gp::CodedEvents::ctv3(world))),
    table("CodedEvent_SNOMED", Subject::Events, per_patient::events, |world| Box::new(gp::CodedEvents::snomed(world))),
    table("MedicationIssue", Subject::Medications, per_patient::issues, |world| {
        Box::new(gp::MedicationIssue::new(world))
    }),
    Table::once(Layout::Tpp, "MedicationDictionary", reference::medication_dictionary),
    Table::once(Layout::Tpp, "CustomMedicationDictionary", reference::custom_medication_dictionary),
    table("Vaccination", Subject::Vaccinations, per_patient::doses, |_| Box::new(gp::Vaccination::new())),
    Table::once(Layout::Tpp, "VaccinationReference", reference::vaccination_reference),
    table("Appointment", Subject::Appointments, per_patient::appointments, |world| {
        Box::new(gp::Appointment::new(world))
    }),
    table("ONS_Deaths", Subject::Deaths, per_patient::deaths, |world| Box::new(people::OnsDeaths::new(world))),
    table("APCS", Subject::Admissions, per_patient::spells, |world| {
        Box::new(hospital::Apcs::new(world, Part::Current))
    }),
    table("APCS_ARCHIVED", Subject::Admissions, per_patient::spells, |world| {
        Box::new(hospital::Apcs::new(world, Part::Archived))
    }),
    table("APCS_Der", Subject::Admissions, per_patient::spells, |world| {
        Box::new(hospital::ApcsDer::new(world, Part::Current))
    }),
    table("APCS_Der_ARCHIVED", Subject::Admissions, per_patient::spells, |world| {
        Box::new(hospital::ApcsDer::new(world, Part::Archived))
    }),
    table("EC", Subject::Emergencies, per_patient::attendances, |world| {
        Box::new(hospital::Ec::new(world, Part::Current))
    }),
    table("EC_ARCHIVED", Subject::Emergencies, per_patient::attendances, |world| {
        Box::new(hospital::Ec::new(world, Part::Archived))
    }),
    table("EC_Diagnosis", Subject::Emergencies, per_patient::attendances, |world| {
        Box::new(hospital::EcDiagnosis::new(world, Part::Current))
    }),
    table("EC_Diagnosis_ARCHIVED", Subject::Emergencies, per_patient::attendances, |world| {
        Box::new(hospital::EcDiagnosis::new(world, Part::Archived))
    }),
    table("OPA", Subject::Outpatients, per_patient::visits, |world| Box::new(hospital::Opa::new(world, Part::Current))),
    table("OPA_ARCHIVED", Subject::Outpatients, per_patient::visits, |world| {
        Box::new(hospital::Opa::new(world, Part::Archived))
    }),
];

/// The patient, whose column is the first of every table.
fn patient_id() -> Columns {
    Columns::default().patient("Patient_ID")
}
