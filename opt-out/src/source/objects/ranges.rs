//! From the ranges that are wanted to the requests that are made, and back.

use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::REQUEST_BYTES_MAX;
use crate::problem::StoreProblem;
use crate::source::store::length_of;

/// The requests that fetch these ranges: neighbours in one, long ones in several, and no byte that is in none of them.
pub(super) fn requests(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<Range<u64>> = ranges.iter().filter(|range| !range.is_empty()).cloned().collect();
    sorted.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    let pieces = |range: Range<u64>| {
        let step = usize::try_from(REQUEST_BYTES_MAX).unwrap_or(usize::MAX);
        range.clone().step_by(step).map(move |start| start..range.end.min(start + REQUEST_BYTES_MAX))
    };
    joined.into_iter().flat_map(pieces).collect()
}

/// A range out of the answers that hold it.
pub(super) fn gathered(range: &Range<u64>, answered: &[(Range<u64>, Bytes)]) -> io::Result<Bytes> {
    let part = |(found, bytes): &(Range<u64>, Bytes)| {
        let (start, end) = (range.start.max(found.start), range.end.min(found.end));
        let at = |place: u64| usize::try_from(place - found.start).ok();
        if start < end { Some(bytes.slice(at(start)?..at(end)?)) } else { None }
    };
    let mut parts: Vec<Bytes> = answered.iter().filter_map(part).collect();
    let bytes = if parts.len() == 1 { parts.pop().unwrap_or_default() } else { parts.concat().into() };
    if bytes.len() == length_of(range)? { Ok(bytes) } else { Err(StoreProblem::Garbled.into()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::single_range_in_vec_init)]
    use super::*;

    #[test]
    fn neighbours_are_fetched_together_and_nothing_between() {
        const MAX: u64 = REQUEST_BYTES_MAX;
        for (wanted, asked) in [
            (vec![], vec![]),
            (vec![5..9], vec![5..9]),
            (vec![5..5], vec![]),
            (vec![10..20, 0..10], vec![0..20]),
            (vec![0..10, 11..20], vec![0..10, 11..20]),
            (vec![0..10, 5..20], vec![0..20]),
            (vec![1..MAX + 2], vec![1..MAX + 1, MAX + 1..MAX + 2]),
        ] {
            assert_eq!(requests(&wanted), asked, "{wanted:?}");
        }
    }

    #[test]
    fn ranges_are_gathered_from_answers() {
        let bytes: Vec<u8> = (0..100).collect();
        let answered = [(0..40, bytes[..40].to_vec().into()), (40..60, bytes[40..60].to_vec().into())];
        for range in [0..1, 0..40, 10..50, 39..41, 59..60, 7..7] {
            let expected = &bytes[range.start as usize..range.end as usize];
            assert_eq!(gathered(&range, &answered).unwrap(), expected, "{range:?}");
        }
        assert!(gathered(&(50..70), &answered).is_err());
    }
}
