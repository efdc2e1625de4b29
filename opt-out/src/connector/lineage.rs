//! What a view's plan says of its rows: whose they are, which tables they come from, and whether they are always the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Join, JoinType, LogicalPlan, Volatility};
use datafusion::prelude::Expr;

use super::{Connector, RawActivation};

/// Whether the column at `index` of a plan's rows is, unchanged, a raw table's key of the patient.
pub(super) fn is_patient_key(connector: &Connector, plan: &LogicalPlan, index: usize) -> bool {
    let of = |plan: &LogicalPlan, index| is_patient_key(connector, plan, index);
    match plan {
        LogicalPlan::TableScan(scan) => {
            let raw = connector.raw.get(scan.table_name.table());
            let column = raw.and_then(|raw| raw.patient_column());
            let field = scan.projected_schema.fields().get(index);
            column.zip(field).is_some_and(|(column, field)| **column == *field.name())
        }
        LogicalPlan::Projection(projection) => {
            projection.expr.get(index).is_some_and(|expr| comes_from(connector, expr, &projection.input))
        }
        LogicalPlan::Aggregate(aggregate) => {
            aggregate.group_expr.get(index).is_some_and(|expr| comes_from(connector, expr, &aggregate.input))
        }
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            if index < left { of(&join.left, index) } else { of(&join.right, index - left) }
        }
        LogicalPlan::Union(union) => union.inputs.iter().all(|input| of(input, index)),
        LogicalPlan::Window(window) => index < window.input.schema().fields().len() && of(&window.input, index),
        LogicalPlan::SubqueryAlias(alias) => of(&alias.input, index),
        LogicalPlan::Filter(filter) => of(&filter.input, index),
        LogicalPlan::Sort(sort) => of(&sort.input, index),
        LogicalPlan::Distinct(_) | LogicalPlan::Repartition(_) => {
            plan.inputs().first().is_some_and(|input| of(input, index))
        }
        _ => false,
    }
}

fn comes_from(connector: &Connector, expr: &Expr, input: &Arc<LogicalPlan>) -> bool {
    match expr {
        Expr::Alias(alias) => comes_from(connector, &alias.expr, input),
        Expr::Column(column) => {
            let index = input.schema().maybe_index_of_column(column);
            index.is_some_and(|index| is_patient_key(connector, input, index))
        }
        _ => false,
    }
}

/// Raw tables below a plan, and those of them whose rows may leave it without the table that they must be joined to.
#[derive(Default)]
struct Tables {
    all: BTreeSet<String>,
    unjoined: BTreeSet<String>,
}

/// The first table whose rows leave unjoined, though they may leave only joined to another table's.
pub(super) fn unjoined(connector: &Connector, plan: &LogicalPlan) -> Option<String> {
    let tables = tables(connector, plan);
    let mut everywhere = BTreeSet::new();
    let walked = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            everywhere.insert(scan.table_name.table().to_owned());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "looking cannot fail");
    // Within an expression no join is looked for.
    let hidden =
        everywhere.iter().filter(|name| !tables.all.contains(*name) && must_be_joined(connector, name).is_some());
    tables.unjoined.iter().chain(hidden).next().cloned()
}

fn must_be_joined<'c>(connector: &'c Connector, name: &str) -> Option<&'c [Arc<str>]> {
    match &connector.raw.get(name)?.activation {
        RawActivation::JoinedTo(tables) => Some(tables),
        _ => None,
    }
}

fn tables(connector: &Connector, plan: &LogicalPlan) -> Tables {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let name = scan.table_name.table().to_owned();
            let unjoined = must_be_joined(connector, &name).map(|_| name.clone()).into_iter().collect();
            Tables { all: BTreeSet::from([name]), unjoined }
        }
        LogicalPlan::Join(join) => joined(connector, join),
        other => {
            let below = other.inputs().into_iter().map(|input| tables(connector, input));
            below.fold(Tables::default(), |mut sum, tables| {
                sum.all.extend(tables.all);
                sum.unjoined.extend(tables.unjoined);
                sum
            })
        }
    }
}

fn joined(connector: &Connector, join: &Join) -> Tables {
    let (left, right) = (tables(connector, &join.left), tables(connector, &join.right));
    // On which side a row may leave though nothing on the other side matches it.
    let (left_alone, right_alone) = match join.join_type {
        JoinType::Inner => (join.on.is_empty(), join.on.is_empty()),
        JoinType::Left => (true, false),
        JoinType::Right => (false, true),
        JoinType::LeftSemi => (false, false),
        _ => (true, true),
    };
    let still = |side: &Tables, other: &Tables, alone: bool| -> Vec<String> {
        let found = |name: &&String| {
            !alone
                && must_be_joined(connector, name).is_some_and(|to| to.iter().any(|name| other.all.contains(&**name)))
        };
        side.unjoined.iter().filter(|name| !found(name)).cloned().collect()
    };
    let unjoined = still(&left, &right, left_alone).into_iter().chain(still(&right, &left, right_alone)).collect();
    Tables { all: left.all.into_iter().chain(right.all).collect(), unjoined }
}

/// The first function whose answer depends on more than its arguments.
pub(super) fn fickle_function(plan: &LogicalPlan) -> Result<Option<String>> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(function) = expr
                    && function.func.signature().volatility != Volatility::Immutable
                {
                    found = Some(function.func.name().to_owned());
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}
