//! Reads nodes: from JSON to the builder, entry by entry.

use std::sync::Arc;

use super::arena::Arena;
use super::constant::{self, Literal};
use super::place::Place;
use super::record::{Read, dict, fields, int, list, string, tagged, tuple, untag};
use super::{Dataset, EventTable};
use crate::builder::{GraphBuilder, RuleError};
use crate::catalogue::{Catalogue, TableName};
use crate::graph::{Aggregation, Binary, NodeId, Parameter, Position, Unary};
use crate::json::Json;
use crate::limits::Limits;
use crate::text::{nearest, quoted};
use crate::types::ValueType;

/// Names that stand for something, but not for a node that a series or frame could be.
const RECORDS: [&str; 14] = [
    "ModuleDetails",
    "DefinitionError",
    "MeasureCollection",
    "Measure",
    "DisclosureControlConfig",
    "DummyDataConfig",
    "TableSchema",
    "Column",
    "ColumnSpec",
    "CSVRowsReader",
    "CSVGZRowsReader",
    "ArrowRowsReader",
    "Position",
    "Path",
];

/// What an arena entry turned out to be.
pub(super) enum Entry {
    Node(NodeId),
    /// Not a node of the graph: only a dataset has a use for it
    Events(EventTable),
    Dataset(Dataset),
}

/// Reads a document's nodes into a builder.
pub(super) struct Reader<'d> {
    pub(super) arena: Arena<'d>,
    pub(super) catalogue: &'d Catalogue,
    pub(super) limits: &'d Limits,
    pub(super) builder: GraphBuilder,
    entries: Vec<Option<Entry>>,
    has_dataset: bool,
}

impl<'d> Reader<'d> {
    /// Reads all entries of the arena, used or not, each after those that it refers to.
    pub(super) fn of_arena(arena: Arena<'d>, catalogue: &'d Catalogue, limits: &'d Limits) -> Read<Self> {
        let order = arena.in_order()?;
        let entries = std::iter::repeat_with(|| None).take(arena.len()).collect();
        let mut reader =
            Reader { arena, catalogue, limits, builder: GraphBuilder::new(limits), entries, has_dataset: false };
        for index in order {
            let (key, json) = reader.arena.entry(index);
            reader.builder.set_key(Some(Arc::from(key)));
            let entry = reader.entry(json, &Place::entry(key))?;
            reader.entries[index] = Some(entry);
        }
        reader.builder.set_key(None);
        Ok(reader)
    }

    fn entry(&mut self, json: &Json, place: &Place<'_>) -> Read<Entry> {
        let (name, payload) = tagged(json, place, "a node")?;
        match name {
            "Dataset" if self.has_dataset => Err(place.error("is a second dataset; a document has one")),
            "Dataset" => {
                self.has_dataset = true;
                self.dataset(payload, &place.inside("Dataset")).map(Entry::Dataset)
            }
            "SeriesCollectionFrame" => {
                self.event_table(payload, &place.inside("SeriesCollectionFrame")).map(Entry::Events)
            }
            _ => self.node(json, place).map(Entry::Node),
        }
    }

    /// The entry that a `ref` refers to.
    pub(super) fn referred(&self, payload: &Json, place: &Place<'_>) -> Read<&Entry> {
        let key = string(payload, place)?;
        let entry = self.arena.index(key).and_then(|index| self.entries[index].as_ref());
        entry.ok_or_else(|| place.error(format!("refers to node {}, which the document does not have", quoted(key))))
    }

    /// A node, or a reference to one.
    pub(super) fn node(&mut self, json: &Json, place: &Place<'_>) -> Read<NodeId> {
        let (name, payload) = tagged(json, place, "a node")?;
        match name {
            "ref" => match self.referred(payload, place)? {
                Entry::Node(id) => Ok(*id),
                Entry::Events(_) => {
                    Err(place.error("refers to an event table, which only a dataset's events can hold"))
                }
                Entry::Dataset(_) => Err(place.error("refers to a dataset, where a series or a table should stand")),
            },
            "external_ref" => self.catalogue_table(payload, place),
            "Value" => self.value(payload, &place.inside("Value")),
            _ => self.operation(name, payload, place),
        }
    }

