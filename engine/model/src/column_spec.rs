//! What is known of an output column's values: its type in a file follows from it.

use std::sync::Arc;

use crate::graph::{Graph, NodeId};
use crate::types::Physical;

/// What is known of an output column's values.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSpec {
    /// How values are held; codes are strings
    pub physical: Physical,
    /// Whether NULL may occur
    pub nullable: bool,
    /// The strings that it may hold, in their order; only for strings
    pub categories: Option<Arc<[Arc<str>]>>,
    /// Smallest and largest whole number that it may hold
    pub range: Option<(i64, i64)>,
}

/// The specification of a series that is written to a file.
pub fn column_spec(graph: &Graph, series: NodeId) -> ColumnSpec {
    let physical = graph.node(series).value_type().map_or(Physical::Str, |value_type| value_type.physical());
    ColumnSpec { physical, nullable: true, categories: None, range: None }
}
