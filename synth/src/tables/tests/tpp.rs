//! What a connector does to TPP's tables, done here by hand, gives the user-facing tables.

use super::population;
use super::sheet::{Sheet, assert_same, sheet, sheet_of};
use crate::tables::{Layout, Table};

const NEVER: &[&str] = &["9999-12-31"];
/// The month in which readers change from the archive to the current part.
const CHANGE: &str = "202304";

fn tpp(name: &str) -> Sheet {
    sheet(&population(), Layout::Tpp, name)
}

fn user(name: &str) -> Sheet {
    sheet(&population(), Layout::User, name)
}

/// The current rows of a table in two parts, and those of its archive; joined with another such table, if one is given.
fn of_both_parts(name: &str, joined: Option<(&str, &str)>) -> Sheet {
    let part = |suffix: &str| {
        let rows = tpp(&format!("{name}{suffix}"));
        let rows = rows.filter("Der_Activity_Month", |month| (month < CHANGE) == (suffix == "_ARCHIVED"));
        match joined {
            Some((other, by)) => rows.join(&tpp(&format!("{other}{suffix}")), by),
            None => rows,
        }
    };
    part("").union(part("_ARCHIVED"))
}

/// A comparison: the name of a user-facing table, what TPP's tables make of it, the columns of each.
fn check(name: &str, made: Sheet, columns: &[(&str, &str)]) {
    let (ours, theirs): (Vec<&str>, Vec<&str>) = columns.iter().copied().unzip();
    assert_same(name, made.select(&theirs), user(name).select(&ours));
}

#[test]
fn patients_and_registrations() {
    let sex = |letter: Option<String>| {
        let name = match letter.as_deref() {
            Some("F") => "female",
            Some("M") => "male",
            Some("I") => "intersex",
            _ => "unknown",
        };
        Some(name.to_owned())
    };
    check(
        "patients",
        tpp("Patient").null_if("DateOfDeath", NEVER).map("Sex", sex),
        &[
            ("patient_id", "Patient_ID"),
            ("date_of_birth", "DateOfBirth"),
            ("sex", "Sex"),
            ("date_of_death", "DateOfDeath"),
        ],
    );
    check(
        "practice_registrations",
        tpp("RegistrationHistory").null_if("EndDate", NEVER).join(&tpp("Organisation"), "Organisation_ID"),
        &[
            ("patient_id", "Patient_ID"),
            ("start_date", "StartDate"),
            ("end_date", "EndDate"),
            ("practice_pseudo_id", "Organisation_ID'"),
            ("practice_stp", "STPCode'"),
            ("practice_nuts1_region_name", "Region'"),
            ("practice_systmone_go_live_date", "GoLiveDate'"),
        ],
    );
}

#[test]
fn events() {
    let columns = ["Patient_ID", "ConsultationDate", "NumericValue", "Consultation_ID"];
    let codes = |table: &str, code: &str, is_snomed: bool| {
        let events = tpp(table).null_if("ConsultationDate", NEVER);
        let codes = events.select(&[code]).into_iter().map(|row| row[0].clone());
        let rows = events.select(&columns).into_iter().zip(codes).map(|(mut row, code)| {
            row.extend(if is_snomed { [code, None] } else { [None, code] });
            row
        });
        rows.collect::<Vec<_>>()
    };
    let mut made = codes("CodedEvent", "CTV3Code", false);
    let from_ctv3 = made.len();
    made.extend(codes("CodedEvent_SNOMED", "ConceptId", true));
    assert!(from_ctv3 > made.len() / 10 && from_ctv3 < made.len() / 2, "{from_ctv3} of {} in CTV3", made.len());
    let user = user("clinical_events");
    let want = user.select(&["patient_id", "date", "numeric_value", "consultation_id", "snomedct_code", "ctv3_code"]);
    assert_same("clinical_events", made, want);
}

