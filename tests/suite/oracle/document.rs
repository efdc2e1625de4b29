//! The document as a graph: equal nodes are one node, parameters replaced by dates.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use serde_json::{Map, Value as Json};

use crate::cells::{Cell, parse_date};
use crate::tables::{Column, Table};

/// A node's place in [`Graph::nodes`].
pub(super) type Id = usize;

#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Module and name
    Table(String, String),
    /// Index into [`Graph::inline`]
    Inline(usize),
    Filter {
        source: Id,
        condition: Id,
    },
    Sort {
        source: Id,
        by: Id,
    },
    Pick {
        source: Id,
        last: bool,
    },
    Column {
        source: Id,
        name: String,
    },
    Value(Cell),
    Set(Vec<Cell>),
    Exists(Id),
    Count(Id),
    /// By the name in the document, without prefix
    Aggregate {
        name: String,
        maximum_gap_days: i64,
        source: Id,
    },
    /// By the name in the document, without prefix
    Function {
        name: String,
        inputs: Vec<Id>,
    },
    Case {
        cases: Vec<(Id, Option<Id>)>,
        default: Option<Id>,
    },
}

impl Node {
    pub(super) fn inputs(&self) -> Vec<Id> {
        match self {
            Node::Table(..) | Node::Inline(_) | Node::Value(_) | Node::Set(_) => vec![],
            Node::Filter { source, condition: other } | Node::Sort { source, by: other } => vec![*source, *other],
            Node::Pick { source, .. } | Node::Column { source, .. } | Node::Aggregate { source, .. } => vec![*source],
            Node::Exists(source) | Node::Count(source) => vec![*source],
            Node::Function { inputs, .. } => inputs.clone(),
            Node::Case { cases, default } => cases
                .iter()
                .flat_map(|(condition, value)| [Some(*condition), *value])
                .chain([*default])
                .flatten()
                .collect(),
        }
    }
}

/// A dataset's nodes.
pub(super) struct Dataset {
    pub(super) population: Id,
    pub(super) variables: Vec<(String, Id)>,
    pub(super) events: Vec<(String, Vec<(String, Id)>)>,
}

impl Dataset {
    pub(super) fn roots(&self) -> Vec<Id> {
        let members = self.events.iter().flat_map(|(_, members)| members);
        [self.population].into_iter().chain(self.variables.iter().chain(members).map(|(_, node)| *node)).collect()
    }
}

/// The nodes, and the tables beneath them.
pub(super) struct Graph<'a> {
    pub(super) nodes: Vec<Node>,
    /// Whether a root needs the node
    pub(super) reached: Vec<bool>,
    pub(super) inline: Vec<Table>,
    pub(super) tables: &'a [Table],
}

impl Graph<'_> {
    pub(super) fn table(&self, node: &Node) -> Option<&Table> {
        match node {
            Node::Table(module, name) => Some(
                self.tables
                    .iter()
                    .find(|table| table.module == *module && table.name == *name)
                    .unwrap_or_else(|| panic!("no table {module}.{name}")),
            ),
            Node::Inline(index) => Some(&self.inline[*index]),
            _ => None,
        }
    }

    pub(super) fn tables_in_use(&self) -> impl Iterator<Item = &Table> {
        self.nodes.iter().zip(&self.reached).filter(|(_, reached)| **reached).filter_map(|(node, _)| self.table(node))
    }
}

