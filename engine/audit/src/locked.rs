//! The ledger's file while it is ours: opened, checked, locked against every other process and thread.
//!
//! The lock is on the ledger's own open file, so that two threads which opened it exclude each other as two processes do.
//! The file is never replaced, so that the lock is always on what the path names; that is checked, too.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use peristyle_policy::counts::CountsError;
use peristyle_policy::counts::ledger::{LedgerSeal, LockedHead};
use peristyle_policy::files::{
    FileFault, LOCK_WAIT_MAX, LockFault, lock_within, open_regular, open_regular_with, sync_folder_of,
};

use crate::anchor::{Anchor, Anchored, Head, anchor_path, read_anchor, write_anchor};
use crate::append::Medium;
use crate::error::AuditError;
use crate::finding::Finding;
use crate::key::{Kept, LedgerKey};

const BACKWARD_BYTES: u64 = 64 << 10;

/// What to do where there is neither a ledger nor an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfMissing {
    Create,
    Refuse,
}

/// The ledger, open and locked for appending until it is dropped.
#[derive(Debug)]
pub(crate) struct LockedLedger<'k> {
    file: File,
    path: PathBuf,
    key: Option<&'k LedgerSeal>,
    kept: Kept,
    /// The lock of the counts, once a head is to be kept
    counts: Option<LockedHead<'k>>,
}

/// Where the whole lines of a ledger end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Bytes of whole lines
    pub(crate) whole_bytes: u64,
    /// Bytes of a half-written line after them
    pub(crate) torn_bytes: u64,
}

impl<'k> LockedLedger<'k> {
    /// Opens and locks a ledger, and sees that it is a file of ours alone that is still where its path says.
    pub(crate) fn open(path: &Path, if_missing: IfMissing, key: &'k LedgerKey) -> Result<Self, AuditError> {
        // Asked before the ledger is opened: a ledger is made before its anchor, so an anchor without one is telling.
        let anchored = anchor_path(path).symlink_metadata().is_ok();
        let mut options = OpenOptions::new();
        options.read(true).append(true).mode(0o600);
        let file = match open_regular_with(&mut options, path) {
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => {
                is_not_removed(path, anchored, &key.kept())?;
                options.create(if_missing == IfMissing::Create);
                open_regular_with(&mut options, path)
            }
            opened => opened,
        };
        let file = file.map_err(|reason| open_fault(path, reason))?;
        let metadata = file.metadata().map_err(|reason| file_fault("read", path, reason))?;
        closed_to_others(path, metadata.permissions().mode())?;
        lock(path, || file.try_lock())?;
        // Under the lock: whoever appends keeps its head before another one looks.
        let kept = key.kept();
        let ledger = LockedLedger { file, path: path.to_owned(), key: key.usable(), kept, counts: None };
        if !ledger.is_in_place() {
            return Err(AuditError::Replaced { path: path.to_owned() });
        }
        if ledger.length()? == 0 && read_anchor(path)? == Anchor::Missing {
            ledger.found_empty()?;
        }
        Ok(ledger)
    }

    /// Brings a new ledger's name to the disk and gives it its first anchor.
    fn found_empty(&self) -> Result<(), AuditError> {
        if let Some(kept) = self.kept.records() {
            let finding = Finding::BehindKept { last: 0, kept };
            return Err(AuditError::Unsound { path: self.path.clone(), finding });
        }
        sync_folder_of(&self.path)
            .and_then(|()| write_anchor(&self.path, &self.anchored(&Head::EMPTY)))
            .map_err(|reason| file_fault("begin", &self.path, reason))
    }

    /// Locks the counts, so that a head can be kept, and has them know the ledger up to here if they do not. Counts that
    /// cannot be read are for others to complain of: the record of that is what is appended.
    pub(crate) fn begin_to_keep(&mut self, head: Head) -> Result<(), AuditError> {
        let fault = |fault| AuditError::HeadNotKept { path: self.path.clone(), fault };
        if matches!(self.kept, Kept::Unreadable(_)) {
            return Ok(());
        }
        self.counts = self.key.map(LedgerSeal::lock).transpose().map_err(fault)?;
        match &self.counts {
            Some(counts) if self.kept == Kept::Unknown => counts.keep_first(head.into()).map_err(fault),
            _ => Ok(()),
        }
    }

    /// The key of the lines, where there is one.
    pub(crate) fn key(&self) -> Option<&'k LedgerSeal> {
        self.key
    }

    /// What the counts keep of the ledger.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    fn anchored(&self, head: &Head) -> Anchored {
        Anchored { head: *head, note: self.key.map(|key| key.note().clone()) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn length(&self) -> Result<u64, AuditError> {
        Ok(self.file.metadata().map_err(|reason| file_fault("read", &self.path, reason))?.len())
    }

    /// Where the whole lines end.
    pub(crate) fn extent(&self) -> Result<Extent, AuditError> {
        extent(&self.file, &self.path)
    }

    /// The last whole line without its end, if there is one; only as many bytes as `most` are read.
    pub(crate) fn last_line(&self, extent: Extent, most: u64) -> Result<Option<Vec<u8>>, AuditError> {
        let Some(end) = extent.whole_bytes.checked_sub(1) else { return Ok(None) };
        let fault = |reason| file_fault("read", &self.path, reason);
        let start = last_line_end(&self.file, end, end.saturating_sub(most)).map_err(fault)?;
        self.bytes(start, end).map(Some)
    }

    /// Number of whole lines: a pass over the file, for an error that names the last one.
    pub(crate) fn lines(&self, extent: Extent) -> Result<u64, AuditError> {
        let (mut lines, mut start) = (0, 0);
        while start < extent.whole_bytes {
            let end = extent.whole_bytes.min(start + BACKWARD_BYTES);
            lines += self.bytes(start, end)?.iter().filter(|&&byte| byte == b'\n').count() as u64;
            start = end;
        }
        Ok(lines)
    }

    /// The bytes from `start` up to `end`.
    pub(crate) fn bytes(&self, start: u64, end: u64) -> Result<Vec<u8>, AuditError> {
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut bytes, start).map_err(|reason| file_fault("read", &self.path, reason))?;
        Ok(bytes)
    }
}

