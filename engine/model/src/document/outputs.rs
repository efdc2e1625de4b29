//! What a definition puts out: datasets with event tables, measures.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::constant::date;
use super::place::Place;
use super::reader::{Entry, Reader, event_members};
use super::record::{Read, dict, fields, list, output_name, tagged, tuple, untag};
use super::{Dataset, EventTable, Interval, Measure};
use crate::graph::NodeId;
use crate::json::Json;
use crate::text::quoted;
use crate::types::ValueType;

/// The measures file's own columns.
const MEASURE_COLUMNS: [&str; 6] = ["measure", "interval_start", "interval_end", "ratio", "numerator", "denominator"];

impl Reader<'_> {
    /// The payload of a `Dataset`.
    pub(super) fn dataset(&mut self, payload: &Json, place: &Place<'_>) -> Read<Dataset> {
        let names = ["population", "variables", "events", "measures"];
        let [population, variables, events, measures] = fields(payload, place, names)?;
        if *measures != Json::Null {
            let message = "must be null: sums over a dataset belong inside ehrQL, measures come as a MeasureCollection";
            return Err(place.field("measures").error(message));
        }
        let population_place = place.field("population");
        let population = self.node(population, &population_place)?;
        let value_type = self.one_row(population, &population_place)?;
        if value_type != ValueType::Bool {
            let message =
                format!("is a series of {value_type}: a population is of bool, true for each patient who is in");
            return Err(population_place.error(message));
        }
        let variables_place = place.field("variables");
        let variables = dict(variables, &variables_place)?;
        if variables.len() > self.limits.output_columns_max {
            let most = self.limits.output_columns_max;
            return Err(variables_place.error(format!("has {} variables; at most {most} are allowed", variables.len())));
        }
        let taken = Some("patient_id");
        let variables = self.named_series(variables, "variable", taken, &variables_place, place, Self::one_row)?;
        let events = self.events(events, variables.len(), place)?;
        Ok(Dataset { population, variables, events })
    }

    fn one_row(&self, id: NodeId, place: &Place<'_>) -> Read<ValueType> {
        self.builder.one_row_series(id, "").map_err(|error| place.error(error.rule.to_string()))
    }

    /// Series by names that output columns get, but for the one that is taken. `list` is where they are written, `owner`
    /// what they belong to.
    fn named_series(
        &mut self,
        pairs: Vec<(&Json, &Json)>,
        what: &'static str,
        taken: Option<&str>,
        list: &Place<'_>,
        owner: &Place<'_>,
        check: impl Fn(&Self, NodeId, &Place<'_>) -> Read<ValueType>,
    ) -> Read<Vec<(Arc<str>, NodeId)>> {
        let mut seen = HashSet::new();
        let mut read = Vec::with_capacity(pairs.len());
        for (index, (name, series)) in pairs.into_iter().enumerate() {
            let name = output_name(name, &list.item(index), self.limits.name_bytes_max)?;
            let place = owner.named(what, name);
            if Some(name) == taken {
                return Err(place.error(format!("the name is taken: such an output has a column {name} of its own")));
            }
            if !seen.insert(name) {
                return Err(place.error("the name is given twice"));
            }
            let series = self.node(series, &place)?;
            check(self, series, &place)?;
            read.push((Arc::from(name), series));
        }
        Ok(read)
    }

    fn events(&mut self, json: &Json, variables: usize, dataset: &Place<'_>) -> Read<Vec<EventTable>> {
        let mut columns = variables;
        let events_place = dataset.field("events");
        let mut seen = HashSet::new();
        let mut read = Vec::new();
        for (index, (name, frame)) in dict(json, &events_place)?.into_iter().enumerate() {
            let name = output_name(name, &events_place.item(index), self.limits.name_bytes_max)?;
            let place = dataset.named("event table", name);
            if name == "dataset" {
                return Err(place.error("the name is taken: the table of the variables is called dataset"));
            }
            if !seen.insert(name) {
                return Err(place.error("the name is given twice"));
            }
            let (tag, payload) = tagged(frame, &place, "an event table")?;
            let table = match tag {
                "SeriesCollectionFrame" => self.event_table(payload, &place)?,
                "ref" => match self.referred(payload, &place)? {
                    Entry::Events(table) => table.clone(),
                    _ => return Err(place.error("refers to a node that is not a SeriesCollectionFrame")),
                },
                other => return Err(place.error(format!("has {}, not a SeriesCollectionFrame", quoted(other)))),
            };
            columns += table.members.len();
            if columns > self.limits.output_columns_max {
                let most = self.limits.output_columns_max;
                return Err(dataset.error(format!("puts out more than {most} columns, event tables included")));
            }
            read.push(EventTable { name: Arc::from(name), ..table });
        }
        Ok(read)
    }

    /// The payload of a `SeriesCollectionFrame`; its name comes from the dataset.
    pub(super) fn event_table(&mut self, payload: &Json, place: &Place<'_>) -> Read<EventTable> {
        let pairs = event_members(payload, place)?;
        let no_check = |_: &Self, _: NodeId, _: &Place<'_>| Ok(ValueType::Bool);
        let taken = Some("patient_id");
        let members = self.named_series(pairs, "column", taken, &place.field("members"), place, no_check)?;
        let ids: Vec<NodeId> = members.iter().map(|(_, id)| *id).collect();
        let domain = self.builder.event_table(&ids).map_err(|error| place.broken(error))?;
        Ok(EventTable { name: Arc::from(""), domain, members })
    }

    /// The payload of a `MeasureCollection`.
    pub(super) fn measures(&mut self, payload: &Json, place: &Place<'_>) -> Read<Vec<Measure>> {
        let [measures] = fields(payload, place, ["measures"])?;
        let list_place = place.field("measures");
        let mut names = HashSet::new();
        let mut groups: HashMap<Arc<str>, (NodeId, Arc<str>)> = HashMap::new();
        let mut read = Vec::new();
        for (index, json) in list(measures, &list_place)?.iter().enumerate() {
            let measure = self.measure(json, &list_place.item(index))?;
            let place = Place::DOCUMENT;
            let place = place.named("measure", &measure.name);
            if !names.insert(Arc::clone(&measure.name)) {
                return Err(place.error("the name is given to two measures"));
            }
            for (group, series) in &measure.group_by {
                let (known, first) = groups.entry(Arc::clone(group)).or_insert((*series, Arc::clone(&measure.name)));
                if known != series {
                    let message =
                        format!("is defined differently in measure {}: one name, one definition", quoted(first));
                    return Err(place.named("group", group).error(message));
                }
            }
            read.push(measure);
        }
        Ok(read)
    }

    fn measure(&mut self, json: &Json, outer: &Place<'_>) -> Read<Measure> {
        let record = untag(json, outer, "Measure")?;
        let field_names = ["name", "numerator", "denominator", "group_by", "intervals"];
        let [name, numerator, denominator, group_by, intervals] = fields(record, outer, field_names)?;
        let name = output_name(name, &outer.field("name"), self.limits.name_bytes_max)?;
        let place = Place::DOCUMENT;
        let place = place.named("measure", name);
        let numerator = self.summand(numerator, &place.field("numerator"))?;
        let denominator = self.summand(denominator, &place.field("denominator"))?;
        let groups_place = place.field("group_by");
        let pairs = dict(group_by, &groups_place)?;
        let group_by = self.named_series(pairs, "group", None, &groups_place, &place, Self::one_row)?;
        if let Some((taken, _)) = group_by.iter().find(|(group, _)| MEASURE_COLUMNS.contains(&&**group)) {
            return Err(place.named("group", taken).error("the name is taken: every measures file has such a column"));
        }
        let intervals = read_intervals(intervals, &place.field("intervals"))?;
        Ok(Measure { name: Arc::from(name), numerator, denominator, group_by, intervals })
    }

    /// What a measure sums: bool counts 0 or 1.
    fn summand(&mut self, json: &Json, place: &Place<'_>) -> Read<NodeId> {
        let id = self.node(json, place)?;
        match self.one_row(id, place)? {
            ValueType::Bool | ValueType::Int => Ok(id),
            other => {
                Err(place.error(format!("is a series of {other}: numerators and denominators are of bool or int")))
            }
        }
    }
}

fn read_intervals(json: &Json, place: &Place<'_>) -> Read<Arc<[Interval]>> {
    let mut seen = HashSet::new();
    let mut read = Vec::new();
    for (index, item) in tuple(json, place)?.iter().enumerate() {
        let place = place.item(index);
        let [start, end] = tuple(item, &place)? else {
            return Err(place.error("wants a pair of dates, first and last day"));
        };
        let interval = Interval { start: date(start, &place)?, end: date(end, &place)? };
        if interval.start > interval.end {
            return Err(place.error("starts after its end"));
        }
        if !seen.insert(interval) {
            return Err(place.error("is an interval that is given twice"));
        }
        read.push(interval);
    }
    Ok(read.into())
}