#[test]
fn medications_through_both_dictionaries() {
    let supplied = tpp("MedicationDictionary").null_if("DMD_ID", &["", "MULTIPLE_DMD_MAPPING"]);
    let supplied = supplied.filter("DMD_ID", |_| true);
    let known: Vec<_> = supplied.select(&["MultilexDrug_ID"]).into_iter().flatten().flatten().collect();
    let custom = tpp("CustomMedicationDictionary");
    let (given, left) = (custom.rows.len(), custom.filter("MultilexDrug_ID", |id| !known.iter().any(|k| k == id)));
    assert!(left.rows.len() == given - 1 && given > 100, "{} of {given}", left.rows.len());
    let dictionary = supplied.union(left);
    check(
        "medications",
        tpp("MedicationIssue").join(&dictionary, "MultilexDrug_ID"),
        &[
            ("patient_id", "Patient_ID"),
            ("date", "ConsultationDate"),
            ("dmd_code", "DMD_ID'"),
            ("consultation_id", "Consultation_ID"),
        ],
    );
}

#[test]
fn vaccinations_for_each_disease() {
    check(
        "vaccinations",
        tpp("Vaccination").join(&tpp("VaccinationReference"), "VaccinationName_ID"),
        &[
            ("patient_id", "Patient_ID"),
            ("vaccination_id", "Vaccination_ID"),
            ("date", "VaccinationDate"),
            ("target_disease", "VaccinationContent'"),
            ("product_name", "VaccinationName"),
        ],
    );
}

#[test]
fn appointments_once_each() {
    let mut appointments = tpp("Appointment").null_if("SeenDate", NEVER);
    let all = appointments.rows.len();
    appointments.rows.sort_unstable();
    appointments.rows.dedup();
    assert!(appointments.rows.len() < all, "some are there twice");
    let state = |number: Option<String>| {
        let states = crate::records::appointments::STATES;
        let number: i64 = number.unwrap().parse().unwrap();
        states.iter().find(|(_, known, ..)| *known == number).map(|(name, ..)| (*name).to_owned())
    };
    check(
        "appointments",
        appointments.map("Status", state),
        &[
            ("patient_id", "Patient_ID"),
            ("booked_date", "BookedDate"),
            ("start_date", "StartDate"),
            ("seen_date", "SeenDate"),
            ("status", "Status"),
        ],
    );
}

#[test]
fn addresses_and_care_homes() {
    let answer = |answer: Option<String>| match answer.as_deref() {
        Some("Y") => Some("true".to_owned()),
        Some("N") => Some("false".to_owned()),
        _ => None,
    };
    let homes = tpp("PotentialCareHomeAddress")
        .map("LocationRequiresNursing", answer)
        .map("LocationDoesNotRequireNursing", answer);
    let made = tpp("PatientAddress")
        .null_if("StartDate", NEVER)
        .null_if("EndDate", NEVER)
        .null_if("RuralUrbanClassificationCode", &["-1"])
        .null_if("ImdRankRounded", &["-1"])
        .null_if("MSOACode", &["NPC"])
        .join(&homes, "PatientAddress_ID");
    check(
        "addresses",
        made,
        &[
            ("patient_id", "Patient_ID"),
            ("address_id", "PatientAddress_ID"),
            ("start_date", "StartDate"),
            ("end_date", "EndDate"),
            ("address_type", "AddressType"),
            ("rural_urban_classification", "RuralUrbanClassificationCode"),
            ("imd_rounded", "ImdRankRounded"),
            ("msoa_code", "MSOACode"),
            ("care_home_requires_nursing", "LocationRequiresNursing'"),
            ("care_home_does_not_require_nursing", "LocationDoesNotRequireNursing'"),
        ],
    );
    let is = |name: &str| user("addresses").filter(name, |value| value == "true").rows.len();
    assert_eq!(is("care_home_is_potential_match"), tpp("PotentialCareHomeAddress").rows.len());
    assert_eq!(
        is("has_postcode"),
        tpp("PatientAddress").null_if("MSOACode", &["NPC"]).filter("MSOACode", |_| true).rows.len()
    );
}

#[test]
fn the_first_certificate_of_each_death() {
    let mut deaths = tpp("ONS_Deaths");
    let all = deaths.rows.len();
    let (patient, date) = (deaths.at("Patient_ID"), deaths.at("dod"));
    deaths.rows.sort_by_key(|row| (row[patient].clone(), row[date].clone()));
    deaths.rows.dedup_by_key(|row| row[patient].clone());
    assert!(deaths.rows.len() < all, "some died twice");
    let lines: Vec<(String, String)> =
        (1..=15).map(|line| (format!("cause_of_death_{line:02}"), format!("ICD10{line:03}"))).collect();
    let mut columns = vec![
        ("patient_id", "Patient_ID"),
        ("date", "dod"),
        ("underlying_cause_of_death", "icd10u"),
        ("place", "Place_of_occurrence"),
    ];
    columns.extend(lines.iter().map(|(ours, theirs)| (ours.as_str(), theirs.as_str())));
    check("ons_deaths", deaths, &columns);
}

