//! One patient's answer to every node.

use std::collections::{BTreeMap, HashMap};

use crate::cells::{Cell, Fault};

use super::document::{Graph, Id, Node};
use super::{aggregate, functions, selected_from};

/// What a node yields for one patient.
#[derive(Clone, Debug)]
pub(super) enum Yield {
    /// Numbers of the rows in the table `root`. `unknown` where it hangs on a fault which they are
    Rows {
        root: Id,
        many: bool,
        numbers: Vec<usize>,
        unknown: bool,
    },
    One(Cell),
    /// By the number of the row in its table, for all rows of the patient: filters say which of them are asked for
    Many(BTreeMap<usize, Cell>),
    Set(Vec<Cell>),
}

impl Yield {
    /// A series' value in a row; one row per patient goes with any.
    pub(super) fn at(&self, row: usize) -> Cell {
        match self {
            Yield::One(cell) => cell.clone(),
            Yield::Many(values) => values[&row].clone(),
            other => panic!("not a series: {other:?}"),
        }
    }
}

pub(super) struct Patient<'a> {
    graph: &'a Graph<'a>,
    id: i64,
    known: HashMap<Id, Yield>,
    pub(super) met_a_fault: bool,
    /// Whether a failure matters hangs on which of a table's conditions is applied first, which is nobody's business
    pub(super) may_fail: bool,
}

impl<'a> Patient<'a> {
    pub(super) fn new(graph: &'a Graph<'a>, id: i64) -> Self {
        Patient { graph, id, known: HashMap::new(), met_a_fault: false, may_fail: false }
    }

    /// Evaluates for what it may meet.
    pub(super) fn visit(&mut self, node: Id) {
        self.evaluate(node);
    }

    /// The value of a one-row-per-patient series.
    pub(super) fn value(&mut self, node: Id) -> Cell {
        match self.evaluate(node) {
            Yield::One(cell) => cell,
            other => panic!("not one row per patient: {other:?}"),
        }
    }

    pub(super) fn evaluate(&mut self, id: Id) -> Yield {
        if let Some(known) = self.known.get(&id) {
            return known.clone();
        }
        let node = &self.graph.nodes[id];
        let answer = match node {
            Node::Table(..) | Node::Inline(_) => self.table_rows(id),
            Node::Filter { .. } => self.filter(id),
            Node::Sort { source, by } => {
                // Order matters to picks alone, and they look up the sorts by themselves.
                self.evaluate(*by);
                self.evaluate(*source)
            }
            Node::Pick { source, last } => self.pick(id, *source, *last),
            Node::Column { source, name } => self.column(*source, name),
            Node::Value(cell) => Yield::One(cell.clone()),
            Node::Set(members) => Yield::Set(members.clone()),
            Node::Exists(source) => self.count(*source, |count| Cell::Bool(count > 0)),
            Node::Count(source) => self.count(*source, |count| Cell::Int(count as i64)),
            Node::Aggregate { name, maximum_gap_days, source } => {
                let cells = self.cells(*source).into_iter().map(|(_, cell)| cell).collect();
                aggregate::aggregate(name, *maximum_gap_days, cells)
            }
            Node::Function { name, inputs } => self.row_by_row(inputs, |row| functions::function(name, row)),
            Node::Case { cases, default } => {
                let inputs: Vec<Id> = node.inputs();
                self.row_by_row(&inputs, |row| functions::case(cases, default.is_some(), row))
            }
        };
        self.met_a_fault |= match &answer {
            Yield::One(cell) => matches!(cell, Cell::Fault(_)),
            Yield::Many(_) => self.cells_of(id, &answer).iter().any(|(_, cell)| matches!(cell, Cell::Fault(_))),
            Yield::Set(members) => members.iter().any(|cell| matches!(cell, Cell::Fault(_))),
            Yield::Rows { unknown, .. } => *unknown,
        };
        self.known.insert(id, answer.clone());
        answer
    }

    fn table_rows(&self, id: Id) -> Yield {
        let table = self.graph.table(&self.graph.nodes[id]).expect("a table");
        let rows = table.rows.iter().enumerate().filter(|(_, (patient, _))| *patient == self.id);
        let numbers = rows.map(|(number, _)| number).collect();
        Yield::Rows { root: id, many: !table.one_row_per_patient, numbers, unknown: false }
    }

