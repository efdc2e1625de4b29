//! What a person repairs: a half-written line is moved aside, and a clock that was ahead is answered for. Nothing is
//! dropped, and each is a record of its own.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use peristyle_policy::files::{beside, sync_folder_of};

use crate::anchor::Head;
use crate::append::{Medium, SoundEnd, append, end_of_whole_lines};
use crate::error::AuditError;
use crate::key::{LedgerKey, hold};
use crate::ledger::Ledger;
use crate::line::Entry;
use crate::locked::{Extent, IfMissing, LockedLedger, file_fault};
use crate::record::{ClockAccepted, Digest, FileName, FreeText, Moment, Repair};

/// Most files of torn lines that may lie beside a ledger under one line number.
const TORN_FILES_MAX: u32 = 1_000;
const COPY_BYTES: u64 = 1 << 20;

/// What a repair did.
#[derive(Debug)]
pub struct Repaired {
    /// The half-written line that was moved aside
    pub torn: Option<TornLine>,
    /// When the last record says that it was written, by the clock that was ahead
    pub ahead: Option<Moment>,
    /// The ledger's head, which is the record of the repair
    pub head: Head,
}

/// A half-written line that was moved aside.
#[derive(Debug)]
pub struct TornLine {
    /// The file that it was moved to
    pub moved_to: PathBuf,
    /// Its size in bytes
    pub bytes: u64,
}

impl Ledger {
    /// Moves a half-written last line to a file beside the ledger (`.torn-LINE-N`) and records that; and where the last
    /// record is of a later day than today, records who answers for a clock that was ahead. `now` is what the clock says.
    ///
    /// A line is half-written if a process or the machine stopped in the middle of writing it. Nothing was shown on the
    /// strength of it, since no append had returned. A ledger whose anchor says that the line had once been whole was
    /// not torn by a crash: it is refused.
    ///
    /// # Errors
    /// [`AuditError::NothingToRepair`]; [`AuditError::ClockBehind`] if nobody answers for the clock; or as for
    /// [`Ledger::begin`].
    pub fn repair(
        path: &Path,
        key: &LedgerKey,
        now: Moment,
        answers_for_clock: Option<FreeText>,
    ) -> Result<Repaired, AuditError> {
        let mut locked = LockedLedger::open(path, IfMissing::Refuse, key)?;
        let extent = locked.extent()?;
        let end = end_of_whole_lines(&locked, extent)?;
        hold(path, &end, key, locked.kept(), false)?;
        let ahead = end.latest.filter(|latest| now.day() < latest.day());
        let clock = match (ahead, answers_for_clock) {
            (Some(latest), None) => return Err(AuditError::ClockBehind { path: path.to_owned(), now, latest }),
            (Some(ahead), Some(by)) => Some(ClockAccepted { accepted: now, ahead, by }),
            (None, _) => None,
        };
        if extent.torn_bytes == 0 && clock.is_none() {
            return Err(AuditError::NothingToRepair { path: path.to_owned() });
        }
        locked.begin_to_keep(end.head)?;
        let mut repaired = Repaired { torn: None, ahead, head: end.head };
        let mut entries = Vec::with_capacity(2);
        // Before the record of the torn line, which would be one of today.
        entries.extend(clock.map(|clock| Entry::ClockAccepted(Box::new(clock))));
        if extent.torn_bytes > 0 {
            let (torn, repair) = move_aside(&mut locked, extent, &end, now)?;
            repaired.torn = Some(torn);
            entries.push(Entry::Repaired(Box::new(repair)));
        }
        for entry in entries {
            let end = end_of_whole_lines(&locked, locked.extent()?)?;
            repaired.head = append(&mut locked, path, end, entry, key.usable())?;
        }
        Ok(repaired)
    }
}

/// Moves the torn bytes aside; the record of that.
fn move_aside(
    locked: &mut LockedLedger<'_>,
    extent: Extent,
    end: &SoundEnd,
    now: Moment,
) -> Result<(TornLine, Repair), AuditError> {
    let line = end.head.sequence.saturating_add(1);
    let torn = set_aside(locked, extent.whole_bytes, extent.torn_bytes, line)?;
    let name = torn.path.file_name().unwrap_or_default().to_string_lossy();
    let repair = Repair {
        moved_to: FileName::new(&name)?,
        repaired: now,
        torn_bytes: extent.torn_bytes,
        torn_sha256: torn.sha256,
    };
    let cut = locked.cut(extent.whole_bytes);
    cut.map_err(|reason| file_fault("cut the half-written line off", locked.path(), reason))?;
    Ok((TornLine { moved_to: torn.path, bytes: extent.torn_bytes }, repair))
}

struct TornFile {
    path: PathBuf,
    sha256: Digest,
}

/// Copies the torn bytes to a new file beside the ledger, on the disk before this returns.
fn set_aside(ledger: &LockedLedger<'_>, start: u64, torn_bytes: u64, line: u64) -> Result<TornFile, AuditError> {
    let mut number = 1;
    let (path, mut file) = loop {
        let path = beside(ledger.path(), &format!(".torn-{line}-{number}"));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => break (path, file),
            Err(reason) if reason.kind() == io::ErrorKind::AlreadyExists && number < TORN_FILES_MAX => number += 1,
            Err(reason) => return Err(file_fault("create", &path, reason)),
        }
    };
    let mut digest = Digest::begin();
    let end = start + torn_bytes;
    let mut from = start;
    while from < end {
        let to = end.min(from + COPY_BYTES);
        let part = ledger.bytes(from, to)?;
        digest.update(&part);
        file.write_all(&part).map_err(|reason| file_fault("write", &path, reason))?;
        from = to;
    }
    file.sync_all().and_then(|()| sync_folder_of(&path)).map_err(|reason| file_fault("write", &path, reason))?;
    Ok(TornFile { path, sha256: digest.end() })
}
