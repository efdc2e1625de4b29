//! From expressions to steps: only what an output needs, inputs first, each once.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::{Result, internal_err};
use peristyle_model::graph::{Constant, Graph, NodeId, Op};
use peristyle_model::types::Physical;

use super::domains::Domains;
use super::expressions::{Expr, ExprId, Expressions, PickIx, PickPlan, for_each_row_input};
use super::lower::{LoweredQuery, Query, code_list_test, is_set};
use super::needs::row_needs;
use super::{
    DomainIx, EventOutput, PATIENTS, Program, QueryOutput, QuerySet, Slot, Step, StepOp, StepTimes, TableIx, TableUse,
};
use crate::code_index::CodeIndex;
use crate::kernels::sets::ConstantMembers;

/// The members of a code list.
type CodeList = Arc<[Constant]>;

/// Something that a step can compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Want {
    /// An expression on the rows of a domain
    Value(ExprId, DomainIx),
    /// The rows of a domain
    Rows(DomainIx),
    Pick(PickIx),
    /// All code lists of a table's column
    CodeIndex(TableIx, usize),
}

pub(super) struct Scheduler<'a> {
    graph: &'a Graph,
    expressions: &'a Expressions,
    domains: &'a Domains,
    tables: Vec<TableUse>,
    /// For each column that code lists are looked up in: its table and index, and the lists
    code_columns: Vec<(TableIx, usize, Vec<CodeList>)>,
    code_index_ids: HashMap<(TableIx, usize), usize>,
    slots: HashMap<Want, Slot>,
    steps: Vec<Step>,
    outputs: Vec<QueryOutput>,
}

