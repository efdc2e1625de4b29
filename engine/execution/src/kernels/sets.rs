//! Membership in sets: constant ones, and those that `CombineAsSet` makes of a patient's rows.

use arrow::array::{Array, ArrowPrimitiveType, BooleanArray, BooleanBuilder, PrimitiveArray};
use arrow::buffer::BooleanBuffer;
use datafusion::common::{Result, internal_err};
use hashbrown::{HashMap, HashSet};
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

/// Whether each value is among the patient's values. `patients` gives the patient of each row of `lhs`, ascending;
/// without it, `lhs` has one row a patient. `members` are the values over `rows`; NULLs are no members.
pub(crate) fn in_combined(
    lhs: &Vector,
    patients: Option<&DomainRows>,
    members: &Vector,
    rows: &DomainRows,
) -> Result<Vector> {
    fn search<T: ArrowPrimitiveType, K: Copy + Ord>(
        lhs: &PrimitiveArray<T>,
        members: &PrimitiveArray<T>,
        sets: &Sets<'_>,
        key: impl Fn(T::Native) -> K,
        key_of_member: impl Fn(T::Native) -> K,
    ) -> BooleanArray {
        let value = |row| lhs.is_valid(row).then(|| key(lhs.value(row)));
        let member = |row| members.is_valid(row).then(|| key_of_member(members.value(row)));
        sets.contain(lhs.len(), value, member)
    }
    let sets = Sets { patients, offsets: rows.offsets() };
    Ok(Vector::Bool(match (lhs, members) {
        (Vector::Int(lhs), Vector::Int(members)) => search(lhs, members, &sets, |value| value, |value| value),
        (Vector::Date(lhs), Vector::Date(members)) => search(lhs, members, &sets, |value| value, |value| value),
        (Vector::Float(lhs), Vector::Float(members)) => {
            // NaN is equal to nothing: what is looked up has another than the members, and both have one that no number has.
            let key = |nan: u64| move |value: f64| if value.is_nan() { nan } else { (value + 0.0).to_bits() };
            search(lhs, members, &sets, key(u64::MAX), key(u64::MAX - 1))
        }
        (Vector::Bool(lhs), Vector::Bool(members)) => {
            let value = |array: &BooleanArray, row| array.is_valid(row).then(|| array.value(row));
            sets.contain(lhs.len(), |row| value(lhs, row), |member| value(members, member))
        }
        (Vector::Str(lhs), Vector::Str(members)) => {
            let mut numbers = HashMap::new();
            let (lhs, members) = (StrColumn::new(lhs)?, StrColumn::new(members)?);
            let (lhs, members) = (numbered(&lhs, &mut numbers), numbered(&members, &mut numbers));
            sets.contain(lhs.len(), |row| lhs[row], |member| members[member])
        }
        _ => return internal_err!("a set holds another type than the series"),
    }))
}

/// A number for each row's string, the same for the same string whichever dictionary it is in, or however often.
fn numbered<'a>(column: &StrColumn<'a>, numbers: &mut HashMap<&'a str, u32>) -> Vec<Option<u32>> {
    let mut number = |entry| {
        let next = numbers.len() as u32;
        *numbers.entry(entry).or_insert(next)
    };
    if !column.is_worth_walking() {
        return (0..column.keys.len()).map(|row| column.get(row).map(&mut number)).collect();
    }
    let entries: Vec<u32> = (0..column.entries.len()).map(|entry| number(column.entries.value(entry))).collect();
    column.keys.iter().map(|key| key.map(|key| entries[key as usize])).collect()
}

/// Most members that are compared one by one: fewer than it costs to sort them.
const COMPARED_MAX: usize = 8;

/// A set of values for each patient.
struct Sets<'a> {
    /// The patient of each row that is looked up, ascending; without it, each patient has one row
    patients: Option<&'a DomainRows>,
    /// Where each patient's members begin, and the end of the last
    offsets: &'a [u32],
}

