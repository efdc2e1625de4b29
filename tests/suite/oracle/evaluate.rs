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
    /// By the number of the row in its table
    Many(BTreeMap<usize, Cell>),
    Set(Vec<Cell>),
}

impl Yield {
    /// The rows that a many-rows series has.
    pub(super) fn row_numbers(&self) -> Option<Vec<usize>> {
        match self {
            Yield::Many(values) => Some(values.keys().copied().collect()),
            _ => None,
        }
    }

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
}

impl<'a> Patient<'a> {
    pub(super) fn new(graph: &'a Graph<'a>, id: i64) -> Self {
        Patient { graph, id, known: HashMap::new(), met_a_fault: false }
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
            Node::Filter { source, condition } => self.filter(*source, *condition),
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
            Node::Aggregate { name, maximum_gap_days, source } => match self.evaluate(*source) {
                Yield::Many(values) => aggregate::aggregate(name, *maximum_gap_days, values.into_values().collect()),
                other => panic!("{name} of {other:?}"),
            },
            Node::Function { name, inputs } => self.row_by_row(inputs, |row| functions::function(name, row)),
            Node::Case { cases, default } => {
                let inputs: Vec<Id> = node.inputs();
                self.row_by_row(&inputs, |row| functions::case(cases, default.is_some(), row))
            }
        };
        self.met_a_fault |= match &answer {
            Yield::One(cell) => matches!(cell, Cell::Fault(_)),
            Yield::Many(values) => values.values().any(|cell| matches!(cell, Cell::Fault(_))),
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

    fn filter(&mut self, source: Id, condition: Id) -> Yield {
        let Yield::Rows { root, many, mut numbers, mut unknown } = self.evaluate(source) else {
            panic!("a filter's source is a frame");
        };
        let condition = self.evaluate(condition);
        unknown |= numbers.iter().any(|row| matches!(condition.at(*row), Cell::Fault(_)));
        numbers.retain(|row| condition.at(*row) == Cell::Bool(true));
        Yield::Rows { root, many, numbers, unknown }
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
        let cell = |row: usize| {
            if unknown { Cell::Fault(Fault::UnknownRows) } else { table.rows[row].1[index].clone() }
        };
        if many {
            return Yield::Many(numbers.into_iter().map(|row| (row, cell(row))).collect());
        }
        assert!(numbers.len() <= 1, "{} has patients with many rows", table.name);
        Yield::One(match numbers.first() {
            Some(row) => cell(*row),
            None if unknown => Cell::Fault(Fault::UnknownRows),
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
        let mut row_numbers = series.iter().filter_map(Yield::row_numbers);
        let Some(rows) = row_numbers.next() else {
            return Yield::One(at(usize::MAX));
        };
        assert!(row_numbers.all(|other| other == rows), "the inputs are of different domains");
        Yield::Many(rows.into_iter().map(|row| (row, at(row))).collect())
    }
}
