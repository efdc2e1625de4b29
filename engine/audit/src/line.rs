//! One line of the ledger, sealed with its own SHA-256, and with a MAC where there is a key.
//!
//! ```text
//! {"counts":{…},"entry":{…},"format":2,"ledger":"…","mac":"…","previous":"<SHA-256 of line n-1>","sequence":n,"sha256":"…"}⏎
//! └──────── these bytes are digested: the line is numbered, follows from the one before it, and is whole ────┘
//! └──────────── the same bytes without `,"mac":"…"` have a MAC ──────────┘
//! ```
//!
//! A line is in canonical form and the digest is of its very bytes up to `,"sha256":`, so that anybody can check one
//! without this program, and a change of any bit is a change of the digest or of the seal. Whoever can write the ledger
//! can compute digests; the MAC (HMAC-SHA256) only the engine can. Lines of a policy that keeps no counts have none,
//! nor have those of before the key was made; nor had those of format 1.
//!
//! `counts` is what the ledger knows by then of the counts of registers, so that the last line alone tells it.
//! `ledger` says which ledger the line was written for: those under one key cannot stand in for each other.

use std::collections::BTreeMap;

use peristyle_policy::counts::ledger::LedgerSeal;
use serde::{Deserialize, Serialize};

use crate::anchor::Head;
use crate::canonical::canonical;
use crate::error::AuditError;
use crate::finding::LineFault;
use crate::record::{
    ClockAccepted, CountsAccepted, CountsWritten, Digest, Moment, Name, Outcome, RecordError, Repair, RunFinish,
    RunStart,
};

/// Longest line, its end included. 4,096 files of 1,000 bytes each, and as much again for all else.
pub(crate) const LINE_BYTES_MAX: u64 = 8 << 20;

/// The form of lines that this version writes. Form 1, of lines without a MAC, is still read.
const FORMAT: u32 = 2;

const MAC: &[u8] = br#","mac":""#;
/// What follows the MAC.
const PREVIOUS: &[u8] = br#","previous":""#;
const SEAL: &[u8] = br#","sha256":""#;
const SEAL_END: &[u8] = br#""}"#;
const DIGEST_DIGITS: usize = 64;

/// What a line records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Entry {
    /// A person answers for a clock that was ahead
    ClockAccepted(Box<ClockAccepted>),
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
            Entry::ClockAccepted(_) | Entry::CountsAccepted(_) | Entry::Repaired(_) | Entry::Started(_) => None,
        }
    }

    /// When it was written.
    pub(crate) fn moment(&self) -> Moment {
        match self {
            Entry::ClockAccepted(clock) => clock.accepted,
            Entry::CountsAccepted(counts) => counts.accepted,
            Entry::Finished { finish, .. } => finish.finished,
            Entry::Repaired(repair) => repair.repaired,
            Entry::Started(start) => start.started,
        }
    }

    /// Whether it lets an answer be shown.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self, Entry::Finished { finish, .. } if matches!(finish.outcome, Outcome::Answered { .. }))
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ledger: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mac: Option<Digest>,
    previous: Digest,
    sequence: u64,
}

impl Unsealed {
    /// Whether it is of a form that there is. Only lines of this one have a MAC, and then say of which ledger they are.
    fn is_of_a_form(&self) -> bool {
        matches!((self.format, self.ledger, self.mac), (1 | FORMAT, None, None) | (FORMAT, Some(_), Some(_)))
    }
}

/// A line that was read and whose own seal is right.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) counts: KnownCounts,
    pub(crate) entry: Entry,
    /// Whether it has a MAC: one that holds, where it was read with the key
    pub(crate) has_mac: bool,
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
    /// The line that records `entry` after `before`; with a MAC where there is a key.
    pub(crate) fn new(
        entry: Entry,
        counts: KnownCounts,
        before: Head,
        key: Option<&LedgerSeal>,
    ) -> Result<SealedLine, AuditError> {
        let sequence = before.sequence.saturating_add(1);
        let ledger = key.map(|key| Digest::from(key.ledger()));
        let unsealed = Unsealed { counts, entry, format: FORMAT, ledger, mac: None, previous: before.sha256, sequence };
        let mut bytes = canonical(&unsealed).map_err(|_| RecordError::NoCanonicalForm)?;
        bytes.pop();
        if let Some(key) = key {
            let mac = Digest::from(key.mac(&[&bytes]));
            let after = rfind(&bytes, PREVIOUS).ok_or(RecordError::NoCanonicalForm)?;
            bytes.splice(after..after, [MAC, String::from(mac).as_bytes(), b"\""].concat());
        }
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
    /// Reads a line without its line end. The seal is checked before anything is parsed. A MAC is checked where there is a
    /// key; whether a line must have one, its neighbours say.
    pub(crate) fn read(text: &[u8], key: Option<&LedgerSeal>) -> Result<Line, LineFault> {
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
        if !unsealed.is_of_a_form() || canonical(&unsealed).as_ref() != Ok(&object) {
            return Err(LineFault::NotARecord);
        }
        let Unsealed { counts, entry, ledger, mac, previous, sequence, .. } = unsealed;
        if let (Some(key), Some(mac)) = (key, mac) {
            let (before, after) = without_mac(covered).ok_or(LineFault::NotARecord)?;
            if !key.holds(&[before, after], &mac.into()) {
                return Err(LineFault::Mac);
            }
            if ledger != Some(key.ledger().into()) {
                return Err(LineFault::OtherLedger);
            }
        }
        Ok(Line { counts, entry, has_mac: mac.is_some(), previous, sequence, sha256 })
    }
}

/// The bytes that a line's digest covers, and the digest's digits.
fn unseal(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_suffix(SEAL_END)?;
    let (text, digits) = text.split_at_checked(text.len().checked_sub(DIGEST_DIGITS)?)?;
    Some((text.strip_suffix(SEAL)?, digits))
}

/// What a line's MAC is of, in two parts: the covered bytes before the MAC and after it.
fn without_mac(covered: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, rest) = covered.split_at_checked(rfind(covered, MAC)?)?;
    Some((before, rest.get(MAC.len() + DIGEST_DIGITS + 1..)?))
}

/// Where the last of these bytes are. In a line in canonical form the last field of a name is the line's own: those of its
/// record come before, and within a text quotes are escaped.
fn rfind(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).rposition(|window| window == wanted)
}
