//! Random definitions over random tables: the answer is the oracle's, and however the work is cut up, the same bytes.

pub(crate) mod checks;
pub(crate) mod choices;
mod frames;
pub(crate) mod records;
mod series;
pub(crate) mod study;

use std::cell::Cell;

use peristyle_outputs::DisclosureControl;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use checks::{Failure, check};
use choices::Choices;

/// Cases by default: under a minute in all on two cores. `PROPTEST_CASES` asks for more.
const CASES: u32 = 120;

/// Runs a property over random choices; a failing case is shrunk to few and simple ones.
fn for_random_choices(property: impl Fn(&mut Choices<'_>) -> Result<(), Failure>) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let strategy = proptest::collection::vec(any::<u32>(), 40..1200);
    let outcome = TestRunner::new(config)
        .run(&strategy, |choices| property(&mut Choices::new(&choices)).map_err(TestCaseError::fail));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn datasets_are_the_oracles_however_the_work_is_cut_up() {
    for_random_choices(|choices| {
        let tables = records::tables(choices);
        let setups = checks::setups(choices, &tables);
        check(&study::dataset(choices), &tables, &setups, DisclosureControl::Off)
    });
}

#[test]
fn measures_are_the_oracles_however_the_work_is_cut_up() {
    for_random_choices(|choices| {
        let tables = records::tables(choices);
        let setups = checks::setups(choices, &tables);
        let disclosure_control =
            choices.of(&[DisclosureControl::Off, DisclosureControl::Off, DisclosureControl::BySums]);
        check(&study::measures(choices), &tables, &setups, disclosure_control)
    });
}

/// Judged by people: of many patients, since of few nothing is shown.
#[test]
fn measures_judged_by_people_are_the_oracles() {
    let shown = Cell::new(0_u32);
    for_random_choices(|choices| {
        let tables = records::of_many_patients(choices);
        let setups = checks::setups(choices, &tables);
        let document = study::measures(choices);
        shown.set(shown.get() + u32::from(checks::shows_amounts(&document, &tables)));
        check(&document, &tables, &setups[..3], DisclosureControl::ByPeople)
    });
    assert!(shown.get() > CASES / 10, "{} answers with amounts to show", shown.get());
}

/// Where every patient adds 1 or nothing, what is shown by people is what is shown by sums: the same bytes, but for the
/// rows of which nothing is shown.
#[test]
fn counts_of_patients_are_judged_alike_by_people_and_by_sums() {
    let compared = Cell::new(0_u32);
    for_random_choices(|choices| {
        let tables = records::of_many_patients(choices);
        compared.set(compared.get() + u32::from(checks::judged_alike(&study::counts_of_patients(choices), &tables)?));
        Ok(())
    });
    assert!(compared.get() > CASES / 10, "{} answers with something to show", compared.get());
}

/// A population that someone without any record would be in is refused, and no other.
#[test]
fn unbounded_populations_are_refused() {
    for_random_choices(checks::refuses_unbounded_population);
}

/// Should the generator lose a node, the properties above would say nothing of it.
#[test]
fn every_node_is_generated() {
    const NODES: [&str; 53] = [
        "AggregateByPatient.CombineAsSet",
        "AggregateByPatient.Count",
        "AggregateByPatient.CountDistinct",
        "AggregateByPatient.CountEpisodes",
        "AggregateByPatient.Exists",
        "AggregateByPatient.Max",
        "AggregateByPatient.Mean",
        "AggregateByPatient.Min",
        "AggregateByPatient.Sum",
        "Case",
        "Filter",
        "Function.Absolute",
        "Function.Add",
        "Function.And",
        "Function.CastToFloat",
        "Function.CastToInt",
        "Function.DateAddDays",
        "Function.DateAddMonths",
        "Function.DateAddYears",
        "Function.DateDifferenceInDays",
        "Function.DateDifferenceInMonths",
        "Function.DateDifferenceInYears",
        "Function.DayFromDate",
        "Function.EQ",
        "Function.FloorDivide",
        "Function.GE",
        "Function.GT",
        "Function.In",
        "Function.IsNull",
        "Function.LE",
        "Function.LT",
        "Function.MaximumOf",
        "Function.MinimumOf",
        "Function.MonthFromDate",
        "Function.Multiply",
        "Function.NE",
        "Function.Negate",
        "Function.Not",
        "Function.Or",
        "Function.Power",
        "Function.StringContains",
        "Function.Subtract",
        "Function.ToFirstOfMonth",
        "Function.ToFirstOfYear",
        "Function.TrueDivide",
        "Function.YearFromDate",
        "InlinePatientTable",
        "Parameter",
        "PickOneRowPerPatient",
        "SelectColumn",
        "SeriesCollectionFrame",
        "Sort",
        "Value",
    ];
    let mut seen = String::new();
    for seed in 0..400_u32 {
        let number = |n: u32| n.wrapping_mul(2_654_435_761).rotate_left(seed % 32) ^ seed.wrapping_mul(40_503);
        let numbers: Vec<u32> = (0..600).map(number).collect();
        seen.push_str(&study::dataset(&mut Choices::new(&numbers)).to_string());
        seen.push_str(&study::measures(&mut Choices::new(&numbers)).to_string());
    }
    let missing: Vec<&str> = NODES.into_iter().filter(|node| !seen.contains(&format!("\"{node}\":"))).collect();
    assert!(missing.is_empty(), "the generator makes no {missing:?}");
}
