//! The anchor: a side file with the number and SHA-256 of the last line, so that a tail that is cut off is missed.
//!
//! Where lines are sealed, it notes the files of the counts and of their key as well, so that a ledger can be checked when
//! it is given alone. Nothing is trusted because the anchor says it: a key that is not the right one verifies no line.
//!
//! It is written after its line is on the disk, under the same lock, by replacing it whole. So after a crash it may be
//! one line behind, and is never ahead.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use peristyle_policy::counts::ledger::{CountsNote, LedgerHead};
use peristyle_policy::files::{beside, open_regular, replace, sync_folder_of};
use serde::{Deserialize, Serialize};

use crate::canonical::canonical;
use crate::error::AuditError;
use crate::record::Digest;

/// Two paths of the longest kind, with every byte escaped.
const ANCHOR_BYTES_MAX: u64 = 64 << 10;

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

impl From<LedgerHead> for Head {
    fn from(kept: LedgerHead) -> Head {
        Head { sequence: kept.sequence, sha256: Digest::from(*kept.sha256.as_bytes()) }
    }
}

impl From<Head> for LedgerHead {
    fn from(head: Head) -> LedgerHead {
        LedgerHead { sequence: head.sequence, sha256: head.sha256.into() }
    }
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

/// What the anchor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Anchored {
    pub(crate) head: Head,
    /// Where the counts are that the ledger is held to; none where lines are not sealed, and in older anchors
    pub(crate) note: Option<CountsNote>,
}

/// The anchor's file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnchorFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counts: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    sequence: u64,
    sha256: Digest,
}

/// What stands where the anchor should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Missing,
    Unreadable,
    At(Anchored),
}

/// The anchor's path: `audit.jsonl.anchor` for `audit.jsonl`.
pub(crate) fn anchor_path(ledger: &Path) -> PathBuf {
    beside(ledger, ".anchor")
}

/// Reads the anchor of a ledger.
pub(crate) fn read_anchor(ledger: &Path) -> Result<Anchor, AuditError> {
    let path = anchor_path(ledger);
    let fault = |reason| AuditError::File { doing: "read", path: path.clone(), reason };
    let file = match open_regular(&path) {
        Ok(file) => file,
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(Anchor::Missing),
        Err(reason) => return Err(fault(reason)),
    };
    let mut text = Vec::new();
    file.take(ANCHOR_BYTES_MAX).read_to_end(&mut text).map_err(fault)?;
    Ok(Anchored::read(&text).map_or(Anchor::Unreadable, Anchor::At))
}

impl Anchored {
    fn read(text: &[u8]) -> Option<Anchored> {
        let AnchorFile { counts, key, sequence, sha256 } = serde_json::from_slice(text.strip_suffix(b"\n")?).ok()?;
        let note = match (counts, key) {
            (Some(counts), Some(key)) => Some(CountsNote { counts, key }),
            (None, None) => None,
            _ => return None,
        };
        let anchored = Anchored { head: Head { sequence, sha256 }, note };
        anchored.text().is_ok_and(|written| written == text).then_some(anchored)
    }

    fn text(&self) -> io::Result<Vec<u8>> {
        let Head { sequence, sha256 } = self.head;
        let (counts, key) = self.note.clone().map(|CountsNote { counts, key }| (counts, key)).unzip();
        let file = AnchorFile { counts, key, sequence, sha256 };
        let mut text = canonical(&file).map_err(|_| io::Error::other("no canonical form"))?;
        text.push(b'\n');
        Ok(text)
    }
}

/// Replaces the anchor of a ledger, whole and on the disk. The caller holds the ledger's lock.
pub(crate) fn write_anchor(ledger: &Path, anchored: &Anchored) -> io::Result<()> {
    let path = anchor_path(ledger);
    replace(&path, &anchored.text()?)?;
    sync_folder_of(&path)
}
