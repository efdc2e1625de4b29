//! EMIS's tables say the same as the user-facing ones, in the order of patients, as far as they go.

use super::population;
use super::sheet::{Row, Sheet, assert_same, sheet};
use crate::tables::{Layout, Table};
use crate::world::World;

/// A table of EMIS, with the numbers of patients in the place of their keys.
fn emis(name: &str) -> Sheet {
    let population = population();
    let world = World::new(&population);
    let hex = |key: [u8; 16]| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let keys: Vec<String> = (1..=population.patients as i64).map(|patient| hex(world.key(patient))).collect();
    assert!(keys.is_sorted_by(|a, b| a < b), "keys ascend with patients, and each is another");
    let number = |key: Option<String>| keys.binary_search(&key.unwrap()).ok().map(|at| (at + 1).to_string());
    sheet(&population, Layout::EmisV2, name).map("patient_id", number)
}

fn user(name: &str, columns: &[&str]) -> Vec<Row> {
    sheet(&population(), Layout::User, name).select(columns)
}

/// The last row of each patient.
fn last_of_each(rows: Vec<Row>) -> Vec<Row> {
    let mut last: Vec<Row> = Vec::new();
    for row in rows {
        match last.last_mut() {
            Some(before) if before[0] == row[0] => *before = row,
            _ => last.push(row),
        }
    }
    last
}

#[test]
fn events_and_medicines() {
    assert_same(
        "observation",
        emis("observation").select(&["patient_id", "effective_datetime", "snomed_concept_id", "numeric_value"]),
        user("clinical_events", &["patient_id", "date", "snomedct_code", "numeric_value"]),
    );
    assert_same(
        "medication_issue_record",
        emis("medication_issue_record").select(&["patient_id", "effective_datetime", "dmd_product_code_id"]),
        user("medications", &["patient_id", "date", "dmd_code"]),
    );
}

#[test]
fn patients_with_their_last_registration_and_address() {
    let patients = ["patient_id", "date_of_birth", "date_of_death"];
    assert_same("patient", emis("patient").select(&patients), user("patients", &patients));
    assert_same(
        "registration",
        emis("patient").select(&["patient_id", "registration_start_datetime", "registration_end_datetime"]),
        last_of_each(user("practice_registrations", &["patient_id", "start_date", "end_date"])),
    );
    let whole = |rank: Option<String>| rank.map(|rank| rank.trim_end_matches(".0").to_owned());
    let address = emis("patient").map("imd_rounded", whole);
    assert_same(
        "address",
        address.select(&["patient_id", "middle_level_super_output_area", "imd_rounded"]),
        last_of_each(user("addresses", &["patient_id", "msoa_code", "imd_rounded"])),
    );
}

#[test]
fn opt_outs_are_those_of_the_registers() {
    let listed = |name: &str| {
        let table = Table::REGISTERS.into_iter().find(|table| table.name() == name).unwrap();
        super::sheet::sheet_of(&population(), table).rows
    };
    let dissents = emis("patient").filter("is_consent_9nu0", |consents| consents == "false");
    assert_same("type 1", dissents.select(&["patient_id"]), listed("registers/type_one_dissent"));
    let without = emis("patient").filter("is_national_data_opted_in", |opted_in| opted_in == "true");
    assert_same("national", without.select(&["patient_id"]), listed("registers/without_ndoo"));
}
