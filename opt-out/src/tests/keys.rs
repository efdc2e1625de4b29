//! Keys of registers against those of tables: a key that cannot match is an error, not an absence.

use std::fs;

use peristyle_policy::Digest;

use super::fixtures::*;
use super::policy::{Place, policy_text, seal, today, type_one};
use crate::{Extract, KeyType, PatientKeyColumn, TableRequest, VerifiedPolicy, read_registers};

const COMPARED: &str = "[text_keys]\ntrim = true\ncase = \"ignored\"\n";

/// A place whose patients are known by texts, with a Type 1 register in which one key is listed.
fn texts(listed: &str, more: &str) -> Place {
    let register = type_one("has_opted_out").replace("type_one.parquet", "type_one.csv");
    let place = Place::new(&policy_text("text", &[("type_one", &register)], more), &[]);
    place.tables.put("type_one.csv", format!("patient,of\n{listed},2026-06-15\n"));
    seal(&place.tables.path().join("type_one.csv"));
    place.begin();
    place
}

fn wanted() -> TableRequest {
    TableRequest { patient_key: Some(PatientKeyColumn::of("patient_id".into(), KeyType::Text)), ..request("") }
}

/// Who is seen, or why the run is refused.
fn seen(place: &Place) -> Result<Vec<String>, String> {
    let policy = place.verify("[]").map_err(|error| error.to_string())?;
    run(&place.tables.enclave_with(policy, options()), &wanted(), None)
}

/// Of a run that must be refused, why. Without what it would be of one that shows the patient who opted out.
fn refused(found: Result<Vec<String>, String>) -> String {
    let text = found.expect_err("the run should be refused");
    text.rsplit_once(": ").map_or(text.clone(), |(_, problem)| problem.split(';').next().unwrap_or(problem).to_owned())
}

#[test]
fn text_keys_match_or_are_refused() {
    let mut told = Vec::new();
    for (what, key) in [
        ("as it is", "B2"),
        ("padded", "B2        "),
        ("a space before", " B2"),
        ("a no-break space", "B2\u{a0}"),
        ("a tab", "B2\t"),
        ("small letters", "b2"),
        ("a zero-width space", "B2\u{200b}"),
        ("a byte-order mark", "\u{feff}B2"),
        ("a NUL", "B2\0"),
        ("another form", "e\u{301}2"),
    ] {
        // On one side, then on the other; compared as they are, then without spaces and case.
        for more in ["", COMPARED] {
            for in_register in [true, false] {
                let (listed, of_table) = if in_register { (key, "B2") } else { ("B2", key) };
                let place = texts(listed, more);
                place.tables.put("patients.csv", format!("patient_id\nA1\n{of_table}\nC3\n"));
                let found = match seen(&place) {
                    Ok(found) if found == ["A1", "C3"] || found == ["a1", "c3"] => "hidden".to_owned(),
                    Ok(found) => panic!("{what}: {found:?}"),
                    Err(error) => refused(Err(error)),
                };
                let compared = if more.is_empty() { "as they are" } else { "compared" };
                told.push(format!(
                    "{what}, in the {}, {compared}: {found}",
                    if in_register { "register" } else { "table" }
                ));
            }
        }
    }
    insta::assert_snapshot!(told.join("\n"));
}

/// A policy by which a part of the register's keys must be found.
fn with_least_found(least: u8) -> String {
    let register = type_one("has_opted_out");
    let text = policy_text("int", &[("type_one", &register)], "");
    text.replace("least_found_percent = 0", &format!("least_found_percent = {least}"))
}

#[test]
fn a_register_whose_keys_are_nobody_s_is_refused() {
    for (least, listed, found) in [
        (0, "9001 9002 9003", true),
        (1, "9001 9002 9003", false),
        (75, "1 2 3 9001", true),
        (76, "1 2 3 9001", false),
        (100, "1 2 3", true),
    ] {
        let rows: String = listed.split_whitespace().map(|key| format!("{key} 2026-06-15\n")).collect();
        let place =
            Place::new(&with_least_found(least), &[("type_one.parquet", &format!("patient:int of:date\n{rows}"))]);
        for format in ["patients.parquet", "patients.arrow", "patients.csv", "patients.csv.gz"] {
            place.tables.put_rows(format, &patients(1..=500), Written { group_rows: Some(70), ..Written::default() });
            assert_eq!(place.verify("[]").is_ok(), found, "{least}: {listed}");
            fs::remove_file(place.tables.path().join(format)).unwrap();
        }
    }
    let place =
        Place::new(&with_least_found(90), &[("type_one.parquet", "patient:int of:date\n1 2026-06-15\n7 2026-06-15\n")]);
    let without = place.verify("[]").unwrap_err().to_string();
    place.tables.put_rows("patients.parquet", &patients([1, 2]), Written::default());
    insta::assert_snapshot!(format!("{without}\n{}", place.verify("[]").unwrap_err()));
}

