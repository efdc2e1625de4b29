//! A half-written line, moved aside. It is never dropped, and that it was moved is a record of its own.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::anchor::{Head, beside, directory_of, sync_directory};
use crate::append::{Medium, append, end_of_whole_lines};
use crate::error::AuditError;
use crate::ledger::Ledger;
use crate::line::Entry;
use crate::locked::{IfMissing, LockedLedger, file_fault};
use crate::record::{Digest, FileName, Moment, Repair};

/// Most files of torn lines that may lie beside a ledger under one line number.
const TORN_FILES_MAX: u32 = 1_000;
const COPY_BYTES: u64 = 1 << 20;

/// What a repair did.
#[derive(Debug)]
pub struct Repaired {
    /// The file that the half-written line was moved to
    pub moved_to: PathBuf,
    /// Its size in bytes
    pub torn_bytes: u64,
    /// The ledger's head, which is the record of the repair
    pub head: Head,
}

impl Ledger {
    /// Moves a half-written last line to a file beside the ledger (`.torn-LINE-N`) and records that.
    ///
    /// A line is half-written if a process or the machine stopped in the middle of writing it. Nothing was shown on the
    /// strength of it, since no append had returned. A ledger whose anchor says that the line had once been whole was
    /// not torn by a crash: it is refused.
    ///
    /// # Errors
    /// [`AuditError::NothingToRepair`]; or as for [`Ledger::begin`].
    pub fn repair(path: &Path, repaired: Moment) -> Result<Repaired, AuditError> {
        let mut locked = LockedLedger::open(path, IfMissing::Refuse)?;
        let extent = locked.extent()?;
        if extent.torn_bytes == 0 {
            return Err(AuditError::NothingToRepair { path: path.to_owned() });
        }
        let end = end_of_whole_lines(&locked, extent)?;
        let line = end.head.sequence.saturating_add(1);
        let moved_to = set_aside(&locked, extent.whole_bytes, extent.torn_bytes, line)?;
        let name = moved_to.path.file_name().unwrap_or_default().to_string_lossy();
        let repair = Repair {
            moved_to: FileName::new(&name)?,
            repaired,
            torn_bytes: extent.torn_bytes,
            torn_sha256: moved_to.sha256,
        };
        locked.cut(extent.whole_bytes).map_err(|reason| file_fault("cut the half-written line off", path, reason))?;
        let head = append(&mut locked, path, end, Entry::Repaired(Box::new(repair)))?;
        Ok(Repaired { moved_to: moved_to.path, torn_bytes: extent.torn_bytes, head })
    }
}

struct TornFile {
    path: PathBuf,
    sha256: Digest,
}

/// Copies the torn bytes to a new file beside the ledger, on the disk before this returns.
fn set_aside(ledger: &LockedLedger, start: u64, torn_bytes: u64, line: u64) -> Result<TornFile, AuditError> {
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
    file.sync_all()
        .and_then(|()| sync_directory(directory_of(&path)))
        .map_err(|reason| file_fault("write", &path, reason))?;
    Ok(TornFile { path, sha256: digest.end() })
}
