//! From nodes to expressions: domains are taken out, filters become sets of conditions.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::common::{Result, internal_datafusion_err, internal_err};
use peristyle_model::EventTable;
use peristyle_model::graph::{Aggregation, Binary, DomainId, Graph, Kind, NodeId, Op};
use peristyle_model::types::Physical;

use super::domains::Domains;
use super::expressions::{
    Expr, ExprId, ExprInfo, Expressions, PickIx, PickPlan, for_each_row_input, function_may_fail,
};
use super::schedule::Scheduler;
use super::{DomainIx, Program, TableIx, TableSource, TableUse};

/// What one query asks of the graph. Ties of a pick are broken by the columns that *this query* selects from it.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// A condition, or a count: positive means in it
    pub(crate) population: NodeId,
    pub(crate) columns: Vec<NodeId>,
    pub(crate) events: Vec<EventTable>,
}

impl Query {
    fn roots(&self) -> impl Iterator<Item = NodeId> {
        let members = self.events.iter().flat_map(|event| event.members.iter().map(|(_, node)| *node));
        std::iter::once(self.population).chain(self.columns.iter().copied()).chain(members)
    }
}

/// What a node became.
#[derive(Clone, Debug)]
enum Lowered {
    Series(ExprId),
    OneRowTable(TableIx),
    Rows(RowsFrame),
    Picked(PickIx),
}

/// A many-rows frame: a table, conditions in the order in which filters state them, sorts with the outermost first.
#[derive(Clone, Debug)]
struct RowsFrame {
    table: TableIx,
    conditions: Vec<ExprId>,
    sorts: Vec<NodeId>,
    domain: DomainIx,
}

/// The conditions of a table in the order in which they are applied, so that the fewest rows are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    CodeList,
    Fixed,
    FixedByPatient,
    Varying,
    VaryingByPatient,
    Fallible,
}

impl Rank {
    /// Whether such conditions are evaluated on the same rows and joined: to make rows costs more than to compare.
    fn is_joined(self) -> bool {
        matches!(self, Rank::Fixed | Rank::Varying)
    }
}

/// Lowers queries one after the other; what they have in common is computed once.
struct Lowering<'a> {
    graph: &'a Graph,
    expressions: Expressions,
    domains: Domains,
    tables: Vec<TableUse>,
    table_ids: HashMap<TableSource, TableIx>,
}

/// Makes the program that answers all queries in one pass.
pub(crate) fn compile(graph: &Arc<Graph>, queries: &[Query]) -> Result<Program> {
    let mut lowering = Lowering {
        graph,
        expressions: Expressions::default(),
        domains: Domains::new(),
        tables: Vec::new(),
        table_ids: HashMap::new(),
    };
    let mut lowered = Vec::with_capacity(queries.len());
    for query in queries {
        lowered.push(lowering.query(query)?);
    }
    let Lowering { expressions, domains, tables, .. } = lowering;
    let mut scheduler = Scheduler::new(graph, &expressions, &domains, tables);
    for (query, lowered) in queries.iter().zip(&lowered) {
        scheduler.query(query, lowered)?;
    }
    scheduler.finish(graph.clone())
}

/// A query in terms of expressions.
pub(super) struct LoweredQuery {
    pub(super) population: ExprId,
    pub(super) columns: Vec<ExprId>,
    pub(super) events: Vec<(DomainIx, Vec<ExprId>)>,
}

