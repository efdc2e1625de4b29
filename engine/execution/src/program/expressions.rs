//! Expressions: series without their domain, each once.

use std::collections::HashMap;
use std::sync::Arc;

use peristyle_model::graph::{Aggregation, Binary, NodeId, Parameter, Position, Unary};
use peristyle_model::types::Physical;

use super::{DomainIx, TableIx};

/// An expression: an index into [`Expressions`].
pub(super) type ExprId = usize;
/// A pick: an index into [`Expressions::picks`].
pub(super) type PickIx = usize;

/// A first or last row per patient.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PickPlan {
    pub(super) table: TableIx,
    pub(super) domain: DomainIx,
    /// Highest priority first; those that break ties at the end
    pub(super) keys: Vec<ExprId>,
    pub(super) position: Position,
}

/// What is computed. Constants are told apart by their node: equal ones are one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Expr {
    Constant(NodeId),
    ConstantSet(NodeId),
    Parameter(Parameter),
    PatientColumn(TableIx, usize),
    PatientPresent(TableIx),
    EventColumn(TableIx, usize),
    PickedColumn(PickIx, usize),
    PickedPresent(PickIx),
    Exists(DomainIx),
    Count(DomainIx),
    Aggregate(Aggregation, ExprId, DomainIx),
    Unary(Unary, ExprId),
    /// A difference of dates in months or years is one of dates that have been turned for it
    Binary(Binary, ExprId, ExprId),
    /// A date as a difference in months or years takes it: turned once, whatever it is compared with
    Turned(Binary, ExprId),
    InSet(ExprId, ExprId),
    Extreme {
        largest: bool,
        sources: Arc<[ExprId]>,
    },
    Case {
        cases: Arc<[(ExprId, Option<ExprId>)]>,
        default: Option<ExprId>,
    },
}

/// What is known of an expression.
#[derive(Clone, Debug)]
pub(super) struct ExprInfo {
    pub(super) expr: Expr,
    /// The event table whose rows it has; `None`: one value per patient
    pub(super) table: Option<TableIx>,
    pub(super) physical: Physical,
    /// Depends on the interval
    pub(super) varies: bool,
    /// Evaluating it on a row may fail
    pub(super) fallible: bool,
    /// The first node that gave rise to it
    pub(super) node: Option<NodeId>,
}

/// All expressions and picks, each once; inputs before users.
#[derive(Debug, Default)]
pub(super) struct Expressions {
    infos: Vec<ExprInfo>,
    known: HashMap<Expr, ExprId>,
    pub(super) picks: Vec<PickPlan>,
    known_picks: HashMap<PickPlan, PickIx>,
}

impl Expressions {
    pub(super) fn get(&self, expr: ExprId) -> &ExprInfo {
        &self.infos[expr]
    }

    pub(super) fn pick(&mut self, plan: PickPlan) -> PickIx {
        *self.known_picks.entry(plan).or_insert_with_key(|plan| {
            self.picks.push(plan.clone());
            self.picks.len() - 1
        })
    }

    /// Whether a pick depends on the interval.
    pub(super) fn pick_varies(&self, pick: PickIx, domain_varies: impl Fn(DomainIx) -> bool) -> bool {
        let plan = &self.picks[pick];
        domain_varies(plan.domain) || plan.keys.iter().any(|key| self.infos[*key].varies)
    }

    /// The expression's id; `info` is asked for what is known of a new one.
    pub(super) fn intern(&mut self, expr: Expr, info: impl FnOnce(&Self, Expr) -> ExprInfo) -> ExprId {
        if let Some(known) = self.known.get(&expr) {
            return *known;
        }
        let info = info(self, expr.clone());
        self.infos.push(info);
        let id = self.infos.len() - 1;
        self.known.insert(expr, id);
        id
    }
}

/// Calls `visit` with the inputs that have the expression's own rows, or one value per patient.
pub(super) fn for_each_row_input(expr: &Expr, mut visit: impl FnMut(ExprId)) {
    match expr {
        Expr::Unary(_, source) | Expr::Turned(_, source) => visit(*source),
        Expr::Binary(_, lhs, rhs) => {
            visit(*lhs);
            visit(*rhs);
        }
        Expr::InSet(lhs, _) => visit(*lhs),
        Expr::Extreme { sources, .. } => sources.iter().copied().for_each(visit),
        Expr::Case { cases, default } => {
            for (condition, value) in cases.iter() {
                visit(*condition);
                value.iter().copied().for_each(&mut visit);
            }
            default.iter().copied().for_each(visit);
        }
        _ => {}
    }
}

/// Whether a function itself may fail on values.
pub(super) fn function_may_fail(expr: &Expr, physical_of: impl Fn(ExprId) -> Physical) -> bool {
    match expr {
        Expr::Unary(function, source) => match function {
            Unary::Negate | Unary::Absolute => physical_of(*source) == Physical::Int,
            Unary::CastToInt => physical_of(*source) == Physical::Float,
            _ => false,
        },
        Expr::Binary(function, ..) => matches!(
            function,
            Binary::Add
                | Binary::Subtract
                | Binary::Multiply
                | Binary::TrueDivide
                | Binary::FloorDivide
                | Binary::Power
                | Binary::DateAddDays
                | Binary::DateAddMonths
                | Binary::DateAddYears
        ),
        _ => false,
    }
}
