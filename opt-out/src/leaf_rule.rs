//! The last rule of every physical plan: no leaf but guarded ones.

use std::any::Any;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use crate::guarded_scan::GuardedScanExec;

/// Refuses a plan with a leaf that is not a guarded scan. An `EmptyExec`, which is what is left of a filter that never
/// holds, has no rows to guard.
#[derive(Debug)]
pub(crate) struct OnlyGuardedLeaves;

impl PhysicalOptimizerRule for OnlyGuardedLeaves {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        check(plan.as_ref())?;
        Ok(plan)
    }

    fn name(&self) -> &str {
        "only_guarded_leaves"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The same check, for plans that have come by another way.
pub(crate) fn check(plan: &dyn ExecutionPlan) -> Result<()> {
    let mut waiting = vec![plan];
    while let Some(node) = waiting.pop() {
        let children = node.children();
        if children.is_empty() && !is_guarded(node) {
            return Err(DataFusionError::Plan(format!("refused: leaf {} is not guarded", node.name())));
        }
        waiting.extend(children.into_iter().map(AsRef::as_ref));
    }
    Ok(())
}

/// By the type itself: `downcast_ref` of plans asks the node, which may name another in its stead.
fn is_guarded(node: &dyn ExecutionPlan) -> bool {
    let node: &dyn Any = node;
    node.is::<GuardedScanExec>() || node.is::<EmptyExec>()
}
