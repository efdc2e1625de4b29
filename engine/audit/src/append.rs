//! Appending one line: the order of writes and syncs, and what is undone when one of them fails.
//!
//! ```text
//!   the end is sound ─► line written ─► line synced ─► anchor replaced, synced ─► still in place? ─► returns
//!                            └── fails: the line is cut off again ──┘  └── fails: the line stays; no result is shown
//! ```

use std::io;
use std::path::Path;

use crate::anchor::{Anchor, Head, read_anchor};
use crate::error::AuditError;
use crate::finding::Finding;
use crate::line::{Entry, LINE_BYTES_MAX, Line, SealedLine};
use crate::locked::{Extent, LockedLedger};

/// What is written to: the ledger and its anchor, or in tests a disk that fails.
pub(crate) trait Medium {
    /// Writes at the end of the ledger.
    fn append(&mut self, line: &[u8]) -> io::Result<()>;
    /// Brings the ledger to the disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the ledger to so many bytes, and brings that to the disk.
    fn cut(&mut self, whole_bytes: u64) -> io::Result<()>;
    /// Replaces the anchor, and brings it to the disk.
    fn write_anchor(&mut self, head: &Head) -> io::Result<()>;
    /// Whether the path still names the file that is written to.
    fn is_in_place(&self) -> bool;
}

/// The end of a ledger that may be appended to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SoundEnd {
    pub(crate) head: Head,
    pub(crate) whole_bytes: u64,
    /// A crash came between the last line and its anchor
    pub(crate) anchor_behind: bool,
}

/// The end of a locked ledger: refused if the last line is torn or altered, or is not where the anchor says.
pub(crate) fn sound_end(ledger: &LockedLedger) -> Result<SoundEnd, AuditError> {
    let extent = ledger.extent()?;
    let end = end_of_whole_lines(ledger, extent)?;
    match extent.torn_bytes {
        0 => Ok(end),
        bytes => Err(unsound(ledger, Finding::Torn { line: end.head.sequence + 1, bytes })),
    }
}

/// As [`sound_end`], with whatever may stand after the last whole line left out of account.
pub(crate) fn end_of_whole_lines(ledger: &LockedLedger, extent: Extent) -> Result<SoundEnd, AuditError> {
    let anchor = match read_anchor(ledger.path())? {
        Anchor::At(head) => head,
        Anchor::Missing => return Err(unsound(ledger, Finding::AnchorMissing)),
        Anchor::Unreadable => return Err(unsound(ledger, Finding::AnchorUnreadable)),
    };
    let last = match ledger.last_line(extent, LINE_BYTES_MAX)? {
        Some(text) => Some(match Line::read(&text) {
            Ok(line) => line,
            Err(fault) => return Err(unsound(ledger, Finding::Altered { line: ledger.lines(extent)?, fault })),
        }),
        None => None,
    };
    let head = last.as_ref().map_or(Head::EMPTY, |line| Head { sequence: line.sequence, sha256: line.sha256 });
    let before = last.as_ref().map(|line| Head { sequence: line.sequence.wrapping_sub(1), sha256: line.previous });
    if head != anchor && before != Some(anchor) {
        return Err(unsound(ledger, difference(head, anchor)));
    }
    Ok(SoundEnd { head, whole_bytes: extent.whole_bytes, anchor_behind: head != anchor })
}

/// How a ledger's head differs from its anchor.
fn difference(head: Head, anchor: Head) -> Finding {
    if head.sequence < anchor.sequence {
        Finding::CutOff { last: head.sequence, anchored: anchor.sequence }
    } else if head.sequence > anchor.sequence + 1 {
        Finding::PastAnchor { last: head.sequence, anchored: anchor.sequence }
    } else {
        Finding::NotAnchored { sequence: anchor.sequence }
    }
}

fn unsound(ledger: &LockedLedger, finding: Finding) -> AuditError {
    AuditError::Unsound { path: ledger.path().to_owned(), finding }
}

/// Appends one line after a sound end. When this returns the new head, the line and its anchor are on the disk.
pub(crate) fn append(medium: &mut impl Medium, path: &Path, end: SoundEnd, entry: Entry) -> Result<Head, AuditError> {
    let sequence = end.head.sequence + 1;
    let line = SealedLine::new(entry, end.head.sha256, sequence)?;
    let fault = |doing, reason, undone| AuditError::NotRecorded {
        path: path.to_owned(),
        line: sequence,
        doing,
        reason,
        undone,
    };
    if end.anchor_behind {
        // The line that is ahead may not be on the disk yet, and the anchor must never be ahead of the ledger.
        medium.sync().map_err(|reason| fault("bring the line before it to the disk", reason, true))?;
        medium.write_anchor(&end.head).map_err(|reason| fault("bring the anchor up to date", reason, true))?;
    }
    if let Err(reason) = medium.append(&line.bytes) {
        return Err(fault("write", reason, medium.cut(end.whole_bytes).is_ok()));
    }
    if let Err(reason) = medium.sync() {
        return Err(fault("bring it to the disk", reason, medium.cut(end.whole_bytes).is_ok()));
    }
    let head = Head { sequence, sha256: line.sha256 };
    // From here on the line stays: the anchor may already name it.
    medium.write_anchor(&head).map_err(|reason| fault("write its anchor", reason, false))?;
    if medium.is_in_place() { Ok(head) } else { Err(AuditError::Replaced { path: path.to_owned() }) }
}
