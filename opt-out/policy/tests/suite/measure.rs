//! Memory and time of patient sets. Ignored by default; to measure:
//! `cargo test --release -p peristyle-policy --test suite measure -- --ignored --nocapture`, with `PATIENTS=57000000` for
//! the whole of England and `KEYS=int` (`int-in-order`, `bytes16`, `text`) for one kind, so that the greatest memory is its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::time::Instant;

use peristyle_policy::patients::{KeyType, PatientKey, PatientSet, PatientSetBuilder};

/// A sequence without order and, of 64 bits, without repetition.
fn scattered(at: u64) -> u64 {
    let mut value = at.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    value ^= value >> 32;
    value.wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// Resident memory of the process now and at most, in MB.
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

fn report(what: &str, started: Instant, set: &PatientSet) {
    let built = started.elapsed();
    let digesting = Instant::now();
    _ = set.digest();
    let digested = digesting.elapsed();
    let (now, most) = resident();
    println!(
        "{what:18} {:>9} patients  {:>5} MB of keys  built in {:>5} ms  digest in {:>4} ms  resident {now} MB, at most {most} MB",
        set.count(),
        set.memory_bytes() / 1_000_000,
        built.as_millis(),
        digested.as_millis(),
    );
}

fn built(key_type: KeyType, patients: u64, push: impl Fn(&mut PatientSetBuilder, u64)) -> PatientSet {
    let mut builder = PatientSetBuilder::new(key_type);
    (0..patients).for_each(|at| push(&mut builder, at));
    builder.finish()
}

/// 100 rows a patient, half of the patients in the set, which has all numbers from 0.
fn measure_masks(set: &PatientSet) {
    let end = i64::try_from(set.count()).unwrap();
    let rows: Vec<i64> = (end - 80_000..end + 80_000).flat_map(|key| [key; 100]).collect();
    let started = Instant::now();
    let kept: usize = rows.chunks(8_192).map(|batch| set.mask_ints(batch).unwrap().kept()).sum();
    let ns = started.elapsed().as_nanos() as f64 / rows.len() as f64;
    println!("    mask: {} rows, {kept} stay, {ns:.2} ns a row", rows.len());
}

#[test]
#[ignore = "a measurement: see the top of the file"]
fn measure() {
    let patients: u64 = std::env::var("PATIENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(5_000_000);
    let only = std::env::var("KEYS").unwrap_or_default();
    let wanted = |what: &str| only.is_empty() || only == what;
    if wanted("int-in-order") {
        let started = Instant::now();
        let set = built(KeyType::Int, patients, |builder, at| builder.push(PatientKey::Int(at as i64)).unwrap());
        report("int, in order", started, &set);
        measure_masks(&set);
    }
    if wanted("int") {
        let started = Instant::now();
        let set = built(KeyType::Int, patients, |builder, at| {
            builder.push(PatientKey::Int(scattered(at) as i64)).unwrap();
        });
        report("int, in no order", started, &set);
    }
    if wanted("bytes16") {
        let started = Instant::now();
        let set = built(KeyType::Bytes16, patients, |builder, at| {
            let key = (u128::from(scattered(at)) << 64 | u128::from(at)).to_be_bytes();
            builder.push(PatientKey::Bytes16(&key)).unwrap();
        });
        report("bytes16", started, &set);
    }
    if wanted("text") {
        let started = Instant::now();
        let set = built(KeyType::Text, patients, |builder, at| {
            builder.push(PatientKey::Text(&format!("{:016x}", scattered(at)))).unwrap();
        });
        report("text of 16", started, &set);
    }
}

/// What tests of every day can hold: bytes of memory a patient.
#[test]
fn a_patient_costs_a_key_and_no_more() {
    let patients = 200_000;
    let int = built(KeyType::Int, patients, |builder, at| builder.push(PatientKey::Int(scattered(at) as i64)).unwrap());
    let bytes16 = built(KeyType::Bytes16, patients, |builder, at| {
        builder.push(PatientKey::Bytes16(&u128::from(scattered(at)).to_le_bytes())).unwrap();
    });
    let text = built(KeyType::Text, patients, |builder, at| {
        builder.push(PatientKey::Text(&format!("{:016x}", scattered(at)))).unwrap();
    });
    let bytes = [&int, &bytes16, &text].map(|set| set.memory_bytes() as u64 / set.count());
    assert_eq!(bytes, [8, 16, 24]);
}
