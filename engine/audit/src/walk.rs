//! One pass over a ledger, from the first line to the last, with everything that is wrong on the way.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::anchor::{Anchor, Anchored, Head};
use crate::error::AuditError;
use crate::finding::{Finding, LineFault};
use crate::key::{Kept, LedgerKey};
use crate::line::{Entry, LINE_BYTES_MAX, Line};
use crate::locked::{file_fault, snapshot};

/// Most findings that are kept; the rest are counted.
const FINDINGS_MAX: usize = 100;

/// What a pass over a ledger saw.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// Number of whole lines
    pub(crate) lines: u64,
    /// Number of runs that started
    pub(crate) runs: u64,
    /// Runs that started and did not finish, by number
    pub(crate) unfinished: BTreeSet<u64>,
    /// The last line, if it can be read
    pub(crate) head: Option<Head>,
    /// Number of lines that have a MAC, which holds where there is a key
    pub(crate) with_mac: u64,
    /// The head that the sealed counts keep, where it could be read
    pub(crate) kept: Option<Head>,
    /// The first findings, in order of lines; those of the anchor and of the counts come last
    pub(crate) findings: Vec<Finding>,
    /// Number of findings that are not among them
    pub(crate) findings_left_off: u64,
}

impl Walked {
    fn find(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX { self.findings.push(finding) } else { self.findings_left_off += 1 }
    }
}

/// Reads all of a ledger, hands each line whose seal is right to `each`, and gathers what is wrong. `noted` is a head
/// that was noted elsewhere.
pub(crate) fn walk(
    path: &Path,
    noted: Option<Head>,
    key: &LedgerKey,
    each: impl FnMut(Line),
) -> Result<Walked, AuditError> {
    // Before the ledger is looked at: a run that goes on meanwhile brings the ledger ahead, and not what is kept of it.
    let kept = key.kept();
    let ledger = snapshot(path, &kept)?;
    let anchored = match &ledger.anchor {
        Anchor::At(Anchored { head, .. }) => Some(*head),
        Anchor::Missing | Anchor::Unreadable => None,
    };
    let kept_head = match kept {
        Kept::At(head) => Some(head),
        Kept::NoKey | Kept::Unknown | Kept::Unreadable(_) => None,
    };
    let mut walk = Walk {
        walked: Walked { kept: kept_head, ..Walked::default() },
        key,
        before: Head::EMPTY,
        unread: 0,
        anchor: Landmark::new(anchored),
        noted: Landmark::new(noted),
        kept: Landmark::new(kept_head),
        first_mac: None,
    };
    walk.lines(&ledger.file, ledger.extent.whole_bytes, each).map_err(|reason| file_fault("read", path, reason))?;
    if ledger.extent.torn_bytes > 0 {
        walk.walked.find(Finding::Torn { line: walk.walked.lines + 1, bytes: ledger.extent.torn_bytes });
    }
    walk.check_anchor(&ledger.anchor, ledger.extent.torn_bytes);
    walk.check_kept(kept);
    walk.check_noted();
    Ok(walk.walked)
}

struct Walk<'k> {
    walked: Walked,
    key: &'k LedgerKey,
    /// The record that the next line must follow
    before: Head,
    /// Number of lines since then that could not be read, and so may stand for a record or not
    unread: u64,
    anchor: Landmark,
    noted: Landmark,
    kept: Landmark,
    /// The first line that has a MAC: all after it must have one
    first_mac: Option<u64>,
}

/// A head that the ledger must pass through.
struct Landmark {
    head: Option<Head>,
    passed: bool,
}

impl Landmark {
    fn new(head: Option<Head>) -> Landmark {
        Landmark { head, passed: head == Some(Head::EMPTY) }
    }

    fn pass(&mut self, head: Head) {
        self.passed |= self.head == Some(head);
    }
}

