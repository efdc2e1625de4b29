//! The session that plans, kept where nobody can reach it: it takes guarded tables and yields guarded plans.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::TableReference;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{MemoryPool, UnboundedMemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{Expr, SessionConfig, SessionContext, cast, ident};

use crate::connector::{Connector, PlannedView, RawTables, View};
use crate::cores::Cores;
use crate::guarded_table::GuardedTable;
use crate::leaf_rule::{self, OnlyGuardedLeaves};
use crate::request::{EnclaveOptions, PATIENT_ID};
use crate::sort_memory::SortMemory;
use crate::spill::SpillDirectory;

/// A `SessionContext` that nobody can reach.
pub(crate) struct GuardedSession {
    context: SessionContext,
    /// Where memory is limited
    sort_memory: Option<Arc<SortMemory>>,
}

impl GuardedSession {
    pub(crate) fn new(options: &EnclaveOptions, spill: &SpillDirectory) -> Result<Self> {
        let sort_memory = options.memory_limit_bytes.map(|limit| Arc::new(SortMemory::new(limit)));
        let pool: Arc<dyn MemoryPool> = match &sort_memory {
            Some(memory) => Arc::clone(memory) as _,
            None => Arc::new(UnboundedMemoryPool::default()),
        };
        let directories = DiskManagerMode::Directories(vec![spill.path().to_path_buf()]);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(pool)
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(directories))
            .build_arc()?;
        Ok(Self { context: context(settings(options), runtime), sort_memory })
    }

    /// Another one, of tables of its own, over the same memory and the same place for spilled rows.
    pub(crate) fn beside(&self) -> Self {
        let context = context(self.context.copied_config(), self.context.runtime_env());
        Self { context, sort_memory: self.sort_memory.clone() }
    }

    /// A plan for a table's rows that the predicate holds for, in order of patient, in one partition.
    pub(crate) async fn plan_in_order(
        &self,
        table: GuardedTable,
        predicate: Option<Expr>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = datafusion::catalog::TableProvider::schema(&table);
        // Each batch of a merge would carry the entries of all dictionaries that meet in it, many times its own size,
        // and what a merge needs could not be bounded. Plain strings can.
        let plainly = match &self.sort_memory {
            Some(memory) if !table.is_ordered() => {
                memory.expect(self.context.copied_config().target_partitions());
                true
            }
            _ => false,
        };
        let as_is = |field: &Arc<Field>| ident(field.name());
        let plain = |field: &Arc<Field>| match field.data_type() {
            DataType::Dictionary(_, values) => recast(field, values.as_ref().clone()),
            _ => as_is(field),
        };
        let again = |field: &Arc<Field>| match field.data_type() {
            DataType::Dictionary(..) => recast(field, field.data_type().clone()),
            _ => as_is(field),
        };
        let mut rows = self.context.read_table(Arc::new(table))?;
        if let Some(predicate) = predicate {
            rows = rows.filter(predicate)?;
        }
        let order = vec![ident(PATIENT_ID).sort(true, true)];
        let columns = schema.fields().iter();
        let rows = if plainly {
            rows.select(columns.clone().map(plain).collect::<Vec<_>>())?.sort(order)?.select(columns.map(again))?
        } else {
            rows.select(columns.map(as_is))?.sort(order)?
        };
        let plan = rows.create_physical_plan().await?;
        // The rule has seen it; a plan that leaves the enclave is looked at once more, whatever the rules were.
        leaf_rule::check(plan.as_ref())?;
        if plan.properties().output_partitioning().partition_count() != 1 {
            return Err(DataFusionError::Internal("a sorted plan has one partition".into()));
        }
        Ok(plan)
    }

    /// Takes a supplier's raw tables, by name.
    pub(crate) fn register(&self, raw: &RawTables) -> Result<()> {
        for (name, table) in raw.tables() {
            self.context.register_table(TableReference::bare(name.as_ref()), Arc::clone(table) as _)?;
        }
        Ok(())
    }

    /// Plans a connector's view.
    pub(crate) async fn plan_view(&self, connector: &Connector, view: &View) -> Result<PlannedView, String> {
        connector.plan(&self.context, view).await
    }

    /// A plan for a view's rows that the predicate holds for, in order of patient, in one partition.
    pub(crate) async fn plan_view_in_order(
        &self,
        PlannedView(rows): PlannedView,
        schema: &SchemaRef,
        predicate: Option<Expr>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let found: Vec<(String, DataType)> =
            rows.schema().fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
        let as_wanted = |field: &Arc<Field>| {
            let is_so = found.iter().any(|(name, found)| name == field.name() && found == field.data_type());
            if is_so { ident(field.name()) } else { recast(field, field.data_type().clone()) }
        };
        let mut rows = rows.select(schema.fields().iter().map(as_wanted).collect::<Vec<_>>())?;
        if let Some(predicate) = predicate {
            rows = rows.filter(predicate)?;
        }
        if let Some(memory) = &self.sort_memory {
            memory.expect(self.context.copied_config().target_partitions());
        }
        let rows = rows.sort(vec![ident(PATIENT_ID).sort(true, true)])?;
        let plan = rows.create_physical_plan().await?;
        leaf_rule::check(plan.as_ref())?;
        if plan.properties().output_partitioning().partition_count() != 1 {
            return Err(DataFusionError::Internal("a sorted plan has one partition".into()));
        }
        Ok(plan)
    }

    #[cfg(test)]
    pub(crate) fn context_for_tests(&self) -> &SessionContext {
        &self.context
    }

    pub(crate) fn task_context(&self) -> Arc<TaskContext> {
        self.context.task_ctx()
    }
}

fn context(config: SessionConfig, runtime: Arc<RuntimeEnv>) -> SessionContext {
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_physical_optimizer_rule(Arc::new(OnlyGuardedLeaves))
        .build();
    SessionContext::new_with_state(state)
}

fn recast(field: &Field, data_type: DataType) -> Expr {
    cast(ident(field.name()), data_type).alias(field.name())
}

/// Settings to begin with; each that is off has to earn its way back (DESIGN, section 4).
fn settings(options: &EnclaveOptions) -> SessionConfig {
    let threads = options.threads.max(1);
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_batch_size(options.batch_rows.max(1))
        .with_collect_statistics(false)
        // Spreading batches over partitions would lose the order that a table already has.
        .with_round_robin_repartition(false)
        .with_information_schema(false)
        .with_extension(Cores::new(threads));
    let settings = config.options_mut();
    settings.execution.parquet.pushdown_filters = false;
    settings.optimizer.enable_dynamic_filter_pushdown = false;
    settings.optimizer.enable_topk_dynamic_filter_pushdown = false;
    settings.optimizer.enable_join_dynamic_filter_pushdown = false;
    settings.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    if let Some(limit) = options.memory_limit_bytes {
        // What a sort keeps back for its last merge must leave room for the sort itself.
        let share = limit / (8 * threads);
        let reserved = settings.execution.sort_spill_reservation_bytes;
        settings.execution.sort_spill_reservation_bytes = reserved.min(share);
    }
    config
}
