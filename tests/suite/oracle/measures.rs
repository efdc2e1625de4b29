//! Measures: definition format, section 6.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::cells::{Cell, parse_date};
use crate::tables::{Answer, Table};

use super::document::{Id, Reader};
use super::evaluate::Patient;
use super::{Amounts, Verdict, numbers, universe};

struct Measure<'a> {
    name: &'a str,
    fields: &'a Json,
    groups: Vec<&'a str>,
}

/// Evaluates a document's measures: counts and ratio, without disclosure control.
pub(crate) fn measures(document: &Json, tables: &[Table]) -> Verdict {
    let reader = Reader::new(document, BTreeMap::new());
    let collection = match reader.root() {
        ("ModuleDetails", fields) => reader.open(&fields["measures"]).1,
        ("MeasureCollection", fields) => fields,
        (other, _) => panic!("no measures in a {other}"),
    };
    let measures: Vec<Measure<'_>> = collection["measures"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|measure| {
            let fields = reader.open(measure).1;
            let groups = Reader::pairs(&fields["group_by"]).map(|(name, _)| name.as_str().expect("a name")).collect();
            Measure { name: fields["name"].as_str().expect("a name"), fields, groups }
        })
        .collect();
    let mut all_groups: Vec<&str> = vec![];
    for name in measures.iter().flat_map(|measure| &measure.groups) {
        if !all_groups.contains(name) {
            all_groups.push(name);
        }
    }
    let mut columns = vec!["measure", "interval_start", "interval_end", "ratio", "numerator", "denominator"];
    columns.extend(&all_groups);
    let mut verdict = Verdict {
        answers: vec![Answer {
            name: "measures".to_owned(),
            columns: columns.into_iter().map(str::to_owned).collect(),
            rows: vec![],
        }],
        amounts: vec![],
        met_a_fault: false,
        may_fail: false,
    };
    for measure in &measures {
        let together: Vec<&Measure<'_>> =
            measures.iter().filter(|other| belong_together(document, measure, other)).collect();
        for interval in measure.fields["intervals"]["tuple"].as_array().expect("intervals") {
            one_interval(document, tables, measure, &together, interval, &all_groups, &mut verdict);
        }
    }
    verdict
}

/// Measures of one denominator and the same intervals are one query: a pick that several of them use is one pick.
fn belong_together(document: &Json, a: &Measure<'_>, b: &Measure<'_>) -> bool {
    let sentinel = parse_date("2000-01-01").expect("a date");
    let parameters = BTreeMap::from([("interval_start_date", sentinel), ("interval_end_date", sentinel)]);
    let mut reader = Reader::new(document, parameters);
    reader.node(&a.fields["denominator"]) == reader.node(&b.fields["denominator"])
        && a.fields["intervals"] == b.fields["intervals"]
}