impl Walk<'_> {
    fn lines(&mut self, file: &File, whole_bytes: u64, mut each: impl FnMut(Line)) -> io::Result<()> {
        let mut reader = BufReader::with_capacity(64 << 10, file.take(whole_bytes));
        let mut text = Vec::new();
        loop {
            text.clear();
            let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text)?;
            if read == 0 {
                return Ok(());
            }
            self.walked.lines += 1;
            let line = match text.strip_suffix(b"\n") {
                Some(text) => Line::read(text, self.key.usable()),
                None => {
                    skip_line(&mut reader)?;
                    Err(LineFault::TooLong)
                }
            };
            match line {
                Ok(line) => {
                    self.check(&line);
                    each(line);
                }
                Err(fault) => {
                    self.walked.find(Finding::Altered { line: self.walked.lines, fault });
                    self.walked.head = None;
                    self.unread += 1;
                }
            }
        }
    }

    /// Holds a line to the one before it. A record further up than it should be is taken as the new beginning, one further
    /// down is passed over, so that one change is not reported on every line that follows.
    fn check(&mut self, line: &Line) {
        let at = self.walked.lines;
        let head = Head { sequence: line.sequence, sha256: line.sha256 };
        // A number that somebody forged may be the greatest that there is.
        let next = self.before.sequence.saturating_add(1);
        let next_or_unread = next.saturating_add(self.unread);
        if line.sequence < next {
            self.walked.find(Finding::OutOfPlace { line: at, sequence: line.sequence });
        } else if line.sequence > next_or_unread {
            self.walked.find(Finding::Missing { line: at, first: next_or_unread, last: line.sequence - 1 });
        } else if line.sequence == next && line.previous != self.before.sha256 {
            self.walked.find(Finding::Unchained { line: at });
        }
        self.check_mac(line);
        self.follow_run(line);
        self.anchor.pass(head);
        self.noted.pass(head);
        self.kept.pass(head);
        if line.sequence >= next {
            self.walked.head = Some(head);
            self.before = head;
            self.unread = 0;
        }
    }

    /// Once a line has a MAC, or the counts know the ledger, lines without one are not the engine's.
    fn check_mac(&mut self, line: &Line) {
        let at = self.walked.lines;
        if line.has_mac {
            self.walked.with_mac += 1;
            self.first_mac.get_or_insert(at);
        } else if self.first_mac.is_some() || self.kept.head.is_some_and(|kept| line.sequence > kept.sequence) {
            self.walked.find(Finding::NoMac { line: at });
        }
    }

    fn follow_run(&mut self, line: &Line) {
        match &line.entry {
            Entry::Started(_) => {
                self.walked.runs += 1;
                self.walked.unfinished.insert(line.sequence);
            }
            Entry::Finished { run, .. } => {
                // A line that is missing or altered explains a run without a start.
                if !self.walked.unfinished.remove(run) && self.walked.findings.is_empty() {
                    self.walked.find(Finding::NoSuchRun { line: self.walked.lines, run: *run });
                }
            }
            Entry::ClockAccepted(_) | Entry::CountsAccepted(_) | Entry::Repaired(_) => {}
        }
    }

    /// Number of the last record, those included that could not be read.
    fn last(&self) -> u64 {
        self.before.sequence.saturating_add(self.unread)
    }

    fn check_anchor(&mut self, anchor: &Anchor, torn_bytes: u64) {
        let last = self.last();
        match anchor {
            // A ledger that was just made: its anchor comes next.
            Anchor::Missing if self.walked.lines == 0 && torn_bytes == 0 => {}
            Anchor::Missing => self.walked.find(Finding::AnchorMissing),
            Anchor::Unreadable => self.walked.find(Finding::AnchorUnreadable),
            Anchor::At(anchored) => self.check_anchored(anchored, last),
        }
    }

    fn check_anchored(&mut self, anchored: &Anchored, last: u64) {
        let Head { sequence, .. } = anchored.head;
        if last < sequence {
            self.walked.find(Finding::CutOff { last, anchored: sequence });
        } else if !self.anchor.passed && sequence <= self.before.sequence {
            // That the anchored line itself cannot be read has been found already.
            self.walked.find(Finding::NotAnchored { sequence });
        } else if last > sequence.saturating_add(1) {
            self.walked.find(Finding::PastAnchor { last, anchored: sequence });
        }
        // Anchors of before lines had MACs have no note.
        let notes = anchored.note.as_ref().zip(self.key.usable());
        if notes.is_some_and(|(note, key)| note != key.note()) {
            self.walked.find(Finding::OtherNote);
        }
    }

    fn check_kept(&mut self, kept: Kept) {
        let last = self.last();
        match (kept, self.first_mac) {
            (Kept::At(kept), _) if last < kept.sequence => {
                self.walked.find(Finding::BehindKept { last, kept: kept.sequence });
            }
            (Kept::At(Head { sequence, .. }), _) if !self.kept.passed && sequence <= self.before.sequence => {
                self.walked.find(Finding::NotKept { sequence });
            }
            (Kept::Unknown, Some(_)) => self.walked.find(Finding::UnknownToCounts),
            (Kept::Unreadable(fault), Some(_)) => self.walked.find(Finding::CountsUnreadable { fault }),
            (Kept::NoKey, Some(line)) => {
                let fault = match self.key {
                    LedgerKey::Unusable(fault) => Some(fault.clone()),
                    LedgerKey::NotKept | LedgerKey::Usable(_) => None,
                };
                self.walked.find(Finding::NoKey { line, fault });
            }
            _ => {}
        }
    }

    fn check_noted(&mut self) {
        if let Some(Head { sequence, .. }) = self.noted.head
            && !self.noted.passed
        {
            self.walked.find(Finding::NotNoted { sequence });
        }
    }
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let part = reader.fill_buf()?;
        let (read, ended) = match part.iter().position(|&byte| byte == b'\n') {
            Some(place) => (place + 1, true),
            None => (part.len(), part.is_empty()),
        };
        reader.consume(read);
        if ended {
            return Ok(());
        }
    }
}
