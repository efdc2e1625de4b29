//! Domains as sets of conditions on a table's rows, in a tree that shares prefixes.

use std::collections::HashMap;

use super::expressions::ExprId;
use super::{DomainIx, TableIx};

/// A table's rows, or those that one more condition leaves of a parent's.
#[derive(Clone, Debug)]
pub(super) struct DomainPlan {
    /// `None` for the patients
    pub(super) table: Option<TableIx>,
    /// The domain with one condition less, and that condition
    pub(super) filter: Option<(DomainIx, ExprId)>,
    /// Depends on the interval
    pub(super) varies: bool,
}

/// All domains; the patients are the first.
#[derive(Debug)]
pub(super) struct Domains {
    pub(super) plans: Vec<DomainPlan>,
    tables: HashMap<TableIx, DomainIx>,
    children: HashMap<(DomainIx, ExprId), DomainIx>,
}

impl Domains {
    pub(super) fn new() -> Self {
        let patients = DomainPlan { table: None, filter: None, varies: false };
        Domains { plans: vec![patients], tables: HashMap::new(), children: HashMap::new() }
    }

    /// All rows of an event table.
    pub(super) fn table(&mut self, table: TableIx) -> DomainIx {
        *self.tables.entry(table).or_insert_with(|| {
            self.plans.push(DomainPlan { table: Some(table), filter: None, varies: false });
            self.plans.len() - 1
        })
    }

    /// The rows of `parent` for which `condition` holds as well.
    pub(super) fn filter(&mut self, parent: DomainIx, condition: ExprId, condition_varies: bool) -> DomainIx {
        *self.children.entry((parent, condition)).or_insert_with(|| {
            let DomainPlan { table, varies, .. } = self.plans[parent];
            self.plans.push(DomainPlan {
                table,
                filter: Some((parent, condition)),
                varies: varies || condition_varies,
            });
            self.plans.len() - 1
        })
    }
}