impl<'a> Scheduler<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        expressions: &'a Expressions,
        domains: &'a Domains,
        tables: Vec<TableUse>,
    ) -> Self {
        Scheduler {
            graph,
            expressions,
            domains,
            tables,
            code_columns: Vec::new(),
            code_index_ids: HashMap::new(),
            slots: HashMap::new(),
            steps: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Schedules what a query yields.
    pub(super) fn query(&mut self, query: &Query, lowered: &LoweredQuery) -> Result<()> {
        let population = self.want(Want::Value(lowered.population, PATIENTS))?;
        let mut columns = Vec::with_capacity(lowered.columns.len());
        for column in &lowered.columns {
            let slot = self.want(Want::Value(*column, PATIENTS))?;
            columns.push((slot, self.expressions.get(*column).physical));
        }
        let mut events = Vec::with_capacity(lowered.events.len());
        for (event, (domain, members)) in query.events.iter().zip(&lowered.events) {
            let rows = self.want(Want::Rows(*domain))?;
            let mut slots = Vec::with_capacity(members.len());
            for ((member_name, _), member) in event.members.iter().zip(members) {
                let slot = self.want(Want::Value(*member, *domain))?;
                slots.push((member_name.clone(), slot, self.expressions.get(*member).physical));
            }
            events.push(EventOutput { name: event.name.clone(), rows, members: slots });
        }
        self.outputs.push(QueryOutput { population, columns, events });
        Ok(())
    }

    /// The slot of something, scheduled with all that it needs. An explicit stack: definitions may be deep.
    fn want(&mut self, root: Want) -> Result<Slot> {
        let mut open = vec![(root, false)];
        while let Some((want, inputs_done)) = open.pop() {
            if self.slots.contains_key(&want) {
                continue;
            }
            if inputs_done {
                let step = self.step(want)?;
                self.steps.push(step);
                self.slots.insert(want, self.steps.len() - 1);
            } else {
                open.push((want, true));
                let mut inputs = self.inputs(want);
                inputs.reverse();
                open.extend(inputs.into_iter().filter(|input| !self.slots.contains_key(input)).map(|w| (w, false)));
            }
        }
        self.slot(root)
    }

    fn slot(&self, want: Want) -> Result<Slot> {
        match self.slots.get(&want) {
            Some(slot) => Ok(*slot),
            None => internal_err!("a step came before its input"),
        }
    }

    /// The rows on which an input of an expression over `domain` is evaluated.
    fn input_domain(&self, input: ExprId, domain: DomainIx) -> DomainIx {
        // Constants stay constants on any rows.
        let constant = matches!(self.expressions.get(input).expr, Expr::Constant(_) | Expr::Parameter(_));
        if constant { PATIENTS } else { domain }
    }

    fn inputs(&self, want: Want) -> Vec<Want> {
        match want {
            Want::CodeIndex(..) => Vec::new(),
            Want::Rows(domain) => match self.domains.plans[domain].filter {
                None => Vec::new(),
                Some((parent, condition)) => match self.code_rows(domain) {
                    Some((table, column, _)) => vec![Want::CodeIndex(table, column)],
                    None => vec![Want::Rows(parent), self.condition(parent, condition)],
                },
            },
            Want::Pick(pick) => {
                let plan = &self.expressions.picks[pick];
                let whole = self.key_domain(plan);
                let keys = plan.keys.iter().map(|key| Want::Value(*key, self.input_domain(*key, whole)));
                [Want::Rows(plan.domain), Want::Rows(whole)].into_iter().chain(keys).collect()
            }
            Want::Value(expr, domain) => self.value_inputs(expr, domain),
        }
    }

    /// The rows by which a pick's keys are: where one filter depends on the interval and the rows before it do not, those,
    /// so that columns are looked up once for all intervals. Anything else that is sorted by may hang on a failure, and is
    /// only asked for on the rows themselves.
    fn key_domain(&self, plan: &PickPlan) -> DomainIx {
        let domain = &self.domains.plans[plan.domain];
        let fixed_keys =
            || plan.keys.iter().all(|key| matches!(self.expressions.get(*key).expr, Expr::EventColumn(..)));
        match domain.filter {
            Some((parent, _)) if domain.varies && !self.domains.plans[parent].varies && fixed_keys() => parent,
            _ => plan.domain,
        }
    }

    fn value_inputs(&self, expr: ExprId, domain: DomainIx) -> Vec<Want> {
        let info = self.expressions.get(expr);
        if domain != PATIENTS && info.table.is_none() {
            return vec![Want::Value(expr, PATIENTS), Want::Rows(domain)];
        }
        let mut inputs = Vec::new();
        match &info.expr {
            Expr::EventColumn(..) => inputs.push(Want::Rows(domain)),
            Expr::PickedColumn(pick, _) | Expr::PickedPresent(pick) => inputs.push(Want::Pick(*pick)),
            Expr::Exists(rows) | Expr::Count(rows) => inputs.push(Want::Rows(*rows)),
            Expr::Aggregate(_, source, rows) => {
                inputs.push(Want::Rows(*rows));
                inputs.push(Want::Value(*source, *rows));
            }
            Expr::InSet(_, set) => {
                inputs.push(Want::Value(*set, PATIENTS));
            }
            _ => {}
        }
        for_each_row_input(&info.expr, |input| inputs.push(Want::Value(input, self.input_domain(input, domain))));
        if domain != PATIENTS {
            inputs.push(Want::Rows(domain));
        }
        inputs
    }

    /// A condition on the rows of `parent`: by row, or by patient where it is the same for all of a patient's rows.
    fn condition(&self, parent: DomainIx, condition: ExprId) -> Want {
        let by_patient = self.expressions.get(condition).table.is_none();
        Want::Value(condition, if by_patient { PATIENTS } else { parent })
    }

    /// If a domain is what one code list leaves of a whole table: the table, the column and the constants' node.
    fn code_rows(&self, domain: DomainIx) -> Option<(TableIx, usize, NodeId)> {
        let (parent, condition) = self.domains.plans[domain].filter?;
        if self.domains.plans[parent].filter.is_some() {
            return None;
        }
        code_list_test(self.expressions, condition)
    }

    fn step(&mut self, want: Want) -> Result<Step> {
        let new =
            |op, rows, physical, varies, node| Step { op, rows, physical, varies, node, queries: QuerySet::default() };
        Ok(match want {
            Want::CodeIndex(table, column) => {
                self.read(table, column);
                let index = self.code_index(table, column);
                new(StepOp::CodeIndex(index), None, Physical::Bool, false, None)
            }
            Want::Rows(domain) => {
                let op = self.rows_op(domain)?;
                new(op, None, Physical::Bool, self.domains.plans[domain].varies, None)
            }
            Want::Pick(pick) => {
                let plan = self.expressions.picks[pick].clone();
                let mut keys = Vec::with_capacity(plan.keys.len());
                let whole = self.key_domain(&plan);
                for key in &plan.keys {
                    keys.push(self.slot(Want::Value(*key, self.input_domain(*key, whole)))?);
                }
                let (rows, whole) = (self.slot(Want::Rows(plan.domain))?, self.slot(Want::Rows(whole))?);
                let varies = self.expressions.pick_varies(pick, |domain| self.domains.plans[domain].varies);
                new(StepOp::Pick { rows, whole, keys, position: plan.position }, None, Physical::Bool, varies, None)
            }
            Want::Value(expr, domain) => {
                let info = self.expressions.get(expr);
                let rows = if domain == PATIENTS { None } else { Some(self.slot(Want::Rows(domain))?) };
                let op = self.value_op(expr, domain, rows)?;
                // The same expression varies where the rows on which it is evaluated do.
                let varies = info.varies || self.domains.plans[domain].varies;
                new(op, rows, info.physical, varies, info.node)
            }
        })
    }

    fn rows_op(&mut self, domain: DomainIx) -> Result<StepOp> {
        let plan = &self.domains.plans[domain];
        let Some(table) = plan.table else {
            return internal_err!("the patients are no table's rows");
        };
        let Some((parent, condition)) = plan.filter else {
            return Ok(StepOp::TableRows(table));
        };
        if let Some((table, column, constants)) = self.code_rows(domain) {
            let index = self.code_index(table, column);
            let members: Arc<[Constant]> = match &self.graph.node(constants).op {
                Op::ValueSet(set) => set.0.clone(),
                Op::Value(constant) => Arc::new([constant.clone()]),
                _ => return internal_err!("a code list is not constant"),
            };
            let lists = &mut self.code_columns[index].2;
            lists.push(members);
            let list = lists.len() - 1;
            return Ok(StepOp::CodeRows { index: self.slot(Want::CodeIndex(table, column))?, list });
        }
        let by_patient = self.expressions.get(condition).table.is_none();
        Ok(StepOp::FilterRows {
            parent: self.slot(Want::Rows(parent))?,
            condition: self.slot(self.condition(parent, condition))?,
            by_patient,
        })
    }

    fn code_index(&mut self, table: TableIx, column: usize) -> usize {
        *self.code_index_ids.entry((table, column)).or_insert_with(|| {
            self.code_columns.push((table, column, Vec::new()));
            self.code_columns.len() - 1
        })
    }

    /// Notes that a column is read.
    fn read(&mut self, table: TableIx, column: usize) {
        let columns = &mut self.tables[table].columns;
        if let Err(place) = columns.binary_search(&column) {
            columns.insert(place, column);
        }
    }

    fn value_op(&mut self, expr: ExprId, domain: DomainIx, rows: Option<Slot>) -> Result<StepOp> {
        let expressions = self.expressions;
        let info = expressions.get(expr);
        if let (Some(rows), None) = (rows, info.table) {
            return Ok(StepOp::Spread { source: self.slot(Want::Value(expr, PATIENTS))?, rows });
        }
        let value = |input: ExprId| self.slot(Want::Value(input, self.input_domain(input, domain)));
        Ok(match &info.expr {
            Expr::Constant(node) => match &self.graph.node(*node).op {
                Op::Value(constant) => StepOp::Constant(constant.clone()),
                _ => return internal_err!("a constant is none"),
            },
            Expr::ConstantSet(node) => match &self.graph.node(*node).op {
                Op::ValueSet(set) => StepOp::ConstantSet(Arc::new(ConstantMembers::new(&set.0))),
                _ => return internal_err!("a constant set is none"),
            },
            Expr::Parameter(parameter) => StepOp::Parameter(*parameter),
            Expr::PatientColumn(table, column) => {
                self.read(*table, *column);
                StepOp::PatientColumn { table: *table, column: *column }
            }
            Expr::PatientPresent(table) => StepOp::PatientPresent(*table),
            Expr::EventColumn(table, column) => {
                self.read(*table, *column);
                match rows {
                    Some(rows) => StepOp::EventColumn { table: *table, column: *column, rows },
                    None => return internal_err!("a column of events has no rows"),
                }
            }
            Expr::PickedColumn(pick, column) => {
                let table = expressions.picks[*pick].table;
                self.read(table, *column);
                StepOp::PickedColumn { pick: self.slot(Want::Pick(*pick))?, table, column: *column }
            }
            Expr::PickedPresent(pick) => StepOp::PickedPresent(self.slot(Want::Pick(*pick))?),
            Expr::Exists(rows) => StepOp::RowsExist(self.slot(Want::Rows(*rows))?),
            Expr::Count(rows) => StepOp::RowsCount(self.slot(Want::Rows(*rows))?),
            Expr::Aggregate(aggregation, source, rows) => {
                let source = self.slot(Want::Value(*source, *rows))?;
                let rows = self.slot(Want::Rows(*rows))?;
                if is_set(*aggregation) {
                    StepOp::Combine { source, rows }
                } else {
                    StepOp::Aggregate { aggregation: *aggregation, source, rows }
                }
            }
            Expr::Unary(function, source) => StepOp::Unary { function: *function, source: value(*source)? },
            Expr::Binary(function, lhs, rhs) => {
                StepOp::Binary { function: *function, lhs: value(*lhs)?, rhs: value(*rhs)? }
            }
            Expr::Turned(difference, source) => StepOp::Turned { difference: *difference, source: value(*source)? },
            Expr::InSet(lhs, set) => {
                StepOp::InSet { lhs: value(*lhs)?, rhs: self.slot(Want::Value(*set, PATIENTS))?, rows }
            }
            Expr::Extreme { largest, sources } => StepOp::Extreme {
                largest: *largest,
                sources: sources.iter().map(|source| value(*source)).collect::<Result<_>>()?,
            },
            Expr::Case { cases, default } => {
                let conditions = cases.iter().map(|(condition, _)| value(*condition)).collect::<Result<_>>()?;
                let values = cases.iter().map(|(_, value)| *value).chain([*default]);
                let values = values.map(|input| input.map(value).transpose()).collect::<Result<_>>()?;
                StepOp::Case { conditions, values }
            }
        })
    }

    /// Marks who needs which step, and closes the program.
    pub(super) fn finish(mut self, graph: Arc<Graph>) -> Result<Program> {
        for (query, output) in self.outputs.iter().enumerate() {
            for slot in output.slots() {
                self.steps[slot].queries.insert(query);
            }
        }
        for slot in (0..self.steps.len()).rev() {
            let queries = self.steps[slot].queries.clone();
            for input in self.steps[slot].inputs() {
                self.steps[input].queries.extend(&queries);
            }
        }
        let needs = row_needs(
            self.graph,
            self.expressions,
            self.domains,
            &self.tables,
            &self.steps,
            &self.outputs,
            &self.slots_of_rows(),
        );
        let code_indexes =
            self.code_columns.iter().map(|(table, column, lists)| CodeIndex::new(*table, *column, lists)).collect();
        let frees = frees(&self.steps, &self.outputs);
        let times = StepTimes::new(self.steps.len());
        Ok(Program {
            times,
            frees,
            graph,
            tables: self.tables,
            code_indexes,
            steps: self.steps,
            outputs: self.outputs,
            needs,
        })
    }

    /// For each slot that holds rows, their domain.
    fn slots_of_rows(&self) -> HashMap<Slot, DomainIx> {
        let rows = self.slots.iter().filter_map(|(want, slot)| match want {
            Want::Rows(domain) => Some((*slot, *domain)),
            _ => None,
        });
        rows.collect()
    }
}

/// For each step the slots that it is the last to read. Outputs stay, and so does what every interval reads again.
fn frees(steps: &[Step], outputs: &[QueryOutput]) -> Vec<Vec<Slot>> {
    let mut last_use: Vec<Option<Slot>> = vec![None; steps.len()];
    let mut kept = vec![false; steps.len()];
    for (slot, step) in steps.iter().enumerate() {
        for input in step.inputs() {
            last_use[input] = Some(slot);
            kept[input] |= step.varies && !steps[input].varies;
        }
    }
    outputs.iter().flat_map(QueryOutput::slots).for_each(|slot| kept[slot] = true);
    let mut frees = vec![Vec::new(); steps.len()];
    for (slot, last) in last_use.iter().enumerate() {
        if let Some(last) = last
            && !kept[slot]
        {
            frees[*last].push(slot);
        }
    }
    frees
}

impl Step {
    /// The slots that the step reads.
    pub(crate) fn inputs(&self) -> Vec<Slot> {
        let mut inputs: Vec<Slot> = self.rows.into_iter().collect();
        match &self.op {
            StepOp::TableRows(_)
            | StepOp::CodeIndex(_)
            | StepOp::Constant(_)
            | StepOp::ConstantSet(_)
            | StepOp::Parameter(_)
            | StepOp::PatientColumn { .. }
            | StepOp::PatientPresent(_) => {}
            StepOp::CodeRows { index, .. } => inputs.push(*index),
            StepOp::FilterRows { parent, condition, .. } => inputs.extend([*parent, *condition]),
            StepOp::Pick { rows, whole, keys, .. } => {
                inputs.extend([*rows, *whole]);
                inputs.extend(keys);
            }
            StepOp::EventColumn { rows, .. } | StepOp::RowsExist(rows) | StepOp::RowsCount(rows) => inputs.push(*rows),
            StepOp::PickedColumn { pick, .. } | StepOp::PickedPresent(pick) => inputs.push(*pick),
            StepOp::Aggregate { source, rows, .. }
            | StepOp::Combine { source, rows }
            | StepOp::Spread { source, rows } => {
                inputs.extend([*source, *rows]);
            }
            StepOp::Unary { source, .. } | StepOp::Turned { source, .. } => inputs.push(*source),
            StepOp::Binary { lhs, rhs, .. } => inputs.extend([*lhs, *rhs]),
            StepOp::InSet { lhs, rhs, rows } => {
                inputs.extend([*lhs, *rhs]);
                inputs.extend(rows);
            }
            StepOp::Extreme { sources, .. } => inputs.extend(sources),
            StepOp::Case { conditions, values } => {
                inputs.extend(conditions);
                inputs.extend(values.iter().flatten());
            }
        }
        inputs
    }
}
