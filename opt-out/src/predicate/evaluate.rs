//! Evaluating a predicate over a batch of the enclave's own types.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{ArrowPrimitiveType, Date32Type, Float64Type, Int32Type, Int64Type};

use super::{Literal, LiteralSet, ScanPredicate, Test};

/// A predicate, and what it has found out about the last dictionary of each test of strings: most batches of a file
/// share one, and a code list is looked up once for an entry, not once for a row.
#[derive(Debug)]
pub(crate) struct PredicateState<'p> {
    predicate: &'p ScanPredicate,
    lookups: Lookups,
}

/// A lookup for each test of strings, in the order in which the tests are met: always the same, as nothing is skipped.
#[derive(Debug, Default)]
struct Lookups {
    lookups: Vec<Lookup>,
    next: usize,
}

/// A dictionary's entries, and for which of them a test holds.
#[derive(Debug)]
struct Lookup {
    entries: ArrayRef,
    held: Vec<bool>,
}

impl<'p> PredicateState<'p> {
    pub(crate) fn new(predicate: &'p ScanPredicate) -> Self {
        Self { predicate, lookups: Lookups::default() }
    }

    /// For which rows it is true. None if the batch has not the columns that it asks about.
    pub(crate) fn evaluate(&mut self, batch: &RecordBatch) -> Option<BooleanBuffer> {
        self.lookups.next = 0;
        evaluate(self.predicate, batch, &mut self.lookups)
    }
}

impl PredicateState<'_> {
    /// For which of `values` of a column, the only one that it asks about, it is true. None if it asks about others.
    pub(crate) fn evaluate_column(&self, column: &str, values: &ArrayRef) -> Option<BooleanBuffer> {
        let batch = RecordBatch::try_from_iter_with_nullable([(column, Arc::clone(values), true)]).ok()?;
        evaluate(self.predicate, &batch, &mut Lookups::default())
    }

    /// Whether it may be true of a row whose value in a column is one of `values`: false only where what it asks of that
    /// column alone is true of none of them.
    pub(crate) fn may_hold(&self, column: &Arc<str>, values: &ArrayRef) -> bool {
        may_hold(self.predicate, column, values)
    }
}

fn may_hold(predicate: &ScanPredicate, column: &Arc<str>, values: &ArrayRef) -> bool {
    match predicate {
        ScanPredicate::All(parts) => parts.iter().all(|part| may_hold(part, column, values)),
        ScanPredicate::Any(parts) => parts.iter().any(|part| may_hold(part, column, values)),
        ScanPredicate::Column { column: asked, test } if asked == column => {
            let held = holds(test, values, &mut Lookups::default());
            held.is_none_or(|held| held.count_set_bits() > 0)
        }
        ScanPredicate::Column { .. } => true,
    }
}

impl Lookups {
    /// The lookup of the test at hand, made anew where the last one was for other entries.
    fn of(&mut self, entries: &ArrayRef, holds: impl Fn(&str) -> bool) -> Option<&Lookup> {
        let index = self.next;
        self.next += 1;
        if self.lookups.get(index).is_none_or(|last| !Arc::ptr_eq(&last.entries, entries)) {
            let strings = entries.as_string_opt::<i32>()?;
            let held = strings.iter().map(|entry| entry.is_some_and(&holds)).collect();
            let lookup = Lookup { entries: Arc::clone(entries), held };
            match self.lookups.get_mut(index) {
                Some(last) => *last = lookup,
                None => self.lookups.push(lookup),
            }
        }
        self.lookups.get(index)
    }
}

fn evaluate(predicate: &ScanPredicate, batch: &RecordBatch, lookups: &mut Lookups) -> Option<BooleanBuffer> {
    match predicate {
        ScanPredicate::All(parts) => {
            let mut kept = BooleanBuffer::new_set(batch.num_rows());
            for part in parts {
                kept = &kept & &evaluate(part, batch, lookups)?;
            }
            Some(kept)
        }
        ScanPredicate::Any(parts) => {
            let mut kept = BooleanBuffer::new_unset(batch.num_rows());
            for part in parts {
                kept = &kept | &evaluate(part, batch, lookups)?;
            }
            Some(kept)
        }
        ScanPredicate::Column { column, test } => holds(test, batch.column_by_name(column)?, lookups),
    }
}

/// NULLs are never true, but of `IS NULL`.
fn valid(kept: BooleanBuffer, nulls: Option<&NullBuffer>) -> BooleanBuffer {
    match nulls {
        None => kept,
        Some(nulls) => &kept & nulls.inner(),
    }
}

fn holds(test: &Test, array: &ArrayRef, lookups: &mut Lookups) -> Option<BooleanBuffer> {
    let kept = match test {
        Test::IsNull => {
            return Some(array.nulls().map_or_else(|| BooleanBuffer::new_unset(array.len()), |nulls| !nulls.inner()));
        }
        Test::IsNotNull => BooleanBuffer::new_set(array.len()),
        Test::IsBool(true) => array.as_boolean_opt()?.values().clone(),
        Test::IsBool(false) => !array.as_boolean_opt()?.values(),
        Test::Compare(comparison, literal) => match literal {
            Literal::Int(right) => each::<Int64Type>(array, |left| comparison.holds(&left, right))?,
            Literal::Float(right) => each::<Float64Type>(array, |left| comparison.holds(&left, right))?,
            Literal::Date(right) => each::<Date32Type>(array, |left| comparison.holds(&left, right))?,
            Literal::Str(right) => {
                each_entry(array, lookups, |left| comparison.holds(left.as_bytes(), right.as_bytes()))?
            }
        },
        Test::In(set) | Test::NotIn(set) => {
            let wanted = matches!(test, Test::In(_));
            match set {
                LiteralSet::Int(set) => each::<Int64Type>(array, |left| set.contains(&left) == wanted)?,
                LiteralSet::Date(set) => each::<Date32Type>(array, |left| set.contains(&left) == wanted)?,
                LiteralSet::Str(set) => each_entry(array, lookups, |left| set.contains(left) == wanted)?,
            }
        }
    };
    Some(valid(kept, array.nulls()))
}

fn each<T: ArrowPrimitiveType>(array: &ArrayRef, holds: impl Fn(T::Native) -> bool) -> Option<BooleanBuffer> {
    let values = array.as_primitive_opt::<T>()?.values();
    Some(BooleanBuffer::collect_bool(values.len(), |index| values.get(index).is_some_and(|value| holds(*value))))
}

fn each_entry(array: &ArrayRef, lookups: &mut Lookups, holds: impl Fn(&str) -> bool) -> Option<BooleanBuffer> {
    let dictionary = array.as_dictionary_opt::<Int32Type>()?;
    let keys = dictionary.keys().values();
    let held = &lookups.of(dictionary.values(), holds)?.held;
    let holds = |key: i32| usize::try_from(key).is_ok_and(|key| held.get(key).copied().unwrap_or(false));
    Some(BooleanBuffer::collect_bool(keys.len(), |index| keys.get(index).is_some_and(|key| holds(*key))))
}