/// Reads nodes out of a document.
pub(super) struct Reader<'a> {
    document: &'a Map<String, Json>,
    parameters: BTreeMap<&'a str, NaiveDate>,
    nodes: Vec<Node>,
    /// By what they look like
    known: HashMap<String, Id>,
    by_reference: HashMap<&'a str, Id>,
    inline: Vec<Table>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(document: &'a Json, parameters: BTreeMap<&'a str, NaiveDate>) -> Self {
        Reader {
            document: document.as_object().expect("an object"),
            parameters,
            nodes: vec![],
            known: HashMap::new(),
            by_reference: HashMap::new(),
            inline: vec![],
        }
    }

    pub(super) fn finish<'t>(self, roots: &[Id], tables: &'t [Table]) -> Graph<'t> {
        let mut reached = vec![false; self.nodes.len()];
        roots.iter().for_each(|root| reached[*root] = true);
        for id in (0..self.nodes.len()).rev() {
            if reached[id] {
                self.nodes[id].inputs().into_iter().for_each(|input| reached[input] = true);
            }
        }
        Graph { nodes: self.nodes, reached, inline: self.inline, tables }
    }

    /// Name and payload of an object with one key; references followed.
    pub(super) fn open(&self, json: &'a Json) -> (&'a str, &'a Json) {
        let object = json.as_object().unwrap_or_else(|| panic!("an object, not {json}"));
        assert_eq!(object.len(), 1, "one key: {json}");
        let (key, payload) = object.iter().next().expect("a key");
        match key.as_str() {
            "ref" => self.open(&self.document[payload.as_str().expect("a reference")]),
            key => (key, payload),
        }
    }

    pub(super) fn root(&self) -> (&'a str, &'a Json) {
        self.open(&self.document["value"])
    }

    pub(super) fn pairs(json: &'a Json) -> impl Iterator<Item = (&'a Json, &'a Json)> {
        json["dict"].as_array().expect("a dict").iter().map(|pair| (&pair[0], &pair[1]))
    }

    /// The nodes of a dict from names to nodes.
    pub(super) fn named(&mut self, json: &'a Json) -> Vec<(String, Id)> {
        Self::pairs(json).map(|(name, node)| (name.as_str().expect("a name").to_owned(), self.node(node))).collect()
    }

    pub(super) fn dataset(&mut self) -> Dataset {
        let fields = match self.root() {
            ("ModuleDetails", fields) => self.open(&fields["dataset"]).1,
            ("Dataset", fields) => fields,
            (other, _) => panic!("no dataset in a {other}"),
        };
        let events: Vec<_> = Self::pairs(&fields["events"])
            .map(|(name, frame)| {
                let (kind, frame) = self.open(frame);
                assert_eq!(kind, "SeriesCollectionFrame");
                (name.as_str().expect("a name").to_owned(), self.named(&frame["members"]))
            })
            .collect();
        Dataset { population: self.node(&fields["population"]), variables: self.named(&fields["variables"]), events }
    }

    pub(super) fn node(&mut self, json: &'a Json) -> Id {
        let object = json.as_object().unwrap_or_else(|| panic!("a node, not {json}"));
        if let Some(key) = object.get("ref").map(|key| key.as_str().expect("a reference")) {
            if let Some(id) = self.by_reference.get(key) {
                return *id;
            }
            let id = self.node(&self.document[key]);
            self.by_reference.insert(key, id);
            return id;
        }
        let (name, fields) = self.open(json);
        let node = self.build(name, fields);
        let key = format!("{node:?}");
        *self.known.entry(key).or_insert_with(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }

    fn build(&mut self, name: &str, fields: &'a Json) -> Node {
        let text = |key: &str| fields[key].as_str().unwrap_or_else(|| panic!("{name}.{key}")).to_owned();
        if let Some(name) = name.strip_prefix("AggregateByPatient.") {
            let source = self.node(&fields["source"]);
            return match name {
                "Exists" => Node::Exists(source),
                "Count" => Node::Count(source),
                _ => {
                    let maximum_gap_days = fields["maximum_gap_days"].as_i64().unwrap_or_default();
                    Node::Aggregate { name: name.to_owned(), maximum_gap_days, source }
                }
            };
        }
        if let Some(name) = name.strip_prefix("Function.") {
            let inputs: Vec<&Json> = match fields.get("sources") {
                Some(sources) => sources["tuple"].as_array().expect("a tuple").iter().collect(),
                None => ["source", "lhs", "rhs"].iter().filter_map(|key| fields.get(key)).collect(),
            };
            return Node::Function {
                name: name.to_owned(),
                inputs: inputs.into_iter().map(|i| self.node(i)).collect(),
            };
        }
        match name {
            "external_ref" => Node::Table(text("module"), text("name")),
            "InlinePatientTable" => Node::Inline(self.inline_table(fields)),
            "Filter" => {
                Node::Filter { source: self.node(&fields["source"]), condition: self.node(&fields["condition"]) }
            }
            "Sort" => Node::Sort { source: self.node(&fields["source"]), by: self.node(&fields["sort_by"]) },
            "PickOneRowPerPatient" => Node::Pick {
                source: self.node(&fields["source"]),
                last: self.open(&fields["position"]).1.as_str() == Some("last"),
            },
            "SelectColumn" => Node::Column { source: self.node(&fields["source"]), name: text("name") },
            "Value" => match fields.get("frozenset").and_then(Json::as_array) {
                Some(members) => Node::Set(members.iter().map(|member| self.constant(member)).collect()),
                None => Node::Value(self.constant(fields)),
            },
            "Parameter" => Node::Value(Cell::Date(self.parameters[text("name").as_str()])),
            "Case" => {
                let optional = |reader: &mut Self, json: &'a Json| (!json.is_null()).then(|| reader.node(json));
                let cases = Self::pairs(&fields["cases"])
                    .map(|(condition, value)| (self.node(condition), optional(self, value)))
                    .collect();
                Node::Case { cases, default: optional(self, &fields["default"]) }
            }
            other => panic!("the oracle knows no {other}"),
        }
    }

    /// A constant; codes become their strings.
    fn constant(&self, json: &'a Json) -> Cell {
        match json {
            Json::Object(_) => match self.open(json) {
                ("date", text) => Cell::Date(parse_date(text.as_str().expect("a date")).expect("a date")),
                (_, text) => Cell::Str(text.as_str().expect("a code").to_owned()),
            },
            // A whole number is a float only where the document writes a point.
            plain => Cell::from_json(plain, ""),
        }
    }

    fn inline_table(&mut self, fields: &'a Json) -> usize {
        let (_, schema) = self.open(&fields["schema"]);
        let columns: Vec<Column> = schema
            .as_object()
            .expect("a schema")
            .iter()
            .map(|(name, column)| {
                let (_, type_name) = self.open(&self.open(column).1["type_"]);
                Column::new(name, type_name.as_str().expect("a type"))
            })
            .collect();
        let rows = match self.open(&fields["rows"]) {
            ("tuple", rows) => rows.as_array().expect("rows").iter().map(|row| self.inline_row(row)).collect(),
            (reader, _) => panic!("the oracle reads no files, so no {reader}"),
        };
        let name = format!("inline {}", self.inline.len());
        let known = self.inline.iter().position(|known: &Table| known.columns == columns && known.rows == rows);
        known.unwrap_or_else(|| {
            self.inline.push(Table { module: String::new(), name, one_row_per_patient: true, columns, rows });
            self.inline.len() - 1
        })
    }

    fn inline_row(&self, row: &'a Json) -> (i64, Vec<Cell>) {
        let cells = self.open(row).1.as_array().expect("a row");
        (cells[0].as_i64().expect("a patient"), cells[1..].iter().map(|cell| self.constant(cell)).collect())
    }
}
