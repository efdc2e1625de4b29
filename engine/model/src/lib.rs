//! The definition document: parsed, checked, an immutable query graph.
pub mod catalogue;
pub mod graph;
pub mod scalar;
pub mod types;
