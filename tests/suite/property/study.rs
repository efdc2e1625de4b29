//! Random definitions.

use serde_json::{Value as Json, json};

use crate::document;

use super::choices::Choices;
use super::frames::Generator;
use super::records::PATIENT_TABLES;

/// A dataset whose population is whoever a random condition, among patients of a random table, holds for.
pub(crate) fn dataset(choices: &mut Choices<'_>) -> Json {
    let mut generator = Generator::new(choices, false);
    let population = match generator.choices.below(3) {
        0 => generator.everyone(),
        1 => {
            let (frame, _) = generator.patient_frame(2);
            generator.document.aggregate("Exists", &frame)
        }
        _ => {
            let everyone = generator.everyone();
            let condition = generator.one("bool", 1);
            generator.document.binary("And", &everyone, &condition)
        }
    };
    let (variables, events) = outputs(&mut generator);
    generator.document.dataset(population, variables, events)
}

/// A dataset with any population, be it one that may not be.
pub(crate) fn any_population(choices: &mut Choices<'_>) -> Json {
    let mut generator = Generator::new(choices, false);
    let population = generator.one("bool", 0);
    generator.document.dataset(population, vec![], vec![])
}

type Members = Vec<(String, Json)>;

fn outputs(generator: &mut Generator<'_, '_>) -> (Members, Vec<(String, Members)>) {
    let mut variables = vec![];
    for number in 0..1 + generator.choices.below(4) {
        let type_name = generator.any_type();
        variables.push((format!("v{number}"), generator.one(type_name, 0)));
    }
    let mut events = vec![];
    for number in 0..generator.choices.below(3) {
        let frame = generator.event_frame(1).node;
        let type_name = generator.any_type();
        let mut members = vec![("m0".to_owned(), generator.many(type_name, &frame, 1))];
        for member in 1..1 + generator.choices.below(3) {
            let type_name = generator.any_type();
            members.push((format!("m{member}"), generator.series(type_name, Some(&frame), 2).node));
        }
        events.push((format!("events{number}"), members));
    }
    (variables, events)
}

/// Measures whose numerators are truth values or numbers.
pub(crate) fn measures(choices: &mut Choices<'_>) -> Json {
    measures_of(choices, false)
}

/// Measures of which every patient is one or none.
pub(crate) fn counts_of_patients(choices: &mut Choices<'_>) -> Json {
    measures_of(choices, true)
}

fn measures_of(choices: &mut Choices<'_>, only_truth_values: bool) -> Json {
    const INTERVALS: [(&str, &str); 4] = [
        ("2020-01-03", "2020-02-03"),
        ("2020-02-04", "2020-02-29"),
        ("2019-02-03", "2021-04-05"),
        ("1969-01-02", "1970-01-07"),
    ];
    let mut generator = Generator::new(choices, true);
    // A name stands for one series wherever it is used.
    let mut groups = vec![];
    for number in 0..3 {
        let type_name = generator.any_type();
        groups.push((format!("g{number}"), generator.one(type_name, 2)));
    }
    let mut denominators = vec![];
    for _ in 0..2 {
        let denominator = if generator.choices.one_in(2) && !only_truth_values {
            let frame = generator.event_frame(1).node;
            generator.document.aggregate("Count", &frame)
        } else {
            let everyone = generator.everyone();
            let condition = generator.one("bool", 1);
            generator.document.binary("And", &everyone, &condition)
        };
        denominators.push(denominator);
    }
    let mut measures = vec![];
    for number in 0..1 + generator.choices.below(3) {
        let type_name = generator.choices.of(if only_truth_values { &["bool"] } else { &["bool", "int"] });
        let numerator = generator.one(type_name, 0);
        let group_by: Members = groups.iter().filter(|_| generator.choices.one_in(3)).cloned().collect();
        let first = generator.choices.below(INTERVALS.len());
        let intervals: Vec<Json> = INTERVALS[first..]
            .iter()
            .map(|(start, end)| json!({ "tuple": [{ "date": start }, { "date": end }] }))
            .collect();
        measures.push(json!({ "Measure": {
            "name": format!("measure{number}"),
            "numerator": numerator,
            "denominator": generator.choices.of(&denominators),
            "group_by": document::dict(group_by),
            "intervals": { "tuple": intervals },
        }}));
    }
    generator.document.finish(json!({ "MeasureCollection": { "measures": measures } }))
}

impl Generator<'_, '_> {
    /// Whoever has a row in some tables.
    fn everyone(&mut self) -> Json {
        let mut everyone = self.document.aggregate("Exists", &Self::table(PATIENT_TABLES[0]));
        for name in ["e0", "p1", "e1"].into_iter().take(self.choices.below(4)) {
            let exists = self.document.aggregate("Exists", &Self::table(name));
            everyone = self.document.binary("Or", &everyone, &exists);
        }
        everyone
    }
}
