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

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
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
use crate::patient_ids::{PatientId, PatientIds};
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
    pub(crate) table: Arc<str>,
    pub(crate) one_row_per_patient: bool,
    /// How its rows are found again, in its files; those of a view are not
    pub(crate) patients: Option<(Arc<TableSource>, ScanTask)>,
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
        let order = patient_order(&self.input.schema(), PATIENT_ID).and_then(|order| LexOrdering::new([order]));
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
            let Some(batch) = next.map_err(|error| SourceError::of_rows(&neighbours.table.table, &error))? else {
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
        let rows = if self.table.one_row_per_patient { "one" } else { "any" };
        write!(f, "PatientOrderExec: order={PATIENT_ID}, rows_per_patient={rows}")
    }
}

/// Compares each row with the one before.
struct Neighbours {
    table: Arc<VerifiedTable>,
    patient_id: Option<usize>,
    last: Option<PatientId>,
}

impl Neighbours {
    fn new(table: &Arc<VerifiedTable>, schema: &SchemaRef) -> Self {
        Self { table: Arc::clone(table), patient_id: schema.index_of(PATIENT_ID).ok(), last: None }
    }

    async fn verify(&mut self, batch: &RecordBatch) -> Result<(), SourceError> {
        let table = &self.table;
        let unsorted = || SourceError::Unsorted { table: Arc::clone(&table.table) };
        let column = self.patient_id.and_then(|index| batch.columns().get(index)).ok_or_else(unsorted)?;
        let ids = PatientIds::of(column).ok_or_else(unsorted)?;
        let mut patients = 0;
        let in_order = ids.runs(|_| patients += 1);
        let (first, last) = (ids.first(), ids.last());
        if !in_order || (self.last.is_some() && first.is_some() && self.last > first) {
            return Err(unsorted());
        }
        let before = self.last.take();
        let second = table.one_row_per_patient.then(|| {
            if before.is_some() && before == first {
                return first;
            }
            let again = |row: &usize| ids.get(row - 1) == ids.get(*row);
            if patients == ids.len() { None } else { (1..ids.len()).find(again).and_then(|row| ids.get(row)) }
        });
        self.last = last.or(before);
        match second.flatten() {
            None => Ok(()),
            Some(patient) => Err(duplicate(Arc::clone(&self.table), patient).await),
        }
    }
}

/// The error for a patient with two rows. Sorting has lost where they came from, so the files are read once more, for
/// patients only.
async fn duplicate(table: Arc<VerifiedTable>, patient: PatientId) -> SourceError {
    let name = Arc::clone(&table.table);
    let found = tokio::task::spawn_blocking(move || rows_of(&table, &patient)).await.unwrap_or_default();
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
fn rows_of(table: &VerifiedTable, patient: &PatientId) -> Vec<(Place, Option<u64>)> {
    let mut found = Vec::new();
    let Some((source, patients)) = &table.patients else { return found };
    for segment in Partitions::of(source, 1).segments.iter().flatten() {
        let place = segment.file.place();
        let mut look = |batch: GuardedBatch| {
            let ids = batch.rows.columns().first().and_then(PatientIds::of);
            let rows = ids.iter().flat_map(|ids| (0..ids.len()).filter(|row| ids.get(*row).as_ref() == Some(patient)));
            found.extend(rows.map(|row| (place.clone(), batch.first_row.map(|first| first + row as u64))));
            if found.len() < 2 { Flow::GoOn } else { Flow::Stop }
        };
        if decode_segment(patients, segment, &ScanMetrics::unseen(), &mut look).is_err() || found.len() >= 2 {
            break;
        }
    }
    found.truncate(2);
    found
}
