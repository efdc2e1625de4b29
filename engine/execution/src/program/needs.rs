//! Which rows of an event table can matter: a condition that every row satisfies which any step uses.
//!
//! Only conditions that cannot fail and that do not depend on other tables count. For each column the conditions of all
//! uses are joined, so that the result is at most one test a column, and sound: it may keep a row that nobody needs,
//! never drop one that somebody does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use peristyle_model::graph::{Binary, Constant, Graph, Op};
use peristyle_model::types::Physical;

use super::domains::Domains;
use super::expressions::{Expr, Expressions};
use super::lower::{code_list_test, conjuncts};
use super::{DomainIx, QueryOutput, Slot, Step, StepOp, TableUse};

/// What a column's value must satisfy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ColumnNeed {
    /// One of these strings
    OneOf(BTreeSet<Arc<str>>),
    /// A date within these bounds, both included
    Dates { from: Option<i32>, to: Option<i32> },
}

/// For each column of a table that is restricted, by index in the schema, what its value must satisfy.
pub(crate) type RowNeeds = BTreeMap<usize, ColumnNeed>;

pub(super) fn row_needs(
    graph: &Graph,
    expressions: &Expressions,
    domains: &Domains,
    tables: &[TableUse],
    steps: &[Step],
    outputs: &[QueryOutput],
    domain_of_slot: &HashMap<Slot, DomainIx>,
) -> Vec<RowNeeds> {
    let mut needs: Vec<Option<RowNeeds>> = vec![None; tables.len()];
    for domain in used_domains(steps, outputs, domain_of_slot) {
        let Some(table) = domains.plans[domain].table else {
            continue;
        };
        let path = path_needs(graph, expressions, domains, domain);
        needs[table] = Some(match needs[table].take() {
            None => path,
            Some(known) => either(known, &path),
        });
    }
    needs.into_iter().map(Option::unwrap_or_default).collect()
}

/// The domains whose rows someone uses for anything but filtering them further.
fn used_domains(
    steps: &[Step],
    outputs: &[QueryOutput],
    domain_of_slot: &HashMap<Slot, DomainIx>,
) -> BTreeSet<DomainIx> {
    let mut used: BTreeSet<Slot> =
        outputs.iter().flat_map(|output| output.events.iter().map(|event| event.rows)).collect();
    for step in steps {
        match &step.op {
            StepOp::Pick { rows, .. }
            | StepOp::RowsExist(rows)
            | StepOp::RowsCount(rows)
            | StepOp::Aggregate { rows, .. }
            | StepOp::Combine { rows, .. } => {
                used.insert(*rows);
            }
            _ => {}
        }
    }
    used.iter().filter_map(|slot| domain_of_slot.get(slot)).copied().collect()
}

/// What the conditions of one domain ask of its rows.
fn path_needs(graph: &Graph, expressions: &Expressions, domains: &Domains, mut domain: DomainIx) -> RowNeeds {
    let mut needs = RowNeeds::new();
    while let Some((parent, condition)) = domains.plans[domain].filter {
        for conjunct in conjuncts(expressions, condition) {
            if let Some((column, need)) = condition_need(graph, expressions, conjunct) {
                let joined = match needs.remove(&column) {
                    None => need,
                    Some(known) => both(known, need),
                };
                needs.insert(column, joined);
            }
        }
        domain = parent;
    }
    needs
}

fn condition_need(graph: &Graph, expressions: &Expressions, condition: usize) -> Option<(usize, ColumnNeed)> {
    if let Some((_, column, constants)) = code_list_test(expressions, condition) {
        let text = |constant: &Constant| if let Constant::Str(text) = constant { Some(text.clone()) } else { None };
        let codes = match &graph.node(constants).op {
            Op::ValueSet(set) => set.0.iter().filter_map(text).collect(),
            Op::Value(constant) => text(constant).into_iter().collect(),
            _ => return None,
        };
        return Some((column, ColumnNeed::OneOf(codes)));
    }
    let Expr::Binary(function, lhs, rhs) = expressions.get(condition).expr else {
        return None;
    };
    let (Expr::EventColumn(_, column), Expr::Constant(node)) = (&expressions.get(lhs).expr, &expressions.get(rhs).expr)
    else {
        return None;
    };
    if expressions.get(lhs).physical != Physical::Date {
        return None;
    }
    let Op::Value(Constant::Date(date)) = graph.node(*node).op else {
        return None;
    };
    let (from, to) = match function {
        Binary::Ge => (Some(date), None),
        Binary::Gt => (Some(date.saturating_add(1)), None),
        Binary::Le => (None, Some(date)),
        Binary::Lt => (None, Some(date.saturating_sub(1))),
        Binary::Eq => (Some(date), Some(date)),
        _ => return None,
    };
    Some((*column, ColumnNeed::Dates { from, to }))
}

/// Both must hold.
fn both(known: ColumnNeed, other: ColumnNeed) -> ColumnNeed {
    match (known, other) {
        (ColumnNeed::OneOf(known), ColumnNeed::OneOf(other)) => {
            ColumnNeed::OneOf(known.intersection(&other).cloned().collect())
        }
        (ColumnNeed::Dates { from, to }, ColumnNeed::Dates { from: other_from, to: other_to }) => ColumnNeed::Dates {
            from: from.max(other_from),
            to: match (to, other_to) {
                (Some(to), Some(other)) => Some(to.min(other)),
                (to, other) => to.or(other),
            },
        },
        (known, _) => known,
    }
}

/// One of the two must hold: only what both restrict stays restricted, and more loosely.
fn either(known: RowNeeds, other: &RowNeeds) -> RowNeeds {
    known
        .into_iter()
        .filter_map(|(column, need)| {
            let joined = match (need, other.get(&column)?) {
                (ColumnNeed::OneOf(mut known), ColumnNeed::OneOf(other)) => {
                    known.extend(other.iter().cloned());
                    ColumnNeed::OneOf(known)
                }
                (ColumnNeed::Dates { from, to }, ColumnNeed::Dates { from: other_from, to: other_to }) => {
                    let from = from.zip(*other_from).map(|(from, other)| from.min(other));
                    let to = to.zip(*other_to).map(|(to, other)| to.max(other));
                    if from.is_none() && to.is_none() {
                        return None;
                    }
                    ColumnNeed::Dates { from, to }
                }
                _ => return None,
            };
            Some((column, joined))
        })
        .collect()
}
