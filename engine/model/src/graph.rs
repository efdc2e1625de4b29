//! The query graph: nodes in an arena, each after its inputs, each once.
//!
//! Only [`GraphBuilder`](crate::GraphBuilder) makes nodes, and it checks every rule of types and domains as it does,
//! so whoever holds a [`Graph`] may rely on them. Equal nodes are one node.

use std::sync::Arc;

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

/// A constant. Strings serve for codes too; the node's type tells which.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `float`, finite
    Float(f64),
    /// `date`: days since 1970-01-01, within years 1 to 9999
    Date(i32),
    /// `str` or a code
    Str(Arc<str>),
}

/// A constant set, without NULLs; sorted, each member once.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstantSet(pub Arc<[Constant]>);

/// First or last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the variants say it")]
pub enum Position {
    First,
    Last,
}

/// What stands in for a date until an interval of a measure is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parameter {
    /// `interval_start_date`
    IntervalStart,
    /// `interval_end_date`
    IntervalEnd,
}

/// Aggregations of a series to one row per patient; NULLs are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregation {
    /// Number of different values; 0 for none
    CountDistinct,
    /// Episodes of dates: a gap of more than so many days starts a new one; 0 for no date
    CountEpisodes {
        /// Gap that still belongs to an episode, in days
        maximum_gap_days: i64,
    },
    /// Smallest; NULL for none
    Min,
    /// Largest; NULL for none
    Max,
    /// Sum of the input's type; NULL for none
    Sum,
    /// Mean as float; NULL for none
    Mean,
    /// The set of values, for the right side of [`Op::InSet`]
    CombineAsSet,
}

/// Functions of one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as in the definition format, section 4")]
pub enum Unary {
    Not,
    IsNull,
    Negate,
    Absolute,
    CastToInt,
    CastToFloat,
    YearFromDate,
    MonthFromDate,
    DayFromDate,
    ToFirstOfYear,
    ToFirstOfMonth,
}

/// Functions of two series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as in the definition format, section 4")]
pub enum Binary {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
    Add,
    Subtract,
    Multiply,
    TrueDivide,
    FloorDivide,
    Power,
    DateAddDays,
    DateAddMonths,
    DateAddYears,
    DateDifferenceInDays,
    DateDifferenceInMonths,
    DateDifferenceInYears,
    StringContains,
}

/// What a node does. Definition format, sections 3 and 4, states each one's meaning.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A catalogue table: many rows per patient, or one
    Table(TableId),
    /// A table given in the definition: one row per patient
    InlineTable(InlineTableId),
    /// The rows of `source` for which `condition` is true
    #[expect(missing_docs, reason = "said above")]
    Filter { source: NodeId, condition: NodeId },
    /// A stable sort of `source` within each patient; the outermost has the highest priority
    #[expect(missing_docs, reason = "said above")]
    Sort { source: NodeId, by: NodeId },
    /// One row of each patient. Ties are broken by the columns that are selected from it
    #[expect(missing_docs, reason = "said above")]
    Pick { source: NodeId, position: Position },
    /// A column of a frame; `column` indexes the columns of the frame's root table
    #[expect(missing_docs, reason = "said above")]
    Column { source: NodeId, column: usize },
    /// A constant, the same for every patient
    Value(Constant),
    /// A constant set: only as the right side of [`Op::InSet`]
    ValueSet(ConstantSet),
    /// A placeholder for a date
    Parameter(Parameter),
    /// Whether the patient has a row in the frame; never NULL
    Exists(NodeId),
    /// The patient's rows in the frame; never NULL
    Count(NodeId),
    /// An aggregation of a many-rows series
    #[expect(missing_docs, reason = "said above")]
    Aggregate { aggregation: Aggregation, source: NodeId },
    /// A function of one series
    #[expect(missing_docs, reason = "said above")]
    Unary { function: Unary, source: NodeId },
    /// A function of two series
    #[expect(missing_docs, reason = "said above")]
    Binary { function: Binary, lhs: NodeId, rhs: NodeId },
    /// Whether `lhs` is a member of the set `rhs`: false for an empty set, even for NULL
    #[expect(missing_docs, reason = "said above")]
    InSet { lhs: NodeId, rhs: NodeId },
    /// The smallest of several series, NULLs skipped
    MinimumOf(Arc<[NodeId]>),
    /// The largest of several series, NULLs skipped
    MaximumOf(Arc<[NodeId]>),
    /// The value beside the first condition that is true, else the default; `None` is NULL
    #[expect(missing_docs, reason = "said above")]
    Case { cases: Arc<[(NodeId, Option<NodeId>)]>, default: Option<NodeId> },
}