    /// The conditions that cannot fail come first, whichever filter states them; then the others, filter by filter.
    fn filter(&mut self, filter: Id) -> Yield {
        let mut conditions = vec![];
        let mut root = filter;
        while let Node::Filter { source, .. } | Node::Sort { source, .. } = self.graph.nodes[root] {
            if let Node::Filter { condition, .. } = self.graph.nodes[root] {
                conditions.push(condition);
            }
            root = source;
        }
        let Yield::Rows { many, mut numbers, mut unknown, .. } = self.evaluate(root) else {
            panic!("a filter's source is a frame");
        };
        let (mut safe, mut unsafe_filters) = (vec![], vec![]);
        for condition in conditions.into_iter().rev() {
            let (fallible, infallible): (Vec<Id>, Vec<Id>) =
                self.conjuncts(condition).into_iter().partition(|conjunct| self.is_fallible(*conjunct));
            safe.extend(infallible);
            unsafe_filters.push(fallible);
        }
        let safe: Vec<Yield> = safe.into_iter().map(|condition| self.evaluate(condition)).collect();
        let is_fault = |condition: &Yield, row: usize| matches!(condition.at(row), Cell::Fault(_));
        self.may_fail |= safe.iter().any(|condition| match condition {
            Yield::One(cell) => matches!(cell, Cell::Fault(_)),
            _ => numbers.iter().any(|row| is_fault(condition, *row)),
        });
        numbers
            .retain(|row| safe.iter().all(|condition| !matches!(condition.at(*row), Cell::Bool(false) | Cell::Null)));
        unknown |= numbers.iter().any(|row| safe.iter().any(|condition| is_fault(condition, *row)));
        numbers.retain(|row| safe.iter().all(|condition| !is_fault(condition, *row)));
        for conjuncts in unsafe_filters {
            let conjuncts: Vec<Yield> = conjuncts.into_iter().map(|condition| self.evaluate(condition)).collect();
            let all = |row: usize| {
                let cells: Vec<Cell> = conjuncts.iter().map(|conjunct| conjunct.at(row)).collect();
                functions::three_valued(&cells, false)
            };
            unknown |= numbers.iter().any(|row| matches!(all(*row), Cell::Fault(_)));
            numbers.retain(|row| all(*row) == Cell::Bool(true));
        }
        Yield::Rows { root, many, numbers, unknown }
    }

    /// What a condition joins with `&`.
    fn conjuncts(&self, condition: Id) -> Vec<Id> {
        match &self.graph.nodes[condition] {
            Node::Function { name, inputs } if name == "And" => {
                inputs.iter().flat_map(|input| self.conjuncts(*input)).collect()
            }
            _ => vec![condition],
        }
    }

    /// Whether a row's values can make it fail.
    fn is_fallible(&self, series: Id) -> bool {
        if self.domain(series).is_none() {
            return false;
        }
        let node = &self.graph.nodes[series];
        let fails = match node {
            Node::Function { name, inputs } => match name.as_str() {
                "Negate" | "Absolute" => !self.is_float(inputs[0]),
                "CastToInt" => self.is_float(inputs[0]),
                "Add" | "Subtract" | "Multiply" | "TrueDivide" | "FloorDivide" | "Power" => true,
                name => name.starts_with("DateAdd"),
            },
            _ => false,
        };
        let is_series = matches!(node, Node::Function { .. } | Node::Case { .. });
        fails || is_series && node.inputs().into_iter().any(|input| self.is_fallible(input))
    }

    fn is_float(&self, series: Id) -> bool {
        match &self.graph.nodes[series] {
            Node::Value(cell) => matches!(cell, Cell::Float(_)),
            Node::Column { source, name } => {
                let mut frame = *source;
                while let Node::Filter { source, .. } | Node::Sort { source, .. } | Node::Pick { source, .. } =
                    self.graph.nodes[frame]
                {
                    frame = source;
                }
                let table = self.graph.table(&self.graph.nodes[frame]).expect("a table");
                table.columns[table.column_index(name)].type_name == "float"
            }
            Node::Aggregate { name, source, .. } => match name.as_str() {
                "Mean" => true,
                "Sum" | "Min" | "Max" => self.is_float(*source),
                _ => false,
            },
            Node::Function { name, inputs } => match name.as_str() {
                "TrueDivide" | "Power" | "CastToFloat" => true,
                "Add" | "Subtract" | "Multiply" | "Negate" | "Absolute" | "MinimumOf" | "MaximumOf" => {
                    self.is_float(inputs[0])
                }
                // Floor division is whole, and so is what counts dates.
                _ => false,
            },
            Node::Case { cases, default } => {
                cases.iter().filter_map(|(_, value)| *value).chain(*default).any(|value| self.is_float(value))
            }
            _ => false,
        }
    }

    /// The frame whose rows a series has; none where it has one value a patient.
    pub(super) fn domain(&self, series: Id) -> Option<Id> {
        match &self.graph.nodes[series] {
            Node::Column { source, .. } => self.has_many_rows(*source).then_some(*source),
            node @ (Node::Function { .. } | Node::Case { .. }) => {
                node.inputs().into_iter().find_map(|input| self.domain(input))
            }
            _ => None,
        }
    }

    fn has_many_rows(&self, frame: Id) -> bool {
        match &self.graph.nodes[frame] {
            Node::Filter { source, .. } | Node::Sort { source, .. } => self.has_many_rows(*source),
            node => self.graph.table(node).is_some_and(|table| !table.one_row_per_patient),
        }
    }

