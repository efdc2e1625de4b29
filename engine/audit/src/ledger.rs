//! The ledger that a run is recorded in, in two steps: begun before anything is read, finished before anything is shown.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use peristyle_policy::counts::CountsError;

use crate::anchor::Head;
use crate::append::{SoundEnd, append, sound_end};
use crate::error::AuditError;
use crate::finding::Finding;
use crate::key::{Kept, LedgerKey, hold};
use crate::line::{Entry, KnownCounts};
use crate::locked::{IfMissing, LockedLedger};
use crate::record::{CountsAccepted, Moment, Name, RunFinish, RunStart};
use crate::verify::verify;

/// An append-only ledger of runs. It may be used by any number of processes and threads at once.
#[derive(Clone, Debug)]
pub struct Ledger {
    path: PathBuf,
    key: Arc<LedgerKey>,
    clock: fn() -> Moment,
    /// Whether a person begins the counts, so that they need not know the ledger
    is_new_to_counts: bool,
}

impl Ledger {
    /// Opens a ledger to append to, and begins one where there is none. A file of mode 0600, and an anchor beside it
    /// (`.anchor`). With a key, each line has a MAC, and the counts keep the head.
    ///
    /// # Errors
    /// If it cannot be written, is open to others than its owner, ends with a half-written line (see
    /// [`Ledger::repair`]), its end is not what was last written, or the counts know a later one. Only the end is looked at,
    /// so that this takes the same time whatever the ledger's length: [`verify`](crate::verify()) reads all of it.
    pub fn open(path: impl Into<PathBuf>, key: LedgerKey) -> Result<Ledger, AuditError> {
        Ledger { path: path.into(), key: Arc::new(key), clock: Moment::now, is_new_to_counts: false }.opened()
    }

    /// As [`Ledger::open`], for whoever begins the counts: a ledger that they do not know, or that was kept by counts that
    /// are lost, is read as a whole, and kept by them once [`Ledger::keep_head`] is called.
    ///
    /// # Errors
    /// As [`Ledger::open`]; and if anything is wrong with any line of a ledger that the counts do not know.
    pub fn open_to_begin(path: impl Into<PathBuf>, key: LedgerKey) -> Result<Ledger, AuditError> {
        let path = path.into();
        let is_new_to_counts = match key.kept() {
            Kept::Unknown | Kept::Unreadable(CountsError::Absent { .. }) => {
                require_sound_but_for_counts(&path, &key)?;
                true
            }
            _ => false,
        };
        Ledger { path, key: Arc::new(key), clock: Moment::now, is_new_to_counts }.opened()
    }

    fn opened(self) -> Result<Ledger, AuditError> {
        let locked = LockedLedger::open(&self.path, IfMissing::Create, &self.key)?;
        self.sound_end(&locked)?;
        drop(locked);
        Ok(self)
    }

    /// By another clock than the system's: for tests.
    pub fn with_clock(self, clock: fn() -> Moment) -> Ledger {
        Ledger { clock, ..self }
    }

    /// Where the ledger is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records that a run starts: to be called before any register or table is opened. When this returns, the record is
    /// on the disk.
    ///
    /// # Errors
    /// As for [`Ledger::open`]; if the clock stands before the day of the last record; and if the disk is full or fails. The
    /// run must then not be made.
    pub fn begin(&self, start: RunStart) -> Result<OpenRun, AuditError> {
        let policy = start.policy.clone();
        let Appended { head, counts } = self.append(Entry::Started(Box::new(start)), 0)?;
        let known_counts = policy.map_or(0, |policy| counts.of(&policy));
        Ok(OpenRun { ledger: self.clone(), run: head.sequence, known_counts })
    }

    /// Records that a person answers for what registers count: to be called before the counts are written.
    ///
    /// # Errors
    /// As for [`Ledger::begin`]. The counts must then not be written.
    pub fn accept_counts(&self, accepted: CountsAccepted) -> Result<Head, AuditError> {
        Ok(self.append(Entry::CountsAccepted(Box::new(accepted)), 0)?.head)
    }

    /// Has the counts keep the head, if they do not know the ledger: to be called once a person has begun them. The head.
    ///
    /// # Errors
    /// As for [`Ledger::open`]; and if the counts cannot be written.
    pub fn keep_head(&self) -> Result<Head, AuditError> {
        let mut locked = LockedLedger::open(&self.path, IfMissing::Refuse, &self.key)?;
        let end = self.sound_end(&locked)?;
        locked.begin_to_keep(end.head)?;
        Ok(end.head)
    }

