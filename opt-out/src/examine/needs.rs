//! What views need of raw tables, by their plans.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{DataFrame, ident};

use crate::connector::{Connector, PlannedView, RawActivation};
use crate::request::PATIENT_ID;

/// Columns by raw table.
type Columns = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;

/// What a view needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewNeeds {
    /// Raw tables, and of each the columns that are read when all columns of the view are asked for
    pub all: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// The same when only this column of the view is asked for, by column
    pub by_column: BTreeMap<Arc<str>, Columns>,
}

impl Connector {
    /// What each view needs of the raw tables; why, where its plan does not say. Opens nothing. Not to be called where
    /// asynchronous code runs.
    pub fn needs(&self) -> BTreeMap<Arc<str>, std::result::Result<ViewNeeds, String>> {
        let (context, _) = self.empty_session();
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return BTreeMap::new() };
        let needs = |(table, view)| {
            let planned = runtime.block_on(self.plan(&context, view));
            let needs = planned.and_then(|PlannedView(rows)| {
                self.needs_of(&rows).map_err(|error| format!("cannot be planned: {}", error.strip_backtrace()))
            });
            (Arc::clone(table), needs)
        };
        self.views.iter().map(needs).collect()
    }

    fn needs_of(&self, rows: &DataFrame) -> Result<ViewNeeds> {
        let mut needs = ViewNeeds { all: self.scanned(rows.clone())?, ..ViewNeeds::default() };
        for field in rows.schema().fields() {
            let mut columns = vec![ident(PATIENT_ID)];
            if field.name() != PATIENT_ID {
                columns.push(ident(field.name()));
            }
            needs.by_column.insert(field.name().as_str().into(), self.scanned(rows.clone().select(columns)?)?);
        }
        Ok(needs)
    }

    /// The columns that a plan scans, with those that the Guard reads for itself.
    fn scanned(&self, rows: DataFrame) -> Result<Columns> {
        let mut scanned = Columns::new();
        rows.into_optimized_plan()?.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                let table = scan.table_name.table();
                let columns = scan.projected_schema.fields().iter().map(|field| field.name().as_str().into());
                let judged_by = self.raw.get(table).and_then(|raw| match &raw.activation {
                    RawActivation::ByDate(column) | RawActivation::ByPractice(column) => Some(Arc::clone(column)),
                    RawActivation::NotApplied | RawActivation::JoinedTo(_) => None,
                });
                scanned.entry(table.into()).or_default().extend(columns.chain(judged_by));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(scanned)
    }
}