impl Op {
    /// Calls `visit` with each input, in the order of the fields.
    pub fn for_each_input(&self, mut visit: impl FnMut(NodeId)) {
        match self {
            Op::Table(_) | Op::InlineTable(_) | Op::Value(_) | Op::ValueSet(_) | Op::Parameter(_) => {}
            Op::Filter { source, condition } => {
                visit(*source);
                visit(*condition);
            }
            Op::Sort { source, by } => {
                visit(*source);
                visit(*by);
            }
            Op::Pick { source, .. }
            | Op::Column { source, .. }
            | Op::Exists(source)
            | Op::Count(source)
            | Op::Aggregate { source, .. }
            | Op::Unary { source, .. } => visit(*source),
            Op::Binary { lhs, rhs, .. } | Op::InSet { lhs, rhs } => {
                visit(*lhs);
                visit(*rhs);
            }
            Op::MinimumOf(sources) | Op::MaximumOf(sources) => sources.iter().copied().for_each(visit),
            Op::Case { cases, default } => {
                for (condition, value) in cases.iter() {
                    visit(*condition);
                    value.iter().copied().for_each(&mut visit);
                }
                default.iter().copied().for_each(visit);
            }
        }
    }

    /// The name that the definition format gives the node.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Table(_) => "Table",
            Op::InlineTable(_) => "InlinePatientTable",
            Op::Filter { .. } => "Filter",
            Op::Sort { .. } => "Sort",
            Op::Pick { .. } => "PickOneRowPerPatient",
            Op::Column { .. } => "SelectColumn",
            Op::Value(_) | Op::ValueSet(_) => "Value",
            Op::Parameter(_) => "Parameter",
            Op::Exists(_) => "Exists",
            Op::Count(_) => "Count",
            Op::Aggregate { aggregation, .. } => match aggregation {
                Aggregation::CountDistinct => "CountDistinct",
                Aggregation::CountEpisodes { .. } => "CountEpisodes",
                Aggregation::Min => "Min",
                Aggregation::Max => "Max",
                Aggregation::Sum => "Sum",
                Aggregation::Mean => "Mean",
                Aggregation::CombineAsSet => "CombineAsSet",
            },
            Op::Unary { function, .. } => match function {
                Unary::Not => "Not",
                Unary::IsNull => "IsNull",
                Unary::Negate => "Negate",
                Unary::Absolute => "Absolute",
                Unary::CastToInt => "CastToInt",
                Unary::CastToFloat => "CastToFloat",
                Unary::YearFromDate => "YearFromDate",
                Unary::MonthFromDate => "MonthFromDate",
                Unary::DayFromDate => "DayFromDate",
                Unary::ToFirstOfYear => "ToFirstOfYear",
                Unary::ToFirstOfMonth => "ToFirstOfMonth",
            },
            Op::Binary { function, .. } => match function {
                Binary::Eq => "EQ",
                Binary::Ne => "NE",
                Binary::Lt => "LT",
                Binary::Le => "LE",
                Binary::Gt => "GT",
                Binary::Ge => "GE",
                Binary::And => "And",
                Binary::Or => "Or",
                Binary::Add => "Add",
                Binary::Subtract => "Subtract",
                Binary::Multiply => "Multiply",
                Binary::TrueDivide => "TrueDivide",
                Binary::FloorDivide => "FloorDivide",
                Binary::Power => "Power",
                Binary::DateAddDays => "DateAddDays",
                Binary::DateAddMonths => "DateAddMonths",
                Binary::DateAddYears => "DateAddYears",
                Binary::DateDifferenceInDays => "DateDifferenceInDays",
                Binary::DateDifferenceInMonths => "DateDifferenceInMonths",
                Binary::DateDifferenceInYears => "DateDifferenceInYears",
                Binary::StringContains => "StringContains",
            },
            Op::InSet { .. } => "In",
            Op::MinimumOf(_) => "MinimumOf",
            Op::MaximumOf(_) => "MaximumOf",
            Op::Case { .. } => "Case",
        }
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

/// Rows of an inline table.
#[derive(Clone, Debug, PartialEq)]
pub enum InlineRows {
    /// Given in the definition: patient and values in the order of the schema's columns, `None` for NULL
    Given(Arc<[(i64, Box<[Option<Constant>]>)]>),
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