fn one_interval(
    document: &Json,
    tables: &[Table],
    measure: &Measure<'_>,
    together: &[&Measure<'_>],
    interval: &Json,
    all_groups: &[&str],
    verdict: &mut Verdict,
) {
    let date = |index: usize| parse_date(interval["tuple"][index]["date"].as_str().expect("a date")).expect("a date");
    let (start, end) = (date(0), date(1));
    let parameters = BTreeMap::from([("interval_start_date", start), ("interval_end_date", end)]);
    let mut reader = Reader::new(document, parameters);
    let mut roots: Vec<Id> = vec![];
    for measure in together {
        roots.push(reader.node(&measure.fields["numerator"]));
        roots.push(reader.node(&measure.fields["denominator"]));
        roots.extend(reader.named(&measure.fields["group_by"]).into_iter().map(|(_, node)| node));
    }
    let numerator = reader.node(&measure.fields["numerator"]);
    let denominator = reader.node(&measure.fields["denominator"]);
    let groups = reader.named(&measure.fields["group_by"]);
    let graph = reader.finish(&roots, tables);

    let mut groups_present: BTreeMap<String, (Vec<Cell>, Amounts)> = BTreeMap::new();
    for id in universe(&graph) {
        let mut patient = Patient::new(&graph, id);
        roots.iter().for_each(|root| patient.visit(*root));
        verdict.met_a_fault |= patient.met_a_fault;
        verdict.may_fail |= patient.may_fail;
        let (numerator, denominator) = (count(patient.value(numerator)), count(patient.value(denominator)));
        match denominator {
            Some(1..) => (),
            Some(_) => continue,
            // Only the engine can say that it is an error: leave a mark.
            None => return verdict.answers[0].rows.push(vec![Cell::Fault(crate::cells::Fault::IntOverflow)]),
        }
        let key: Vec<Cell> = groups.iter().map(|(_, node)| unsigned_zero(patient.value(*node))).collect();
        let Some(numerator) = numerator else {
            return verdict.answers[0].rows.push(vec![Cell::Fault(crate::cells::Fault::IntOverflow)]);
        };
        let (_, amounts) = groups_present.entry(format!("{key:?}")).or_insert((key, Amounts::default()));
        amounts.numerator.push(numerator);
        amounts.denominator.push(denominator.unwrap_or_default());
    }
    for (key, amounts) in groups_present.into_values() {
        let (numerator, denominator): (i128, i128) = (amounts.numerator.iter().sum(), amounts.denominator.iter().sum());
        let ratio = numbers::true_divide(numerator as f64, denominator as f64);
        let mut row = vec![Cell::Str(measure.name.to_owned()), Cell::Date(start), Cell::Date(end), ratio];
        row.extend([numbers::int(numerator), numbers::int(denominator)]);
        row.extend(all_groups.iter().map(|name| {
            measure.groups.iter().position(|group| group == name).map_or(Cell::Null, |index| key[index].clone())
        }));
        verdict.answers[0].rows.push(row);
        verdict.amounts.push(amounts);
    }
}

/// A zero is the same group whatever its sign.
fn unsigned_zero(cell: Cell) -> Cell {
    match cell {
        Cell::Float(value) => Cell::Float(value + 0.0),
        other => other,
    }
}

/// What a value adds to a sum; NULL adds nothing.
fn count(cell: Cell) -> Option<i128> {
    match cell {
        Cell::Null => Some(0),
        Cell::Bool(value) => Some(value.into()),
        Cell::Int(value) => Some(value.into()),
        Cell::Fault(_) => None,
        other => panic!("measures do not count {other:?}"),
    }
}

/// Disclosure control by sums: counts up to 7 become 0, others the nearest multiple of 5.
pub(super) fn by_sums(mut answer: Answer) -> Answer {
    let round = |cell: &Cell| match cell {
        Cell::Int(..=7) => 0,
        // No whole number lies midway between multiples of 5.
        Cell::Int(value) => (value + 2).div_euclid(5) * 5,
        other => panic!("counts are whole: {other:?}"),
    };
    for row in &mut answer.rows {
        let (numerator, denominator) = (round(&row[4]), round(&row[5]));
        show(row, numerator, denominator);
    }
    answer
}

/// Disclosure control by people, without the rows of which nothing is shown.
pub(super) fn by_people(mut answer: Answer, amounts: &[Amounts]) -> Answer {
    for (row, amounts) in answer.rows.iter_mut().zip(amounts) {
        show(row, judged(&amounts.numerator), judged(&amounts.denominator));
    }
    answer.rows.retain(|row| (&row[4], &row[5]) != (&Cell::Int(0), &Cell::Int(0)));
    answer
}

fn show(row: &mut [Cell], numerator: i64, denominator: i64) {
    row[3] = numbers::true_divide(numerator as f64, denominator as f64);
    (row[4], row[5]) = (Cell::Int(numerator), Cell::Int(denominator));
}

/// What is shown of a number that patients add these amounts to. A size that 7 patients or fewer reach is not shown: they
/// count as the next of 1, 2, 5, 10, … that is not below what eight reach. A patient is one of five at most.
fn judged(amounts: &[i128]) -> i64 {
    let reached = |size: i128| amounts.iter().filter(|amount| amount.abs() >= size).count();
    if reached(1) < 8 {
        return 0;
    }
    let mut units = (0..).flat_map(|zeros| [1, 2, 5].map(|digit| digit * 10_i128.pow(zeros)));
    let unit = units.find(|unit| reached(unit + 1) < 8).expect("some unit");
    let sum: i128 = amounts.iter().map(|amount| (*amount).min(unit).max(-unit)).sum();
    if sum <= 7 * unit {
        return 0;
    }
    let step = 5 * unit;
    let below = sum - sum % step;
    let mut nearest = match (sum - below).cmp(&(below + step - sum)) {
        Ordering::Less => below,
        Ordering::Greater => below + step,
        Ordering::Equal if below % (2 * step) == 0 => below,
        Ordering::Equal => below + step,
    };
    while nearest > i64::MAX.into() {
        nearest -= step;
    }
    nearest.try_into().expect("it fits")
}
