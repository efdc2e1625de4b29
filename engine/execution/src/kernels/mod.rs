//! The operators of ehrQL over whole arrays. Each is total: a value, NULL, or a fault that is noted by row.

pub(crate) mod aggregate;
pub(crate) mod arithmetic;
pub(crate) mod case;
pub(crate) mod compare;
pub(crate) mod dates;
pub(crate) mod extreme;
pub(crate) mod fsum;
pub(crate) mod logic;
pub(crate) mod pick;
pub(crate) mod sets;
pub(crate) mod strings;

use arrow::array::{Array, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::common::{Result, internal_err};
use peristyle_model::scalar::{Computed, Fault};

use crate::vector::Operand;

/// Rows for which no value could be computed, and why. The rows hold NULL.
#[derive(Debug, Default)]
pub(crate) struct FaultRows(pub(crate) Vec<(u32, Fault)>);

impl FaultRows {
    fn note(&mut self, row: usize, fault: Fault) {
        self.0.push((row as u32, fault));
    }
}

/// The length that two sides agree on.
fn common_len<A: ArrowPrimitiveType, B: ArrowPrimitiveType>(
    lhs: &Operand<'_, A>,
    rhs: &Operand<'_, B>,
) -> Result<usize> {
    match (lhs, rhs) {
        (Operand::Array(lhs), Operand::Array(rhs)) if lhs.len() == rhs.len() => Ok(lhs.len()),
        (Operand::Array(array), Operand::Constant(_)) => Ok(array.len()),
        (Operand::Constant(_), Operand::Array(array)) => Ok(array.len()),
        _ => internal_err!("the two sides of a function differ in length"),
    }
}

/// A function of two series that always has a value where both sides have.
pub(crate) fn zip<A, B, C>(
    lhs: &Operand<'_, A>,
    rhs: &Operand<'_, B>,
    function: impl Fn(A::Native, B::Native) -> C::Native,
) -> Result<PrimitiveArray<C>>
where
    A: ArrowPrimitiveType,
    B: ArrowPrimitiveType,
    C: ArrowPrimitiveType,
{
    common_len(lhs, rhs)?;
    let nulls = NullBuffer::union(lhs.nulls(), rhs.nulls());
    let values: Vec<C::Native> = match (lhs, rhs) {
        (Operand::Array(lhs), Operand::Array(rhs)) => {
            lhs.values().iter().zip(rhs.values().iter()).map(|(lhs, rhs)| function(*lhs, *rhs)).collect()
        }
        (Operand::Array(lhs), Operand::Constant(rhs)) => lhs.values().iter().map(|lhs| function(*lhs, *rhs)).collect(),
        (Operand::Constant(lhs), Operand::Array(rhs)) => rhs.values().iter().map(|rhs| function(*lhs, *rhs)).collect(),
        (Operand::Constant(lhs), Operand::Constant(rhs)) => vec![function(*lhs, *rhs)],
    };
    Ok(PrimitiveArray::new(values.into(), nulls))
}

/// A test of two series.
pub(crate) fn zip_test<A: ArrowPrimitiveType, B: ArrowPrimitiveType>(
    lhs: &Operand<'_, A>,
    rhs: &Operand<'_, B>,
    test: impl Fn(A::Native, B::Native) -> bool,
) -> Result<BooleanArray> {
    let len = common_len(lhs, rhs)?;
    let nulls = NullBuffer::union(lhs.nulls(), rhs.nulls());
    let bits = match (lhs, rhs) {
        (Operand::Array(lhs), Operand::Array(rhs)) => {
            let (lhs, rhs) = (lhs.values(), rhs.values());
            BooleanBuffer::collect_bool(len, |row| test(lhs[row], rhs[row]))
        }
        (Operand::Array(lhs), Operand::Constant(rhs)) => tested(lhs.values(), |lhs| test(lhs, *rhs)),
        (Operand::Constant(lhs), Operand::Array(rhs)) => tested(rhs.values(), |rhs| test(*lhs, rhs)),
        (Operand::Constant(lhs), Operand::Constant(rhs)) => BooleanBuffer::collect_bool(len, |_| test(*lhs, *rhs)),
    };
    Ok(BooleanArray::new(bits, nulls))
}

/// A bit for each value. The tests of 64 values go into 64 bytes first, which compilers turn into vector instructions.
fn tested<T: Copy>(values: &[T], test: impl Fn(T) -> bool) -> BooleanBuffer {
    /// Its product with eight bytes of 0 or 1 has them as bits in its highest byte, the first byte lowest.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let word = |chunk: &[T]| {
        let mut bytes = [0_u8; 64];
        bytes.iter_mut().zip(chunk).for_each(|(byte, value)| *byte = u8::from(test(*value)));
        let (eights, _) = bytes.as_chunks::<8>();
        eights
            .iter()
            .rev()
            .fold(0_u64, |word, eight| (word << 8) | (u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56))
    };
    let (whole, rest) = values.as_chunks::<64>();
    let mut words: Vec<u64> = Vec::with_capacity(whole.len() + 1);
    words.extend(whole.iter().map(|chunk| word(chunk)));
    if !rest.is_empty() {
        words.push(word(rest));
    }
    BooleanBuffer::new(words.into(), 0, values.len())
}

