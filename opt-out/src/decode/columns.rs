//! In which order a scan's columns are read: first those that decide which rows are wanted.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

use super::ScanTask;

/// A column: where it stands among those that are read, and in the read schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) read: usize,
    pub(super) delivered: usize,
}

/// The columns that are read of a source, in order.
#[derive(Debug)]
pub(super) struct ReadColumns {
    /// Indices in the source: those that decide, then the others
    pub(super) sources: Vec<usize>,
    /// How many decide
    pub(super) deciding: usize,
    /// Those that the predicate asks about
    pub(super) tested: Vec<Placed>,
    /// The column that the permit judges rows by, among those that are read
    pub(super) judged_by: Option<usize>,
    /// Those that are conformed once it is known which rows are wanted
    pub(super) late: Vec<Placed>,
    /// What the predicate is evaluated over: `patient_id`, then the columns that it asks about
    pub(super) tested_schema: SchemaRef,
}

impl ReadColumns {
    pub(super) fn of(task: &ScanTask) -> Self {
        let keys = usize::from(task.source.patient_key.is_some());
        let mut names = Vec::new();
        if let Some(predicate) = &task.predicate {
            predicate.for_each_column(&mut |column| names.push(Arc::clone(column)));
        }
        let is_tested = |position: &usize| {
            task.read_schema
                .fields()
                .get(*position)
                .is_some_and(|field| names.iter().any(|name| **name == **field.name()))
        };
        let (tested, late): (Vec<usize>, Vec<usize>) =
            (keys..keys + task.columns.len()).partition(|position| is_tested(position));
        let source_of = |position: &usize| position.checked_sub(keys).and_then(|at| task.columns.get(at)).copied();
        let mut sources: Vec<usize> = tested.iter().filter_map(source_of).collect();
        let place = |sources: &mut Vec<usize>, source: usize| {
            sources.iter().position(|known| *known == source).unwrap_or_else(|| {
                sources.push(source);
                sources.len() - 1
            })
        };
        let judged_by = task.judged_by.as_ref().map(|(_, source)| place(&mut sources, *source));
        let deciding = sources.len();
        let tested_positions = tested;
        let tested = tested_positions.iter().enumerate();
        let tested = tested.map(|(read, delivered)| Placed { read, delivered: *delivered }).collect();
        let late = late.iter().filter_map(|position| {
            let source = source_of(position)?;
            Some(Placed { read: place(&mut sources, source), delivered: *position })
        });
        let late = late.collect();
        let key = (0..keys).chain(tested_positions);
        let fields: Vec<_> = key.filter_map(|position| task.read_schema.fields().get(position).cloned()).collect();
        Self { sources, deciding, tested, judged_by, late, tested_schema: Arc::new(Schema::new(fields)) }
    }

    /// Those of the deciding columns that are conformed late too: indices in what is read.
    pub(super) fn carried(&self) -> impl Iterator<Item = usize> {
        self.late.iter().map(|placed| placed.read).filter(|read| *read < self.deciding)
    }
}