impl Medium for LockedLedger<'_> {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.write_all(line)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn cut(&mut self, whole_bytes: u64) -> io::Result<()> {
        self.file.set_len(whole_bytes)?;
        self.file.sync_all()
    }

    fn write_anchor(&mut self, head: &Head) -> io::Result<()> {
        write_anchor(&self.path, &self.anchored(head))
    }

    fn keep(&mut self, head: &Head) -> Result<(), CountsError> {
        self.counts.as_ref().map_or(Ok(()), |counts| counts.keep((*head).into()))
    }

    fn is_in_place(&self) -> bool {
        let (Ok(ours), Ok(named)) = (self.file.metadata(), self.path.metadata()) else { return false };
        (ours.dev(), ours.ino()) == (named.dev(), named.ino())
    }
}

/// A ledger as it was at one moment, to read without holding up those who append.
#[derive(Debug)]
pub(crate) struct LedgerSnapshot {
    pub(crate) file: File,
    pub(crate) extent: Extent,
    pub(crate) anchor: Anchor,
}

/// Opens a ledger to read. Its extent and anchor are taken under one lock, so that they belong together; what lies within
/// the extent is never written again.
pub(crate) fn snapshot(path: &Path, kept: &Kept) -> Result<LedgerSnapshot, AuditError> {
    let anchored = anchor_path(path).symlink_metadata().is_ok();
    let file = open_regular(path).map_err(|reason| match reason.kind() {
        io::ErrorKind::NotFound => match is_not_removed(path, anchored, kept) {
            Err(removed) => removed,
            Ok(()) => open_fault(path, reason),
        },
        _ => open_fault(path, reason),
    })?;
    lock(path, || file.try_lock_shared())?;
    let extent = extent(&file, path)?;
    let anchor = read_anchor(path)?;
    file.unlock().map_err(|reason| file_fault("unlock", path, reason))?;
    Ok(LedgerSnapshot { file, extent, anchor })
}

/// Whether a ledger that is not there never was.
fn is_not_removed(path: &Path, anchored: bool, kept: &Kept) -> Result<(), AuditError> {
    let finding = match kept.records() {
        Some(kept) => Finding::KeptRemoved { kept },
        None if anchored => Finding::LedgerRemoved,
        None => return Ok(()),
    };
    Err(AuditError::Unsound { path: path.to_owned(), finding })
}

fn open_fault(path: &Path, reason: io::Error) -> AuditError {
    match FileFault::of(&reason) {
        FileFault::NotAFile => AuditError::NotAFile { path: path.to_owned() },
        FileFault::System(_) => file_fault("open", path, reason),
    }
}

/// An error of the operating system on a file of the ledger.
pub(crate) fn file_fault(doing: &'static str, path: &Path, reason: io::Error) -> AuditError {
    AuditError::File { doing, path: path.to_owned(), reason }
}

fn closed_to_others(path: &Path, mode: u32) -> Result<(), AuditError> {
    match mode & 0o7777 {
        mode if mode & 0o077 == 0 => Ok(()),
        mode => Err(AuditError::OpenToOthers { path: path.to_owned(), mode }),
    }
}

fn lock(path: &Path, try_lock: impl FnMut() -> Result<(), TryLockError>) -> Result<(), AuditError> {
    lock_within(LOCK_WAIT_MAX, try_lock).map_err(|fault| match fault {
        LockFault::Busy { waited_s } => AuditError::Busy { path: path.to_owned(), waited_s },
        LockFault::System(reason) => file_fault("lock", path, reason),
    })
}

fn extent(file: &File, path: &Path) -> Result<Extent, AuditError> {
    let fault = |reason| file_fault("read", path, reason);
    let length = file.metadata().map_err(fault)?.len();
    let whole_bytes = last_line_end(file, length, 0).map_err(fault)?;
    Ok(Extent { whole_bytes, torn_bytes: length - whole_bytes })
}

/// The place after the last line end before `end`, or `floor` if there is none after `floor`. Reads backwards.
fn last_line_end(file: &File, end: u64, floor: u64) -> io::Result<u64> {
    let mut buffer = vec![0; BACKWARD_BYTES as usize];
    let mut end = end;
    while end > floor {
        let start = end.saturating_sub(BACKWARD_BYTES).max(floor);
        // At most BACKWARD_BYTES, so the cast is exact.
        let part = &mut buffer[..(end - start) as usize];
        file.read_exact_at(part, start)?;
        if let Some(place) = part.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + place as u64 + 1);
        }
        end = start;
    }
    Ok(floor)
}
