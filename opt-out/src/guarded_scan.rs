//! The leaf of every plan: a scan that owns its reading and lets through only what its permit allows.
//!
//! ```text
//! ┌ GuardedScanExec ───────────────────────────────────────────────┐
//! │ partition 0: segments ─► decode (mask, verify, conform) ─► rows │
//! │ partition 1: …                                                  │
//! └─────────────────────────────────────────────────────────────────┘
//! ```
//! It has no children, so no optimiser can reach what is below the mask, and it tells no statistics, so none can answer
//! from them.

use std::fmt;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::StreamExt;

use crate::cores::Cores;
use crate::decode::{ScanMetrics, ScanTask};
use crate::delivery::deliver;
use crate::error::Place;
use crate::source::Partitions;

/// Most files that a plan names.
const FILES_SHOWN_MAX: usize = 4;

/// A guarded scan of one table.
#[derive(Debug)]
pub(crate) struct GuardedScanExec {
    task: Arc<ScanTask>,
    partitions: Arc<Partitions>,
    threads: usize,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl GuardedScanExec {
    pub(crate) fn try_new(task: ScanTask, partitions: Partitions, threads: usize) -> Result<Self> {
        let schema: SchemaRef = Arc::new(task.read_schema.project(&task.output)?);
        let key = task.source.patient_key.as_ref().map(|key| key.delivered_as.as_ref());
        let properties = PlanProperties::new(
            equivalences(&schema, key.filter(|_| partitions.ordered)),
            Partitioning::UnknownPartitioning(partitions.segments.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            task: Arc::new(task),
            partitions: Arc::new(partitions),
            threads,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

impl GuardedScanExec {
    /// The table that is scanned.
    pub(crate) fn table(&self) -> &Arc<str> {
        &self.task.source.table
    }

    /// The columns and rows that the plan asks for, which no row of the table changes.
    pub(crate) fn wanted(&self) -> String {
        let schema = self.schema();
        let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let predicate = self.task.predicate.as_ref().map(|predicate| format!(", predicate={predicate}"));
        format!("columns=[{}]{}", columns.join(", "), predicate.unwrap_or_default())
    }
}

/// The order of a table's rows: ascending by patient. (There are no NULLs to come first or last.)
pub(crate) fn patient_order(schema: &Schema, key: &str) -> Option<PhysicalSortExpr> {
    let patient_id = Column::new_with_schema(key, schema).ok()?;
    let options = SortOptions { descending: false, nulls_first: true };
    Some(PhysicalSortExpr { expr: Arc::new(patient_id), options })
}

fn equivalences(schema: &SchemaRef, ordered_by: Option<&str>) -> EquivalenceProperties {
    match ordered_by.and_then(|key| patient_order(schema, key)) {
        Some(order) => EquivalenceProperties::new_with_orderings(Arc::clone(schema), [vec![order]]),
        None => EquivalenceProperties::new(Arc::clone(schema)),
    }
}

impl ExecutionPlan for GuardedScanExec {
    fn name(&self) -> &str {
        Self::static_name()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        leaf(self, &children)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        leaf(self, &children)
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let segments = self.partitions.segments.get(partition).cloned();
        let segments = segments.ok_or_else(|| DataFusionError::Internal(format!("no partition {partition}")))?;
        let in_flight = self.threads.div_ceil(self.partitions.segments.len().max(1));
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let metrics = ScanMetrics::new(&self.metrics, partition);
        let rows = deliver(Arc::clone(&self.task), segments, (in_flight, Cores::of(&context)), metrics).inspect(
            move |batch| {
                if let Ok(batch) = batch {
                    baseline.record_output(batch.num_rows());
                }
            },
        );
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

fn leaf(scan: Arc<GuardedScanExec>, children: &[Arc<dyn ExecutionPlan>]) -> Result<Arc<dyn ExecutionPlan>> {
    if children.is_empty() { Ok(scan) } else { Err(DataFusionError::Internal("a guarded scan has no children".into())) }
}

impl DisplayAs for GuardedScanExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = &self.task.source;
        let format = source.format.map_or_else(|| "given".to_owned(), |format| format.to_string());
        write!(f, "GuardedScanExec: table={}, format={format}", source.table)?;
        if source.format.is_some() {
            let names = source.files.iter().take(FILES_SHOWN_MAX).map(|file| file_name(file.place()));
            write!(f, ", files=[{}", names.collect::<Vec<_>>().join(", "))?;
            match source.files.len().checked_sub(FILES_SHOWN_MAX) {
                None | Some(0) => f.write_str("]")?,
                Some(more) => write!(f, " and {more} more]")?,
            }
        }
        write!(f, ", {}", self.wanted())?;
        let key = source.patient_key.as_ref().filter(|_| self.partitions.ordered);
        let order = key.map_or("none", |key| &key.delivered_as);
        write!(f, ", order={order}, partitions={}", self.partitions.segments.len())
    }
}

fn file_name(place: &Place) -> String {
    match place {
        Place::File(path) => path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        Place::Given => "given".to_owned(),
    }
}