    /// A node, or null.
    pub(super) fn optional_node(&mut self, json: &Json, place: &Place<'_>) -> Read<Option<NodeId>> {
        match json {
            Json::Null => Ok(None),
            json => self.node(json, place).map(Some),
        }
    }

    fn catalogue_table(&mut self, payload: &Json, place: &Place<'_>) -> Read<NodeId> {
        let place = place.inside("external_ref");
        let [module, name] = fields(payload, &place, ["module", "name"])?;
        let (module, name) = (string(module, &place.field("module"))?, string(name, &place.field("name"))?);
        let schema = self.catalogue.table(&TableName { module: module.into(), name: name.into() });
        let Some(schema) = schema.map(Arc::clone) else {
            return Err(place.error(self.catalogue.unknown_table(module, name)));
        };
        self.builder.table(&schema).map_err(|error| place.broken(error))
    }

    fn value(&mut self, payload: &Json, place: &Place<'_>) -> Read<NodeId> {
        let node = match constant::literal(payload, place, self.limits)? {
            Literal::One(constant, value_type) => self.builder.value(constant, value_type),
            // An empty set has no type: the builder drops the one given here.
            Literal::Set(members, value_type) => self.builder.value_set(members, value_type.unwrap_or(ValueType::Bool)),
        };
        node.map_err(|error| place.broken(error))
    }

    fn operation(&mut self, name: &str, payload: &Json, outer: &Place<'_>) -> Read<NodeId> {
        let place = &outer.inside(name);
        let built = match name {
            "InlinePatientTable" => return self.inline_table(payload, place),
            "Filter" => {
                let [source, condition] = self.nodes(payload, place, ["source", "condition"])?;
                self.builder.filter(source, condition)
            }
            "Sort" => {
                let [source, by] = self.nodes(payload, place, ["source", "sort_by"])?;
                self.builder.sort(source, by)
            }
            "PickOneRowPerPatient" => {
                let [source, position] = fields(payload, place, ["source", "position"])?;
                let position = read_position(position, &place.field("position"))?;
                let source = self.node(source, &place.field("source"))?;
                self.builder.pick(source, position)
            }
            "SelectColumn" => {
                let [source, column] = fields(payload, place, ["source", "name"])?;
                let column = string(column, &place.field("name"))?;
                let source = self.node(source, &place.field("source"))?;
                self.builder.column(source, column)
            }
            "Parameter" => self.parameter(payload, place)?,
            "Case" => self.case(payload, place)?,
            "Function.In" => {
                let [lhs, rhs] = self.nodes(payload, place, ["lhs", "rhs"])?;
                self.builder.in_set(lhs, rhs)
            }
            "Function.MinimumOf" => {
                let sources = self.sources(payload, place)?;
                self.builder.minimum_of(sources)
            }
            "Function.MaximumOf" => {
                let sources = self.sources(payload, place)?;
                self.builder.maximum_of(sources)
            }
            _ => match self.prefixed(name, payload, place)? {
                Some(built) => built,
                None => return Err(outer.error(unknown_node(name))),
            },
        };
        built.map_err(|error| place.broken(error))
    }

    /// The functions of one or two series, and the aggregations. `None` for another name.
    fn prefixed(&mut self, name: &str, payload: &Json, place: &Place<'_>) -> Read<Option<Result<NodeId, RuleError>>> {
        if let Some(aggregation) = name.strip_prefix("AggregateByPatient.") {
            return self.aggregation(aggregation, payload, place);
        }
        let Some(function) = name.strip_prefix("Function.") else { return Ok(None) };
        if let Some((_, function)) = Unary::NAMES.iter().find(|(known, _)| *known == function) {
            let [source] = self.nodes(payload, place, ["source"])?;
            return Ok(Some(self.builder.unary(*function, source)));
        }
        if let Some((_, function)) = Binary::NAMES.iter().find(|(known, _)| *known == function) {
            let [lhs, rhs] = self.nodes(payload, place, ["lhs", "rhs"])?;
            return Ok(Some(self.builder.binary(*function, lhs, rhs)));
        }
        Ok(None)
    }

