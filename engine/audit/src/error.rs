//! Why a run could not be recorded, or a ledger not be read. No variant holds a value of a patient's record.

use std::io;
use std::path::PathBuf;

use peristyle_policy::counts::CountsError;
use peristyle_policy::counts::ledger::SealError;

use crate::finding::Finding;
use crate::record::{Moment, RecordError};

/// Why the ledger cannot be used. Whoever gets one shows no result of the run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The operating system refused to open or read.
    #[error("audit ledger: cannot {doing} `{}`: {reason}. {advice}", path.display(), advice = advice(reason))]
    File {
        /// What was tried, as a verb
        doing: &'static str,
        /// On which file or directory
        path: PathBuf,
        /// What the operating system said
        reason: io::Error,
    },
    /// A line could not be written, or not be brought to the disk.
    #[error(
        "audit ledger `{}`: line {line} could not be recorded (cannot {doing}: {reason}), so the run must show no result. \
         {advice}{left}",
        path.display(), advice = advice(reason), left = left(*undone)
    )]
    NotRecorded {
        /// The ledger
        path: PathBuf,
        /// The line
        line: u64,
        /// What was tried, as a verb
        doing: &'static str,
        /// What the operating system said
        reason: io::Error,
        /// Whether the ledger is as it was before
        undone: bool,
    },
    /// The path is a directory, a device or a pipe.
    #[error("audit ledger `{}` is not a regular file: give the name of a file on a disk", path.display())]
    NotAFile {
        /// The path
        path: PathBuf,
    },
    /// Others than the owner can read or write the ledger.
    #[error(
        "audit ledger: `{}` has mode {mode:04o}, which opens it to others: run `chmod 600` on it once you know that \
         `peristyle audit verify` finds nothing",
        path.display()
    )]
    OpenToOthers {
        /// The ledger
        path: PathBuf,
        /// Its permission bits
        mode: u32,
    },
    /// Another process keeps the ledger locked.
    #[error(
        "audit ledger `{}` has been locked by another process for {waited_s} s: find the process that holds it (`lsof` on \
         the file), let it end or end it, and run again",
        path.display()
    )]
    Busy {
        /// The ledger
        path: PathBuf,
        /// How long was waited, in seconds
        waited_s: u64,
    },
    /// The ledger is not what was written to it.
    #[error("audit ledger `{}`: {finding}. {advice}", path.display(), advice = finding.advice())]
    Unsound {
        /// The ledger
        path: PathBuf,
        /// What is wrong
        finding: Finding,
    },
    /// The ledger does not verify, so that it has no public view.
    #[error(
        "audit ledger `{}` does not verify ({findings} findings, the first: {first}), so there is no public view of it: run \
         `peristyle audit verify`",
        path.display()
    )]
    NotVerified {
        /// The ledger
        path: PathBuf,
        /// How many things are wrong
        findings: u64,
        /// The first of them
        first: Finding,
    },
    /// The file was moved, removed or replaced while it was in use.
    #[error(
        "audit ledger `{}` was moved, removed or replaced while the run was being recorded: put it back, and see that \
         nothing (such as a log rotation) moves it",
        path.display()
    )]
    Replaced {
        /// The ledger
        path: PathBuf,
    },
    /// There is no half-written line, and no clock to answer for.
    #[error("audit ledger `{}` has no half-written line, and no record of a later day: there is nothing to repair", path.display())]
    NothingToRepair {
        /// The ledger
        path: PathBuf,
    },
    /// The clock stands before the day of the last record.
    #[error(
        "audit ledger `{}`: the clock says {}, and the last record is of {}, so nothing can be recorded. Set the clock \
         right. If it was ahead when that was recorded, a person answers for it with `peristyle audit repair \
         --clock-was-ahead --by NAME`",
        path.display(), now.day(), latest.day()
    )]
    ClockBehind {
        /// The ledger
        path: PathBuf,
        /// What the clock says
        now: Moment,
        /// The last record's moment
        latest: Moment,
    },
    /// Lines have MACs, and the next one cannot have one.
    #[error(
        "audit ledger `{}`: nothing can be recorded, since its lines have MACs under the key of the counts, and {}. Put \
         the key right, or name a new ledger in the source file",
        path.display(), no_key(fault.as_ref())
    )]
    KeyUnusable {
        /// The ledger
        path: PathBuf,
        /// Why the key cannot be used; none if the policy has none
        fault: Option<SealError>,
    },
    /// The counts that keep the ledger's head cannot be read or written.
    #[error("audit ledger `{}`: its head cannot be kept, so nothing can be recorded: {fault}", path.display())]
    HeadNotKept {
        /// The ledger
        path: PathBuf,
        /// Why
        fault: CountsError,
    },
    /// A line is on the disk, and its head could not be kept.
    #[error(
        "audit ledger `{}`: line {line} stands, and its head could not be kept, so the run must show no result: {fault}",
        path.display()
    )]
    LineNotKept {
        /// The ledger
        path: PathBuf,
        /// The line
        line: u64,
        /// Why
        fault: CountsError,
    },
    /// A record is larger than a line may be.
    #[error(
        "the record of this run takes {bytes} bytes, and a line of the audit ledger {most} at most: use fewer tables, \
         registers or outputs in one run"
    )]
    RecordTooLarge {
        /// Its size
        bytes: u64,
        /// The largest
        most: u64,
    },
    /// What was noted elsewhere is not a head.
    #[error(
        "the noted head is not one: give it as `peristyle audit verify` prints it, the number of a record, a colon, and 64 \
         lower-case hexadecimal digits"
    )]
    NotAHead,
    /// Something cannot stand in a record.
    #[error(transparent)]
    Record(#[from] RecordError),
}

fn no_key(fault: Option<&SealError>) -> String {
    fault.map_or_else(|| "the policy keeps no counts".to_owned(), ToString::to_string)
}

fn left(undone: bool) -> &'static str {
    if undone {
        "; the ledger is as it was before"
    } else {
        "; a part or the whole of the line may stand in the ledger: run `peristyle audit verify`"
    }
}

fn advice(reason: &io::Error) -> &'static str {
    use io::ErrorKind;
    match reason.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "Have the ledger on a disk, and under a user, that may write it"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => "Make room and run again",
        ErrorKind::NotFound => "Create the directory, or give the path of the ledger",
        ErrorKind::IsADirectory | ErrorKind::NotADirectory => "Give the name of a file in a directory",
        _ => "Check the path and the disk",
    }
}
