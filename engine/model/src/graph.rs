//! The query graph: nodes in an arena, each after its inputs, each once.
//!
//! Only [`GraphBuilder`](crate::GraphBuilder) makes nodes, and it checks every rule of types and domains as it does,
//! so whoever holds a [`Graph`] may rely on them. Equal nodes are one node.

mod op;

use std::sync::Arc;

pub use op::{Aggregation, Binary, Constant, ConstantSet, Op, Parameter, Position, Unary};

use crate::catalogue::{RowsFile, TableSchema};
use crate::types::ValueType;

/// A node's place in the [`Graph`]. Inputs have smaller ids than the nodes that use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The index into a vector with one entry a node.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A set of rows that series may share: the patients, an event table's rows, or what a filter keeps of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainId(pub(crate) u32);

impl DomainId {
    /// One row per patient.
    pub const PATIENT: DomainId = DomainId(0);

    /// The index into a vector with one entry a domain.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a domain's rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Domain {
    /// One row per patient: the root of all.
    Patient,
    /// Every row of an event table; the node is its [`Op::Table`].
    Table(NodeId),
    /// The rows that the node, an [`Op::Filter`], keeps of its parent domain.
    Filter {
        /// The filter node
        node: NodeId,
        /// The domain of the filter's source; never the patients
        parent: DomainId,
        /// The event table's own domain
        root: DomainId,
        /// Filters between this and the table, this one included
        depth: u32,
    },
}

/// A table of the graph: an index into [`Graph::tables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId(pub(crate) u32);

impl TableId {
    /// The index into [`Graph::tables`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An inline table of the graph: an index into [`Graph::inline_tables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InlineTableId(pub(crate) u32);

impl InlineTableId {
    /// The index into [`Graph::inline_tables`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Rows; columns are selected from it
    Frame,
    /// A value of this type a row
    Series(ValueType),
    /// A set of values a patient; `None` for the empty constant set, which goes with any type
    Set(Option<ValueType>),
}

/// One node of the graph.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it does
    pub op: Op,
    /// What it yields
    pub kind: Kind,
    /// The rows it has. A one-row frame's is [`DomainId::PATIENT`]
    pub domain: DomainId,
    /// Whether its value depends on the interval of a measure: it is a [`Op::Parameter`] or has one among its inputs
    pub depends_on_interval: bool,
    /// The arena key of the definition document that it came from
    pub key: Option<Arc<str>>,
}

impl Node {
    /// The type of its values, if it is a series.
    pub fn value_type(&self) -> Option<ValueType> {
        match self.kind {
            Kind::Series(value_type) => Some(value_type),
            Kind::Frame | Kind::Set(_) => None,
        }
    }
}

/// A row of an inline table: the patient, and values in the order of the schema's columns, `None` for NULL.
pub type GivenRow = (i64, Box<[Option<Constant>]>);

/// Rows of an inline table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum InlineRows {
    /// Given in the definition; each patient once
    Given(Arc<[GivenRow]>),
    /// In a file that an earlier step of the study made
    File(RowsFile),
}

/// A one-row-per-patient table that the definition brings along. Its patients count as existing patients.
#[derive(Clone, Debug, PartialEq)]
pub struct InlineTable {
    /// Columns; [`TableSchema::name`] is made up
    pub schema: Arc<TableSchema>,
    /// Its rows
    pub rows: InlineRows,
}

/// A checked query graph. Immutable; see [`GraphBuilder`](crate::GraphBuilder).
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) domains: Vec<Domain>,
    pub(crate) tables: Vec<Arc<TableSchema>>,
    pub(crate) inline_tables: Vec<InlineTable>,
}

impl Graph {
    /// All nodes, inputs before users.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(index, node)| (NodeId(index as u32), node))
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A domain.
    pub fn domain(&self, id: DomainId) -> Domain {
        self.domains[id.index()]
    }

    /// Number of domains.
    pub fn domain_count(&self) -> usize {
        self.domains.len()
    }

    /// The catalogue tables that the definition names.
    pub fn tables(&self) -> &[Arc<TableSchema>] {
        &self.tables
    }

    /// A table.
    pub fn table(&self, id: TableId) -> &Arc<TableSchema> {
        &self.tables[id.index()]
    }

    /// The inline tables of the definition.
    pub fn inline_tables(&self) -> &[InlineTable] {
        &self.inline_tables
    }

    /// The node that a frame's rows come from in the end: an [`Op::Table`] or [`Op::InlineTable`].
    pub fn root_frame(&self, mut frame: NodeId) -> NodeId {
        while let Op::Filter { source, .. } | Op::Sort { source, .. } | Op::Pick { source, .. } = self.node(frame).op {
            frame = source;
        }
        frame
    }

    /// The schema of the table that a frame's rows come from. `None` if `frame` is not a frame.
    pub fn frame_schema(&self, frame: NodeId) -> Option<&Arc<TableSchema>> {
        match self.node(self.root_frame(frame)).op {
            Op::Table(table) => Some(self.table(table)),
            Op::InlineTable(table) => Some(&self.inline_tables[table.index()].schema),
            _ => None,
        }
    }

    /// For each node, whether any of `roots` needs it.
    pub fn reachable(&self, roots: impl IntoIterator<Item = NodeId>) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        for root in roots {
            needed[root.index()] = true;
        }
        for index in (0..self.nodes.len()).rev() {
            if needed[index] {
                self.nodes[index].op.for_each_input(|input| needed[input.index()] = true);
            }
        }
        needed
    }
}
