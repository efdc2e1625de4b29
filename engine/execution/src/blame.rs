//! Which variable a failed step belongs to.

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

/// For each step the output that needs it, the first one in the definition.
#[derive(Debug)]
pub(crate) struct Blame {
    program: Arc<Program>,
    output_of_slot: Vec<Option<Arc<str>>>,
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
        Blame { output_of_slot: output_of_slot.into_iter().map(name).collect(), program }
    }

    /// The error that names the output.
    pub(crate) fn error(&self, worst: Worst) -> DataFusionError {
        let node = self.program.steps[worst.slot].node;
        DataFusionError::External(Box::new(ExecutionError::Computation {
            output: self.output_of_slot[worst.slot].as_deref().unwrap_or("definition").to_owned(),
            operation: node.map_or("a value", |node| self.program.graph.node(node).op.name()),
            fault: worst.fault,
        }))
    }
}
