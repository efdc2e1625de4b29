//! The ledger that a run is recorded in, in two steps: begun before anything is read, finished before anything is shown.

use std::io;
use std::path::{Path, PathBuf};

use crate::anchor::Head;
use crate::append::{append, sound_end};
use crate::error::AuditError;
use crate::finding::Finding;
use crate::line::{Entry, KnownCounts};
use crate::locked::{IfMissing, LockedLedger};
use crate::record::{CountsAccepted, Name, RunFinish, RunStart};

/// An append-only ledger of runs. It may be used by any number of processes and threads at once.
#[derive(Clone, Debug)]
pub struct Ledger {
    path: PathBuf,
}

impl Ledger {
    /// Opens a ledger to append to, and begins one where there is none. A file of mode 0600, and an anchor beside it
    /// (`.anchor`).
    ///
    /// # Errors
    /// If it cannot be written, is open to others than its owner, ends with a half-written line (see
    /// [`Ledger::repair`]), or its end is not what was last written. Only the end is looked at, so that this takes the
    /// same time whatever the ledger's length: [`verify`](crate::verify()) reads all of it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Ledger, AuditError> {
        let path = path.into();
        sound_end(&LockedLedger::open(&path, IfMissing::Create)?)?;
        Ok(Ledger { path })
    }

    /// Where the ledger is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records that a run starts: to be called before any register or table is opened. When this returns, the record is
    /// on the disk.
    ///
    /// # Errors
    /// As for [`Ledger::open`]; and if the disk is full or fails. The run must then not be made.
    pub fn begin(&self, start: RunStart) -> Result<OpenRun, AuditError> {
        let policy = start.policy.clone();
        let (started, counts) = self.append(Entry::Started(Box::new(start)), 0)?;
        let known_counts = policy.map_or(0, |policy| counts.of(&policy));
        Ok(OpenRun { ledger: self.clone(), run: started.sequence, known_counts })
    }

    /// Records that a person answers for what registers count: to be called before the counts are written.
    ///
    /// # Errors
    /// As for [`Ledger::begin`]. The counts must then not be written.
    pub fn accept_counts(&self, accepted: CountsAccepted) -> Result<Head, AuditError> {
        Ok(self.append(Entry::CountsAccepted(Box::new(accepted)), 0)?.0)
    }

    /// How often the counts of `policy` are known to have been written, for who makes no run. 0 where there is no ledger.
    ///
    /// # Errors
    /// If there is one that cannot be read, or whose end is not what was last written.
    pub fn known_counts(path: &Path, policy: &Name) -> Result<u64, AuditError> {
        match LockedLedger::open(path, IfMissing::Refuse) {
            Ok(locked) => Ok(sound_end(&locked)?.counts.of(policy)),
            Err(AuditError::File { reason, .. }) if reason.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Appends under the lock. `least` is a record that the ledger must hold. The new head, and what was known of counts
    /// before.
    fn append(&self, entry: Entry, least: u64) -> Result<(Head, KnownCounts), AuditError> {
        let mut locked = LockedLedger::open(&self.path, IfMissing::Refuse)?;
        let end = sound_end(&locked)?;
        if end.head.sequence < least {
            // Ledger and anchor agree, and are not the ones that the run was begun in.
            let finding = Finding::CutOff { last: end.head.sequence, anchored: least };
            return Err(AuditError::Unsound { path: self.path.clone(), finding });
        }
        let counts = end.counts.clone();
        Ok((append(&mut locked, &self.path, end, entry)?, counts))
    }
}

/// A run that has started and not finished. If its process dies, or this is dropped, the ledger shows it as unfinished.
#[derive(Debug)]
#[must_use = "a run that is not finished stands in the ledger as unfinished"]
pub struct OpenRun {
    ledger: Ledger,
    run: u64,
    known_counts: u64,
}

impl OpenRun {
    /// The number of the record that the run started with: the run's number in every view.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// How often the counts of the run's policy were known to have been written when it began: counts that were written
    /// less often are refused.
    pub fn known_counts(&self) -> u64 {
        self.known_counts
    }

    /// Records how the run ended: to be called before its outputs are put in place. When this returns, the record is on
    /// the disk, and the [`Receipt`] says so.
    ///
    /// # Errors
    /// If the record cannot be brought to the disk: the caller then shows no result.
    pub fn finish(self, finish: RunFinish) -> Result<Receipt, AuditError> {
        let entry = Entry::Finished { finish: Box::new(finish), run: self.run };
        let (head, _) = self.ledger.append(entry, self.run)?;
        Ok(Receipt { run: self.run, head })
    }
}

/// Proof that a run's record is complete and on the disk. Only [`OpenRun::finish`] makes one, so that whoever asks for
/// it before showing a result cannot show one that is not recorded:
///
/// ```compile_fail
/// fn forged(head: peristyle_audit::Head) -> peristyle_audit::Receipt {
///     peristyle_audit::Receipt { run: 1, head }
/// }
/// ```
#[derive(Debug)]
pub struct Receipt {
    run: u64,
    head: Head,
}

impl Receipt {
    /// The run's number.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// The ledger's head once the run was recorded. Noted elsewhere, it holds the ledger to this run.
    pub fn head(&self) -> Head {
        self.head
    }
}
