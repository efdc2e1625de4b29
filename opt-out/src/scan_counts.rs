//! What the scans of a plan have counted: for engineers and operators, never for whoever wrote the definition.

use std::sync::Arc;
use std::time::Duration;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricsSet;

use crate::guarded_scan::GuardedScanExec;

/// What one scan has read, once it has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanCounts {
    /// The table
    pub table: Arc<str>,
    /// Rows of which a column was decoded
    pub rows_read: u64,
    /// Bytes asked of the store, after the files' heads
    pub bytes_read: u64,
    /// Rows of which nothing was decoded, as no value of theirs can be one that is asked for
    pub rows_pruned: u64,
    /// Rows that the policy removed
    pub rows_removed_by_policy: u64,
    /// Rows that cannot matter to the definition
    pub rows_removed_by_predicate: u64,
    /// Time spent reading, decoding and masking, summed over threads
    pub decode_time: Duration,
}

/// The counts of every scan of a plan, in order.
pub fn scan_counts(plan: &Arc<dyn ExecutionPlan>) -> Vec<ScanCounts> {
    let any: &dyn std::any::Any = plan.as_ref();
    let Some(scan) = any.downcast_ref::<GuardedScanExec>() else {
        return plan.children().into_iter().flat_map(scan_counts).collect();
    };
    let metrics = scan.metrics().unwrap_or_default();
    let count = |name| sum(&metrics, name) as u64;
    vec![ScanCounts {
        table: Arc::clone(scan.table()),
        rows_read: count("rows_read"),
        bytes_read: count("bytes_read"),
        rows_pruned: count("rows_pruned"),
        rows_removed_by_policy: count("rows_removed_by_policy"),
        rows_removed_by_predicate: count("rows_removed_by_predicate"),
        decode_time: Duration::from_nanos(count("decode_time")),
    }]
}

fn sum(metrics: &MetricsSet, name: &str) -> usize {
    metrics.sum_by_name(name).map_or(0, |sum| sum.as_usize())
}
