//! Nodes in the words of a message.

use crate::graph::{Constant, Domain, DomainId, Kind, NodeId, Op};
use crate::scalar;
use crate::text::quoted;

use super::GraphBuilder;

impl GraphBuilder {
    /// What a node is and yields: ``column `date` of `events`, a series of date``.
    pub(super) fn describe(&self, id: NodeId) -> String {
        let node = self.graph.node(id);
        let name = match &node.op {
            Op::Table(_) | Op::InlineTable(_) => return self.describe_table(id),
            Op::Column { source, column } => {
                let schema = self.graph.frame_schema(*source);
                let column = schema.and_then(|schema| schema.columns.get(*column)).map_or("?", |column| &*column.name);
                format!("column {} of {}", quoted(column), self.describe_table(self.graph.root_frame(*source)))
            }
            Op::Value(constant) => format!("the constant {}", describe_constant(constant)),
            Op::ValueSet(set) => "a constant".to_owned() + if set.0.is_empty() { " without members" } else { "" },
            Op::Parameter(parameter) => format!("the parameter {}", parameter.name()),
            op => match &node.key {
                // What is written inside the node at hand has no key of its own.
                Some(key) if Some(key) != self.key.as_ref() => format!("node {key} ({})", op.document_name()),
                _ => op.document_name(),
            },
        };
        match node.kind {
            Kind::Frame => format!("{name}, rows of {}", self.describe_table(self.graph.root_frame(id))),
            Kind::Series(value_type) => format!("{name}, a series of {value_type}"),
            Kind::Set(Some(value_type)) => format!("{name}, a set of {value_type}"),
            Kind::Set(None) => format!("{name}, an empty set"),
        }
    }

    fn describe_table(&self, root: NodeId) -> String {
        match self.graph.frame_schema(root) {
            Some(schema) if matches!(self.graph.node(root).op, Op::Table(_)) => {
                format!("table {}", quoted(&schema.name.name))
            }
            _ => "an inline table".to_owned(),
        }
    }

    /// Which rows a domain has: ``table `events`, filtered by node 7``.
    pub(super) fn describe_domain(&self, domain: DomainId) -> String {
        match self.graph.domain(domain) {
            Domain::Patient => "the patients".to_owned(),
            Domain::Table(node) => self.describe_table(node),
            Domain::Filter { node, depth, .. } => {
                let table = self.describe_table(self.graph.root_frame(node));
                let times = if depth == 1 { "filtered".to_owned() } else { format!("filtered {depth} times") };
                match &self.graph.node(node).key {
                    Some(key) => format!("{table} {times} (node {key})"),
                    None => format!("{table} {times}"),
                }
            }
        }
    }
}

fn describe_constant(constant: &Constant) -> String {
    match constant {
        Constant::Bool(value) => value.to_string(),
        Constant::Int(value) => value.to_string(),
        Constant::Float(value) => format!("{value:?}"),
        Constant::Date(value) => scalar::format_date(*value),
        Constant::Str(value) => quoted(value),
    }
}
