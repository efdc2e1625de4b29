//! What a definition says of a patient who has no row in any table.
//!
//! A population that is true for such a patient has no bounds: who is in would hang on which patients the engine
//! happens to know of. ehrQL refuses it for the same reason.

use crate::document::Interval;
use crate::evaluate;
use crate::graph::{Aggregation, Constant, DomainId, Graph, Kind, NodeId, Op, Parameter};
use crate::scalar::Fault;

/// A value or NULL; or the fault that stood in the way, and the node that it arose in.
pub(crate) type Evaluated = Result<Option<Constant>, (Fault, NodeId)>;

/// Evaluates one-row series for the patient without rows. Every table is empty, so that no many-rows series matters.
pub(crate) struct EmptyPatient<'g> {
    graph: &'g Graph,
    /// Needed one-row series, inputs first: those that no interval changes, and the others
    fixed: Vec<NodeId>,
    varying: Vec<NodeId>,
    values: Vec<Evaluated>,
}

impl<'g> EmptyPatient<'g> {
    /// For the values of `roots`, which are one-row series.
    pub(crate) fn new(graph: &'g Graph, roots: impl IntoIterator<Item = NodeId>) -> Self {
        let needed = graph.reachable(roots);
        let one_row_series = graph.nodes().filter(|(id, node)| {
            needed[id.index()] && node.domain == DomainId::PATIENT && matches!(node.kind, Kind::Series(_))
        });
        let (varying, fixed) = one_row_series.map(|(id, _)| id).partition(|id| graph.node(*id).depends_on_interval);
        EmptyPatient { graph, fixed, varying, values: vec![Ok(None); graph.len()] }
    }

    /// Work for each interval: series to evaluate, and inputs to look at.
    pub(crate) fn varying_steps(&self) -> u64 {
        let mut steps = self.varying.len() as u64;
        for id in &self.varying {
            self.graph.node(*id).op.for_each_input(|_| steps += 1);
        }
        steps
    }

    /// Evaluates what no interval changes.
    pub(crate) fn evaluate_fixed(&mut self) {
        for index in 0..self.fixed.len() {
            let id = self.fixed[index];
            self.values[id.index()] = self.evaluate(id, None);
        }
    }

    /// Evaluates what hangs on the interval; the rest must have been.
    pub(crate) fn evaluate_varying(&mut self, interval: Interval) {
        for index in 0..self.varying.len() {
            let id = self.varying[index];
            self.values[id.index()] = self.evaluate(id, Some(interval));
        }
    }

    /// What was evaluated.
    pub(crate) fn value(&self, id: NodeId) -> Evaluated {
        self.values[id.index()].clone()
    }

    fn evaluate(&self, id: NodeId, interval: Option<Interval>) -> Evaluated {
        let computed = match &self.graph.node(id).op {
            Op::Value(constant) => Ok(Some(constant.clone())),
            Op::Parameter(parameter) => Ok(interval.map(|interval| match parameter {
                Parameter::IntervalStart => Constant::Date(interval.start),
                Parameter::IntervalEnd => Constant::Date(interval.end),
            })),
            Op::Exists(_) => Ok(Some(Constant::Bool(false))),
            Op::Count(_) => Ok(Some(Constant::Int(0))),
            Op::Aggregate { aggregation: Aggregation::CountDistinct | Aggregation::CountEpisodes { .. }, .. } => {
                Ok(Some(Constant::Int(0)))
            }
            Op::Unary { function, source } => evaluate::unary(*function, self.value(*source)?),
            Op::Binary { function, lhs, rhs } => evaluate::binary(*function, self.value(*lhs)?, self.value(*rhs)?),
            Op::InSet { lhs, rhs } => match &self.graph.node(*rhs).op {
                Op::ValueSet(set) => Ok(evaluate::in_set(self.value(*lhs)?, set)),
                // A set of the values of no row.
                _ => {
                    self.value(*lhs)?;
                    Ok(Some(Constant::Bool(false)))
                }
            },
            Op::MinimumOf(sources) => Ok(evaluate::minimum(self.values_of(sources)?)),
            Op::MaximumOf(sources) => Ok(evaluate::maximum(self.values_of(sources)?)),
            Op::Case { cases, default } => return self.case(cases, *default),
            // A column of a row that is not there, and the aggregations that are NULL of nothing. The rest are no
            // series.
            _ => Ok(None),
        };
        computed.map_err(|fault| (fault, id))
    }

    fn values_of(&self, ids: &[NodeId]) -> Result<Vec<Option<Constant>>, (Fault, NodeId)> {
        ids.iter().map(|id| self.value(*id)).collect()
    }

    /// Every case is evaluated, chosen or not, as blocks of patients are: a fault in any of them counts.
    fn case(&self, cases: &[(NodeId, Option<NodeId>)], default: Option<NodeId>) -> Evaluated {
        let optional = |id: Option<NodeId>| id.map_or(Ok(None), |id| self.value(id));
        let mut chosen = None;
        for (condition, value) in cases {
            let (condition, value) = (self.value(*condition)?, optional(*value)?);
            if chosen.is_none() && condition == Some(Constant::Bool(true)) {
                chosen = Some(value);
            }
        }
        let default = optional(default)?;
        Ok(chosen.unwrap_or(default))
    }
}
