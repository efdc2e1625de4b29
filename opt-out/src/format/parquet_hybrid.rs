//! Parquet's hybrid encoding of small numbers: runs of one number, and numbers packed into as few bits as the largest needs.

use arrow::buffer::{BooleanBuffer, Buffer};
use parquet::errors::{ParquetError, Result};

pub(super) fn damaged() -> ParquetError {
    ParquetError::General(String::new())
}

/// A part of a sequence of numbers, as Parquet's hybrid encoding has it.
enum Run<'a> {
    /// A number, so many times over
    Same(u32, usize),
    /// Numbers one after another in so many bits each, in groups of eight
    Packed(&'a [u8]),
}

/// Takes the next run off `bytes`.
fn next_run<'a>(bytes: &mut &'a [u8], width: u32) -> Result<Run<'a>> {
    let mut header = 0_u64;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or_else(damaged)?;
        *bytes = rest;
        header |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let count = usize::try_from(header >> 1).map_err(|_| damaged())?;
    let length = if header & 1 == 1 { count.checked_mul(width as usize) } else { Some(width.div_ceil(8) as usize) };
    let (run, rest) = length.and_then(|length| bytes.split_at_checked(length)).ok_or_else(damaged)?;
    *bytes = rest;
    if header & 1 == 1 {
        return Ok(Run::Packed(run));
    }
    let number = run.iter().rev().fold(0, |number, byte| (number << 8) | u32::from(*byte));
    Ok(Run::Same(number, count))
}

/// `count` numbers of one bit each.
pub(super) fn flags(mut bytes: &[u8], count: usize) -> Result<BooleanBuffer> {
    let mut flags = Flags::of(count);
    while flags.len < count {
        let left = count - flags.len;
        match next_run(&mut bytes, 1)? {
            Run::Same(flag, times) => flags.repeat(flag != 0, times.min(left)),
            Run::Packed(packed) => flags.extend(packed, left),
        }
    }
    Ok(flags.finish())
}

/// Bits one after another. Runs of them are short and begin anywhere, so that they are taken 64 at a time as they come.
struct Flags {
    words: Vec<u64>,
    /// Those that fill no word yet, from the lowest bit up
    last: u64,
    len: usize,
}

impl Flags {
    fn of(count: usize) -> Self {
        Flags { words: Vec::with_capacity(count.div_ceil(64)), last: 0, len: 0 }
    }

    /// The lowest `count` bits of `bits`, of 64 at most. The others must be 0.
    fn push(&mut self, bits: u64, count: usize) {
        let used = self.len % 64;
        self.last |= bits << used;
        self.len += count;
        if used + count >= 64 {
            self.words.push(self.last);
            self.last = if used == 0 { 0 } else { bits >> (64 - used) };
        }
    }

    fn repeat(&mut self, flag: bool, times: usize) {
        let mut left = times;
        while left > 0 {
            let count = left.min(64);
            self.push(if flag { u64::MAX >> (64 - count) } else { 0 }, count);
            left -= count;
        }
    }

    /// At most `count` bits of `packed`.
    fn extend(&mut self, packed: &[u8], count: usize) {
        let mut left = count;
        for part in packed.chunks(8) {
            let taken = left.min(8 * part.len());
            if taken == 0 {
                break;
            }
            let bits = part.iter().rev().fold(0, |bits, byte| (bits << 8) | u64::from(*byte));
            self.push(bits & (u64::MAX >> (64 - taken)), taken);
            left -= taken;
        }
    }

    fn finish(mut self) -> BooleanBuffer {
        if !self.len.is_multiple_of(64) {
            self.words.push(self.last);
        }
        // Bits are counted from the lowest of the first byte up.
        self.words.iter_mut().for_each(|word| *word = word.to_le());
        BooleanBuffer::new(Buffer::from_vec(self.words), 0, self.len)
    }
}

