//! The program: what a block's evaluation does, step by step.
//!
//! ```text
//!   graph nodes ──lower──► expressions and domains (what is computed, on which rows)
//!                              │  schedule
//!                              ▼
//!                          steps in order, one slot each; each step once per block (or once per interval)
//! ```
//!
//! An expression is a series without its domain: the same function of the same columns is one expression, whichever
//! filters it is read through. A domain is a table and a *set* of conditions. Filters commute, so the conditions are
//! applied in the order that makes the fewest rows: code lists first, then what does not depend on the interval, then
//! what does, last what may fail. So ninety variables share a scan, and sixty intervals share all but their own rows.

mod domains;
mod expressions;
mod lower;
mod needs;
mod schedule;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use peristyle_model::graph::{
    Aggregation, Binary, Constant, Graph, InlineTableId, NodeId, Parameter, Position, TableId, Unary,
};
use peristyle_model::types::Physical;

use crate::code_index::CodeIndex;
use crate::kernels::sets::ConstantMembers;

pub(crate) use lower::{Query, compile};

/// A table of the program: an index into [`Program::tables`].
pub(crate) type TableIx = usize;
/// A domain: the rows that some conditions leave of a table. 0 is the patients.
pub(crate) type DomainIx = usize;
/// What a step yields: an index into [`Program::steps`].
pub(crate) type Slot = usize;

/// The domain of one row per patient.
pub(crate) const PATIENTS: DomainIx = 0;

/// Where a table's rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TableSource {
    Catalogue(TableId),
    Inline(InlineTableId),
}

/// A table that the program reads, and which of its columns.
#[derive(Clone, Debug)]
pub(crate) struct TableUse {
    pub(crate) source: TableSource,
    pub(crate) one_row_per_patient: bool,
    /// Columns of the schema, in the order in which the scan yields them
    pub(crate) columns: Vec<usize>,
}

/// What a step does. Slots are those of earlier steps.
#[derive(Clone, Debug)]
pub(crate) enum StepOp {
    /// All rows of a table
    TableRows(TableIx),
    /// The rows that each code list of one of [`Program::code_indexes`] matches
    CodeIndex(usize),
    /// The rows that one of them matches
    CodeRows {
        index: Slot,
        list: usize,
    },
    /// The rows of `parent` for which `condition` holds, given by row or by patient
    FilterRows {
        parent: Slot,
        condition: Slot,
        by_patient: bool,
    },
    /// The first or last row of each patient. Its keys are by the rows of `whole`, of which `rows` are some
    Pick {
        rows: Slot,
        whole: Slot,
        keys: Vec<Slot>,
        position: Position,
    },
    Constant(Constant),
    ConstantSet(Arc<ConstantMembers>),
    Parameter(Parameter),
    /// A column of a one-row table
    PatientColumn {
        table: TableIx,
        column: usize,
    },
    /// Whether a one-row table has the patient
    PatientPresent(TableIx),
    /// A column of an event table at the rows of a domain
    EventColumn {
        table: TableIx,
        column: usize,
        rows: Slot,
    },
    /// A column of the picked rows
    PickedColumn {
        pick: Slot,
        table: TableIx,
        column: usize,
    },
    PickedPresent(Slot),
    RowsExist(Slot),
    RowsCount(Slot),
    Aggregate {
        aggregation: Aggregation,
        source: Slot,
        rows: Slot,
    },
    /// The values of a set per patient
    Combine {
        source: Slot,
        rows: Slot,
    },
    /// One value per patient, repeated for the patient's rows
    Spread {
        source: Slot,
        rows: Slot,
    },
    Unary {
        function: Unary,
        source: Slot,
    },
    Binary {
        function: Binary,
        lhs: Slot,
        rhs: Slot,
    },
    /// Dates as a difference in months or years takes them
    Turned {
        difference: Binary,
        source: Slot,
    },
    /// `rows` where `lhs` has many rows per patient
    InSet {
        lhs: Slot,
        rhs: Slot,
        rows: Option<Slot>,
    },
    Extreme {
        sources: Vec<Slot>,
        largest: bool,
    },
    /// One value more than conditions: the default is the last. `None` is NULL
    Case {
        conditions: Vec<Slot>,
        values: Vec<Option<Slot>>,
    },
}

