//! A case, as a spec file states it.

use peristyle_outputs::DisclosureControl;

use crate::cells::Cell;
use crate::tables::Table;

use super::expression::Expression;

/// Where a table comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Origin {
    /// A file of the source
    Source,
    /// Rows in the definition
    Inline,
    /// A file below the definition's root
    File(String),
}

#[derive(Clone, Debug)]
pub(crate) struct GivenTable {
    pub(crate) table: Table,
    pub(crate) origin: Origin,
}

#[derive(Clone, Debug)]
pub(crate) struct Measure {
    pub(crate) name: String,
    pub(crate) numerator: Expression,
    pub(crate) denominator: Expression,
    pub(crate) groups: Vec<(String, Expression)>,
    pub(crate) intervals: Vec<(Cell, Cell)>,
}

/// The expected rows of one answer, as written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// Rows that are each a check of their own: inputs, and what each expression makes of them.
#[derive(Clone, Debug)]
pub(crate) struct Each {
    /// One column for each input
    pub(crate) inputs: Table,
    pub(crate) outputs: Vec<(String, Expression)>,
    /// For each row and output what is expected, as written
    pub(crate) expected: Vec<Vec<String>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Tables(Vec<Expected>),
    /// A refusal that holds this text
    Error(String),
    Each(Each),
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) title: String,
    pub(crate) line: usize,
    pub(crate) tables: Vec<GivenTable>,
    pub(crate) lets: Vec<(String, Expression)>,
    pub(crate) population: Option<Expression>,
    pub(crate) variables: Vec<(String, Expression)>,
    pub(crate) events: Vec<(String, Vec<(String, Expression)>)>,
    pub(crate) measures: Vec<Measure>,
    pub(crate) disclosure_control: DisclosureControl,
    pub(crate) outcome: Outcome,
}
