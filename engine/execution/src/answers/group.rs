//! Grouping patients by the values of one-row series.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray};
use datafusion::common::{Result, internal_err};
use peristyle_model::types::Physical;

use crate::vector::{StrColumn, Vector};

/// One value of a group. NULL comes first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum GroupValue {
    Null,
    Bool(bool),
    Int(i64),
    Float(OrderedFloat),
    Date(i32),
    Str(Arc<str>),
}

/// A float that is finite, zero without its sign.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderedFloat(f64);

impl PartialEq for OrderedFloat {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for OrderedFloat {}

impl PartialOrd for OrderedFloat {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OrderedFloat {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl std::hash::Hash for OrderedFloat {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// The values of a group, one for each group-by.
pub(super) type GroupKey = Arc<[GroupValue]>;

/// For each patient of a block the group, by place in `keys`.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    pub(super) keys: Vec<GroupKey>,
    pub(super) of_patient: Vec<u32>,
}

impl Groups {
    /// Groups `len` patients by several series.
    pub(super) fn new(columns: &[&Vector], len: usize) -> Result<Self> {
        let mut groups = Groups { keys: vec![Arc::new([])], of_patient: vec![0; len] };
        for column in columns {
            groups = groups.split(column)?;
        }
        Ok(groups)
    }

    /// Splits the groups by one more series.
    fn split(self, column: &Vector) -> Result<Self> {
        let (values, codes) = coded(column, self.of_patient.len())?;
        let mut known: HashMap<(u32, u32), u32> = HashMap::new();
        let mut keys: Vec<GroupKey> = Vec::new();
        let mut of_patient = Vec::with_capacity(codes.len());
        for (group, code) in self.of_patient.iter().zip(&codes) {
            of_patient.push(*known.entry((*group, *code)).or_insert_with(|| {
                let before = self.keys[*group as usize].iter().cloned();
                keys.push(before.chain([values[*code as usize].clone()]).collect());
                keys.len() as u32 - 1
            }));
        }
        Ok(Groups { keys, of_patient })
    }
}

/// The different values of a series, and for each row the place of its value among them.
fn coded(column: &Vector, len: usize) -> Result<(Vec<GroupValue>, Vec<u32>)> {
    let mut values = Vec::new();
    let mut places: HashMap<GroupValue, u32> = HashMap::new();
    let mut place_of = |value: GroupValue| {
        *places.entry(value).or_insert_with_key(|value| {
            values.push(value.clone());
            values.len() as u32 - 1
        })
    };
    let codes = match column {
        Vector::Str(array) => {
            let strings = StrColumn::new(array)?;
            // Entries may occur twice, so that the key alone does not tell the value.
            let mut place_of_entry: Vec<Option<u32>> = vec![None; strings.entries.len()];
            let mut codes = Vec::with_capacity(len);
            for row in 0..len {
                codes.push(match strings.get(row) {
                    None => place_of(GroupValue::Null),
                    Some(text) => *place_of_entry[strings.keys.value(row) as usize]
                        .get_or_insert_with(|| place_of(GroupValue::Str(text.into()))),
                });
            }
            codes
        }
        other => (0..len).map(|row| value_at(other, row).map(&mut place_of)).collect::<Result<_>>()?,
    };
    Ok((values, codes))
}

fn value_at(column: &Vector, row: usize) -> Result<GroupValue> {
    use peristyle_model::graph::Constant;
    Ok(match column {
        Vector::Null => GroupValue::Null,
        Vector::Constant(Constant::Bool(value)) => GroupValue::Bool(*value),
        Vector::Constant(Constant::Int(value)) => GroupValue::Int(*value),
        Vector::Constant(Constant::Float(value)) => GroupValue::Float(OrderedFloat(value + 0.0)),
        Vector::Constant(Constant::Date(value)) => GroupValue::Date(*value),
        Vector::Constant(Constant::Str(value)) => GroupValue::Str(value.clone()),
        Vector::Bool(array) if array.is_valid(row) => GroupValue::Bool(array.value(row)),
        Vector::Int(array) if array.is_valid(row) => GroupValue::Int(array.value(row)),
        Vector::Float(array) if array.is_valid(row) => GroupValue::Float(OrderedFloat(array.value(row) + 0.0)),
        Vector::Date(array) if array.is_valid(row) => GroupValue::Date(array.value(row)),
        Vector::Bool(_) | Vector::Int(_) | Vector::Float(_) | Vector::Date(_) => GroupValue::Null,
        Vector::Str(_) => return internal_err!("strings are grouped by entry"),
    })
}

/// The values of one group-by, as a column.
pub(super) fn column(values: &[Option<&GroupValue>], physical: Physical) -> ArrayRef {
    fn pick<T>(values: &[Option<&GroupValue>], of: impl Fn(&GroupValue) -> Option<T>) -> Vec<Option<T>> {
        values.iter().map(|value| value.and_then(&of)).collect()
    }
    match physical {
        Physical::Bool => Arc::new(BooleanArray::from(pick(values, |value| match value {
            GroupValue::Bool(value) => Some(*value),
            _ => None,
        }))),
        Physical::Int => Arc::new(Int64Array::from(pick(values, |value| match value {
            GroupValue::Int(value) => Some(*value),
            _ => None,
        }))),
        Physical::Float => Arc::new(Float64Array::from(pick(values, |value| match value {
            GroupValue::Float(value) => Some(value.0),
            _ => None,
        }))),
        Physical::Date => Arc::new(Date32Array::from(pick(values, |value| match value {
            GroupValue::Date(value) => Some(*value),
            _ => None,
        }))),
        Physical::Str => Arc::new(StringArray::from_iter(pick(values, |value| match value {
            GroupValue::Str(value) => Some(value.clone()),
            _ => None,
        }))),
    }
}
