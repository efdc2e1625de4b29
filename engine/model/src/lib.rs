//! The definition document: parsed, checked, an immutable query graph.
pub mod catalogue;
pub mod column_spec;
mod codes;
pub mod document;
pub mod error;
pub mod graph;
mod json;
pub mod limits;
pub mod scalar;
mod text;
pub mod types;

pub use catalogue::Catalogue;
pub use column_spec::{ColumnSpec, column_spec};
pub use document::{AuthorError, Dataset, Definition, EventTable, Interval, Measure};
pub use error::DefinitionError;
pub use graph::{DomainId, Graph, NodeId, Op};
pub use limits::Limits;