/// One step of the evaluation of a block.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) op: StepOp,
    /// The rows slot that tells how many values it yields; `None`: one a patient
    pub(crate) rows: Option<Slot>,
    /// How values are held
    pub(crate) physical: Physical,
    /// Whether it depends on the interval
    pub(crate) varies: bool,
    /// The node that it came from, to name variables in errors
    pub(crate) node: Option<NodeId>,
    /// For each query, whether it needs the step
    pub(crate) queries: QuerySet,
}

/// A set of queries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct QuerySet(Vec<u64>);

impl QuerySet {
    pub(crate) fn insert(&mut self, query: usize) {
        if self.0.len() <= query / 64 {
            self.0.resize(query / 64 + 1, 0);
        }
        self.0[query / 64] |= 1 << (query % 64);
    }

    pub(crate) fn contains(&self, query: usize) -> bool {
        self.0.get(query / 64).is_some_and(|word| word & (1 << (query % 64)) != 0)
    }

    pub(crate) fn extend(&mut self, other: &QuerySet) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    pub(crate) fn intersects(&self, other: &QuerySet) -> bool {
        self.0.iter().zip(&other.0).any(|(word, other)| word & other != 0)
    }
}

/// The slots of an event table that a query yields.
#[derive(Clone, Debug)]
pub(crate) struct EventOutput {
    pub(crate) name: Arc<str>,
    pub(crate) rows: Slot,
    pub(crate) members: Vec<(Arc<str>, Slot, Physical)>,
}

/// The slots of a query: a dataset, or the measures that share a denominator and intervals.
#[derive(Clone, Debug)]
pub(crate) struct QueryOutput {
    pub(crate) population: Slot,
    pub(crate) columns: Vec<(Slot, Physical)>,
    pub(crate) events: Vec<EventOutput>,
}

impl QueryOutput {
    /// All slots that the query yields.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        let members = self.events.iter().flat_map(|event| event.members.iter().map(|(_, slot, _)| *slot));
        let rows = self.events.iter().map(|event| event.rows);
        self.columns.iter().map(|(slot, _)| *slot).chain(members).chain(rows).chain([self.population])
    }
}

/// Steps in order, and what comes of them.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) graph: Arc<Graph>,
    pub(crate) tables: Vec<TableUse>,
    pub(crate) code_indexes: Vec<CodeIndex>,
    pub(crate) steps: Vec<Step>,
    /// For each step the slots that nobody reads after it, so that memory does not grow with the definition
    pub(crate) frees: Vec<Vec<Slot>>,
    pub(crate) outputs: Vec<QueryOutput>,
    /// For each table what its rows must satisfy to matter at all
    pub(crate) needs: Vec<needs::RowNeeds>,
    /// What each step has taken, over all blocks and intervals
    pub(crate) times: StepTimes,
}

/// Nanoseconds that each step has taken, summed over threads.
#[derive(Debug, Default)]
pub(crate) struct StepTimes(Vec<AtomicU64>);

impl StepTimes {
    pub(crate) fn new(steps: usize) -> Self {
        Self((0..steps).map(|_| AtomicU64::new(0)).collect())
    }

    pub(crate) fn add(&self, slot: Slot, time: Duration) {
        if let Some(sum) = self.0.get(slot) {
            sum.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    pub(crate) fn of(&self, slot: Slot) -> Duration {
        Duration::from_nanos(self.0.get(slot).map_or(0, |sum| sum.load(Ordering::Relaxed)))
    }
}

pub(crate) use needs::{ColumnNeed, RowNeeds};
