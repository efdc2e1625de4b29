//! Frames: tables, filters, sorts, picks; and what is drawn from them.

use std::sync::Arc;

use super::{Checked, FrameFacts, GraphBuilder, Rule};
use crate::catalogue::TableSchema;
use crate::graph::{Domain, DomainId, InlineTable, InlineTableId, Kind, NodeId, Op, Position, TableId};
use crate::text::suggestion_or_list;
use crate::types::ValueType;

impl GraphBuilder {
    /// A catalogue table.
    ///
    /// # Errors
    /// If the graph is full.
    pub fn table(&mut self, schema: &Arc<TableSchema>) -> Checked<NodeId> {
        let table = match self.tables.get(&schema.name) {
            Some(known) => *known,
            None => {
                let table = TableId(self.graph.tables.len() as u32);
                self.tables.insert(schema.name.clone(), table);
                self.graph.tables.push(Arc::clone(schema));
                table
            }
        };
        let one_row = self.graph.table(table).one_row_per_patient;
        let new = self.next_id()?;
        let domain = if one_row { DomainId::PATIENT } else { self.next_domain() };
        let id = self.add(Op::Table(table), Kind::Frame, domain)?;
        if id == new {
            if !one_row {
                self.graph.domains.push(Domain::Table(id));
            }
            self.frames.insert(id, FrameFacts { root: id, operations: 0, sorted: false });
        }
        Ok(id)
    }

    /// A table that the definition brings along: one row per patient. Its rows must have been checked.
    ///
    /// # Errors
    /// If the graph is full.
    pub(crate) fn inline_table(&mut self, table: InlineTable) -> Checked<NodeId> {
        let content = (table.schema.columns.clone(), table.rows.clone());
        let next = InlineTableId(self.graph.inline_tables.len() as u32);
        let inline = *self.inline_tables.entry(content).or_insert(next);
        if inline == next {
            self.graph.inline_tables.push(table);
        }
        let id = self.add(Op::InlineTable(inline), Kind::Frame, DomainId::PATIENT)?;
        self.frames.insert(id, FrameFacts { root: id, operations: 0, sorted: false });
        Ok(id)
    }

    fn next_domain(&self) -> DomainId {
        // At most one for each node, whose ids are 32 bits too.
        DomainId(self.graph.domains.len() as u32)
    }

    fn frame(&self, id: NodeId) -> Checked<FrameFacts> {
        let facts = self.frames.get(&id).copied();
        facts.ok_or_else(|| Rule::NotAFrame { found: self.describe(id) }.of("source"))
    }

    fn many_rows_frame(&self, id: NodeId) -> Checked<FrameFacts> {
        let facts = self.frame(id)?;
        if self.domain_of(id) == DomainId::PATIENT {
            return Err(Rule::NotManyRowsFrame { found: self.describe(id) }.of("source"));
        }
        Ok(facts)
    }

    /// The facts of a frame with one more filter or sort on it.
    fn one_operation_more(&self, source: FrameFacts, sorted: bool) -> Checked<FrameFacts> {
        let operations = source.operations + 1;
        if operations > self.frame_operations_max {
            let most = self.frame_operations_max;
            return Err(Rule::TooManyFrameOperations { found: operations, most }.of("source"));
        }
        Ok(FrameFacts { operations, sorted, ..source })
    }

    /// Whether `series` has its rows from the frame's domain or one of its ancestors.
    fn check_series_of_frame(&self, series: NodeId, frame: NodeId, field: &'static str) -> Checked<()> {
        let wanted = self.domain_of(series);
        let mut domain = self.domain_of(frame);
        // The chain is as long as the filters on one table, which are bounded. A child is made after its parent.
        while domain > wanted {
            domain = match self.graph.domain(domain) {
                Domain::Filter { parent, .. } => parent,
                Domain::Table(_) | Domain::Patient => DomainId::PATIENT,
            };
        }
        if domain == wanted {
            return Ok(());
        }
        let (series, frame) = (self.describe_domain(wanted), self.describe_domain(self.domain_of(frame)));
        Err(Rule::SeriesNotOfFrame { series, frame }.of(field))
    }