/// `count` numbers of `width` bits each. Those of 32 bits keep their bits.
pub(super) fn unpack(mut bytes: &[u8], width: u32, count: usize, numbers: &mut Vec<i32>) -> Result<()> {
    if width > 32 {
        return Err(damaged());
    }
    while numbers.len() < count {
        let left = count - numbers.len();
        match next_run(&mut bytes, width)? {
            Run::Same(number, times) => numbers.extend(std::iter::repeat_n(number as i32, times.min(left))),
            // Numbers without bits are all 0, and of those no page has another kind.
            Run::Packed(_) if width == 0 => numbers.extend(std::iter::repeat_n(0, left)),
            Run::Packed(packed) => unpack_run(packed, width as usize, left, numbers),
        }
    }
    Ok(())
}

/// At most `count` numbers of `width` bits, of 1 to 32, one after another.
fn unpack_run(packed: &[u8], width: usize, count: usize, numbers: &mut Vec<i32>) {
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                $($width => unpack_eights::<$width>(packed, count, numbers),)*
                // Of other widths there are none.
                _ => {}
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
}

/// The same. Numbers are packed in eights, which take as many bytes as each takes bits.
fn unpack_eights<const WIDTH: usize>(packed: &[u8], count: usize, numbers: &mut Vec<i32>) {
    let count = count.min(packed.len() * 8 / WIDTH);
    let begin = numbers.len();
    numbers.resize(begin + count.next_multiple_of(8), 0);
    let to = numbers.get_mut(begin..).unwrap_or_default();
    for (eight, to) in to.chunks_exact_mut(8).enumerate() {
        let bytes = packed.get(eight * WIDTH..).unwrap_or_default();
        match bytes.get(..WIDTH + 8) {
            Some(bytes) => to.copy_from_slice(&eight_of::<WIDTH>(bytes)),
            None => {
                let mut end = [0_u8; 40];
                end.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
                to.copy_from_slice(&eight_of::<WIDTH>(&end));
            }
        }
    }
    numbers.truncate(begin + count);
}

/// The first eight numbers. Where each lies is known when this is compiled; with eight bytes more than they have, each can
/// be taken out of eight bytes.
fn eight_of<const WIDTH: usize>(bytes: &[u8]) -> [i32; 8] {
    std::array::from_fn(|at| {
        let bit = at * WIDTH;
        let word = bytes.get(bit / 8..).and_then(|bytes| bytes.first_chunk::<8>());
        ((word.map_or(0, |word| u64::from_le_bytes(*word)) >> (bit % 8)) & (u64::MAX >> (64 - WIDTH))) as i32
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Runs of any length, each of which begins wherever the one before has ended.
        #[test]
        fn flags_are_those_of_the_runs(
            runs in prop::collection::vec(
                prop_oneof![
                    (any::<bool>(), 0usize..200).prop_map(|(flag, times)| (vec![flag; times], None)),
                    prop::collection::vec(any::<u8>(), 0..40).prop_map(|packed| {
                        let flags = (0..8 * packed.len()).map(|bit| packed[bit / 8] >> (bit % 8) & 1 == 1).collect();
                        (flags, Some(packed))
                    }),
                ],
                0..12,
            ),
            left_out in 0usize..80,
        ) {
            let mut bytes = Vec::new();
            let mut expected: Vec<bool> = Vec::new();
            for (flags, packed) in runs {
                let count = packed.as_ref().map_or(flags.len(), Vec::len) as u64;
                let mut header = count << 1 | u64::from(packed.is_some());
                while header > 0x7f {
                    bytes.push(header as u8 | 0x80);
                    header >>= 7;
                }
                bytes.push(header as u8);
                bytes.extend(packed.unwrap_or_else(|| vec![u8::from(flags.first() == Some(&true))]));
                expected.extend(flags);
            }
            expected.truncate(expected.len().saturating_sub(left_out));
            prop_assert_eq!(flags(&bytes, expected.len()).unwrap(), BooleanBuffer::from(expected.as_slice()));
            let too_many = 8 * bytes.len() + 500 * 200;
            prop_assert!(flags(&bytes, too_many).is_err());
        }
    }
}
