//! Membership in sets: constant ones, and those that `CombineAsSet` makes of a patient's rows.

use arrow::array::{Array, ArrowPrimitiveType, BooleanArray, BooleanBuilder, PrimitiveArray};
use arrow::buffer::BooleanBuffer;
use datafusion::common::{Result, internal_err};
use hashbrown::HashSet;
use peristyle_model::graph::Constant;

use super::compare::by_entry;
use crate::rows::DomainRows;
use crate::vector::{StrColumn, Vector};

/// A constant set, ready for look-up. Without members, membership is false even for NULL.
#[derive(Clone, Debug)]
pub(crate) enum ConstantMembers {
    Empty,
    Bool {
        with_false: bool,
        with_true: bool,
    },
    Int(HashSet<i64>),
    /// By bits, zero without its sign
    Float(HashSet<u64>),
    Date(HashSet<i32>),
    Str(HashSet<Box<str>>),
}

impl ConstantMembers {
    /// From the members of a checked set: all of one type.
    pub(crate) fn new(members: &[Constant]) -> Self {
        let Some(first) = members.first() else {
            return ConstantMembers::Empty;
        };
        match first {
            Constant::Bool(_) => ConstantMembers::Bool {
                with_false: members.contains(&Constant::Bool(false)),
                with_true: members.contains(&Constant::Bool(true)),
            },
            Constant::Int(_) => ConstantMembers::Int(
                members.iter().filter_map(|m| if let Constant::Int(v) = m { Some(*v) } else { None }).collect(),
            ),
            Constant::Float(_) => ConstantMembers::Float(
                members
                    .iter()
                    .filter_map(|m| if let Constant::Float(v) = m { Some((v + 0.0).to_bits()) } else { None })
                    .collect(),
            ),
            Constant::Date(_) => ConstantMembers::Date(
                members.iter().filter_map(|m| if let Constant::Date(v) = m { Some(*v) } else { None }).collect(),
            ),
            Constant::Str(_) => ConstantMembers::Str(
                members
                    .iter()
                    .filter_map(|m| if let Constant::Str(v) = m { Some(v.as_ref().into()) } else { None })
                    .collect(),
            ),
        }
    }
}

fn test<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, member: impl Fn(T::Native) -> bool) -> BooleanArray {
    let values = array.values();
    let bits = BooleanBuffer::collect_bool(array.len(), |row| member(values[row]));
    BooleanArray::new(bits, array.nulls().cloned())
}

/// Whether each row of an array is in a constant set.
pub(crate) fn in_constant(lhs: &Vector, set: &ConstantMembers) -> Result<Vector> {
    Ok(Vector::Bool(match (lhs, set) {
        (_, ConstantMembers::Empty) => return Ok(Vector::Constant(Constant::Bool(false))),
        (Vector::Int(array), ConstantMembers::Int(members)) => test(array, |value| members.contains(&value)),
        (Vector::Date(array), ConstantMembers::Date(members)) => test(array, |value| members.contains(&value)),
        (Vector::Float(array), ConstantMembers::Float(members)) => {
            test(array, |value| members.contains(&(value + 0.0).to_bits()))
        }
        (Vector::Bool(array), ConstantMembers::Bool { with_false, with_true }) => {
            let values = array.values();
            let bits =
                BooleanBuffer::collect_bool(
                    array.len(),
                    |row| if values.value(row) { *with_true } else { *with_false },
                );
            BooleanArray::new(bits, array.nulls().cloned())
        }
        (Vector::Str(array), ConstantMembers::Str(members)) => by_entry(array, |entry| members.contains(entry))?,
        _ => return internal_err!("a set holds another type than the series"),
    }))
}

/// Whether each value is among the patient's values. `patients` gives the patient of each row of `lhs`; without it,
/// `lhs` has one row a patient. `members` are the values over `rows`; NULLs are no members.
pub(crate) fn in_combined(
    lhs: &Vector,
    patients: Option<&DomainRows>,
    members: &Vector,
    rows: &DomainRows,
) -> Result<Vector> {
    let offsets = rows.offsets();
    let patient_of = |row: usize| patients.map_or(row, |patients| patients.patients().value(row) as usize);
    let range = |row: usize| {
        let patient = patient_of(row);
        offsets[patient] as usize..offsets[patient + 1] as usize
    };
    fn search<T: ArrowPrimitiveType>(
        lhs: &PrimitiveArray<T>,
        members: &PrimitiveArray<T>,
        range: impl Fn(usize) -> std::ops::Range<usize>,
        equal: impl Fn(T::Native, T::Native) -> bool,
    ) -> BooleanArray {
        combined(
            lhs.len(),
            |row| lhs.is_valid(row),
            |row| range(row).filter(|member| members.is_valid(*member)),
            |row, member| equal(lhs.value(row), members.value(member)),
        )
    }
    Ok(Vector::Bool(match (lhs, members) {
        (Vector::Int(lhs), Vector::Int(members)) => search(lhs, members, range, |a, b| a == b),
        (Vector::Date(lhs), Vector::Date(members)) => search(lhs, members, range, |a, b| a == b),
        (Vector::Float(lhs), Vector::Float(members)) => search(lhs, members, range, |a, b| a == b),
        (Vector::Bool(lhs), Vector::Bool(members)) => combined(
            lhs.len(),
            |row| lhs.is_valid(row),
            |row| range(row).filter(|member| members.is_valid(*member)),
            |row, member| lhs.value(row) == members.value(member),
        ),
        (Vector::Str(lhs), Vector::Str(members)) => {
            let (left, right) = (StrColumn::new(lhs)?, StrColumn::new(members)?);
            combined(
                lhs.len(),
                |row| lhs.is_valid(row),
                |row| range(row).filter(|member| members.is_valid(*member)),
                |row, member| left.get(row) == right.get(member),
            )
        }
        _ => return internal_err!("a set holds another type than the series"),
    }))
}

/// False for an empty set, else NULL for NULL, else whether any member is equal.
fn combined<M: Iterator<Item = usize>>(
    len: usize,
    is_valid: impl Fn(usize) -> bool,
    members: impl Fn(usize) -> M,
    equal: impl Fn(usize, usize) -> bool,
) -> BooleanArray {
    let mut builder = BooleanBuilder::with_capacity(len);
    for row in 0..len {
        let mut members = members(row).peekable();
        builder.append_option(match (members.peek().is_some(), is_valid(row)) {
            (false, _) => Some(false),
            (true, false) => None,
            (true, true) => Some(members.any(|member| equal(row, member))),
        });
    }
    builder.finish()
}