    /// A many-rows series' values, by the numbers of its rows.
    pub(super) fn cells(&mut self, series: Id) -> Vec<(usize, Cell)> {
        let answer = self.evaluate(series);
        self.cells_of(series, &answer)
    }

    fn cells_of(&mut self, series: Id, answer: &Yield) -> Vec<(usize, Cell)> {
        let frame = self.domain(series).unwrap_or_else(|| panic!("one row per patient: {answer:?}"));
        let Yield::Rows { numbers, unknown, .. } = self.evaluate(frame) else {
            panic!("a series' domain is a frame");
        };
        match unknown {
            // Nobody knows how many rows there are, so let there be one.
            true => vec![(numbers.first().copied().unwrap_or_default(), Cell::Fault(Fault::UnknownRows))],
            false => numbers.into_iter().map(|row| (row, answer.at(row))).collect(),
        }
    }

    /// Sorts by every sort below, the outermost first, and then by the columns that are selected and not yet sorted by.
    fn pick(&mut self, pick: Id, source: Id, last: bool) -> Yield {
        let Yield::Rows { root, mut numbers, mut unknown, .. } = self.evaluate(source) else {
            panic!("a pick's source is a frame");
        };
        let mut left_to_sort_by = selected_from(self.graph, pick);
        let mut keys = vec![];
        let mut frame = source;
        while let Node::Filter { source, .. } | Node::Sort { source, .. } = self.graph.nodes[frame] {
            if let Node::Sort { by, .. } = self.graph.nodes[frame] {
                keys.push(self.evaluate(by));
                if let Node::Column { source, name } = &self.graph.nodes[by]
                    && matches!(self.evaluate(*source), Yield::Rows { many: true, .. })
                {
                    left_to_sort_by.remove(name.as_str());
                }
            }
            frame = source;
        }
        // A `BTreeSet` of names is in lexical order.
        keys.extend(left_to_sort_by.into_iter().map(|name| self.column(root, name)));
        unknown |= keys.iter().any(|key| numbers.iter().any(|row| matches!(key.at(*row), Cell::Fault(_))));
        numbers.sort_by(|a, b| {
            keys.iter()
                .map(|key| key.at(*a).order(&key.at(*b)))
                .find(|order| order.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let picked = if last { numbers.last() } else { numbers.first() };
        Yield::Rows { root, many: false, numbers: picked.copied().into_iter().collect(), unknown }
    }

    fn column(&mut self, source: Id, name: &str) -> Yield {
        let Yield::Rows { root, many, numbers, unknown } = self.evaluate(source) else {
            panic!("a column's source is a frame");
        };
        let table = self.graph.table(&self.graph.nodes[root]).expect("a table");
        let index = table.column_index(name);
        if many {
            let rows = table.rows.iter().enumerate().filter(|(_, (patient, _))| *patient == self.id);
            return Yield::Many(rows.map(|(row, (_, cells))| (row, cells[index].clone())).collect());
        }
        assert!(numbers.len() <= 1, "{} has patients with many rows", table.name);
        Yield::One(match numbers.first() {
            _ if unknown => Cell::Fault(Fault::UnknownRows),
            Some(row) => table.rows[*row].1[index].clone(),
            None => Cell::Null,
        })
    }

    fn count(&mut self, source: Id, finish: impl Fn(usize) -> Cell) -> Yield {
        match self.evaluate(source) {
            Yield::Rows { unknown: true, .. } => Yield::One(Cell::Fault(Fault::UnknownRows)),
            Yield::Rows { numbers, .. } => Yield::One(finish(numbers.len())),
            other => panic!("a frame, not {other:?}"),
        }
    }

    /// A function of series: once if all have one row per patient, or else once a row.
    fn row_by_row(&mut self, inputs: &[Id], function: impl Fn(&[functions::Input]) -> Cell) -> Yield {
        let series: Vec<Yield> = inputs.iter().map(|input| self.evaluate(*input)).collect();
        let at = |row: usize| {
            let inputs: Vec<functions::Input> = series
                .iter()
                .map(|series| match series {
                    Yield::Set(members) => functions::Input::Set(members.clone()),
                    series => functions::Input::Cell(series.at(row)),
                })
                .collect();
            function(&inputs)
        };
        let mut row_numbers = series.iter().filter_map(|series| match series {
            Yield::Many(values) => Some(values.keys().copied().collect::<Vec<_>>()),
            _ => None,
        });
        let Some(rows) = row_numbers.next() else {
            return Yield::One(at(usize::MAX));
        };
        assert!(row_numbers.all(|other| other == rows), "the inputs are of different tables");
        Yield::Many(rows.into_iter().map(|row| (row, at(row))).collect())
    }
}
