//! Random definitions, tables and policies: a run over all rows, and one over rows from which those that the policy
//! leaves out were deleted, leave the same bytes, or fail in the same words.

use std::cell::Cell as Counter;

use peristyle_outputs::DisclosureControl;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value as Json;

use crate::engine::{self, Setup};
use crate::files::RowOrder;
use crate::property::choices::Choices;
use crate::property::{checks, records, study};
use crate::tables::Table;

use super::deletion::Row;
use super::place::{Place, arrange};
use super::registers::{RowRule, Rules, rules};
use super::{cases, hostile};

/// Those of the random tables, one whom only inline tables and registers know, and two whom only registers know.
const PATIENTS: [i64; 11] = [5, -3, 40, 7, 8, 1_000_000_007, 2, 11, 3, 99, i64::MAX];
const PRACTICES: [i64; 5] = [0, 1, 2, 3, -1];
const ENDS: [&str; 7] =
    ["2020-01-31", "2020-02-29", "2020-02-28", "2019-03-01", "2021-12-31", "1969-12-31", "2020-01-30"];

/// What may be asked of the random tables.
type Ask = fn(&mut Choices<'_>) -> Json;

/// How often the cases of a property had something to show.
#[derive(Default)]
struct Tally {
    cases: Counter<u32>,
    rows_hidden: Counter<u32>,
    failed: Counter<u32>,
    compared_to_unguarded: Counter<u32>,
    other_than_unguarded: Counter<u32>,
}

fn count(counter: &Counter<u32>, counts: bool) {
    counter.set(counter.get() + u32::from(counts));
}

/// A definition over random tables under a random policy.
struct Case {
    rules: Rules,
    tables: Vec<Table>,
    setup: Setup,
    document: Json,
    /// Whether numbers of measures are shown as they are
    shows_all: bool,
}

impl Case {
    fn new(choices: &mut Choices<'_>, ask: Ask, is_hostile: bool) -> Self {
        let row_rules = || {
            use RowRule::{All, AtActivated, UntilCutOff};
            vec![UntilCutOff("d1"), All, UntilCutOff("d2"), AtActivated("i1"), UntilCutOff("d1")]
        };
        let names = ["p0", "p1", "e0", "e1"].map(|name| format!("{}.{name}", records::MODULE));
        let possible: Vec<(&str, Vec<RowRule>)> = names.iter().map(|name| (name.as_str(), row_rules())).collect();
        let rules = rules(choices, &PATIENTS, &ENDS, &PRACTICES, &possible);
        // Of few patients nothing is shown where measures are judged by people.
        let mut tables =
            if rules.judged_by_sums { records::tables(choices) } else { records::of_many_patients(choices) };
        let setup = checks::setups(choices, &tables).swap_remove(1);
        if is_hostile {
            hostile::add_rows(choices, &mut tables, &rules, setup.layout.format);
        }
        arrange(&mut tables, setup.layout.order);
        if is_hostile && setup.layout.order == RowOrder::Promised {
            hostile::disorder(choices, &mut tables, &rules);
        }
        let shows_all = choices.one_in(2);
        Case { rules, tables, setup, document: ask(choices), shows_all }
    }

    fn check(&self, tally: &Tally) -> Result<(), String> {
        let Case { rules, tables, setup, document, shows_all } = self;
        let definition = engine::parse(document, tables).map_err(|error| format!("refused: {error}\n{document}"))?;
        let place = Place::new(rules);
        let disclosure_control = if *shows_all { DisclosureControl::Off } else { place.disclosure_control() };
        let traces = |wanted: &dyn Fn(&Table, &Row) -> bool| {
            place.lay_down(tables, &setup.layout, wanted);
            let policy = place.verify(&rules.permissions).map_err(|error| error.to_string())?;
            place.run(policy, &definition, setup, disclosure_control)
        };
        let all = traces(&|_, _| true);
        let without = traces(&|table, row| !rules.hides(table, row));
        if all != without {
            return Err(format!(
                "who is left out can be told: {setup:?}\nall rows:\n{}without those:\n{}{document}\n{}\n{}\n{}",
                checks::described(&all),
                checks::described(&without),
                rules.policy(),
                rules.shown(),
                self.shown(),
            ));
        }
        count(&tally.cases, true);
        count(&tally.failed, all.is_err());
        let hidden = |table: &Table| table.rows.iter().any(|row| rules.hides(table, row));
        let hides = tables.iter().any(hidden);
        count(&tally.rows_hidden, hides);
        if hides && tally.cases.get().is_multiple_of(8) {
            place.lay_down(tables, &setup.layout, |_, _| true);
            let policy = peristyle_opt_out::VerifiedPolicy::dummy_tables();
            let unguarded = place.run(policy, &definition, setup, disclosure_control);
            count(&tally.compared_to_unguarded, true);
            count(&tally.other_than_unguarded, unguarded != all);
        }
        Ok(())
    }

    fn shown(&self) -> String {
        let mark = |table: &Table, row: &Row| if self.rules.hides(table, row) { "hidden" } else { "      " };
        let rows = |table: &Table| {
            let cells = |row: &Row| row.1.iter().map(ToString::to_string).collect::<Vec<_>>().join("|");
            table
                .rows
                .iter()
                .map(|row| format!("  {} {}|{}\n", mark(table, row), row.0, cells(row)))
                .collect::<String>()
        };
        self.tables.iter().map(|table| format!("{}\n{}", table.name, rows(table))).collect()
    }
}

impl Rules {
    fn shown(&self) -> String {
        let Rules { type_one, national, activation, permissions, .. } = self;
        format!("{type_one:?}\n{national:?}\n{activation:?}\n{permissions:?}")
    }
}

/// Runs random cases; a failing one is shrunk.
fn hold(title: &str, of_a_hundred: u32, ask: Ask, is_hostile: bool) {
    let config =
        Config { cases: cases(of_a_hundred), failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let tally = Tally::default();
    let strategy = proptest::collection::vec(any::<u32>(), 60..1200);
    let outcome = TestRunner::new(config).run(&strategy, |numbers| {
        Case::new(&mut Choices::new(&numbers), ask, is_hostile).check(&tally).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let Tally { cases, rows_hidden, failed, compared_to_unguarded: compared, other_than_unguarded: other } = tally;
    let (cases, rows_hidden, failed) = (cases.get(), rows_hidden.get(), failed.get());
    let (compared, other) = (compared.get(), other.get());
    eprintln!(
        "{title}: {cases} cases, rows hidden in {rows_hidden}, failed alike {failed}, other than unguarded {other} of \
         {compared}"
    );
    // A property that never had anything to hide would hold as well.
    assert!(cases < 100 || rows_hidden * 2 > cases, "rows are hidden in {rows_hidden} of {cases} cases");
    assert!(compared < 20 || other * 4 > compared, "the Guard changes {other} of {compared} answers");
}

#[test]
fn datasets_tell_nothing_of_rows_that_are_left_out() {
    hold("datasets", 40, study::dataset, false);
}

#[test]
fn measures_tell_nothing_of_rows_that_are_left_out() {
    hold("measures", 20, study::measures, false);
}

#[test]
fn datasets_tell_nothing_of_rows_that_would_give_themselves_away() {
    hold("hostile datasets", 15, study::dataset, true);
}

#[test]
fn measures_tell_nothing_of_rows_that_would_give_themselves_away() {
    hold("hostile measures", 10, study::measures, true);
}
