//! The scans of a plan as text, without what rows change.

use datafusion::physical_plan::ExecutionPlan;

use crate::guarded_scan::GuardedScanExec;

/// Every scan of a plan, in order: its table, columns and predicate, which come from the definition and the connector.
///
/// Files, the order that they promise and the partitions are left out, and so is every operator above a scan: files grow,
/// split and overlap by rows, hidden ones included.
pub fn scans_without_files(plan: &dyn ExecutionPlan) -> Vec<String> {
    let any: &dyn std::any::Any = plan;
    match any.downcast_ref::<GuardedScanExec>() {
        Some(scan) => vec![format!("GuardedScanExec: table={}, {}", scan.table(), scan.wanted())],
        None => plan.children().into_iter().flat_map(|child| scans_without_files(child.as_ref())).collect(),
    }
}
