//! The definition document: parsed, checked, an immutable query graph.
pub mod builder;
pub mod catalogue;
mod codes;
pub mod column_spec;
pub mod document;
pub mod error;
pub mod evaluate;
pub mod graph;
pub mod json;
pub mod limits;
mod population;
pub mod scalar;
mod text;
pub mod types;

pub use builder::GraphBuilder;
pub use catalogue::Catalogue;
pub use column_spec::{ColumnSpec, column_spec};
pub use document::{AuthorError, Dataset, Definition, EventTable, Interval, Measure};
pub use error::DefinitionError;
pub use graph::{DomainId, Graph, NodeId, Op};
pub use json::Json;
pub use limits::Limits;
