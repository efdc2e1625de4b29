//! The block evaluator as a DataFusion operator.
//!
//! ```text
//!   PatientBlockExec            blocks cut at the same patients, evaluated `threads` at a time, in order
//!   ├─ table A, ordered by patient
//!   ├─ table B, ordered by patient
//!   └─ …
//! ```

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions,
};
use peristyle_opt_out::Cores;

use crate::answers::Answer;
use crate::blame::Blame;
use crate::blocks::BlockStream;
use crate::options::ExecutionOptions;
use crate::program::Program;
use crate::run::{BlockRun, RunMetrics};

/// Evaluates a program over its tables, each ordered by patient, and yields an answer in one partition.
#[derive(Debug)]
pub(crate) struct PatientBlockExec {
    program: Arc<Program>,
    /// One for each table of the program
    tables: Vec<Arc<dyn ExecutionPlan>>,
    answer: Arc<dyn Answer>,
    blame: Arc<Blame>,
    options: ExecutionOptions,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl PatientBlockExec {
    pub(crate) fn new(
        program: Arc<Program>,
        tables: Vec<Arc<dyn ExecutionPlan>>,
        answer: Arc<dyn Answer>,
        blame: Arc<Blame>,
        options: ExecutionOptions,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(answer.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        PatientBlockExec { program, tables, answer, blame, options, properties: Arc::new(properties), metrics }
    }

    /// What it evaluates.
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }
}

impl DisplayAs for PatientBlockExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let varying = self.program.steps.iter().filter(|step| step.varies).count();
        write!(f, "PatientBlockExec: {}, steps={}", self.answer.describe(), self.program.steps.len())?;
        if varying > 0 {
            write!(f, " ({varying} per interval)")?;
        }
        let ExecutionOptions { threads, block_rows_max, block_patients_max } = self.options;
        write!(f, ", threads={threads}, block_rows_max={block_rows_max}, block_patients_max={block_patients_max}")
    }
}

impl ExecutionPlan for PatientBlockExec {
    fn name(&self) -> &'static str {
        "PatientBlockExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.tables.iter().collect()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true; self.tables.len()]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.tables.len()]
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.len() != self.tables.len() {
            return internal_err!("PatientBlockExec has {} tables, not {}", self.tables.len(), children.len());
        }
        Ok(Arc::new(PatientBlockExec {
            program: self.program.clone(),
            tables: children,
            answer: self.answer.clone(),
            blame: self.blame.clone(),
            options: self.options,
            properties: self.properties.clone(),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        use datafusion::physical_plan::ChildrenPropertiesMode;
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("PatientBlockExec has one partition, not {partition}");
        }
        let cores = Cores::of(&context);
        let tables = self.tables.iter().map(|table| table.execute(0, context.clone())).collect::<Result<_>>()?;
        self.answer.clone().stream(BlockRun {
            program: self.program.clone(),
            blocks: BlockStream::new(tables, &self.options, cores.clone()),
            cores,
            threads: self.options.threads.max(1),
            blame: self.blame.clone(),
            metrics: RunMetrics::new(&self.metrics),
        })
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