impl Lowering<'_> {
    fn query(&mut self, query: &Query) -> Result<LoweredQuery> {
        let needed = self.graph.reachable(query.roots());
        let selected = self.selected_columns(&needed);
        let mut lowered: Vec<Option<Lowered>> = vec![None; self.graph.len()];
        // A filter's domain, for event outputs, whose domain is known by the graph's id.
        let mut rows_of: HashMap<DomainId, DomainIx> = HashMap::new();
        for (id, node) in self.graph.nodes().filter(|(id, _)| needed[id.index()]) {
            let result = self.node(id, &lowered, &selected)?;
            if let Lowered::Rows(frame) = &result {
                rows_of.insert(node.domain, frame.domain);
            }
            lowered[id.index()] = Some(result);
        }
        let series = |node: NodeId| match &lowered[node.index()] {
            Some(Lowered::Series(expr)) => Ok(*expr),
            _ => internal_err!("an output is not a series"),
        };
        let mut events = Vec::new();
        for event in &query.events {
            let domain =
                rows_of.get(&event.domain).ok_or_else(|| internal_datafusion_err!("an event table has no rows"))?;
            let members = event.members.iter().map(|(_, node)| series(*node)).collect::<Result<_>>()?;
            events.push((*domain, members));
        }
        Ok(LoweredQuery {
            population: series(query.population)?,
            columns: query.columns.iter().map(|node| series(*node)).collect::<Result<_>>()?,
            events,
        })
    }

    /// For each pick the columns that the query selects from it.
    fn selected_columns(&self, needed: &[bool]) -> HashMap<NodeId, BTreeSet<usize>> {
        let mut selected: HashMap<NodeId, BTreeSet<usize>> = HashMap::new();
        for (id, node) in self.graph.nodes() {
            if let Op::Column { source, column } = node.op
                && needed[id.index()]
                && matches!(self.graph.node(source).op, Op::Pick { .. })
            {
                selected.entry(source).or_default().insert(column);
            }
        }
        selected
    }

    fn table(&mut self, source: TableSource, one_row_per_patient: bool) -> TableIx {
        *self.table_ids.entry(source).or_insert_with(|| {
            self.tables.push(TableUse { source, one_row_per_patient, columns: Vec::new() });
            self.tables.len() - 1
        })
    }

    fn node(
        &mut self,
        id: NodeId,
        lowered: &[Option<Lowered>],
        selected: &HashMap<NodeId, BTreeSet<usize>>,
    ) -> Result<Lowered> {
        let input = |node: NodeId| {
            lowered[node.index()].as_ref().ok_or_else(|| internal_datafusion_err!("a node came before its input"))
        };
        let series = |node: NodeId| match input(node)? {
            Lowered::Series(expr) => Ok(*expr),
            _ => internal_err!("a frame stands where a series belongs"),
        };
        let rows = |node: NodeId| match input(node)? {
            Lowered::Rows(frame) => Ok(frame.clone()),
            _ => internal_err!("a frame with one row per patient stands where one with many belongs"),
        };
        let expr = match &self.graph.node(id).op {
            Op::Table(table) => {
                let one_row = self.graph.table(*table).one_row_per_patient;
                let table = self.table(TableSource::Catalogue(*table), one_row);
                if one_row {
                    return Ok(Lowered::OneRowTable(table));
                }
                let domain = self.domains.table(table);
                return Ok(Lowered::Rows(RowsFrame { table, conditions: Vec::new(), sorts: Vec::new(), domain }));
            }
            Op::InlineTable(table) => return Ok(Lowered::OneRowTable(self.table(TableSource::Inline(*table), true))),
            Op::Filter { source, condition } => {
                let frame = rows(*source)?;
                return Ok(Lowered::Rows(self.filter(frame, series(*condition)?)));
            }
            Op::Sort { source, by } => {
                let mut frame = rows(*source)?;
                frame.sorts.insert(0, *by);
                return Ok(Lowered::Rows(frame));
            }
            Op::Pick { source, position } => {
                let frame = rows(*source)?;
                let mut keys = frame.sorts.iter().map(|by| series(*by)).collect::<Result<Vec<_>>>()?;
                keys.extend(self.tie_breaks(id, &frame, selected));
                let plan = PickPlan { table: frame.table, domain: frame.domain, keys, position: *position };
                return Ok(Lowered::Picked(self.expressions.pick(plan)));
            }
            Op::Column { source, column } => match input(*source)? {
                Lowered::OneRowTable(table) => Expr::PatientColumn(*table, *column),
                Lowered::Rows(frame) => Expr::EventColumn(frame.table, *column),
                Lowered::Picked(pick) => Expr::PickedColumn(*pick, *column),
                Lowered::Series(_) => return internal_err!("a column is selected from a series"),
            },
            Op::Exists(source) => self.presence(input(*source)?)?,
            Op::Count(source) => match input(*source)? {
                Lowered::Rows(frame) => Expr::Count(frame.domain),
                one_row => {
                    let present = self.presence(one_row)?;
                    let present = self.intern(present, Physical::Bool, Some(id));
                    Expr::Unary(peristyle_model::graph::Unary::CastToInt, present)
                }
            },
            Op::Aggregate { aggregation, source } => {
                let rows = self.rows_of(*source, lowered)?;
                Expr::Aggregate(*aggregation, series(*source)?, rows)
            }
            Op::Value(_) => Expr::Constant(id),
            Op::ValueSet(_) => Expr::ConstantSet(id),
            Op::Parameter(parameter) => Expr::Parameter(*parameter),
            Op::Unary { function, source } => Expr::Unary(*function, series(*source)?),
            Op::Binary { function, lhs, rhs } => {
                let (mut lhs, mut rhs) = (series(*lhs)?, series(*rhs)?);
                if let Binary::DateDifferenceInMonths | Binary::DateDifferenceInYears = function {
                    let mut turn = |date| self.intern(Expr::Turned(*function, date), Physical::Date, Some(id));
                    (lhs, rhs) = (turn(lhs), turn(rhs));
                }
                Expr::Binary(*function, lhs, rhs)
            }
            Op::InSet { lhs, rhs } => Expr::InSet(series(*lhs)?, series(*rhs)?),
            Op::MinimumOf(sources) | Op::MaximumOf(sources) => Expr::Extreme {
                largest: matches!(self.graph.node(id).op, Op::MaximumOf(_)),
                sources: sources.iter().map(|source| series(*source)).collect::<Result<_>>()?,
            },
            Op::Case { cases, default } => {
                let cases =
                    cases.iter().map(|(condition, value)| Ok((series(*condition)?, value.map(series).transpose()?)));
                Expr::Case { cases: cases.collect::<Result<_>>()?, default: default.map(series).transpose()? }
            }
        };
        let physical = match self.graph.node(id).kind {
            Kind::Series(value_type) | Kind::Set(Some(value_type)) => value_type.physical(),
            Kind::Set(None) | Kind::Frame => Physical::Bool,
        };
        Ok(Lowered::Series(self.intern(expr, physical, Some(id))))
    }

    /// The rows that a many-rows series has, in the program's terms.
    fn rows_of(&self, series: NodeId, lowered: &[Option<Lowered>]) -> Result<DomainIx> {
        let domain = self.graph.node(series).domain;
        let frame = match self.graph.domain(domain) {
            peristyle_model::graph::Domain::Table(node) | peristyle_model::graph::Domain::Filter { node, .. } => node,
            peristyle_model::graph::Domain::Patient => return internal_err!("a one-row series is aggregated"),
        };
        match &lowered[frame.index()] {
            Some(Lowered::Rows(frame)) => Ok(frame.domain),
            _ => internal_err!("a series has no rows"),
        }
    }

    fn presence(&self, frame: &Lowered) -> Result<Expr> {
        Ok(match frame {
            Lowered::OneRowTable(table) => Expr::PatientPresent(*table),
            Lowered::Rows(frame) => Expr::Exists(frame.domain),
            // Who has a row has a first one, unless it hangs on something that may fail.
            Lowered::Picked(pick) => match &self.expressions.picks[*pick] {
                plan if plan.keys.iter().all(|key| self.is_event_column(*key)) => Expr::Exists(plan.domain),
                _ => Expr::PickedPresent(*pick),
            },
            Lowered::Series(_) => return internal_err!("the rows of a series are asked for"),
        })
    }

    fn is_event_column(&self, expr: ExprId) -> bool {
        matches!(self.expressions.get(expr).expr, Expr::EventColumn(..))
    }

    /// The columns that break ties: those selected from the pick which no direct sort covers, by name.
    fn tie_breaks(
        &mut self,
        pick: NodeId,
        frame: &RowsFrame,
        selected: &HashMap<NodeId, BTreeSet<usize>>,
    ) -> Vec<ExprId> {
        let sorted: BTreeSet<usize> = frame
            .sorts
            .iter()
            .filter_map(|by| match self.graph.node(*by).op {
                Op::Column { column, source } if self.graph.node(source).domain != DomainId::PATIENT => Some(column),
                _ => None,
            })
            .collect();
        let Some(schema) = self.graph.frame_schema(pick).cloned() else {
            return Vec::new();
        };
        let selected = selected.get(&pick).into_iter().flatten();
        let mut columns: Vec<usize> = selected.filter(|column| !sorted.contains(column)).copied().collect();
        columns.sort_by(|a, b| schema.columns[*a].name.cmp(&schema.columns[*b].name));
        columns
            .into_iter()
            .map(|column| {
                let physical = schema.columns[column].value_type.physical();
                self.intern(Expr::EventColumn(frame.table, column), physical, Some(pick))
            })
            .collect()
    }

    fn filter(&mut self, frame: RowsFrame, condition: ExprId) -> RowsFrame {
        let mut conditions = frame.conditions;
        for conjunct in self.conditions(condition) {
            if !conditions.contains(&conjunct) {
                conditions.push(conjunct);
            }
        }
        let mut ordered: Vec<(Rank, ExprId)> =
            conditions.iter().map(|condition| (self.rank(*condition), *condition)).collect();
        // A stable sort: what may fail stays in the order of the definition, the rest is in the order of its making.
        ordered.sort_by_key(|(rank, condition)| (*rank, if *rank == Rank::Fallible { 0 } else { *condition }));
        let mut joined: Vec<(Rank, ExprId)> = Vec::with_capacity(ordered.len());
        for (rank, condition) in ordered {
            match joined.last_mut() {
                Some((known, last)) if *known == rank && rank.is_joined() => *last = self.both(*last, condition),
                _ => joined.push((rank, condition)),
            }
        }
        let mut domain = self.domains.table(frame.table);
        for (_, condition) in joined {
            let varies = self.expressions.get(condition).varies;
            domain = self.domains.filter(domain, condition, varies);
        }
        RowsFrame { conditions, domain, ..frame }
    }

    /// The conditions that a filter's condition amounts to. What may fail stays joined: false beside a failure is
    /// false, whichever stands first.
    fn conditions(&mut self, condition: ExprId) -> Vec<ExprId> {
        let conjuncts = conjuncts(&self.expressions, condition);
        let may_fail = |conjunct: &ExprId| self.may_fail_by_row(*conjunct);
        let (fallible, mut conditions): (Vec<_>, Vec<_>) = conjuncts.into_iter().partition(may_fail);
        conditions.extend(fallible.into_iter().reduce(|lhs, rhs| self.both(lhs, rhs)));
        conditions
    }

    fn both(&mut self, lhs: ExprId, rhs: ExprId) -> ExprId {
        let node = self.expressions.get(rhs).node;
        self.intern(Expr::Binary(Binary::And, lhs, rhs), Physical::Bool, node)
    }

    fn may_fail_by_row(&self, condition: ExprId) -> bool {
        let info = self.expressions.get(condition);
        info.fallible && info.table.is_some()
    }

    /// When a condition is applied: what may fail comes last.
    fn rank(&self, condition: ExprId) -> Rank {
        let info = self.expressions.get(condition);
        match () {
            // On the patient's level nothing depends on which rows are left.
            () if self.may_fail_by_row(condition) => Rank::Fallible,
            () if info.table.is_none() && info.varies => Rank::VaryingByPatient,
            () if info.table.is_none() => Rank::FixedByPatient,
            () if info.varies => Rank::Varying,
            () if self.code_list(condition).is_some() => Rank::CodeList,
            () => Rank::Fixed,
        }
    }

    fn code_list(&self, condition: ExprId) -> Option<(TableIx, usize)> {
        code_list_test(&self.expressions, condition).map(|(table, column, _)| (table, column))
    }

    fn intern(&mut self, expr: Expr, physical: Physical, node: Option<NodeId>) -> ExprId {
        let domains = &self.domains;
        self.expressions.intern(expr, |known, expr| {
            let mut table = None;
            let mut varies = false;
            let mut fallible = function_may_fail(&expr, |input| known.get(input).physical);
            for_each_row_input(&expr, |input| {
                let input = known.get(input);
                table = table.or(input.table);
                varies |= input.varies;
                // A failure on the patient's level is the same on whichever rows it is read.
                fallible |= input.fallible && input.table.is_some();
            });
            let domain_varies = |domain: DomainIx| domains.plans[domain].varies;
            match &expr {
                Expr::Parameter(_) => varies = true,
                Expr::EventColumn(of, _) => table = Some(*of),
                Expr::Exists(domain) | Expr::Count(domain) => varies = domain_varies(*domain),
                Expr::Aggregate(_, source, domain) => varies = domain_varies(*domain) || known.get(*source).varies,
                Expr::PickedColumn(pick, _) | Expr::PickedPresent(pick) => {
                    varies = known.pick_varies(*pick, domain_varies);
                }
                Expr::InSet(_, set) => varies |= known.get(*set).varies,
                _ => {}
            }
            ExprInfo { expr, table, physical, varies, fallible, node }
        })
    }
}

