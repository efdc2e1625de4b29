//! The definition document: what a study asks for.

mod arena;
mod attribution;
mod bounded;
mod constant;
mod inline_table;
mod module;
mod outputs;
mod place;
mod reader;
mod record;
mod schema;

use std::sync::Arc;

use arena::Arena;
use module::Root;
use reader::Reader;

use crate::catalogue::Catalogue;
use crate::error::DefinitionError;
use crate::graph::{DomainId, Graph, NodeId};
use crate::json::Json;
use crate::limits::Limits;

/// A definition, checked.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The nodes of dataset and measures, and whatever else the document holds: [`Graph::reachable`] tells them apart
    pub graph: Arc<Graph>,
    /// The dataset, or why its author's code failed; `None` where the document defines none
    pub dataset: Option<Result<Dataset, AuthorError>>,
    /// The measures, or why their author's code failed; `None` where the document defines none
    pub measures: Option<Result<Vec<Measure>, AuthorError>>,
    /// Whether the definition wants disclosure control on its measures, where it says
    pub disclosure_control: Option<bool>,
    /// The permissions that the definition's author believes to have. A claim, nothing more
    pub claimed_permissions: Vec<Arc<str>>,
}

/// An error that the author's own code ended in, as the document reports it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AuthorError {
    /// The message, for the author
    pub message: String,
    /// The exit code that goes with it; never 0
    pub exit_code: u8,
}

/// One row per patient of the population, and event tables beside.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// One-row bool series: who is in
    pub population: NodeId,
    /// Columns of the main table, in order; `patient_id` not among them
    pub variables: Vec<(Arc<str>, NodeId)>,
    /// Event tables, in order
    pub events: Vec<EventTable>,
}

/// A table of many rows per patient among the outputs.
#[derive(Clone, Debug)]
pub struct EventTable {
    /// Its name; never `dataset`
    pub name: Arc<str>,
    /// The rows that its members share; never the patients
    pub domain: DomainId,
    /// Columns in order; `patient_id` not among them. One-row members are spread over the rows
    pub members: Vec<(Arc<str>, NodeId)>,
}

/// A measure: a sum over a sum, per interval and group.
#[derive(Clone, Debug)]
pub struct Measure {
    /// Its name
    pub name: Arc<str>,
    /// One-row bool or int series
    pub numerator: NodeId,
    /// One-row bool or int series
    pub denominator: NodeId,
    /// One-row series by name, in order
    pub group_by: Vec<(Arc<str>, NodeId)>,
    /// In the order of the document
    pub intervals: Arc<[Interval]>,
}

/// A period, both ends included. Days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interval {
    /// First day
    pub start: i32,
    /// Last day; not before `start`
    pub end: i32,
}

impl Definition {
    /// Parses and checks a definition document.
    ///
    /// # Errors
    /// The first thing that is wrong with it, and where.
    pub fn parse(bytes: &[u8], catalogue: &Catalogue, limits: &Limits) -> Result<Definition, DefinitionError> {
        Self::of_json(&Json::parse(bytes, limits)?, catalogue, limits)
    }

    /// Checks a definition document that has been parsed as JSON. (The order of keys matters: not every JSON tree keeps
    /// it.)
    ///
    /// # Errors
    /// The first thing that is wrong with it, and where.
    pub fn of_json(document: &Json, catalogue: &Catalogue, limits: &Limits) -> Result<Definition, DefinitionError> {
        let arena = Arena::of_document(document)?;
        // The reader takes the arena along; the second one is made for an error only.
        let read = Reader::of_arena(arena, catalogue, limits).and_then(|mut reader| {
            let root = reader.root()?;
            Ok((root, reader.builder.finish()))
        });
        let (root, graph) = match read {
            Ok(read) => read,
            Err(error) => return Err(attribution::attribute(error, &Arena::of_document(document)?)),
        };
        if let Some(Ok(dataset)) = &root.dataset {
            bounded::check_dataset(&graph, dataset)?;
        }
        if let Some(Ok(measures)) = &root.measures {
            bounded::check_measures(&graph, measures, limits)?;
        }
        let Root { dataset, measures, disclosure_control, claimed_permissions } = root;
        Ok(Definition { graph: Arc::new(graph), dataset, measures, disclosure_control, claimed_permissions })
    }
}