/// A function of two series that may have no value, or a fault, where both sides have one.
pub(crate) fn zip_partial<A, B, C>(
    lhs: &Operand<'_, A>,
    rhs: &Operand<'_, B>,
    faults: &mut FaultRows,
    function: impl Fn(A::Native, B::Native) -> Computed<Option<C::Native>>,
) -> Result<PrimitiveArray<C>>
where
    A: ArrowPrimitiveType,
    B: ArrowPrimitiveType,
    C: ArrowPrimitiveType,
{
    let len = common_len(lhs, rhs)?;
    let nulls = NullBuffer::union(lhs.nulls(), rhs.nulls());
    let left = |row: usize| match lhs {
        Operand::Array(array) => array.values()[row],
        Operand::Constant(value) => *value,
    };
    let right = |row: usize| match rhs {
        Operand::Array(array) => array.values()[row],
        Operand::Constant(value) => *value,
    };
    partial_rows(len, nulls, faults, |row| function(left(row), right(row)))
}

/// A function of one series that may have no value, or a fault.
pub(crate) fn map_partial<A: ArrowPrimitiveType, C: ArrowPrimitiveType>(
    array: &PrimitiveArray<A>,
    faults: &mut FaultRows,
    function: impl Fn(A::Native) -> Computed<Option<C::Native>>,
) -> Result<PrimitiveArray<C>> {
    let values = array.values();
    partial_rows(array.len(), array.nulls().cloned(), faults, |row| function(values[row]))
}

fn partial_rows<C: ArrowPrimitiveType>(
    len: usize,
    nulls: Option<NullBuffer>,
    faults: &mut FaultRows,
    compute: impl Fn(usize) -> Computed<Option<C::Native>>,
) -> Result<PrimitiveArray<C>> {
    let mut values = vec![C::Native::default(); len];
    let mut missing: Vec<usize> = Vec::new();
    for (row, value) in values.iter_mut().enumerate() {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            continue;
        }
        match compute(row) {
            Ok(Some(computed)) => *value = computed,
            Ok(None) => missing.push(row),
            Err(fault) => {
                missing.push(row);
                faults.note(row, fault);
            }
        }
    }
    Ok(PrimitiveArray::new(values.into(), without_rows(len, nulls, &missing)))
}

/// Validity without the given rows, which are in order.
fn without_rows(len: usize, nulls: Option<NullBuffer>, missing: &[usize]) -> Option<NullBuffer> {
    if missing.is_empty() {
        return nulls;
    }
    let mut valid = vec![true; len];
    missing.iter().for_each(|row| valid[*row] = false);
    NullBuffer::union(nulls.as_ref(), Some(&NullBuffer::from(valid)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_value_is_tested(values in prop::collection::vec(-3i32..3, 0..300)) {
            let expected: BooleanBuffer = values.iter().map(|value| *value > 0).collect();
            prop_assert_eq!(tested(&values, |value| value > 0), expected);
        }
    }
}
