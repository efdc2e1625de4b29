//! Writes definition documents: `definition-format.md`, section 1.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use crate::cells::Cell;
use crate::tables::{Column, Table};

/// A document under way. Equal nodes get one place in the arena.
#[derive(Debug, Default)]
pub(crate) struct Document {
    arena: Map<String, Json>,
    known: HashMap<String, Json>,
}

impl Document {
    /// A node of that name; yields a reference to it.
    pub(crate) fn node(&mut self, name: &str, fields: Json) -> Json {
        let node = json!({ name: fields });
        let arena = &mut self.arena;
        let entry = self.known.entry(node.to_string()).or_insert_with(|| {
            let key = (arena.len() + 1).to_string();
            arena.insert(key.clone(), node);
            json!({ "ref": key })
        });
        entry.clone()
    }

    pub(crate) fn function(&mut self, name: &str, fields: Json) -> Json {
        self.node(&format!("Function.{name}"), fields)
    }

    pub(crate) fn binary(&mut self, name: &str, lhs: &Json, rhs: &Json) -> Json {
        self.function(name, json!({ "lhs": lhs, "rhs": rhs }))
    }

    pub(crate) fn unary(&mut self, name: &str, source: &Json) -> Json {
        self.function(name, json!({ "source": source }))
    }

    pub(crate) fn aggregate(&mut self, name: &str, source: &Json) -> Json {
        self.node(&format!("AggregateByPatient.{name}"), json!({ "source": source }))
    }

    pub(crate) fn column(&mut self, source: &Json, name: &str) -> Json {
        self.node("SelectColumn", json!({ "source": source, "name": name }))
    }

    pub(crate) fn filter(&mut self, source: &Json, condition: &Json) -> Json {
        self.node("Filter", json!({ "source": source, "condition": condition }))
    }

    pub(crate) fn sort(&mut self, source: &Json, by: &Json) -> Json {
        self.node("Sort", json!({ "source": source, "sort_by": by }))
    }

    pub(crate) fn pick(&mut self, source: &Json, position: &str) -> Json {
        self.node("PickOneRowPerPatient", json!({ "source": source, "position": { "Position": position } }))
    }

    pub(crate) fn case(&mut self, cases: Vec<(Json, Json)>, default: Json) -> Json {
        let cases: Vec<Json> = cases.into_iter().map(|(condition, value)| json!([condition, value])).collect();
        self.node("Case", json!({ "cases": { "dict": cases }, "default": default }))
    }

    /// An inline table whose rows stand in the document.
    pub(crate) fn inline_table(&mut self, table: &Table) -> Json {
        let (columns, order) = by_name(&table.columns);
        let rows: Vec<Json> = table
            .rows
            .iter()
            .map(|(patient, cells)| {
                let cells = order.iter().map(|index| constant(&cells[*index], &table.columns[*index].type_name));
                let row: Vec<Json> = [json!(patient)].into_iter().chain(cells).collect();
                json!({ "tuple": row })
            })
            .collect();
        self.node("InlinePatientTable", json!({ "rows": { "tuple": rows }, "schema": schema(&columns) }))
    }

    /// An inline table whose rows stand in a file, `path` below the definition's root.
    pub(crate) fn inline_file(&mut self, table: &Table, reader: &str, path: &str) -> Json {
        let (columns, _) = by_name(&table.columns);
        let spec = |type_name: &str, nullable: bool| {
            json!({ "ColumnSpec": {
                "type": { "type": type_name }, "nullable": nullable, "categories": null, "min_value": null, "max_value": null
            }})
        };
        let mut specs = vec![json!(["patient_id", spec("int", false)])];
        specs.extend(columns.iter().map(|column| json!([column.name, spec(&column.type_name, true)])));
        let rows = json!({ reader: {
            "filename": { "Path": path }, "column_specs": { "dict": specs }, "allow_missing_columns": false
        }});
        self.node("InlinePatientTable", json!({ "rows": rows, "schema": schema(&columns) }))
    }

    /// The document of a dataset.
    pub(crate) fn dataset(
        mut self,
        population: Json,
        variables: Vec<(String, Json)>,
        events: Vec<(String, Vec<(String, Json)>)>,
    ) -> Json {
        let events: Vec<Json> = events
            .into_iter()
            .map(|(name, members)| {
                let frame = self.node("SeriesCollectionFrame", json!({ "members": dict(members) }));
                json!([name, frame])
            })
            .collect();
        let fields = json!({
            "population": population, "variables": dict(variables), "events": { "dict": events }, "measures": null
        });
        let root = self.node("Dataset", fields);
        self.finish(root)
    }

    pub(crate) fn finish(self, root: Json) -> Json {
        let mut document = self.arena;
        document.insert("value".to_owned(), root);
        Json::Object(document)
    }
}

/// Columns in the order of their names, in which `serde_json` writes an object, and where each stood.
fn by_name(columns: &[Column]) -> (Vec<Column>, Vec<usize>) {
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by(|a, b| columns[*a].name.cmp(&columns[*b].name));
    (order.iter().map(|index| columns[*index].clone()).collect(), order)
}

fn schema(columns: &[Column]) -> Json {
    let mut fields = Map::new();
    for column in columns {
        fields.insert(
            column.name.clone(),
            json!({ "Column": {
                "type_": { "type": column.type_name }, "constraints": { "tuple": [] }, "dummy_data_constraints": { "tuple": [] }
            }}),
        );
    }
    json!({ "TableSchema": fields })
}

/// A map from names.
pub(crate) fn dict(pairs: Vec<(String, Json)>) -> Json {
    let pairs: Vec<Json> = pairs.into_iter().map(|(name, value)| json!([name, value])).collect();
    json!({ "dict": pairs })
}

/// A `Value` node.
pub(crate) fn value(cell: &Cell, type_name: &str) -> Json {
    json!({ "Value": constant(cell, type_name) })
}

/// A `Value` node that holds a set: equal sets are equal nodes, in whatever order their members come.
pub(crate) fn set(members: &[Cell], type_name: &str) -> Json {
    let mut members: Vec<Json> = members.iter().map(|cell| constant(cell, type_name)).collect();
    members.sort_by_key(Json::to_string);
    json!({ "Value": { "frozenset": members } })
}

/// A constant as a document writes it.
pub(crate) fn constant(cell: &Cell, type_name: &str) -> Json {
    match cell {
        Cell::Null => Json::Null,
        Cell::Bool(value) => json!(value),
        Cell::Int(value) => json!(value),
        Cell::Float(value) => json!(value),
        Cell::Date(date) => json!({ "date": date.format("%Y-%m-%d").to_string() }),
        Cell::Str(text) if type_name.ends_with("Code") => json!({ type_name: text }),
        Cell::Str(text) => json!(text),
        Cell::Fault(fault) => panic!("no constant: {fault:?}"),
    }
}