    fn aggregation(
        &mut self,
        name: &str,
        payload: &Json,
        place: &Place<'_>,
    ) -> Read<Option<Result<NodeId, RuleError>>> {
        if name == "CountEpisodes" {
            let [source, gap] = fields(payload, place, ["source", "maximum_gap_days"])?;
            let maximum_gap_days = int(gap, &place.field("maximum_gap_days"))?;
            let source = self.node(source, &place.field("source"))?;
            return Ok(Some(self.builder.aggregate(Aggregation::CountEpisodes { maximum_gap_days }, source)));
        }
        let aggregation = match name {
            "Exists" | "Count" => None,
            "CountDistinct" => Some(Aggregation::CountDistinct),
            "Min" => Some(Aggregation::Min),
            "Max" => Some(Aggregation::Max),
            "Sum" => Some(Aggregation::Sum),
            "Mean" => Some(Aggregation::Mean),
            "CombineAsSet" => Some(Aggregation::CombineAsSet),
            _ => return Ok(None),
        };
        let [source] = self.nodes(payload, place, ["source"])?;
        Ok(Some(match aggregation {
            Some(aggregation) => self.builder.aggregate(aggregation, source),
            None if name == "Exists" => self.builder.exists(source),
            None => self.builder.count(source),
        }))
    }

