//! The anchor: a side file with the number and SHA-256 of the last line, so that a tail that is cut off is missed.
//!
//! It is written after its line is on the disk, under the same lock, by replacing it whole. So after a crash it may be
//! one line behind, and is never ahead.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::canonical::canonical;
use crate::error::AuditError;
use crate::record::Digest;

const ANCHOR_BYTES_MAX: u64 = 256;

/// The number and SHA-256 of a ledger's last line, as in `12:9f86d0…`. Noted where nobody who may write the ledger can
/// write, it holds the ledger to everything up to that line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Number of the last record; 0 for an empty ledger
    pub sequence: u64,
    /// SHA-256 of its line; zeros for an empty ledger
    pub sha256: Digest,
}

impl Head {
    /// The head of a ledger without lines.
    pub(crate) const EMPTY: Head = Head { sequence: 0, sha256: Digest::ZERO };
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.sha256)
    }
}

impl FromStr for Head {
    type Err = AuditError;

    fn from_str(text: &str) -> Result<Head, AuditError> {
        let (sequence, digits) = text.trim().split_once(':').ok_or(AuditError::NotAHead)?;
        let sequence = sequence.parse().map_err(|_| AuditError::NotAHead)?;
        let sha256 = Digest::parse("the noted head", digits).map_err(|_| AuditError::NotAHead)?;
        Ok(Head { sequence, sha256 })
    }
}

/// What stands where the anchor should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Missing,
    Unreadable,
    At(Head),
}

/// The anchor's path: `audit.jsonl.anchor` for `audit.jsonl`.
pub(crate) fn anchor_path(ledger: &Path) -> PathBuf {
    beside(ledger, ".anchor")
}

/// A path beside the ledger: its own with an ending put on.
pub(crate) fn beside(ledger: &Path, ending: &str) -> PathBuf {
    let mut path = OsString::from(ledger);
    path.push(ending);
    PathBuf::from(path)
}

/// The directory that a file lies in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Reads the anchor of a ledger.
pub(crate) fn read_anchor(ledger: &Path) -> Result<Anchor, AuditError> {
    let path = anchor_path(ledger);
    let fault = |reason| AuditError::File { doing: "read", path: path.clone(), reason };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(Anchor::Missing),
        Err(reason) => return Err(fault(reason)),
    };
    let mut text = Vec::new();
    file.take(ANCHOR_BYTES_MAX).read_to_end(&mut text).map_err(fault)?;
    let head = text.strip_suffix(b"\n").and_then(|object| serde_json::from_slice::<Head>(object).ok());
    Ok(match head {
        Some(head) if anchor_text(&head).is_ok_and(|written| written == text) => Anchor::At(head),
        _ => Anchor::Unreadable,
    })
}

fn anchor_text(head: &Head) -> io::Result<Vec<u8>> {
    let mut text = canonical(head).map_err(|_| io::Error::other("no canonical form"))?;
    text.push(b'\n');
    Ok(text)
}

/// Replaces the anchor of a ledger, whole and on the disk. The caller holds the ledger's lock.
pub(crate) fn write_anchor(ledger: &Path, head: &Head) -> io::Result<()> {
    let path = anchor_path(ledger);
    let new = beside(ledger, ".anchor.new");
    // One that a crash left is in the way: the lock says that nobody else is writing it. It is removed and not written
    // over, so that no link that somebody put there is followed.
    match fs::remove_file(&new) {
        Err(reason) if reason.kind() != io::ErrorKind::NotFound => return Err(reason),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(&anchor_text(head)?)?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    sync_directory(directory_of(ledger))
}

/// Brings the names in a directory to the disk.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
