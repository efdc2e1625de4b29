//! Masks of rows, and masks of what masks have let through.

use arrow::buffer::BooleanBuffer;

/// A bit for each key.
pub(crate) fn bits_of(keys: &[i32], holds: impl Fn(i32) -> bool) -> BooleanBuffer {
    let word = |chunk: &[i32]| chunk.iter().rev().fold(0, |word, key| (word << 1) | u64::from(holds(*key)));
    BooleanBuffer::new(keys.chunks(64).map(word).collect::<Vec<u64>>().into(), 0, keys.len())
}

/// Bits that are looked at and cleared in ranges.
pub(crate) struct Ranges {
    words: Vec<u64>,
    len: usize,
}

impl Ranges {
    /// So many bits, all set.
    pub(crate) fn all_set(len: usize) -> Self {
        Self { words: vec![u64::MAX; len.div_ceil(64)], len }
    }

    pub(crate) fn of(bits: &BooleanBuffer) -> Self {
        let mut words: Vec<u64> = bits.bit_chunks().iter_padded().collect();
        words.truncate(bits.len().div_ceil(64));
        Self { words, len: bits.len() }
    }

    /// Whether any of `count` bits from bit `start` on is set.
    pub(crate) fn any(&self, start: usize, count: usize) -> bool {
        parts(start, count).any(|(word, mask)| self.words.get(word).is_some_and(|word| word & mask != 0))
    }

    /// Clears `count` bits from bit `start` on.
    pub(crate) fn clear(&mut self, start: usize, count: usize) {
        for (word, mask) in parts(start, count) {
            if let Some(word) = self.words.get_mut(word) {
                *word &= !mask;
            }
        }
    }

    pub(crate) fn into_bits(self) -> BooleanBuffer {
        BooleanBuffer::new(self.words.into(), 0, self.len)
    }
}

/// The words that `count` bits from bit `start` on lie in, and which of their bits they are.
fn parts(start: usize, count: usize) -> impl Iterator<Item = (usize, u64)> {
    let end = start + count;
    (start / 64..end.div_ceil(64)).map(move |word| {
        let from = start.saturating_sub(word * 64).min(64);
        let until = (end - word * 64).min(64);
        let below = |bits: usize| if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
        (word, below(until) & !below(from))
    })
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
        fn ranges_are_looked_at_and_cleared_bit_by_bit(
            bits in proptest::option::of(proptest::collection::vec(any::<bool>(), 0..300)),
            cleared in proptest::collection::vec((0usize..300, 0usize..200), 0..4),
            asked in (0usize..300, 0usize..200),
        ) {
            let given = bits.clone().unwrap_or_else(|| vec![true; 200]);
            // A slice begins anywhere in a byte.
            let buffer: BooleanBuffer = std::iter::repeat_n(true, 5).chain(given.iter().copied()).collect();
            let mut ranges = match bits {
                Some(_) => Ranges::of(&buffer.slice(5, given.len())),
                None => Ranges::all_set(given.len()),
            };
            let mut expected = given.clone();
            let within = |(start, count): (usize, usize)| {
                let start = start.min(given.len());
                (start, count.min(given.len() - start))
            };
            for (start, count) in cleared.into_iter().map(within) {
                ranges.clear(start, count);
                expected[start..start + count].fill(false);
            }
            let (start, count) = within(asked);
            prop_assert_eq!(ranges.any(start, count), expected[start..start + count].contains(&true));
            prop_assert_eq!(ranges.into_bits().iter().collect::<Vec<_>>(), expected);
        }

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