    /// The rows of `source` for which `condition` is true.
    ///
    /// # Errors
    /// If `source` is not a many-rows frame, or `condition` not a bool series of its domain or an ancestor's.
    pub fn filter(&mut self, source: NodeId, condition: NodeId) -> Checked<NodeId> {
        let source_facts = self.many_rows_frame(source)?;
        self.series_of(condition, "condition", "bool", |value_type| value_type == ValueType::Bool)?;
        self.check_series_of_frame(condition, source, "condition")?;
        let facts = self.one_operation_more(source_facts, source_facts.sorted)?;
        let (new, domain, parent) = (self.next_id()?, self.next_domain(), self.domain_of(source));
        let id = self.add(Op::Filter { source, condition }, Kind::Frame, domain)?;
        if id == new {
            let (root, depth) = match self.graph.domain(parent) {
                Domain::Filter { root, depth, .. } => (root, depth + 1),
                Domain::Table(_) | Domain::Patient => (parent, 1),
            };
            self.graph.domains.push(Domain::Filter { node: id, parent, root, depth });
            self.frames.insert(id, facts);
        }
        Ok(id)
    }

    /// `source`, sorted stably within each patient.
    ///
    /// # Errors
    /// If `source` is not a many-rows frame, or `by` not a many-rows series of its domain or an ancestor's that has an
    /// order.
    pub fn sort(&mut self, source: NodeId, by: NodeId) -> Checked<NodeId> {
        let source_facts = self.many_rows_frame(source)?;
        self.series_of(by, "sort_by", "a type with an order (any but bool)", ValueType::is_comparable)?;
        self.check_series_of_frame(by, source, "sort_by")?;
        if self.domain_of(by) == DomainId::PATIENT {
            return Err(Rule::SortByPatientSeries { found: self.describe(by) }.of("sort_by"));
        }
        let facts = self.one_operation_more(source_facts, true)?;
        let id = self.add(Op::Sort { source, by }, Kind::Frame, self.domain_of(source))?;
        self.frames.insert(id, facts);
        Ok(id)
    }

    /// The first or last row of each patient.
    ///
    /// # Errors
    /// If `source` is not a many-rows frame, or not sorted. A filter keeps an order.
    pub fn pick(&mut self, source: NodeId, position: Position) -> Checked<NodeId> {
        let facts = self.many_rows_frame(source)?;
        if !facts.sorted {
            return Err(Rule::PickUnsorted { found: self.describe(source) }.of("source"));
        }
        let id = self.add(Op::Pick { source, position }, Kind::Frame, DomainId::PATIENT)?;
        self.frames.insert(id, facts);
        Ok(id)
    }

    /// A column of a frame.
    ///
    /// # Errors
    /// If `source` is not a frame or its table has no such column.
    pub fn column(&mut self, source: NodeId, name: &str) -> Checked<NodeId> {
        let root = self.frame(source)?.root;
        if name == "patient_id" {
            return Err(Rule::PatientId.of("name"));
        }
        let schema = self.graph.frame_schema(root);
        let found = schema.and_then(|schema| Some((schema.column_index(name)?, schema)));
        let Some((column, schema)) = found else {
            let known = schema.iter().flat_map(|schema| schema.columns.iter().map(|column| &*column.name));
            let (table, suggestion) = (self.describe(root), suggestion_or_list(name, known));
            return Err(Rule::UnknownColumn { name: name.to_owned(), table, suggestion }.of("name"));
        };
        let kind = Kind::Series(schema.columns[column].value_type);
        self.add(Op::Column { source, column }, kind, self.domain_of(source))
    }

    /// Whether a patient has a row in the frame, which may be one-row or many-rows.
    ///
    /// # Errors
    /// If `source` is not a frame.
    pub fn exists(&mut self, source: NodeId) -> Checked<NodeId> {
        self.frame(source)?;
        self.add(Op::Exists(source), Kind::Series(ValueType::Bool), DomainId::PATIENT)
    }

    /// A patient's rows in the frame, which may be one-row or many-rows.
    ///
    /// # Errors
    /// If `source` is not a frame.
    pub fn count(&mut self, source: NodeId) -> Checked<NodeId> {
        self.frame(source)?;
        self.add(Op::Count(source), Kind::Series(ValueType::Int), DomainId::PATIENT)
    }
}
