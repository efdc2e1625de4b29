//! Checks on whole outputs: who may use an interval, and that a population is bounded.

use std::collections::BTreeSet;

use super::place::Place;
use super::{Dataset, Interval, Measure};
use crate::error::DefinitionError;
use crate::graph::{Constant, Graph, NodeId};
use crate::limits::Limits;
use crate::population::{EmptyPatient, Evaluated};
use crate::scalar::format_date;

/// What an author can do about a population without bounds.
const ADVICE: &str = "Combine it, by `&`, with a condition that holds only for patients with a row in some table, such as \
                      `patients.exists_for_patient()`";

/// A dataset knows no interval, and its population is bounded.
pub(super) fn check_dataset(graph: &Graph, dataset: &Dataset) -> Result<(), DefinitionError> {
    let document = Place::DOCUMENT;
    let outer = document.inside("Dataset");
    let no_interval = |id: NodeId, place: &Place<'_>| {
        if graph.node(id).depends_on_interval {
            return Err(place.error("uses INTERVAL, which has a value only inside measures"));
        }
        Ok(())
    };
    no_interval(dataset.population, &outer.field("population"))?;
    for (name, id) in &dataset.variables {
        no_interval(*id, &outer.named("variable", name))?;
    }
    for table in &dataset.events {
        for (name, id) in &table.members {
            no_interval(*id, &outer.named("event table", &table.name).named("column", name))?;
        }
    }
    let mut patient = EmptyPatient::new(graph, [dataset.population]);
    patient.evaluate_fixed();
    let place = outer.field("population");
    match patient.value(dataset.population) {
        Ok(Some(Constant::Bool(true))) => {
            Err(place
                .error(format!("is true for patients without a row in any table, so that it has no bounds. {ADVICE}")))
        }
        Ok(_) => Ok(()),
        Err(fault) => Err(place.error(fault_message(graph, fault))),
    }
}

fn fault_message(graph: &Graph, (fault, node): (crate::scalar::Fault, NodeId)) -> String {
    let node = graph.node(node);
    let name = node.op.document_name();
    let name = node.key.as_ref().map_or_else(|| name.clone(), |key| format!("node {key} ({name})"));
    format!("cannot be computed for patients without a row in any table: {name} gives {fault}")
}

/// Denominators are bounded in each interval.
///
/// ehrQL does not check this. It then counts whoever happens to be in its tables; here the patients are those of the
/// tables that the measure uses, and the two may differ: so a measure for which it matters is refused.
pub(super) fn check_measures(graph: &Graph, measures: &[Measure], limits: &Limits) -> Result<(), DefinitionError> {
    let mut patient = EmptyPatient::new(graph, measures.iter().map(|measure| measure.denominator));
    patient.evaluate_fixed();
    let (varying, fixed): (Vec<&Measure>, Vec<&Measure>) =
        measures.iter().partition(|measure| graph.node(measure.denominator).depends_on_interval);
    for measure in fixed {
        check_denominator(graph, measure, patient.value(measure.denominator), None)?;
    }
    let intervals: BTreeSet<Interval> = varying.iter().flat_map(|measure| measure.intervals.iter().copied()).collect();
    let steps = (intervals.len() as u64).saturating_mul(patient.varying_steps());
    if steps > limits.population_steps_max {
        let count = intervals.len();
        let message = format!("there are too many parts of denominators to check in each of {count} intervals");
        return Err(DefinitionError::new("measures", message));
    }
    let mut pairs: Vec<(Interval, &Measure)> = Vec::new();
    for measure in &varying {
        pairs.extend(measure.intervals.iter().map(|interval| (*interval, *measure)));
    }
    pairs.sort_by_key(|(interval, _)| *interval);
    let mut current = None;
    for (interval, measure) in pairs {
        if current != Some(interval) {
            patient.evaluate_varying(interval);
            current = Some(interval);
        }
        check_denominator(graph, measure, patient.value(measure.denominator), Some(interval))?;
    }
    Ok(())
}

fn check_denominator(
    graph: &Graph,
    measure: &Measure,
    value: Evaluated,
    interval: Option<Interval>,
) -> Result<(), DefinitionError> {
    let document = Place::DOCUMENT;
    let measure_place = document.named("measure", &measure.name);
    let place = measure_place.field("denominator");
    let during = interval.map_or_else(String::new, |Interval { start, end }| {
        format!(" in the interval {} to {}", format_date(start), format_date(end))
    });
    match value {
        Ok(Some(Constant::Bool(true))) => Err(place.error(format!(
            "is true{during} for patients without a row in any table, so that who is counted has no bounds. {ADVICE}"
        ))),
        Ok(Some(Constant::Int(count))) if count > 0 => Err(place.error(format!(
            "is above 0{during} for patients without a row in any table, so that who is counted has no bounds. Make it \
             0 for them"
        ))),
        Ok(_) => Ok(()),
        Err(fault) => Err(place.error(format!("{}{during}", fault_message(graph, fault)))),
    }
}
