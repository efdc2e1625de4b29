//! Measures that are made to show single patients, through the binary, under a policy that judges by people.

use std::fs;

use crate::cli::place::outcome;
use crate::cli::{Run, Sandbox};
use crate::files::{Layout, write_tables};
use crate::spec;

use super::faults::SOURCE;
use super::registers::Rules;

const MODULE: &str = "ehrql.tables.core";

/// Sixty patients. Three have the code; the last one's year of birth, and whether they have the code, is what a researcher
/// would like to know.
fn tables(born: &str, has_code: bool) -> String {
    let patients = (1..60).map(|patient| {
        let (year, sex) = (1950 + patient % 5, ["female", "male"][patient % 2]);
        format!("  {patient} | {year}-05-01 | {sex}\n")
    });
    let codes = (1..=60).map(|patient| {
        let code = if patient <= 3 || (patient == 60 && has_code) { "99900000" } else { "11100000" };
        format!("  {patient} | 2020-03-01 | {code}\n")
    });
    format!(
        "\npatients patients\n  patient | date_of_birth:date | sex:str(female, male, intersex, unknown)\n{}  60 | {born} | male\n\
         events clinical_events\n  patient | date:date | snomedct_code:SNOMEDCTCode\n{}\
         let coded = clinical_events.where(snomedct_code == SNOMEDCTCode(\"99900000\")).exists_for_patient()\n\
         let year = patients.date_of_birth.year\n\
         let everybody = patients.exists_for_patient()\n",
        patients.collect::<String>(),
        codes.collect::<String>()
    )
}

/// A place with those patients, whose policy applies no rule but the one about numbers.
fn place(judged_by_sums: bool) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("source.toml", SOURCE);
    sandbox.write("policy.toml", Rules { judged_by_sums, ..Rules::default() }.policy());
    fs::create_dir(sandbox.path("tables")).expect("a folder");
    lay_down(&sandbox, "1901-01-01", false);
    sandbox
}

fn lay_down(sandbox: &Sandbox, born: &str, has_code: bool) {
    let text = tables(born, has_code) + "population = patients.exists_for_patient()\n";
    write_tables(&spec::study(&text, MODULE).1, &Layout::default(), &sandbox.path("tables"));
}

/// Asks for measures, each `numerator`, `denominator` and what else there is in lines.
fn ask(sandbox: &Sandbox, measures: &[&[&str]], flags: &str) -> Run {
    let mut text = tables("1901-01-01", false);
    for (number, lines) in measures.iter().enumerate() {
        let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
        let intervals = if lines.contains("intervals") { "" } else { "  intervals = 2020-01-01..2020-12-31\n" };
        text += &format!("measure m{number}\n{lines}{intervals}");
    }
    sandbox.write("measures.json", spec::study(&text, MODULE).0.to_string());
    let _ = fs::remove_file(sandbox.path("out.csv"));
    sandbox.run(&format!("generate-measures measures.json --source source.toml --project flu --output out.csv {flags}"))
}

/// The answer, without the heading of its file.
fn answer(sandbox: &Sandbox, measures: &[&[&str]]) -> String {
    let run = ask(sandbox, measures, "");
    assert_eq!(run.status, Some(0), "{measures:?}: {run:?}");
    sandbox.read("out.csv").lines().skip(1).map(|line| format!("    {line}\n")).collect()
}

/// A title, and measures in lines.
type Attack = (&'static str, &'static [&'static [&'static str]]);

const ATTACKS: [Attack; 12] = [
    ("three patients, plainly", &[&["numerator = coded", "denominator = everybody"]]),
    ("three patients, times 1000", &[&["numerator = coded.as_int() * 1000", "denominator = everybody"]]),
    ("three patients, times 1000, as denominator", &[&["numerator = coded", "denominator = coded.as_int() * 1000"]]),
    ("three patients by weight, among all", &[&["numerator = coded.as_int() * 1000 + 1", "denominator = everybody"]]),
    (
        "three patients, and all others below zero",
        &[&["numerator = coded.as_int() * 1000 - 1", "denominator = everybody"]],
    ),
    (
        "by several weights",
        &[
            &["numerator = coded.as_int() * 10", "denominator = everybody"],
            &["numerator = coded.as_int() * 100 + 1", "denominator = everybody"],
            &["numerator = everybody.as_int() * 100", "denominator = everybody.as_int() * (coded.as_int() * 100 + 1)"],
        ],
    ),
    (
        "a year of birth, times 10",
        &[&["numerator = case(when year < 1950 then year * 10, otherwise 0)", "denominator = everybody"]],
    ),
    (
        "a year of birth, among all",
        &[&["numerator = case(when year < 1950 then year * 10, otherwise 1)", "denominator = everybody"]],
    ),
    (
        "whether there is somebody, by how numbers are rounded",
        &[&["numerator = case(when year == 1901 then 1000000000, otherwise 1)", "denominator = everybody"]],
    ),
    (
        "whether there is somebody, by which intervals there are",
        &[&[
            "numerator = everybody",
            "denominator = everybody and year == INTERVAL.start_date.year",
            "intervals = 1901-01-01..1901-12-31, 1902-01-01..1902-12-31, 1950-01-01..1950-12-31",
        ]],
    ),
    ("groups of one", &[&["numerator = everybody", "denominator = everybody", "group year = year"]]),
    (
        "groups of one, in some intervals",
        &[&[
            "numerator = coded",
            "denominator = everybody and (coded or INTERVAL.start_date < 2020-06-01)",
            "group sex = patients.sex",
            "intervals = 2020-01-01..2020-05-31, 2020-06-01..2020-12-31",
        ]],
    ),
];