    /// The nodes of a record that has nodes only.
    fn nodes<const N: usize>(
        &mut self,
        payload: &Json,
        place: &Place<'_>,
        names: [&'static str; N],
    ) -> Read<[NodeId; N]> {
        let found = fields(payload, place, names)?;
        let mut nodes = Vec::with_capacity(N);
        for (json, name) in found.into_iter().zip(names) {
            nodes.push(self.node(json, &place.field(name))?);
        }
        nodes.try_into().map_err(|_| place.error("lacks a field"))
    }

    fn sources(&mut self, payload: &Json, place: &Place<'_>) -> Read<Vec<NodeId>> {
        let [sources] = fields(payload, place, ["sources"])?;
        let place = place.field("sources");
        let items = tuple(sources, &place)?;
        items.iter().enumerate().map(|(index, item)| self.node(item, &place.item(index))).collect()
    }

    fn parameter(&mut self, payload: &Json, place: &Place<'_>) -> Read<Result<NodeId, RuleError>> {
        let [name, type_name] = fields(payload, place, ["name", "type"])?;
        let name = string(name, &place.field("name"))?;
        let known = [Parameter::IntervalStart, Parameter::IntervalEnd];
        let Some(parameter) = known.into_iter().find(|known| known.name() == name) else {
            let message = "is not a parameter: there are interval_start_date and interval_end_date";
            return Err(place.field("name").error(format!("{} {message}", quoted(name))));
        };
        let found = constant::value_type(type_name, &place.field("type"))?;
        if found != ValueType::Date {
            return Err(place.field("type").error(format!("{name} is a date, not of type {found}")));
        }
        Ok(self.builder.parameter(parameter))
    }

    fn case(&mut self, payload: &Json, place: &Place<'_>) -> Read<Result<NodeId, RuleError>> {
        let [cases, default] = fields(payload, place, ["cases", "default"])?;
        let cases_place = place.field("cases");
        let mut read = Vec::new();
        for (index, (condition, value)) in dict(cases, &cases_place)?.into_iter().enumerate() {
            let place = cases_place.item(index);
            read.push((self.node(condition, &place)?, self.optional_node(value, &place)?));
        }
        let default = self.optional_node(default, &place.field("default"))?;
        Ok(self.builder.case(read, default))
    }
}

fn read_position(json: &Json, place: &Place<'_>) -> Read<Position> {
    match string(untag(json, place, "Position")?, place)? {
        "first" => Ok(Position::First),
        "last" => Ok(Position::Last),
        other => Err(place.error(format!("{} is not a position: it is `first` or `last`", quoted(other)))),
    }
}

/// Why a name cannot stand where a node should.
fn unknown_node(name: &str) -> String {
    match name {
        "SelectTable" | "SelectPatientTable" => format!(
            "has a {name}: a definition cannot bring its own table, it names one of the catalogue by an external_ref"
        ),
        "SeriesCollectionFrame" => "has an event table, which only a dataset's events can hold".to_owned(),
        "Dataset" => "has a dataset, where a series or a table should stand".to_owned(),
        "GroupedSum" => "has a GroupedSum, which belongs inside ehrQL: measures come as a MeasureCollection".to_owned(),
        _ if RECORDS.contains(&name) || ValueType::from_name(name).is_some() => {
            format!("has a {name}, where a series or a table should stand")
        }
        "tuple" | "frozenset" | "dict" | "type" => format!("has a {name}, where a series or a table should stand"),
        _ => format!("{} is not a node that this engine knows{}", quoted(name), nearest_node(name)),
    }
}

/// The known node that an unknown name is most like; its prefix may be missing.
fn nearest_node(name: &str) -> String {
    const AGGREGATIONS: [&str; 9] =
        ["Exists", "Count", "CountDistinct", "CountEpisodes", "Min", "Max", "Sum", "Mean", "CombineAsSet"];
    const OTHERS: [&str; 8] =
        ["Filter", "Sort", "PickOneRowPerPatient", "SelectColumn", "InlinePatientTable", "Parameter", "Case", "Value"];
    let functions = Unary::NAMES.map(|(name, _)| name).into_iter().chain(Binary::NAMES.map(|(name, _)| name));
    let functions: Vec<&str> = functions.chain(["In", "MinimumOf", "MaximumOf"]).collect();
    let bare = name.rsplit('.').next().unwrap_or(name);
    let known = functions.iter().copied().chain(AGGREGATIONS).chain(OTHERS);
    let Some(near) = nearest(bare, known) else { return String::new() };
    let prefix = match near {
        near if functions.contains(&near) => "Function.",
        near if AGGREGATIONS.contains(&near) => "AggregateByPatient.",
        _ => "",
    };
    format!(". Did you mean `{prefix}{near}`?")
}

/// The members of an event table, by name; [`super::outputs`] reads them.
pub(super) fn event_members<'j>(payload: &'j Json, place: &Place<'_>) -> Read<Vec<(&'j Json, &'j Json)>> {
    let [members] = fields(payload, place, ["members"])?;
    dict(members, &place.field("members"))
}

/// The generic values of records that this engine does not use: their form is checked, and that is all.
pub(super) fn check_unused_value(reader: &mut Reader<'_>, json: &Json, place: &Place<'_>) -> Read<()> {
    let Json::Object(_) = json else {
        return match json {
            Json::List(items) => check_items(reader, items, place),
            _ => Ok(()),
        };
    };
    let (tag, payload) = tagged(json, place, "a value")?;
    match tag {
        "tuple" | "frozenset" => check_items(reader, list(payload, place)?, place),
        "dict" => {
            for (index, (key, value)) in dict(json, place)?.into_iter().enumerate() {
                check_unused_value(reader, key, &place.item(index))?;
                check_unused_value(reader, value, &place.item(index))?;
            }
            Ok(())
        }
        "type" => constant::value_type(json, place).map(drop),
        _ if ValueType::from_name(tag).is_some() => constant::constant(json, place, reader.limits).map(drop),
        _ => reader.node(json, place).map(drop),
    }
}

fn check_items(reader: &mut Reader<'_>, items: &[Json], place: &Place<'_>) -> Read<()> {
    items.iter().enumerate().try_for_each(|(index, item)| check_unused_value(reader, item, &place.item(index)))
}
