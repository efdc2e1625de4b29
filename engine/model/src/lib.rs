//! The definition document: parsed, checked, an immutable query graph.
//!
//! A researcher writes ehrQL; `ehrql serialize-definition` prints it as one JSON document; [`Definition::parse`] reads
//! that document. The document is untrusted: it is read within [`Limits`], in time and memory linear in its size,
//! without recursion along its references, and whatever breaks a rule is refused with a [`DefinitionError`] that says
//! where and why. Definition format and rules: `docs/`, and ehrQL's query model.
//!
//! ```text
//! bytes ─► json ─► document::arena ─► document::reader ─► builder ─► graph
//!                  (entries in       (shapes, names)    (types,      (nodes, each once,
//!                   dependency order)                    domains)     inputs first)
//!                                          └► document::outputs ─► population ─► Definition
//! ```
//!
//! What is not here: rows, files, policy, DataFusion. [`scalar`] and [`evaluate`] say what operators mean for single
//! values; the execution crate's kernels stand on them.
//!
//! ```
//! use peristyle_model::{Catalogue, Definition, Limits, Op};
//!
//! let document = br#"{
//!   "value": {"Dataset": {
//!     "population": {"AggregateByPatient.Exists": {"source": {"ref": "1"}}},
//!     "variables": {"dict": [["sex", {"SelectColumn": {"source": {"ref": "1"}, "name": "sex"}}]]},
//!     "events": {"dict": []},
//!     "measures": null
//!   }},
//!   "1": {"external_ref": {"module": "ehrql.tables.core", "name": "patients"}}
//! }"#;
//! let definition = Definition::parse(document, Catalogue::builtin(), &Limits::default())?;
//! let dataset = definition.dataset.ok_or("no dataset")??;
//! let (name, series) = &dataset.variables[0];
//! assert_eq!(&**name, "sex");
//! assert!(matches!(definition.graph.node(*series).op, Op::Column { .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
pub use text::{printable, suggestion};
