//! No two rows have one id, however many rows a patient has.

use std::collections::HashSet;

use proptest::prelude::*;

use super::population;
use super::sheet::sheet;
use crate::dice::Dice;
use crate::life::Life;
use crate::records::{
    Subject, addresses, admissions, appointments, emergencies, events, medications, outpatients, vaccinations,
};
use crate::tables::Layout;
use crate::world::World;
use crate::{Planted, Population};

#[test]
fn ids_are_there_once() {
    for (layout, table, column) in [
        (Layout::User, "addresses", "address_id"),
        (Layout::User, "apcs", "apcs_ident"),
        (Layout::User, "ec", "ec_ident"),
        (Layout::User, "opa", "opa_ident"),
        (Layout::Tpp, "CodedEvent", "CodedEvent_ID"),
        (Layout::Tpp, "CodedEvent_SNOMED", "CodedEvent_ID"),
        (Layout::Tpp, "MedicationIssue", "MedicationIssue_ID"),
        (Layout::Tpp, "Vaccination", "Vaccination_ID"),
        (Layout::Tpp, "RegistrationHistory", "Registration_ID"),
        (Layout::Tpp, "PotentialCareHomeAddress", "PatientAddress_ID"),
        (Layout::Tpp, "Organisation", "Organisation_ID"),
        (Layout::Tpp, "MedicationDictionary", "MultilexDrug_ID"),
        (Layout::EmisV2, "patient", "patient_id"),
    ] {
        let ids = sheet(&population(), layout, table).select(&[column]);
        let distinct: HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "{table}.{column}");
    }
}

/// All ids of a patient, by what they are of.
fn ids(world: &World, patient: u64) -> Vec<Vec<i64>> {
    let life = Life::draw(world, patient);
    let of = |subject: Subject| Dice::new(world.seed, patient, subject as u64);
    let mut ids = vec![Vec::new(); 9];
    events::draw(world, &life, &mut of(Subject::Events), |event| {
        ids[0].push(event.id);
        ids[1].push(event.consultation);
    });
    medications::draw(world, &life, &mut of(Subject::Medications), |issue| {
        ids[2].push(issue.id);
        ids[1].push(issue.consultation);
    });
    appointments::draw(world, &life, &mut of(Subject::Appointments), |appointment| ids[3].push(appointment.id));
    vaccinations::draw(&life, &mut of(Subject::Vaccinations), |dose| ids[4].push(dose.id));
    addresses::draw(world, &life, &mut of(Subject::Addresses), |home| ids[5].push(home.id));
    admissions::draw(world, &life, &mut of(Subject::Admissions), |spell| ids[6].push(spell.id));
    emergencies::draw(world, &life, &mut of(Subject::Emergencies), |attendance| ids[7].push(attendance.id));
    outpatients::draw(world, &life, &mut of(Subject::Outpatients), |visit| ids[8].push(visit.id));
    ids
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// The ids of a patient all come before those of the next.
    #[test]
    fn the_next_patients_ids_come_after(
        seed in any::<u64>(),
        patient in 1u64..10_000_000_000,
        events_per_patient in 0.0..2_000.0,
        lists in 0usize..6,
    ) {
        let codes = ["314159265".into(), "271828182".into()];
        let list = Planted { patient_rate: 1.0, events_per_patient: 900.0, ..Planted::common(peristyle_model::types::CodeSystem::SnomedCt, codes) };
        let planted = vec![list; lists];
        let population = Population { patients: 10_000_000_000, events_per_patient, seed, planted, ..Population::default() };
        let world = World::new(&population);
        for (own, next) in ids(&world, patient).into_iter().zip(ids(&world, patient + 1)) {
            let (last, first) = (own.iter().max(), next.iter().min());
            prop_assert!(last.is_none() || first.is_none() || last < first, "{last:?} {first:?}");
        }
        prop_assert!(world.key(patient as i64) < world.key(patient as i64 + 1));
    }
}
