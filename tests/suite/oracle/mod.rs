//! A second engine, as naive as can be: what `definition-format.md` says, one patient and one row at a time.
//!
//! It reads the document itself and shares no code with the engine under test, not even the calendar. It knows only
//! valid definitions: anything else is a panic, and so a failing test.

mod aggregate;
mod calendar;
mod document;
mod evaluate;
mod functions;
mod measures;
mod numbers;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::cells::{Cell, Fault};
use crate::tables::{Answer, Table};
use document::{Graph, Id, Node};
use evaluate::{Patient, Yield};

use peristyle_outputs::DisclosureControl;

pub(crate) use measures::measures;

/// What each patient adds to a numerator, and to a denominator.
#[derive(Clone, Debug, Default)]
pub(crate) struct Amounts {
    pub(crate) numerator: Vec<i128>,
    pub(crate) denominator: Vec<i128>,
}

/// An answer, and how sure it is.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    /// One table for a dataset and one for each of its event tables
    pub(crate) answers: Vec<Answer>,
    /// For measures: what each patient adds to the numerator and to the denominator of each row
    pub(crate) amounts: Vec<Amounts>,
    /// Something could not be computed, be it for a patient or a row that nobody asked for
    pub(crate) met_a_fault: bool,
    /// Both an answer and a refusal are right
    pub(crate) may_fail: bool,
}

impl Verdict {
    /// What may be shown of measures.
    pub(crate) fn disclosed(mut self, disclosure_control: DisclosureControl) -> Verdict {
        match disclosure_control {
            DisclosureControl::Off => {}
            DisclosureControl::BySums => self.answers = self.answers.into_iter().map(measures::by_sums).collect(),
            DisclosureControl::ByPeople => {
                self.answers = vec![measures::by_people(self.answers.swap_remove(0), &self.amounts)];
            }
        }
        self
    }

    /// Whether a value that is asked for could not be computed: the engine must refuse.
    pub(crate) fn must_fail(&self) -> bool {
        self.answers.iter().any(|answer| answer.rows.iter().flatten().any(|cell| matches!(cell, Cell::Fault(_))))
    }
}

/// Evaluates a document's dataset.
pub(crate) fn dataset(document: &Json, tables: &[Table]) -> Verdict {
    let mut reader = document::Reader::new(document, BTreeMap::new());
    let dataset = reader.dataset();
    let roots = dataset.roots();
    let graph = reader.finish(&roots, tables);

    let mut columns = vec!["patient_id".to_owned()];
    columns.extend(dataset.variables.iter().map(|(name, _)| name.clone()));
    let mut answers = vec![Answer { name: "dataset".to_owned(), columns, rows: vec![] }];
    for (name, members) in &dataset.events {
        let mut columns = vec!["patient_id".to_owned()];
        columns.extend(members.iter().map(|(name, _)| name.clone()));
        answers.push(Answer { name: name.clone(), columns, rows: vec![] });
    }

    let (mut met_a_fault, mut may_fail) = (false, false);
    for id in universe(&graph) {
        let mut patient = Patient::new(&graph, id);
        // Everything, so that it is known whether anything fails.
        roots.iter().for_each(|root| patient.visit(*root));
        met_a_fault |= patient.met_a_fault;
        may_fail |= patient.may_fail;
        match patient.value(dataset.population) {
            Cell::Bool(true) => (),
            fault @ Cell::Fault(_) => {
                answers[0].rows.push(vec![fault; dataset.variables.len() + 1]);
                continue;
            }
            _ => continue,
        }
        let mut row = vec![Cell::Int(id)];
        row.extend(dataset.variables.iter().map(|(_, node)| patient.value(*node)));
        answers[0].rows.push(row);
        for ((_, members), answer) in dataset.events.iter().zip(&mut answers[1..]) {
            let has_rows = |node: &Id| patient.domain(*node).is_some();
            let first = members.iter().map(|(_, node)| *node).find(has_rows).expect("a member has many rows");
            let series: Vec<Yield> = members.iter().map(|(_, node)| patient.evaluate(*node)).collect();
            for (number, cell) in patient.cells(first) {
                let mut row = vec![Cell::Int(id)];
                match cell {
                    Cell::Fault(Fault::UnknownRows) => row.resize(members.len() + 1, cell),
                    _ => row.extend(series.iter().map(|series| series.at(number))),
                }
                answer.rows.push(row);
            }
        }
    }
    Verdict { answers, amounts: vec![], met_a_fault, may_fail }
}

/// The population's value for someone who has no row in any table, and whether a fault was met on the way.
pub(crate) fn population_of_nobody(document: &Json, tables: &[Table]) -> (Cell, bool) {
    let mut reader = document::Reader::new(document, BTreeMap::new());
    let population = reader.dataset().population;
    let graph = reader.finish(&[population], tables);
    let nobody = (i64::MIN..).find(|id| !universe(&graph).contains(id)).expect("more numbers than patients");
    let mut patient = Patient::new(&graph, nobody);
    (patient.value(population), patient.met_a_fault)
}

/// Every patient in any table that the definition uses.
fn universe(graph: &Graph<'_>) -> BTreeSet<i64> {
    graph.tables_in_use().flat_map(|table| table.rows.iter().map(|(patient, _)| *patient)).collect()
}

/// Each node that a pick's columns are selected by.
fn selected_from<'a>(graph: &'a Graph<'_>, pick: Id) -> BTreeSet<&'a str> {
    let nodes = graph.nodes.iter().enumerate().filter(|(id, _)| graph.reached[*id]);
    nodes
        .filter_map(|(_, node)| match node {
            Node::Column { source, name } if *source == pick => Some(name.as_str()),
            _ => None,
        })
        .collect()
}