#[test]
fn hospital_records_of_both_parts() {
    let overlap = tpp("APCS").rows.len() + tpp("APCS_ARCHIVED").rows.len();
    assert!(overlap > user("apcs").rows.len(), "the parts overlap");
    check(
        "apcs",
        of_both_parts("APCS", Some(("APCS_Der", "APCS_Ident"))),
        &[
            ("patient_id", "Patient_ID"),
            ("apcs_ident", "APCS_Ident"),
            ("admission_date", "Admission_Date"),
            ("discharge_date", "Discharge_Date"),
            ("discharge_destination", "Discharge_Destination"),
            ("discharge_method", "Discharge_Method"),
            ("spell_core_hrg_sus", "Spell_Core_HRG_SUS"),
            ("admission_method", "Admission_Method"),
            ("primary_diagnosis", "Spell_Primary_Diagnosis'"),
            ("secondary_diagnosis", "Spell_Secondary_Diagnosis'"),
            ("all_diagnoses", "Der_Diagnosis_All"),
            ("all_procedures", "Der_Procedure_All"),
            ("days_in_critical_care", "Spell_PbR_CC_Day'"),
            ("patient_classification", "Patient_Classification"),
        ],
    );
    let ec = [
        ("patient_id", "Patient_ID"),
        ("ec_ident", "EC_Ident"),
        ("arrival_date", "Arrival_Date"),
        ("sus_hrg_code", "SUS_HRG_Code"),
    ];
    check("ec", of_both_parts("EC", None), &ec);
    let opa = [
        ("patient_id", "Patient_ID"),
        ("opa_ident", "OPA_Ident"),
        ("appointment_date", "Appointment_Date"),
        ("attendance_status", "Attendance_Status"),
        ("consultation_medium_used", "Consultation_Medium_Used"),
        ("first_attendance", "First_Attendance"),
        ("hrg_code", "HRG_Code"),
        ("outcome_of_attendance", "Outcome_of_Attendance"),
        ("referral_request_received_date", "Referral_Request_Received_Date"),
        ("treatment_function_code", "Treatment_Function_Code"),
    ];
    check("opa", of_both_parts("OPA", None), &opa);
}

#[test]
fn emergencies_with_their_diagnoses() {
    let diagnoses: Vec<(String, String)> =
        (1..=24).map(|number| (format!("diagnosis_{number:02}"), format!("EC_Diagnosis_{number:02}'"))).collect();
    let mut columns = vec![
        ("patient_id", "Patient_ID"),
        ("id", "EC_Ident"),
        ("arrival_date", "Arrival_Date"),
        ("discharge_destination", "Discharge_Destination_SNOMED_CT"),
    ];
    columns.extend(diagnoses.iter().map(|(ours, theirs)| (ours.as_str(), theirs.as_str())));
    check("emergency_care_attendances", of_both_parts("EC", Some(("EC_Diagnosis", "EC_Ident"))), &columns);
}

#[test]
fn registers_say_the_same() {
    let register = |name: &str| {
        let table = Table::REGISTERS.into_iter().find(|table| table.name() == name).unwrap();
        sheet_of(&population(), table)
    };
    for (ours, theirs) in [
        ("registers/type_one_dissent", "PatientsWithTypeOneDissent"),
        ("registers/without_ndoo", "PatientsWithoutNDOO"),
    ] {
        assert_same(ours, tpp(theirs).rows, register(ours).rows);
    }
    // TPP lists who takes part, without days.
    let mut practices = register("registers/practices");
    let switched_off = practices.at("switched_off_date");
    practices.rows.retain(|row| row[switched_off].is_none());
    let taking_part = practices.select(&["practice_pseudo_id"]);
    assert_same("practices", tpp("DirectionsAcknowledged").rows, taking_part);
    let registrations = register("registers/registrations");
    let columns = ["patient_id", "practice_pseudo_id", "start_date", "end_date"];
    assert_same("registrations", registrations.rows, user("practice_registrations").select(&columns));
}