    /// The end of a ledger as it is, for who makes no run. An empty one where there is none.
    ///
    /// # Errors
    /// If there is one that cannot be read, or as for [`Ledger::begin`]: no run would be recorded.
    pub fn look(path: &Path, key: LedgerKey, clock: fn() -> Moment) -> Result<LedgerEnd, AuditError> {
        let ledger = Ledger { path: path.to_owned(), key: Arc::new(key), clock, is_new_to_counts: false };
        let locked = match LockedLedger::open(path, IfMissing::Refuse, &ledger.key) {
            Err(AuditError::File { reason, .. }) if reason.kind() == io::ErrorKind::NotFound => {
                return Ok(LedgerEnd::default());
            }
            locked => locked?,
        };
        ledger.end_of(&locked)
    }

    /// The end of the ledger as it is.
    ///
    /// # Errors
    /// As for [`Ledger::look`].
    pub fn end(&self) -> Result<LedgerEnd, AuditError> {
        self.end_of(&LockedLedger::open(&self.path, IfMissing::Refuse, &self.key)?)
    }

    fn end_of(&self, locked: &LockedLedger<'_>) -> Result<LedgerEnd, AuditError> {
        let end = self.sound_end(locked)?;
        self.require_clock(&end)?;
        Ok(LedgerEnd { head: Some(end.head).filter(|head| *head != Head::EMPTY), counts: end.counts })
    }

    fn sound_end(&self, locked: &LockedLedger<'_>) -> Result<SoundEnd, AuditError> {
        let end = sound_end(locked)?;
        hold(&self.path, &end, &self.key, locked.kept(), self.is_new_to_counts)?;
        Ok(end)
    }

    fn require_clock(&self, end: &SoundEnd) -> Result<(), AuditError> {
        // Asked under the lock, after the last line was read: whoever wrote it asked before.
        let now = (self.clock)();
        match end.latest {
            Some(latest) if now.day() < latest.day() => {
                Err(AuditError::ClockBehind { path: self.path.clone(), now, latest })
            }
            _ => Ok(()),
        }
    }

    /// Appends under the lock. `least` is a record that the ledger must hold.
    fn append(&self, entry: Entry, least: u64) -> Result<Appended, AuditError> {
        let mut locked = LockedLedger::open(&self.path, IfMissing::Refuse, &self.key)?;
        let end = self.sound_end(&locked)?;
        if end.head.sequence < least {
            // Ledger and anchor agree, and are not the ones that the run was begun in.
            let finding = Finding::CutOff { last: end.head.sequence, anchored: least };
            return Err(AuditError::Unsound { path: self.path.clone(), finding });
        }
        self.require_clock(&end)?;
        if entry.is_answered()
            && let Kept::Unreadable(fault) = locked.kept()
        {
            return Err(AuditError::HeadNotKept { path: self.path.clone(), fault: fault.clone() });
        }
        locked.begin_to_keep(end.head)?;
        let counts = end.counts.clone();
        let head = append(&mut locked, &self.path, end, entry, self.key.usable())?;
        Ok(Appended { head, counts })
    }
}

/// Holds a ledger that the counts do not know to all that can be told without them. There may be none yet.
fn require_sound_but_for_counts(path: &Path, key: &LedgerKey) -> Result<(), AuditError> {
    let verification = match verify(path, None, key) {
        Err(AuditError::File { reason, .. }) if reason.kind() == io::ErrorKind::NotFound => return Ok(()),
        verification => verification?,
    };
    let of_counts = |finding: &Finding| matches!(finding, Finding::UnknownToCounts | Finding::CountsUnreadable { .. });
    match verification.findings().iter().find(|finding| !of_counts(finding)) {
        Some(finding) => Err(AuditError::Unsound { path: path.to_owned(), finding: finding.clone() }),
        None => Ok(()),
    }
}

/// A line that was appended: the new head, and what was known of counts before.
struct Appended {
    head: Head,
    counts: KnownCounts,
}

/// The end of a ledger, as it was looked at.
#[derive(Clone, Debug, Default)]
pub struct LedgerEnd {
    head: Option<Head>,
    counts: KnownCounts,
}

impl LedgerEnd {
    /// The head; none for a ledger without lines.
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    /// How often the counts of `policy` are known to have been written.
    pub fn known_counts(&self, policy: &Name) -> u64 {
        self.counts.of(policy)
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
        let Appended { head, .. } = self.ledger.append(entry, self.run)?;
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
