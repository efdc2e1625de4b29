//! The Guard from outside: whoever is left out might as well not be there, a register in doubt stops the run, and no
//! value of a record is in anything that is written.
//!
//! ```text
//! registers    random registers and policies, and their files
//! deletion     the rules once more, naive: which rows are to be left out
//! interference random definitions over all rows, and over rows from which those were deleted: the same bytes
//! hostile      the same with values, rows and files that would give themselves away
//! whole        the same through the binary: output files, stdout, stderr, exit status
//! vectors      the suppliers' own cases of who is left out
//! faults       registers and counts that cannot be trusted
//! markers      values that must appear nowhere
//! ledgers      full disks, runs at the same time, runs that are ended
//! tamperings   ledgers that were altered by somebody without the key
//! answers      what can be seen of an answer that is under way, or was, of a run that was killed
//! disclosure   measures that are made to show single patients
//! threats      every test that the threat model names is there
//! ```

mod answers;
mod deletion;
mod disclosure;
mod faults;
mod hostile;
mod interference;
mod ledgers;
mod markers;
mod place;
mod registers;
mod tamperings;
mod threats;
mod vectors;
mod whole;

/// Random cases in all, of which each property takes its share. `GUARD_CASES=20000` asks for more.
fn cases(of_a_hundred: u32) -> u32 {
    let all = std::env::var("GUARD_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000_u32);
    (all * of_a_hundred / 100).max(1)
}
