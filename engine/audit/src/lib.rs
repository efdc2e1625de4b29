//! The audit ledger: one record a run, on the disk before the run's results can be seen.
//!
//! ```text
//!   Ledger::begin(RunStart) ── a `started` line, synced ──► OpenRun      then the run reads what it may read
//!                                                             │
//!   Receipt ◄── a `finished` line, synced ── OpenRun::finish(RunFinish)  then its results are put in place
//! ```
//!
//! The ledger is a file of JSON lines. Each line is numbered, holds the SHA-256 of the line before it and ends with its
//! own; a side file, the anchor, holds the number and SHA-256 of the last one. [`verify`] finds lines that were altered,
//! removed, inserted, repeated or reordered, and a tail that was cut off.
//!
//! Whoever may write both files can compute the whole chain anew. So under a policy that keeps counts each line also
//! has a MAC under a key derived from theirs ([`LedgerKey`]), and the sealed counts keep the last line's number and
//! SHA-256. A ledger that was edited, cut off, emptied, removed, replaced, or added to by somebody without the key is
//! refused by the next run where its end shows it, and by [`verify`] wherever it is. Lines of before the key was made
//! have no MAC; the chain holds them to those that have.
//!
//! **What a chain cannot show.** An older ledger, anchor and file of counts that are put back together, all three of one
//! moment, are what was there then. That is found only against a [`Head`] that was noted elsewhere: every run and every
//! check prints it, and [`verify`] takes it back. Under a policy that keeps no counts, so is a ledger that was written
//! anew with its anchor. Whoever can read the key can write what the engine can. Nor does a ledger show a run that was made
//! with a program that is not Peristyle.
//!
//! **What is absent.** No type here can hold a value of a patient's record: records are made of digests, counts, names,
//! moments and enumerations, and the only free text is that of a policy or a set-aside. Nothing here opens a table.

mod anchor;
mod append;
mod canonical;
mod error;
mod finding;
mod history;
mod key;
mod ledger;
mod line;
mod locked;
mod record;
mod repair;
mod verify;
mod view;
mod walk;

pub use anchor::Head;
pub use error::AuditError;
pub use finding::{Finding, LineFault};
pub use history::{History, Run, Selection};
pub use key::LedgerKey;
pub use ledger::{Ledger, LedgerEnd, OpenRun, Receipt};
pub use record::{
    Acceptance, Activity, Agreement, ClockAccepted, Code, CountedBefore, CountsAccepted, CountsWritten, Digest,
    DigestOfParts, FileName, FileSnapshot, FreeText, Moment, Name, Outcome, OutputWritten, RecordError, RegisterUsed,
    Removed, Repair, Rule, RunFinish, RunStart, SetAside, SourceSnapshot, Standing, TableCounts,
};
pub use repair::{Repaired, TornLine};
pub use verify::{Verification, verify};
pub use view::{OperatorView, PublicView};