/// Whoever begins or accepts counts is told which row is at fault; a run tells no researcher.
#[test]
fn rows_of_registers_are_told_to_their_keepers_alone() {
    let place = texts("B2 ", "");
    place.tables.put("patients.csv", "patient_id\nA1\n");
    let registers: Vec<_> = place.policy.registers().collect();
    let told = read_registers(&place.policy, &registers, &Extract::from(place.tables.path()), today());
    assert!(told.unwrap_err().to_string().contains("row 1"));
    assert!(!place.verify("[]").unwrap_err().to_string().contains("row"));
}

/// Flips bits of a register's file, of its digest, and of the counts; nobody who has opted out may be seen.
#[test]
fn no_bit_of_a_register_can_flip_unseen() {
    let flips = std::env::var("REGISTER_FLIPS").ok().and_then(|flips| flips.parse().ok()).unwrap_or(1_000);
    let opted_out: Vec<i64> = (0..300).map(|at| 1_000 + at * 7 % 800).collect();
    let rows: String = opted_out.iter().map(|patient| format!("{patient} 2026-06-15\n")).collect();
    let rows = super::fixtures::rows(&format!("patient:int of:date\n{rows}"));
    let mut random = 88_172_645_463_325_252_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % (1 << 48)).unwrap()
    };
    for file in ["type_one.zstd.parquet", "type_one.plain.parquet", "type_one.arrow", "type_one.csv", "type_one.csv.gz"]
    {
        let register = type_one("has_opted_out").replace("type_one.parquet", file);
        let place = Place::new(&policy_text("int", &[("type_one", &register)], ""), &[]);
        if file.contains("plain") {
            place.tables.put_rows(file, &rows, Written::default());
        } else if file.contains("zstd") {
            write_compressed(&place.tables.path().join(file), &rows);
            seal(&place.tables.path().join(file));
        } else {
            place.tables.put_rows(file, &rows, Written::default());
        }
        place.begin();
        place.tables.put_rows("patients.parquet", &patients(1_000..1_800), Written::default());
        let hidden = |verified: &VerifiedPolicy| {
            let none = |patient: &i64| !verified.lets_see(*patient);
            opted_out.iter().all(none)
        };
        assert!(hidden(&place.verify("[]").unwrap()));
        let digest = format!("{file}.sha256");
        let mut refused = 0;
        for victim in [file, digest.as_str(), "state/counts.json"] {
            let path = place.tables.path().join(victim);
            for _ in 0..flips / if victim == file { 1 } else { 10 } {
                let good = fs::read(&path).unwrap();
                let mut bad = good.clone();
                let at = next() % bad.len();
                bad[at] ^= 1 << (next() % 8);
                fs::write(&path, &bad).unwrap();
                match place.verify("[]") {
                    Ok(verified) => {
                        assert!(victim != file, "{file}: a bit of byte {at}");
                        assert!(hidden(&verified), "{victim}: a bit of byte {at}");
                    }
                    Err(_) => refused += 1,
                }
                // A run that is not refused has written the counts anew.
                if fs::read(&path).unwrap() == bad {
                    fs::write(&path, &good).unwrap();
                }
            }
        }
        assert!(refused >= flips, "{file}: {refused}");
        assert_eq!(
            Digest::of(&fs::read(place.tables.path().join(file)).unwrap()),
            digest_of(&place, &digest),
            "{file}"
        );
    }
}

fn digest_of(place: &Place, name: &str) -> Digest {
    let text = fs::read_to_string(place.tables.path().join(name)).unwrap();
    Digest::parse(text.split_whitespace().next().unwrap()).unwrap()
}
