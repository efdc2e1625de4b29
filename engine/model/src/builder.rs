//! Makes query graphs, checking every rule of types and domains as it does.
//!
//! Equal nodes become one node: whoever adds a node that exists gets the existing one's id. So two filters are one
//! domain exactly when they are equal in all they stand on, which is ehrQL's rule.

mod describe;
mod frames;
mod rule;
mod series;

use std::collections::HashMap;
use std::sync::Arc;

pub use rule::{Rule, RuleError};

use crate::catalogue::{Column, TableName};
use crate::graph::{Domain, DomainId, Graph, InlineRows, InlineTableId, Kind, Node, NodeId, Op, TableId};
use crate::limits::Limits;
use crate::types::ValueType;

/// What a frame stands on, so that no check walks down to its table.
#[derive(Clone, Copy, Debug)]
struct FrameFacts {
    root: NodeId,
    /// Filters and sorts between it and its table
    operations: u32,
    sorted: bool,
}

/// Makes a [`Graph`]; the only way to make nodes.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: Graph,
    /// With the kind, because a string and a code may be the same constant
    ids: HashMap<(Op, Kind), NodeId>,
    frames: HashMap<NodeId, FrameFacts>,
    tables: HashMap<TableName, TableId>,
    inline_tables: HashMap<(Vec<Column>, InlineRows), InlineTableId>,
    key: Option<Arc<str>>,
    frame_operations_max: u32,
}

/// A refused node.
type Checked<T> = Result<T, RuleError>;

impl Default for GraphBuilder {
    fn default() -> Self {
        Self::new(&Limits::default())
    }
}

impl GraphBuilder {
    /// An empty graph.
    pub fn new(limits: &Limits) -> Self {
        GraphBuilder {
            graph: Graph { domains: vec![Domain::Patient], ..Graph::default() },
            ids: HashMap::new(),
            frames: HashMap::new(),
            tables: HashMap::new(),
            inline_tables: HashMap::new(),
            key: None,
            frame_operations_max: limits.frame_operations_max,
        }
    }

    /// The graph so far.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The finished graph.
    pub fn finish(self) -> Graph {
        self.graph
    }

    /// Says which entry of the definition document the nodes to come belong to. Messages name it.
    pub fn set_key(&mut self, key: Option<Arc<str>>) {
        self.key = key;
    }

    /// The id of a node equal to this one, which is added if there is none.
    fn add(&mut self, op: Op, kind: Kind, domain: DomainId) -> Checked<NodeId> {
        if let Some(known) = self.ids.get(&(op.clone(), kind)) {
            return Ok(*known);
        }
        let id = self.next_id()?;
        let mut depends_on_interval = matches!(op, Op::Parameter(_));
        op.for_each_input(|input| depends_on_interval |= self.graph.node(input).depends_on_interval);
        self.ids.insert((op.clone(), kind), id);
        self.graph.nodes.push(Node { op, kind, domain, depends_on_interval, key: self.key.clone() });
        Ok(id)
    }

    /// The id that a node gets if it is new.
    fn next_id(&self) -> Checked<NodeId> {
        let found = self.graph.nodes.len();
        u32::try_from(found).map(NodeId).map_err(|_| Rule::TooManyNodes { found }.of_node())
    }

    fn kind(&self, id: NodeId) -> Kind {
        self.graph.node(id).kind
    }

    fn domain_of(&self, id: NodeId) -> DomainId {
        self.graph.node(id).domain
    }

    /// The type of a series; refuses frames and sets.
    fn series(&self, id: NodeId, field: &'static str) -> Checked<ValueType> {
        match self.kind(id) {
            Kind::Series(value_type) => Ok(value_type),
            Kind::Frame => Err(Rule::FrameAsSeries { found: self.describe(id) }.of(field)),
            Kind::Set(_) => Err(Rule::SetAsSeries { found: self.describe(id) }.of(field)),
        }
    }

    /// Refuses a series whose type `fits` does not accept.
    fn series_of(
        &self,
        id: NodeId,
        field: &'static str,
        wanted: &'static str,
        fits: impl Fn(ValueType) -> bool,
    ) -> Checked<ValueType> {
        let value_type = self.series(id, field)?;
        if fits(value_type) {
            Ok(value_type)
        } else {
            Err(Rule::WrongType { wanted, found: self.describe(id) }.of(field))
        }
    }

    /// The one domain that series can share: the patients, or the many-rows domain of all that are not of the patients.
    fn common_domain(&self, inputs: impl IntoIterator<Item = NodeId>) -> Checked<DomainId> {
        let mut common = DomainId::PATIENT;
        for input in inputs {
            let domain = self.domain_of(input);
            if domain == DomainId::PATIENT || domain == common {
                continue;
            }
            if common != DomainId::PATIENT {
                let (first, second) = (self.describe_domain(common), self.describe_domain(domain));
                return Err(Rule::DomainsDiffer { first, second }.of_node());
            }
            common = domain;
        }
        Ok(common)
    }

    /// Checks that a series has one row per patient, and gives its type.
    ///
    /// # Errors
    /// If `id` is a frame or a set, or has many rows per patient.
    pub fn one_row_series(&self, id: NodeId, field: &'static str) -> Checked<ValueType> {
        let value_type = self.series(id, field)?;
        if self.domain_of(id) == DomainId::PATIENT {
            Ok(value_type)
        } else {
            Err(Rule::NotOneRow { found: self.describe(id) }.of(field))
        }
    }

    /// Checks that series can stand side by side as an event table, and gives the rows that they share.
    ///
    /// # Errors
    /// If there are no members, one is not a series, they have no common domain, or none has many rows per patient.
    pub fn event_table(&self, members: &[NodeId]) -> Checked<DomainId> {
        for member in members {
            self.series(*member, "members")?;
        }
        match self.common_domain(members.iter().copied())? {
            DomainId::PATIENT => Err(Rule::NoManyRowsMember.of("members")),
            domain => Ok(domain),
        }
    }
}

#[cfg(test)]
mod tests;
