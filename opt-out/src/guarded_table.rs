//! A table behind the guard: the only kind that a session takes.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::Expr;

use crate::decode::{ScanTask, WantedTexts};
use crate::error::SourceError;
use crate::guarded_scan::GuardedScanExec;
use crate::policy::{ScanPermit, VerifiedPolicy};
use crate::predicate::{ScanPredicate, pushed_down};
use crate::request::{ColumnRequest, EnclaveOptions, IfMissing, TableRequest};
use crate::source::{Partitions, Places, TableSource};

/// A table that can be read only through its policy: making one takes a [`VerifiedPolicy`], and its rows are masked
/// before anything else is done with them.
#[derive(Debug)]
pub struct GuardedTable {
    permit: ScanPermit,
    source: Arc<TableSource>,
    schema: SchemaRef,
    /// The column that rows are judged by, and its index in the source
    judged_by: Option<(ColumnRequest, usize)>,
    threads: usize,
    batch_rows: usize,
}

impl GuardedTable {
    /// Finds and opens a table's files, blocking, under a policy.
    pub(crate) fn open(
        policy: &VerifiedPolicy,
        request: &TableRequest,
        places: Places<'_>,
        options: &EnclaveOptions,
    ) -> Result<Self, SourceError> {
        request.check()?;
        Self::open_under(policy.permit_scan(request)?, request, places, options)
    }

    /// The same, where leave was taken before.
    pub(crate) fn open_under(
        permit: ScanPermit,
        request: &TableRequest,
        places: Places<'_>,
        options: &EnclaveOptions,
    ) -> Result<Self, SourceError> {
        // What rows are judged by is read, whether or not anybody asks for it.
        let mut read = request.clone();
        let judged_by = permit.judged_by().map(|mut column| {
            let known = read.columns.iter().position(|known| known.name == column.name);
            let index = known.unwrap_or_else(|| {
                read.columns.push(column.clone());
                read.columns.len() - 1
            });
            // A supplier's sentinels are no dates.
            column.raw = read.columns.get(index).and_then(|known| known.raw.clone());
            // Without the column nothing could be judged, so a file that has it not is refused.
            read.columns.iter_mut().skip(index).take(1).for_each(|known| known.if_missing = IfMissing::Refuse);
            (column, index)
        });
        let source = Arc::new(TableSource::open(&read, places, &permit)?);
        let (threads, batch_rows) = (options.threads.max(1), options.batch_rows.max(1));
        Ok(Self { permit, source, schema: request.schema(), judged_by, threads, batch_rows })
    }

    /// A read of whose rows they are, for whoever has to find a row again: not counted once more.
    pub(crate) fn read_of_patients(&self) -> ScanTask {
        ScanTask::of_patients(&self.source, self.permit.uncounted(), self.judged_by.clone())
    }

    /// The table's files, for whoever has to say where a fault is.
    pub(crate) fn source(&self) -> &Arc<TableSource> {
        &self.source
    }

    /// Whether its rows come in order of patient without sorting.
    pub(crate) fn is_ordered(&self) -> bool {
        Partitions::of(&self.source, self.threads).ordered
    }

    /// Leave to read them.
    pub(crate) fn permit(&self) -> &ScanPermit {
        &self.permit
    }
}

#[async_trait]
impl TableProvider for GuardedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(pushed_down(filters, &self.schema))
    }

    /// A limit does not go below the guard: it is not looked at.
    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let parts = filters.iter().map(|filter| ScanPredicate::of(filter, &self.schema)).collect::<Option<Vec<_>>>();
        let Some(parts) = parts else {
            return Err(SourceError::Request {
                table: Arc::clone(&self.source.table),
                reason: "a filter that can fail was pushed below the guard".to_owned(),
            }
            .into());
        };
        let predicate = ScanPredicate::all(parts);
        let wanted = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());

        // `patient_id` is always read, whether or not it is wanted: the mask needs it.
        let keys = usize::from(self.source.patient_key.is_some());
        let mut read = wanted.clone();
        read.extend(0..keys);
        if let Some(predicate) = &predicate {
            predicate.for_each_column(&mut |column| read.extend(self.schema.index_of(column)));
        }
        read.sort_unstable();
        read.dedup();
        let output = wanted.iter().filter_map(|column| read.binary_search(column).ok()).collect();
        let partitions = Partitions::of(&self.source, self.threads);
        let read_schema = Arc::new(self.schema.project(&read)?);
        let task = ScanTask {
            source: Arc::clone(&self.source),
            permit: self.permit.clone(),
            columns: read.iter().filter_map(|column| column.checked_sub(keys)).collect(),
            judged_by: self.judged_by.clone(),
            texts: WantedTexts::of(predicate.as_ref(), &read_schema),
            predicate,
            read_schema,
            output,
            ordered: partitions.ordered,
            batch_rows: self.batch_rows,
        };
        Ok(Arc::new(GuardedScanExec::try_new(task, partitions, self.threads)?))
    }
}
