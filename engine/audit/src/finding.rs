//! What can be wrong with a ledger, and on which line.

use std::fmt;

use peristyle_policy::counts::CountsError;
use peristyle_policy::counts::ledger::SealError;

/// One thing that is wrong with a ledger. Lines are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A line is not what was written
    Altered {
        /// The line
        line: u64,
        /// How it shows
        fault: LineFault,
    },
    /// Records are missing before a line
    Missing {
        /// The line that comes too soon
        line: u64,
        /// Number of the first record that is missing
        first: u64,
        /// Number of the last record that is missing
        last: u64,
    },
    /// A line holds a record that belongs further up
    OutOfPlace {
        /// The line
        line: u64,
        /// The number of its record
        sequence: u64,
    },
    /// A line was sealed after another line than the one before it
    Unchained {
        /// The line
        line: u64,
    },
    /// A line ends a run that no line started, or that had ended before
    NoSuchRun {
        /// The line
        line: u64,
        /// The line that it names as the run's start
        run: u64,
    },
    /// The last line is half-written
    Torn {
        /// The line
        line: u64,
        /// Bytes that there are of it
        bytes: u64,
    },
    /// There is no anchor
    AnchorMissing,
    /// The anchor is not one
    AnchorUnreadable,
    /// The anchor notes other counts than those of the key
    OtherNote,
    /// There is an anchor, and no ledger
    LedgerRemoved,
    /// The sealed counts know the ledger, and there is none
    KeptRemoved {
        /// Number of the last record that they know
        kept: u64,
    },
    /// A line has no MAC, and must have one
    NoMac {
        /// The line
        line: u64,
    },
    /// Lines have MACs that nobody can check here
    NoKey {
        /// The first of them
        line: u64,
        /// Why the key cannot be used; none if nothing says where it is
        fault: Option<SealError>,
    },
    /// The sealed counts know a record that the ledger no longer holds
    BehindKept {
        /// Number of the last record in the ledger
        last: u64,
        /// Number of the last record that the counts know
        kept: u64,
    },
    /// A record is not the one that the sealed counts know
    NotKept {
        /// Number of the record
        sequence: u64,
    },
    /// Lines have MACs, and the sealed counts do not know the ledger
    UnknownToCounts,
    /// The counts that know the ledger cannot be read
    CountsUnreadable {
        /// Why
        fault: CountsError,
    },
    /// The anchor names a record that the ledger no longer holds
    CutOff {
        /// Number of the last record in the ledger
        last: u64,
        /// Number of the last record as the anchor has it
        anchored: u64,
    },
    /// A record is not the one that the anchor names
    NotAnchored {
        /// Number of the record
        sequence: u64,
    },
    /// The ledger goes on past its anchor by more than the one line that a crash explains
    PastAnchor {
        /// Number of the last record in the ledger
        last: u64,
        /// Number of the last record as the anchor has it
        anchored: u64,
    },
    /// The ledger does not hold the record that was noted elsewhere
    NotNoted {
        /// Number of the record
        sequence: u64,
    },
}