impl Sets<'_> {
    /// False for an empty set, else NULL for NULL, else whether any member is equal.
    fn contain<K: Copy + Ord>(
        &self,
        len: usize,
        value: impl Fn(usize) -> Option<K>,
        member: impl Fn(usize) -> Option<K>,
    ) -> BooleanArray {
        let mut builder = BooleanBuilder::with_capacity(len);
        let mut members: Vec<K> = Vec::new();
        let (mut members_of, mut sorted) = (None, false);
        let patients = self.patients.map(|rows| rows.patients().values());
        for row in 0..len {
            let patient = patients.map_or(row, |patients| patients[row] as usize);
            if members_of != Some(patient) {
                members_of = Some(patient);
                let range = self.offsets[patient] as usize..self.offsets[patient + 1] as usize;
                members.clear();
                members.extend(range.filter_map(&member));
                sorted = patients.is_some() && members.len() > COMPARED_MAX;
                if sorted {
                    members.sort_unstable();
                    members.dedup();
                }
            }
            builder.append_option(match (members.is_empty(), value(row)) {
                (true, _) => Some(false),
                (false, None) => None,
                (false, Some(value)) if sorted => Some(members.binary_search(&value).is_ok()),
                (false, Some(value)) => Some(members.contains(&value)),
            });
        }
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::Int32Type;
    use proptest::prelude::*;

    use super::*;
    use crate::vector::StrArray;

    type Values = Vec<Option<u8>>;

    /// Strings with a dictionary of their own, in which each stands twice, or which is longer than the column.
    fn strings(values: &[Option<u8>], entries: u8) -> Vector {
        let dictionary: StringArray = (0..2 * entries).map(|entry| Some(format!("c{}", entry % entries))).collect();
        let keys = values.iter().enumerate().map(|(row, value)| {
            value.map(|value| i32::from(value) + if row % 2 == 0 { 0 } else { i32::from(entries) })
        });
        Vector::Str(StrArray::new(keys.collect::<arrow::array::PrimitiveArray<Int32Type>>(), Arc::new(dictionary)))
    }

    fn integers(values: &[Option<u8>]) -> Vector {
        Vector::Int(values.iter().map(|value| value.map(i64::from)).collect::<Int64Array>())
    }

    fn rows_of<T>(patients: &[Vec<T>]) -> DomainRows {
        let mut ends = vec![0];
        ends.extend(patients.iter().scan(0, |end, rows| {
            *end += rows.len() as u32;
            Some(*end)
        }));
        DomainRows::all(ends.into())
    }

    fn truth(lhs: &Vector, patients: Option<&DomainRows>, members: &Vector, rows: &DomainRows) -> BooleanArray {
        let Vector::Bool(found) = in_combined(lhs, patients, members, rows).unwrap() else { panic!("no truth") };
        found
    }

    /// What each value is told, all compared with all.
    fn compared(looked_up: &[Values], members: &[Values]) -> BooleanArray {
        let of_patient = |(looked_up, members): (&Values, &Values)| -> Vec<Option<bool>> {
            let none = members.iter().all(Option::is_none);
            looked_up
                .iter()
                .map(|value| if none { Some(false) } else { value.map(|_| members.contains(value)) })
                .collect()
        };
        looked_up.iter().zip(members).flat_map(of_patient).collect()
    }

    proptest! {
        #[test]
        fn a_value_is_in_its_patient_s_set_as_if_each_member_were_compared(
            patients in prop::collection::vec(
                (prop::collection::vec(prop::option::of(0..15u8), 0..12),
                 prop::collection::vec(prop::option::of(0..15u8), 0..40)), 1..8)
        ) {
            let (looked_up, members): (Vec<Values>, Vec<Values>) = patients.into_iter().unzip();
            // A value for each patient, too.
            let first: Vec<Values> = looked_up.iter().map(|rows| vec![rows.first().copied().flatten()]).collect();
            let (rows, member_rows) = (rows_of(&looked_up), rows_of(&members));
            for values in [integers, |values: &[Option<u8>]| strings(values, 15), |values: &[Option<u8>]| strings(values, 60)] {
                let in_set = values(&members.concat());
                let found = truth(&values(&looked_up.concat()), Some(&rows), &in_set, &member_rows);
                prop_assert_eq!(found, compared(&looked_up, &members));
                prop_assert_eq!(truth(&values(&first.concat()), None, &in_set, &member_rows), compared(&first, &members));
            }
        }
    }

    #[test]
    fn zero_has_one_sign_and_nan_is_in_no_set() {
        let floats = |values: Vec<f64>| Vector::Float(values.into());
        for more in [vec![], (1..20).map(f64::from).collect()] {
            let members = [vec![f64::NAN, 0.0], more].concat();
            let member_rows = rows_of(&[vec![(); members.len()]]);
            let looked_up = floats(vec![f64::NAN, -f64::NAN, -0.0, 0.0, 0.5]);
            let found = truth(&looked_up, Some(&rows_of(&[vec![(); 5]])), &floats(members), &member_rows);
            assert_eq!(found, BooleanArray::from(vec![false, false, true, true, false]));
        }
    }
}
