//! Which variable a failed step belongs to, where that may be told.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use peristyle_model::scalar::Fault;

use crate::error::ExecutionError;
use crate::program::{Program, Slot};

/// A failure; the smallest is reported, so that the report does not depend on blocks, threads or files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Worst {
    pub(crate) slot: Slot,
    pub(crate) fault: Fault,
}

/// What is said of a failed step.
#[derive(Debug)]
pub(crate) enum Blame {
    /// The output that needs it, and the operation
    Named {
        program: Arc<Program>,
        /// For each step the output that needs it, the first one in the definition
        output_of_slot: Vec<Option<Arc<str>>>,
    },
    /// That it failed, and no more
    Nameless,
}

impl Blame {
    /// `outputs` are names and the slots that hold them, in the order of the definition.
    pub(crate) fn new(program: Arc<Program>, outputs: &[(Arc<str>, Slot)]) -> Self {
        let mut output_of_slot: Vec<Option<usize>> = vec![None; program.steps.len()];
        for (place, (_, slot)) in outputs.iter().enumerate() {
            let known = &mut output_of_slot[*slot];
            *known = known.or(Some(place));
        }
        for slot in (0..program.steps.len()).rev() {
            let Some(place) = output_of_slot[slot] else { continue };
            for input in program.steps[slot].inputs() {
                let known = &mut output_of_slot[input];
                *known = Some(known.map_or(place, |known| known.min(place)));
            }
        }
        let name = |place: Option<usize>| place.map(|place| outputs[place].0.clone());
        Blame::Named { output_of_slot: output_of_slot.into_iter().map(name).collect(), program }
    }

    /// The error for a failure.
    pub(crate) fn error(&self, worst: Worst) -> DataFusionError {
        DataFusionError::External(Box::new(match self {
            Blame::Named { program, output_of_slot } => ExecutionError::Computation {
                output: output_of_slot[worst.slot].as_deref().unwrap_or("definition").to_owned(),
                operation: program.steps[worst.slot].node.map_or("a value", |node| program.graph.node(node).op.name()),
                fault: worst.fault,
            },
            Blame::Nameless => ExecutionError::MeasureFault,
        }))
    }
}
