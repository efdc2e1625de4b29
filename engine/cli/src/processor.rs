//! Whether the processor has the instructions that the program was built with: a program that uses others ends without a
//! word.

use std::fs::File;
use std::io::{BufRead, BufReader};

use crate::exit::ExitStatus;
use crate::failure::Failure;

/// Sets of instructions, as `/proc/cpuinfo` names them, and whether the program was built with them.
const INSTRUCTIONS: [(&str, bool); 7] = [
    ("avx2", cfg!(target_feature = "avx2")),
    ("fma", cfg!(target_feature = "fma")),
    ("bmi1", cfg!(target_feature = "bmi1")),
    ("bmi2", cfg!(target_feature = "bmi2")),
    ("abm", cfg!(target_feature = "lzcnt")),
    ("movbe", cfg!(target_feature = "movbe")),
    ("popcnt", cfg!(target_feature = "popcnt")),
];

/// Refuses to go on where the processor lacks an instruction. Where nobody says what it has, nothing is refused.
pub(crate) fn check() -> Result<(), Failure> {
    let needed = INSTRUCTIONS.iter().filter(|(_, built_with)| *built_with).map(|(name, _)| *name);
    // The kernel describes one processor after another, as they are read: the first is enough, however many there are.
    let described = File::open("/proc/cpuinfo").map(BufReader::new);
    let lines = described.into_iter().flat_map(BufRead::lines).map_while(Result::ok);
    let lacking = lacking(lines, needed);
    if lacking.is_empty() {
        return Ok(());
    }
    let message = format!("this build needs a processor with {}", lacking.join(", "));
    let help =
        "build it for this one with RUSTFLAGS=\"-C target-cpu=native\" cargo build --release, or run it on another";
    Err(Failure::new(ExitStatus::Failure, message).help(help))
}

/// Which of the needed instructions the first processor that is described has not.
fn lacking<'n>(mut described: impl Iterator<Item = String>, needed: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let flags = described.find(|line| line.split_once(':').is_some_and(|(name, _)| name.trim() == "flags"));
    let Some(flags) = flags else { return Vec::new() };
    needed.filter(|needed| !flags.split_whitespace().any(|flag| flag == *needed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_processor_lacks_is_named() {
        let needed = ["avx2", "bmi2", "popcnt"];
        for (described, expected) in [
            ("model name\t: x\nflags\t\t: fpu avx avx2 bmi1 bmi2 popcnt\nflags\t\t: fpu\n", vec![]),
            ("flags\t\t: fpu avx bmi1 bmi2 popcnt", vec!["avx2"]),
            // Whole words.
            ("flags\t\t: avx2x bmi popcnt", vec!["avx2", "bmi2"]),
            ("flags\t\t:\n", needed.to_vec()),
            // Of other kinds of processors, and where nothing is told.
            ("Features\t: fp asimd\n", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(lacking(described.lines().map(str::to_owned), needed.into_iter()), expected, "{described:?}");
        }
    }

    #[test]
    fn this_processor_lacks_nothing() {
        assert!(check().is_ok());
    }
}