/// What each shows, judged by people and, as ehrQL judges, by sums.
#[test]
fn no_amount_shows_what_few_patients_have() {
    let (by_people, by_sums) = (place(false), place(true));
    let mut text = String::new();
    for (title, measures) in ATTACKS {
        let (people, sums) = (answer(&by_people, measures), answer(&by_sums, measures));
        text += &format!("{title}\n  by people\n{people}  by sums\n{sums}");
    }
    insta::assert_snapshot!(text);
}

/// Whatever is on record of one patient, answers and logs are the same bytes.
#[test]
fn one_patient_makes_no_difference() {
    let sandbox = place(false);
    let seen = |measures| {
        let run = ask(&sandbox, measures, "");
        (run.status, run.told(), run.stdout, sandbox.read("out.csv"))
    };
    for (title, measures) in ATTACKS {
        lay_down(&sandbox, "1901-01-01", false);
        let expected = seen(measures);
        assert_eq!(expected.0, Some(0), "{title}: {expected:?}");
        for (born, has_code) in
            [("1901-01-01", true), ("1902-01-01", false), ("1930-07-01", true), ("1849-01-01", true)]
        {
            lay_down(&sandbox, born, has_code);
            assert_eq!(seen(measures), expected, "{title}: born {born}, code {has_code}");
        }
    }
}

/// Of what cannot be computed neither variable nor measure nor operation is told, and the ledger knows one code for it.
#[test]
fn what_cannot_be_computed_is_told_in_one_wording() {
    let sandbox = place(false);
    let good: &[&str] = &["numerator = coded", "denominator = everybody"];
    let cases: [&[&[&str]]; 7] = [
        &[&["numerator = year * 9223372036854775807", "denominator = everybody"]],
        &[good, &["numerator = coded.as_int() * 4611686018427387904 * 2", "denominator = everybody"]],
        &[good, &["numerator = coded", "denominator = (patients.date_of_birth + years(9000)).year > 0"]],
        &[&["numerator = coded", "denominator = everybody", "group at = patients.date_of_birth - years(1950)"], good],
        &[&["numerator = everybody.as_int() * 4611686018427387904", "denominator = everybody"]],
        &[&["numerator = coded", "denominator = everybody.as_int() * 4611686018427387904"]],
        &[&[
            "numerator = case(when year == 1901 then year * 4611686018427387904, otherwise 1)",
            "denominator = everybody",
        ]],
    ];
    let told: Vec<_> = cases
        .iter()
        .map(|measures| {
            let run = ask(&sandbox, measures, "");
            assert!(!sandbox.path("out.csv").exists());
            (run.status, run.told(), run.stdout, outcome(&sandbox))
        })
        .collect();
    assert!(told.iter().all(|other| *other == told[0]), "{told:#?}");
    let (status, stderr, stdout, recorded) = &told[0];
    assert_eq!((*status, stdout.as_str()), (Some(10), ""));
    assert_eq!(recorded, "failed measure_not_computable 10");
    insta::assert_snapshot!(stderr, @"error: a value that the measures need cannot be computed for at least one patient, or a total does not fit 64 bits. Under this policy the message does not say which: run the definition over dummy tables that hold such values to find it, and restrict its inputs, for example with a filter on plausible values");

    // Judged by sums, as in ehrQL, each is named.
    let by_sums = place(true);
    for measures in cases {
        let run = ask(&by_sums, measures, "");
        assert_eq!((run.status, outcome(&by_sums).as_str()), (Some(10), "failed definition 10"), "{run:?}");
        assert!(run.stderr.contains("measure 'm"), "{run:?}");
    }
}

/// Whoever may switch disclosure control off sees numbers, and faults, as they are.
#[test]
fn without_disclosure_control_numbers_and_faults_are_as_they_are() {
    let sandbox = place(false);
    let off = "--disclosure-control off --permissions [\"disable_disclosure_control\"]";
    let run = ask(&sandbox, &[&["numerator = coded.as_int() * 1000", "denominator = coded"]], off);
    assert_eq!(run.status, Some(0), "{run:?}");
    assert!(sandbox.read("out.csv").contains(",1000.0,3000,3"), "{}", sandbox.read("out.csv"));
    let run = ask(&sandbox, &[&["numerator = year * 9223372036854775807", "denominator = everybody"]], off);
    assert!(run.stderr.contains("measure 'm0', numerator: computing Multiply"), "{run:?}");
    // The permission alone switches nothing off.
    let run = ask(&sandbox, &[&["numerator = coded.as_int() * 1000", "denominator = coded"]], off.split_at(25).1);
    assert_eq!((run.status, sandbox.read("out.csv").lines().count()), (Some(0), 1), "{run:?}");
}