/// The conditions that a conjunction joins: it is true where all of them are.
pub(super) fn conjuncts(expressions: &Expressions, condition: ExprId) -> Vec<ExprId> {
    let mut conjuncts = Vec::new();
    let mut open = vec![condition];
    while let Some(condition) = open.pop() {
        match expressions.get(condition).expr {
            Expr::Binary(Binary::And, lhs, rhs) => open.extend([rhs, lhs]),
            _ if conjuncts.contains(&condition) => {}
            _ => conjuncts.push(condition),
        }
    }
    conjuncts
}

/// If a condition tests a string column of events against constants: the table, the column and the constants' node.
pub(super) fn code_list_test(expressions: &Expressions, condition: ExprId) -> Option<(TableIx, usize, NodeId)> {
    let (lhs, rhs) = match expressions.get(condition).expr {
        Expr::InSet(lhs, rhs) | Expr::Binary(Binary::Eq, lhs, rhs) => (lhs, rhs),
        _ => return None,
    };
    let column = expressions.get(lhs);
    match (&column.expr, &expressions.get(rhs).expr) {
        (Expr::EventColumn(table, index), Expr::ConstantSet(node) | Expr::Constant(node))
            if column.physical == Physical::Str =>
        {
            Some((*table, *index, *node))
        }
        _ => None,
    }
}

/// `CombineAsSet` yields a set, every other aggregation a vector.
pub(super) fn is_set(aggregation: Aggregation) -> bool {
    aggregation == Aggregation::CombineAsSet
}
