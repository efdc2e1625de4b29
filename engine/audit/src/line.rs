//! One line of the ledger, sealed with its own SHA-256.
//!
//! ```text
//! {"counts":{…},"entry":{…},"format":1,"previous":"<SHA-256 of line n-1>","sequence":n,"sha256":"<of this line>"}⏎
//! └──────────────── these bytes are digested ──────────────────────────────────────────┘
//! ```
//!
//! A line is in canonical form and the digest is of its very bytes up to `,"sha256":`, so that anybody can check one
//! without this program, and a change of any bit is a change of the digest or of the seal.
//!
//! `counts` is what the ledger knows by then of the counts of registers, so that the last line alone tells it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::canonical::canonical;
use crate::error::AuditError;
use crate::finding::LineFault;
use crate::record::{CountsAccepted, CountsWritten, Digest, Name, RecordError, Repair, RunFinish, RunStart};

/// Longest line, its end included. 4,096 files of 1,000 bytes each, and as much again for all else.
pub(crate) const LINE_BYTES_MAX: u64 = 8 << 20;

/// The form of lines that this version writes and reads.
const FORMAT: u32 = 1;

const SEAL: &[u8] = br#","sha256":""#;
const SEAL_END: &[u8] = br#""}"#;
const DIGEST_DIGITS: usize = 64;

/// What a line records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Entry {
    /// A person answers for what registers count
    CountsAccepted(Box<CountsAccepted>),
    /// A run ended
    Finished {
        /// How
        finish: Box<RunFinish>,
        /// The number of the line that it started on
        run: u64,
    },
    /// A torn line was moved aside
    Repaired(Box<Repair>),
    /// A run started
    Started(Box<RunStart>),
}

impl Entry {
    fn counts_written(&self) -> Option<&CountsWritten> {
        match self {
            Entry::Finished { finish, .. } => finish.counts.as_ref(),
            Entry::CountsAccepted(_) | Entry::Repaired(_) | Entry::Started(_) => None,
        }
    }
}

/// By policy, how often its counts are known to have been written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct KnownCounts(BTreeMap<Name, u64>);

impl KnownCounts {
    /// How often the counts of `policy` are known to have been written.
    pub(crate) fn of(&self, policy: &Name) -> u64 {
        self.0.get(policy).copied().unwrap_or(0)
    }

    /// What is known once `entry` is recorded. Runs at the same time may finish in another order than they counted in.
    pub(crate) fn with(mut self, entry: &Entry) -> Self {
        if let Some(CountsWritten { policy, sequence }) = entry.counts_written() {
            let known = self.0.entry(policy.clone()).or_default();
            *known = (*known).max(*sequence);
        }
        self
    }
}

/// The part of a line that its digest covers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unsealed {
    counts: KnownCounts,
    entry: Entry,
    format: u32,
    previous: Digest,
    sequence: u64,
}

/// A line that was read and whose own seal is right.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) counts: KnownCounts,
    pub(crate) entry: Entry,
    pub(crate) previous: Digest,
    pub(crate) sequence: u64,
    pub(crate) sha256: Digest,
}

/// A line to append: its bytes, the line end included, and its digest.
#[derive(Debug)]
pub(crate) struct SealedLine {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sha256: Digest,
}

impl SealedLine {
    /// The line that records `entry` after the one whose digest is `previous`.
    pub(crate) fn new(
        entry: Entry,
        counts: KnownCounts,
        previous: Digest,
        sequence: u64,
    ) -> Result<SealedLine, AuditError> {
        let unsealed = Unsealed { counts, entry, format: FORMAT, previous, sequence };
        let mut bytes = canonical(&unsealed).map_err(|_| RecordError::NoCanonicalForm)?;
        bytes.pop();
        let sha256 = Digest::of(&bytes);
        bytes.extend_from_slice(SEAL);
        bytes.extend_from_slice(String::from(sha256).as_bytes());
        bytes.extend_from_slice(SEAL_END);
        bytes.push(b'\n');
        if bytes.len() as u64 > LINE_BYTES_MAX {
            return Err(AuditError::RecordTooLarge { bytes: bytes.len() as u64, most: LINE_BYTES_MAX });
        }
        Ok(SealedLine { bytes, sha256 })
    }
}

impl Line {
    /// Reads a line without its line end. The seal is checked before anything is parsed.
    pub(crate) fn read(text: &[u8]) -> Result<Line, LineFault> {
        let (covered, digits) = unseal(text).ok_or(LineFault::NoSeal)?;
        let sha256 = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| Digest::parse("the seal of a line", digits).ok())
            .ok_or(LineFault::NoSeal)?;
        if Digest::of(covered) != sha256 {
            return Err(LineFault::Digest);
        }
        let mut object = covered.to_vec();
        object.push(b'}');
        let unsealed: Unsealed = serde_json::from_slice(&object).map_err(|_| LineFault::NotARecord)?;
        if unsealed.format != FORMAT || canonical(&unsealed).as_ref() != Ok(&object) {
            return Err(LineFault::NotARecord);
        }
        let Unsealed { counts, entry, previous, sequence, .. } = unsealed;
        Ok(Line { counts, entry, previous, sequence, sha256 })
    }
}

/// The bytes that a line's digest covers, and the digest's digits.
fn unseal(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_suffix(SEAL_END)?;
    let (text, digits) = text.split_at_checked(text.len().checked_sub(DIGEST_DIGITS)?)?;
    Some((text.strip_suffix(SEAL)?, digits))
}