/// How it shows that a line is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineFault {
    /// It does not end with a SHA-256
    NoSeal,
    /// Its SHA-256 is not that of its text
    Digest,
    /// Its seal is right, and it is not a record in the form that this version writes
    NotARecord,
    /// It is longer than any record
    TooLong,
    /// Its MAC is not that of its text under the key
    Mac,
    /// Its MAC holds, and it was written for another ledger
    OtherLedger,
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LineFault::NoSeal => "it does not end with its SHA-256",
            LineFault::Digest => "its SHA-256 is not that of its text",
            LineFault::NotARecord => {
                "it is sealed, and not a record in the form that this version of Peristyle writes; a newer one may have \
                 written it"
            }
            LineFault::TooLong => "it is longer than any record",
            LineFault::Mac => "its MAC is not that of its text, so it was written by somebody without the key",
            LineFault::OtherLedger => "it was written for another ledger, or this one was moved",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Altered { line, fault } => write!(f, "line {line} was altered: {fault}"),
            Finding::Missing { line, first, last } if first == last => {
                write!(f, "line {line}: record {first} is missing before it; it was removed or moved")
            }
            Finding::Missing { line, first, last } => {
                write!(f, "line {line}: records {first} to {last} are missing before it; they were removed or moved")
            }
            Finding::OutOfPlace { line, sequence } => {
                write!(f, "line {line} holds record {sequence}, out of place: it was repeated, inserted or moved")
            }
            Finding::Unchained { line } => {
                write!(f, "line {line} was not written after the line before it: one of the two was put in later")
            }
            Finding::NoSuchRun { line, run } => {
                write!(f, "line {line} ends a run that is not open on line {run}: one of the two was put in later")
            }
            Finding::Torn { line, bytes } => {
                write!(
                    f,
                    "line {line} is half-written ({bytes} bytes): a process or the machine stopped in the middle of it"
                )
            }
            Finding::AnchorMissing => f.write_str("the anchor beside it is missing"),
            Finding::AnchorUnreadable => f.write_str("the anchor beside it cannot be read as one: it was altered"),
            Finding::OtherNote => f.write_str("the anchor notes other counts, or another key, than the policy's"),
            Finding::LedgerRemoved => f.write_str("the anchor is there and the ledger is not: the ledger was removed"),
            Finding::KeptRemoved { kept } => {
                write!(f, "the sealed counts know it up to record {kept}, and it is not there: it was removed")
            }
            Finding::NoMac { line } => {
                write!(f, "line {line} has no MAC: it was written by somebody without the key")
            }
            Finding::NoKey { line, fault } => {
                write!(f, "line {line} has a MAC, and there is no key to check it with")?;
                fault.as_ref().map_or(Ok(()), |fault| write!(f, " ({fault})"))
            }
            Finding::BehindKept { last, kept } => write!(
                f,
                "it ends with record {last}, and the sealed counts know record {kept}: its last lines were cut off, or it \
                 was replaced"
            ),
            Finding::NotKept { sequence } => {
                write!(f, "record {sequence} is not the one that the sealed counts know: the ledger was written anew")
            }
            Finding::UnknownToCounts => f.write_str(
                "its lines have MACs, and the sealed counts do not know it: it or they were moved, or the counts are of \
                 before",
            ),
            Finding::CountsUnreadable { fault } => {
                write!(f, "nothing tells whether its end is there, since its head cannot be read: {fault}")
            }
            Finding::CutOff { last, anchored } => {
                write!(
                    f,
                    "it ends with record {last}, and its anchor with record {anchored}: its last lines were cut off"
                )
            }
            Finding::NotAnchored { sequence } => {
                write!(f, "record {sequence} is not the one that the anchor names: one of the two was replaced")
            }
            Finding::PastAnchor { last, anchored } => write!(
                f,
                "it ends with record {last}, and its anchor with record {anchored}: lines were put in, or the anchor was \
                 replaced by an older one"
            ),
            Finding::NotNoted { sequence } => write!(
                f,
                "it does not hold record {sequence} as it was noted: the ledger was written anew, cut off or replaced"
            ),
        }
    }
}

impl Finding {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Finding::Torn { .. } => "`peristyle audit repair` moves the half-written line aside and records that",
            Finding::NoKey { .. } => {
                "Give the source file with --source FILE.toml, as the account that may read the key of its policy's counts"
            }
            Finding::UnknownToCounts => {
                "Put back what was moved. For a copy, give the source file of its place with --source FILE.toml. If the \
                 counts were lost, a person begins them anew with `peristyle policy begin`"
            }
            Finding::CountsUnreadable { .. } => "Put the counts right, and check again",
            Finding::LedgerRemoved | Finding::KeptRemoved { .. } => {
                "Find out who removed it, and restore it with its anchor from a backup; or name a new ledger in the source \
                 file"
            }
            _ => {
                "Keep the ledger and its anchor as evidence, and find out who wrote to them. Restore them from a backup, or \
                 name a new ledger in the source file"
            }
        }
    }
}
