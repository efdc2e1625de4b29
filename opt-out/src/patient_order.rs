//! The last word on order: rows ascend by patient, and a table with one row per patient has no second one.
//! Also the last door: what fails below it leaves as an error of our own, without a value.
//!
//! ```text
//! PatientOrderExec            verifies, changes nothing
//!   (SortPreservingMerge …)   whatever the optimiser found cheapest
//!     GuardedScanExec
//! ```

use std::fmt;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{LexOrdering, OrderingRequirements, PhysicalExpr};
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};

use crate::decode::{GuardedBatch, ScanMetrics, ScanTask, decode_segment};
use crate::error::{Place, SourceError};
use crate::guarded_scan::patient_order;
use crate::policy::ScanPermit;
use crate::request::PATIENT_ID;
use crate::source::{Flow, Partitions, TableSource};
use crate::spill::SpillDirectory;

/// Verifies the order of a table's rows.
#[derive(Debug)]
pub(crate) struct PatientOrderExec {
    input: Arc<dyn ExecutionPlan>,
    table: Arc<VerifiedTable>,
}

/// The table whose rows are verified, and what its plan must not outlive.
#[derive(Debug)]
pub(crate) struct VerifiedTable {
    pub(crate) source: Arc<TableSource>,
    pub(crate) permit: ScanPermit,
    /// Rows may be spilled for as long as the plan lives
    pub(crate) _spill: Arc<SpillDirectory>,
}

impl PatientOrderExec {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, table: Arc<VerifiedTable>) -> Self {
        Self { input, table }
    }

    fn with_input(&self, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self { input, table: Arc::clone(&self.table) })),
            _ => Err(DataFusionError::Internal("the order of one input is verified".into())),
        }
    }
}

impl ExecutionPlan for PatientOrderExec {
    fn name(&self) -> &str {
        Self::static_name()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition]
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let order = patient_order(&self.input.schema()).and_then(|order| LexOrdering::new([order]));
        vec![order.map(OrderingRequirements::from)]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.with_input(children)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.with_input(children)
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let schema = self.schema();
        let state = (input, Neighbours::new(&self.table, &schema));
        let rows = stream::try_unfold(state, |(mut input, mut neighbours)| async move {
            let next = input.try_next().await;
            let Some(batch) = next.map_err(|error| SourceError::of_rows(&neighbours.table.source.table, &error))?
            else {
                return Ok::<_, DataFusionError>(None);
            };
            neighbours.verify(&batch).await?;
            Ok(Some((batch, (input, neighbours))))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows.boxed())))
    }
}

impl DisplayAs for PatientOrderExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = if self.table.source.one_row_per_patient { "one" } else { "any" };
        write!(f, "PatientOrderExec: order={PATIENT_ID}, rows_per_patient={rows}")
    }
}

/// Compares each row with the one before.
struct Neighbours {
    table: Arc<VerifiedTable>,
    patient_id: Option<usize>,
    last: Option<i64>,
}

impl Neighbours {
    fn new(table: &Arc<VerifiedTable>, schema: &SchemaRef) -> Self {
        Self { table: Arc::clone(table), patient_id: schema.index_of(PATIENT_ID).ok(), last: None }
    }

    async fn verify(&mut self, batch: &RecordBatch) -> Result<(), SourceError> {
        let source = &self.table.source;
        let unsorted = || SourceError::Unsorted { table: Arc::clone(&source.table) };
        let column = self.patient_id.and_then(|index| batch.columns().get(index)).ok_or_else(unsorted)?;
        let patients = column.as_primitive_opt::<Int64Type>().ok_or_else(unsorted)?.values();
        let mut last = self.last;
        let mut second = None;
        for &patient in patients {
            if last.is_some_and(|last| last > patient) {
                return Err(unsorted());
            }
            if source.one_row_per_patient && last == Some(patient) {
                second = Some(patient);
                break;
            }
            last = Some(patient);
        }
        self.last = last;
        match second {
            None => Ok(()),
            Some(patient) => Err(duplicate(Arc::clone(&self.table), patient).await),
        }
    }
}

/// The error for a patient with two rows. Sorting has lost where they came from, so the files are read once more, for
/// patients only.
async fn duplicate(table: Arc<VerifiedTable>, patient: i64) -> SourceError {
    let name = Arc::clone(&table.source.table);
    let found = tokio::task::spawn_blocking(move || rows_of(&table, patient)).await.unwrap_or_default();
    match found.as_slice() {
        [(first, first_row), (second, row)] => SourceError::DuplicatePatient {
            table: name,
            place: Some(second.clone()),
            row: *row,
            first_row: first_row.filter(|_| first == second),
        },
        _ => SourceError::DuplicatePatient { table: name, place: None, row: None, first_row: None },
    }
}

/// Where the first two rows of a patient are.
fn rows_of(table: &VerifiedTable, patient: i64) -> Vec<(Place, Option<u64>)> {
    let task = ScanTask {
        source: Arc::clone(&table.source),
        permit: table.permit.clone(),
        columns: Vec::new(),
        read_schema: Arc::new(ScanTask::schema_of_patients()),
        predicate: None,
        output: vec![0],
        ordered: false,
        batch_rows: 8192,
    };
    let mut found = Vec::new();
    for segment in Partitions::of(&table.source, 1).segments.iter().flatten() {
        let place = segment.file.place();
        let mut look = |batch: GuardedBatch| {
            let ids = batch.rows.columns().first().and_then(|ids| ids.as_primitive_opt::<Int64Type>());
            let rows = ids.iter().flat_map(|ids| ids.values().iter()).enumerate().filter(|(_, id)| **id == patient);
            found.extend(rows.map(|(index, _)| (place.clone(), batch.first_row.map(|first| first + index as u64))));
            if found.len() < 2 { Flow::GoOn } else { Flow::Stop }
        };
        if decode_segment(&task, segment, &ScanMetrics::unseen(), &mut look).is_err() || found.len() >= 2 {
            break;
        }
    }
    found.truncate(2);
    found
}
