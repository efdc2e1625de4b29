//! Any single change of any ledger is found.

use std::fs;
use std::os::unix::fs::FileExt;

use peristyle_audit::{Code, Outcome};
use proptest::prelude::*;

use crate::samples::{Place, answered, finish, full_finish, full_start, put, refused, start};

/// What one of several overlapping runs does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin { full: bool },
    Finish { which: usize, how: usize },
    Die { which: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => any::<bool>().prop_map(|full| Step::Begin { full }),
        3 => (any::<usize>(), 0..4_usize).prop_map(|(which, how)| Step::Finish { which, how }),
        1 => any::<usize>().prop_map(|which| Step::Die { which }),
    ];
    prop::collection::vec(step, 3..14)
}

fn written(place: Place, steps: &[Step]) -> Place {
    let ledger = place.open().unwrap();
    let mut open = vec![ledger.begin(start()).unwrap(), ledger.begin(full_start()).unwrap()];
    for step in steps {
        match *step {
            Step::Begin { full } => open.push(ledger.begin(if full { full_start() } else { start() }).unwrap()),
            Step::Finish { which, how } if !open.is_empty() => {
                let run = open.swap_remove(which % open.len());
                let failed = Outcome::Failed { code: Code::new("out_of_memory").unwrap(), exit_code: 70 };
                let ends = [finish(answered()), finish(refused()), finish(failed), full_finish()];
                run.finish(ends[how].clone()).unwrap();
            }
            Step::Die { which } if !open.is_empty() => drop(open.swap_remove(which % open.len())),
            Step::Finish { .. } | Step::Die { .. } => {}
        }
    }
    place
}

#[derive(Clone, Copy, Debug)]
enum Mutation {
    FlipBit { at: usize, bit: u8 },
    SetByte { at: usize, byte: u8 },
    InsertByte { at: usize, byte: u8 },
    RemoveByte { at: usize },
    RemoveLine { at: usize },
    RemoveLines { at: usize, count: usize },
    SwapLines { at: usize, with: usize },
    MoveLine { from: usize, to: usize },
    RepeatLine { at: usize, to: usize },
    Cut { at: usize },
    FlipAnchorBit { at: usize, bit: u8 },
}

fn mutations() -> impl Strategy<Value = Mutation> {
    use Mutation::*;
    let place = any::<usize>;
    prop_oneof![
        (place(), 0..8_u8).prop_map(|(at, bit)| FlipBit { at, bit }),
        (place(), any::<u8>()).prop_map(|(at, byte)| SetByte { at, byte }),
        (place(), any::<u8>()).prop_map(|(at, byte)| InsertByte { at, byte }),
        (place(), Just(b'\n')).prop_map(|(at, byte)| InsertByte { at, byte }),
        place().prop_map(|at| RemoveByte { at }),
        place().prop_map(|at| RemoveLine { at }),
        (place(), 1..9_usize).prop_map(|(at, count)| RemoveLines { at, count }),
        (place(), place()).prop_map(|(at, with)| SwapLines { at, with }),
        (place(), place()).prop_map(|(from, to)| MoveLine { from, to }),
        (place(), place()).prop_map(|(at, to)| RepeatLine { at, to }),
        place().prop_map(|at| Cut { at }),
        (place(), 0..8_u8).prop_map(|(at, bit)| FlipAnchorBit { at, bit }),
    ]
}

fn mutate(place: &Place, mutation: Mutation) {
    let mut bytes = place.bytes();
    let mut lines = place.lines();
    let (length, count) = (bytes.len(), lines.len());
    match mutation {
        Mutation::FlipBit { at, bit } => bytes[at % length] ^= 1 << bit,
        Mutation::SetByte { at, byte } => bytes[at % length] = byte,
        Mutation::InsertByte { at, byte } => bytes.insert(at % (length + 1), byte),
        Mutation::RemoveByte { at } => drop(bytes.remove(at % length)),
        Mutation::RemoveLine { at } => drop(lines.remove(at % count)),
        Mutation::RemoveLines { at, count: removed } => {
            let at = at % count;
            lines.drain(at..count.min(at + removed));
        }
        Mutation::SwapLines { at, with } => lines.swap(at % count, with % count),
        Mutation::MoveLine { from, to } => {
            let line = lines.remove(from % count);
            lines.insert(to % count, line);
        }
        Mutation::RepeatLine { at, to } => lines.insert(to % (count + 1), lines[at % count].clone()),
        Mutation::Cut { at } => bytes.truncate(at % length),
        Mutation::FlipAnchorBit { at, bit } => {
            let mut anchor = fs::read(place.anchor()).unwrap();
            let at = at % anchor.len();
            anchor[at] ^= 1 << bit;
            put(&place.anchor(), anchor);
        }
    }
    let new = if bytes == place.bytes() { lines.concat() } else { bytes };
    put(&place.ledger, new);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_single_change_is_found(
        sealed in any::<bool>(),
        steps in steps(),
        mutations in prop::collection::vec(mutations(), 40),
    ) {
        let place = written(if sealed { Place::sealed() } else { Place::new() }, &steps);
        prop_assert!(place.verify(None).is_sound());
        let (bytes, anchor) = (place.bytes(), fs::read(place.anchor()).unwrap());
        for mutation in mutations {
            mutate(&place, mutation);
            let changed = place.bytes() != bytes || fs::read(place.anchor()).unwrap() != anchor;
            let verification = place.verify(None);
            prop_assert_eq!(verification.is_sound(), !changed, "{:?}: {}", mutation, verification);
            put(&place.ledger, &bytes);
            put(&place.anchor(), &anchor);
        }
        prop_assert!(place.verify(None).is_sound());
    }
}

/// Not a sample: every bit of a ledger, and every byte that it can be cut at.
#[test]
fn every_bit_and_every_cut_of_one_ledger() {
    every_bit_and_every_cut(&Place::with_runs(1));
    every_bit_and_every_cut(&Place::sealed().and_runs(1));
}

fn every_bit_and_every_cut(place: &Place) {
    let bytes = place.bytes();
    let file = fs::OpenOptions::new().write(true).open(&place.ledger).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            file.write_all_at(&[bytes[at] ^ (1 << bit)], at as u64).unwrap();
            assert!(!place.verify(None).is_sound(), "byte {at}, bit {bit}");
        }
        file.write_all_at(&bytes[at..=at], at as u64).unwrap();
        file.set_len(at as u64).unwrap();
        assert!(!place.verify(None).is_sound(), "cut at {at}");
        file.write_all_at(&bytes[at..], at as u64).unwrap();
    }
}
