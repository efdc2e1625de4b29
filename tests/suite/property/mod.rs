//! Random definitions over random tables: the answer is the oracle's, and however the work is cut up, the same bytes.

pub(crate) mod checks;
pub(crate) mod choices;
mod frames;
pub(crate) mod records;
mod series;
pub(crate) mod study;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use checks::{Failure, check};
use choices::Choices;

/// Cases by default: under a minute in all on two cores. `PROPTEST_CASES` asks for more.
const CASES: u32 = 120;

/// Runs a property over random choices; a failing case is shrunk to few and simple ones.
fn for_random_choices(property: fn(&mut Choices<'_>) -> Result<(), Failure>) {
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
        check(&study::dataset(choices), &tables, &setups, false)
    });
}

#[test]
fn measures_are_the_oracles_however_the_work_is_cut_up() {
    for_random_choices(|choices| {
        let tables = records::tables(choices);
        let setups = checks::setups(choices, &tables);
        let disclosure_control = choices.one_in(3);
        check(&study::measures(choices), &tables, &setups, disclosure_control)
    });
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
