//! Masks of rows, and masks of what masks have let through.

use arrow::buffer::BooleanBuffer;

/// A bit for each key.
pub(crate) fn bits_of(keys: &[i32], holds: impl Fn(i32) -> bool) -> BooleanBuffer {
    let word = |chunk: &[i32]| chunk.iter().rev().fold(0, |word, key| (word << 1) | u64::from(holds(*key)));
    BooleanBuffer::new(keys.chunks(64).map(word).collect::<Vec<u64>>().into(), 0, keys.len())
}

/// Those of the set bits of `seen` for which, one after another, `kept` is set; `kept` has a bit for each set bit of
/// `seen`, and where it has not the row is not kept.
pub(crate) fn narrowed(seen: &BooleanBuffer, kept: &BooleanBuffer) -> BooleanBuffer {
    let kept: Vec<u64> = kept.bit_chunks().iter_padded().collect();
    let mut words = Vec::with_capacity(seen.len().div_ceil(64));
    let mut before = 0;
    for word in seen.bit_chunks().iter_padded().take(seen.len().div_ceil(64)) {
        let count = word.count_ones() as usize;
        words.push(deposited(bits_at(&kept, before, count), word));
        before += count;
    }
    BooleanBuffer::new(words.into(), 0, seen.len())
}

/// `count` bits from bit `start` on, the first of them lowest. Bits beyond the end are not set.
fn bits_at(words: &[u64], start: usize, count: usize) -> u64 {
    let (word, shift) = (start / 64, start % 64);
    let at = |word: usize| words.get(word).copied().unwrap_or(0);
    let low = at(word) >> shift;
    let both = if shift == 0 { low } else { low | (at(word + 1) << (64 - shift)) };
    if count >= 64 { both } else { both & ((1 << count) - 1) }
}

/// The bits, one after another, at the places of the mask's set bits.
fn deposited(mut bits: u64, mask: u64) -> u64 {
    if mask == u64::MAX {
        return bits;
    }
    let (mut rest, mut placed) = (mask, 0);
    while bits != 0 && rest != 0 {
        let lowest = rest & rest.wrapping_neg();
        if bits & 1 == 1 {
            placed |= lowest;
        }
        bits >>= 1;
        rest ^= lowest;
    }
    placed
}

/// Where the set bit of this number is, from 0.
pub(crate) fn nth_set(mask: &BooleanBuffer, number: usize) -> Option<usize> {
    mask.set_indices().nth(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn narrowing_goes_row_by_row(rows in proptest::collection::vec((any::<bool>(), any::<bool>()), 0..300)) {
            let seen: BooleanBuffer = rows.iter().map(|(seen, _)| *seen).collect();
            let kept: BooleanBuffer = rows.iter().filter(|(seen, _)| *seen).map(|(_, kept)| *kept).collect();
            let expected: BooleanBuffer = rows.iter().map(|(seen, kept)| *seen && *kept).collect();
            let narrowed = narrowed(&seen, &kept);
            prop_assert_eq!(&narrowed, &expected);
            let at: Vec<usize> = (0..expected.count_set_bits()).filter_map(|n| nth_set(&expected, n)).collect();
            prop_assert_eq!(at, expected.set_indices().collect::<Vec<_>>());
            // A slice begins anywhere in a byte.
            if rows.len() > 3 {
                let (seen, rest) = (seen.slice(3, rows.len() - 3), &rows[3..]);
                let kept: BooleanBuffer = rest.iter().filter(|(seen, _)| *seen).map(|(_, kept)| *kept).collect();
                let kept = super::narrowed(&seen, &kept);
                prop_assert_eq!(kept, expected.slice(3, rows.len() - 3));
            }
        }
    }
}
