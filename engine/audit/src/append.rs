//! Appending one line: the order of writes and syncs, and what is undone when one of them fails.
//!
//! ```text
//!   the end is sound ─► line written ─► line synced ─► anchor replaced, synced ─► still in place? ─► head kept ─► returns
//!                            └── fails: the line is cut off again ──┘  └── fails: the line stays; no result is shown
//! ```

use std::io;
use std::path::Path;

use peristyle_policy::counts::CountsError;
use peristyle_policy::counts::ledger::LedgerSeal;

use crate::anchor::{Anchor, Head, read_anchor};
use crate::error::AuditError;
use crate::finding::Finding;
use crate::line::{Entry, KnownCounts, LINE_BYTES_MAX, Line, SealedLine};
use crate::locked::{Extent, LockedLedger};
use crate::record::Moment;

/// What is written to: the ledger, its anchor and the counts, or in tests a disk that fails.
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
    /// Has the sealed counts keep the head, where there is a key.
    fn keep(&mut self, head: &Head) -> Result<(), CountsError>;
}

/// The end of a ledger that may be appended to.
#[derive(Clone, Debug)]
pub(crate) struct SoundEnd {
    pub(crate) head: Head,
    pub(crate) whole_bytes: u64,
    /// A crash came between the last line and its anchor
    pub(crate) anchor_behind: bool,
    pub(crate) counts: KnownCounts,
    /// Whether the last line has a MAC, which holds where there is a key
    pub(crate) has_mac: bool,
    /// When the last line was written
    pub(crate) latest: Option<Moment>,
}

/// The end of a locked ledger: refused if the last line is torn or altered, or is not where the anchor says.
pub(crate) fn sound_end(ledger: &LockedLedger<'_>) -> Result<SoundEnd, AuditError> {
    let extent = ledger.extent()?;
    let end = end_of_whole_lines(ledger, extent)?;
    match extent.torn_bytes {
        0 => Ok(end),
        bytes => Err(unsound(ledger, Finding::Torn { line: end.head.sequence.saturating_add(1), bytes })),
    }
}

/// As [`sound_end`], with whatever may stand after the last whole line left out of account.
pub(crate) fn end_of_whole_lines(ledger: &LockedLedger<'_>, extent: Extent) -> Result<SoundEnd, AuditError> {
    let anchor = match read_anchor(ledger.path())? {
        Anchor::At(anchored) => anchored.head,
        Anchor::Missing => return Err(unsound(ledger, Finding::AnchorMissing)),
        Anchor::Unreadable => return Err(unsound(ledger, Finding::AnchorUnreadable)),
    };
    let last = match ledger.last_line(extent, LINE_BYTES_MAX)? {
        Some(text) => Some(match Line::read(&text, ledger.key()) {
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
    Ok(SoundEnd {
        head,
        whole_bytes: extent.whole_bytes,
        anchor_behind: head != anchor,
        has_mac: last.as_ref().is_some_and(|line| line.has_mac),
        latest: last.as_ref().map(|line| line.entry.moment()),
        counts: last.map(|line| line.counts).unwrap_or_default(),
    })
}

/// How a ledger's head differs from its anchor.
fn difference(head: Head, anchor: Head) -> Finding {
    if head.sequence < anchor.sequence {
        Finding::CutOff { last: head.sequence, anchored: anchor.sequence }
    } else if head.sequence > anchor.sequence.saturating_add(1) {
        Finding::PastAnchor { last: head.sequence, anchored: anchor.sequence }
    } else {
        Finding::NotAnchored { sequence: anchor.sequence }
    }
}

fn unsound(ledger: &LockedLedger<'_>, finding: Finding) -> AuditError {
    AuditError::Unsound { path: ledger.path().to_owned(), finding }
}

/// Appends one line after a sound end, with a MAC where there is a key. When this returns the new head, the line and its
/// anchor are on the disk, and the counts keep the head.
pub(crate) fn append(
    medium: &mut impl Medium,
    path: &Path,
    end: SoundEnd,
    entry: Entry,
    key: Option<&LedgerSeal>,
) -> Result<Head, AuditError> {
    let sequence = end.head.sequence.saturating_add(1);
    let counts = end.counts.with(&entry);
    let line = SealedLine::new(entry, counts, end.head, key)?;
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
    if !medium.is_in_place() {
        return Err(AuditError::Replaced { path: path.to_owned() });
    }
    medium.keep(&head).map_err(|fault| AuditError::LineNotKept { path: path.to_owned(), line: sequence, fault })?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::fs;
    use std::path::PathBuf;

    use peristyle_policy::counts::CountsFile;
    use peristyle_policy::counts::ledger::CountsFiles;
    use peristyle_policy::{Day, Policy};

    use super::*;
    use crate::key::LedgerKey;
    use crate::locked::IfMissing;
    use crate::record::{Activity, Moment, Name, RunStart};
    use crate::{Ledger, verify};

    /// A disk on which one call fails, or that one and all after it.
    struct FaultyDisk<'k> {
        ledger: LockedLedger<'k>,
        calls: usize,
        fault: Fault,
    }

    #[derive(Clone, Copy, Debug)]
    struct Fault {
        /// The call that fails, counted from 0
        at_call: usize,
        /// Whether every later call fails too
        for_good: bool,
        /// How many sixteenths of a failing call are done before it fails
        done_sixteenths: usize,
        kind: io::ErrorKind,
    }

    impl FaultyDisk<'_> {
        fn fails(&mut self) -> bool {
            let call = self.calls;
            self.calls += 1;
            call == self.fault.at_call || (self.fault.for_good && call > self.fault.at_call)
        }

        fn error<T>(&self) -> io::Result<T> {
            Err(self.fault.kind.into())
        }
    }

    impl Medium for FaultyDisk<'_> {
        fn append(&mut self, line: &[u8]) -> io::Result<()> {
            if self.fails() {
                self.ledger.append(&line[..line.len() * self.fault.done_sixteenths / 16])?;
                return self.error();
            }
            self.ledger.append(line)
        }

        fn sync(&mut self) -> io::Result<()> {
            if self.fails() { self.error() } else { self.ledger.sync() }
        }

        fn cut(&mut self, whole_bytes: u64) -> io::Result<()> {
            if self.fails() { self.error() } else { self.ledger.cut(whole_bytes) }
        }

        fn write_anchor(&mut self, head: &Head) -> io::Result<()> {
            let fails = self.fails();
            if !fails || self.fault.done_sixteenths == 16 {
                self.ledger.write_anchor(head)?;
            }
            if fails { self.error() } else { Ok(()) }
        }

        fn is_in_place(&self) -> bool {
            self.ledger.is_in_place()
        }

        fn keep(&mut self, head: &Head) -> Result<(), CountsError> {
            let fails = self.fails();
            if !fails || self.fault.done_sixteenths == 16 {
                self.ledger.keep(head)?;
            }
            let kind = self.fault.kind.into();
            if fails { Err(CountsError::Unwritable { path: "counts.json".into(), kind }) } else { Ok(()) }
        }
    }

    fn start() -> RunStart {
        RunStart {
            activity: Activity::GenerateDataset,
            definition_sha256: None,
            engine: Name::new("the engine", "peristyle 0.1.0").unwrap(),
            permissions: Default::default(),
            policy: None,
            policy_sha256: None,
            project: None,
            rules: Default::default(),
            set_aside: None,
            started: moment(),
        }
    }

    fn moment() -> Moment {
        Moment::parse("the start", "2026-01-31T09:30:00Z").unwrap()
    }

    /// A ledger of two lines, with a key or without one. With `anchor_behind`, its anchor is that of the first, and so is
    /// the head that the counts keep.
    struct Place {
        folder: tempfile::TempDir,
        ledger: PathBuf,
        counts: Option<CountsFiles>,
    }

    impl Place {
        fn new(sealed: bool, anchor_behind: bool) -> Place {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("state")).unwrap();
            let text = include_str!("../../../opt-out/policy/policies/type-one-only.toml");
            let policy = Policy::parse(text.as_bytes(), &folder.path().join("policy.toml")).unwrap();
            CountsFile::begin(&policy, &[], Day::parse("2026-01-01").unwrap(), 0).unwrap();
            let counts = CountsFiles::of(&policy).filter(|_| sealed);
            let place = Place { ledger: folder.path().join("audit.jsonl"), folder, counts };
            place.run();
            let behind: Vec<PathBuf> = place.counts.iter().map(|counts| counts.file.clone()).collect();
            let behind = [vec![crate::anchor::anchor_path(&place.ledger)], behind].concat();
            let first: Vec<Vec<u8>> = behind.iter().map(|path| fs::read(path).unwrap()).collect();
            place.run();
            if anchor_behind {
                behind.iter().zip(first).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
            }
            place
        }

        fn key(&self) -> LedgerKey {
            LedgerKey::of(self.counts.clone(), &self.ledger)
        }

        fn open(&self) -> Result<Ledger, AuditError> {
            Ok(Ledger::open(&self.ledger, self.key())?.with_clock(moment))
        }

        fn run(&self) {
            drop(self.open().unwrap().begin(start()).unwrap());
        }

        /// Appends on a disk with this fault.
        fn append_on(&self, fault: Fault) -> Result<Head, AuditError> {
            let key = self.key();
            let mut locked = LockedLedger::open(&self.ledger, IfMissing::Refuse, &key).unwrap();
            let end = sound_end(&locked).unwrap();
            locked.begin_to_keep(end.head).unwrap();
            let mut disk = FaultyDisk { ledger: locked, calls: 0, fault };
            append(&mut disk, &self.ledger, end, Entry::Started(Box::new(start())), key.usable())
        }
    }

    /// Appends on a faulty disk; then sees that the ledger is as the error says, and can be brought to take runs again.
    fn check(fault: Fault, place: &Place) -> bool {
        let before = fs::read(&place.ledger).unwrap();
        let appended = place.append_on(fault);
        let after = fs::read(&place.ledger).unwrap();
        assert!(after.starts_with(&before), "what was recorded stays");
        let verified = || verify(&place.ledger, None, &place.key()).unwrap();
        let Err(error) = appended else {
            assert_eq!((verified().lines(), verified().is_sound()), (3, true));
            return false;
        };
        match error {
            AuditError::NotRecorded { line: 3, undone, .. } => assert!(!undone || after == before, "{fault:?}"),
            AuditError::LineNotKept { line: 3, .. } => assert_ne!(after, before, "{fault:?}"),
            error => panic!("{error}"),
        }
        if let Err(refusal) = place.open() {
            assert!(matches!(refusal, AuditError::Unsound { finding: Finding::Torn { line: 3, .. }, .. }), "{refusal}");
            Ledger::repair(&place.ledger, &place.key(), moment(), None).unwrap();
        }
        place.run();
        assert_eq!(verified().findings(), [], "{fault:?}");
        true
    }

    #[test]
    fn whichever_call_fails_the_caller_learns_of_it_and_the_ledger_goes_on() {
        for (sealed, anchor_behind) in [(false, false), (false, true), (true, false), (true, true)] {
            for for_good in [false, true] {
                for done_sixteenths in [0, 1, 8, 15, 16] {
                    let kind = io::ErrorKind::StorageFull;
                    let fault = |at_call| Fault { at_call, for_good, done_sixteenths, kind };
                    let fails = |at_call: &usize| check(fault(*at_call), &Place::new(sealed, anchor_behind));
                    let calls = (0..).take_while(fails).count();
                    assert_eq!(calls, if anchor_behind { 6 } else { 4 }, "every call was made to fail once");
                }
            }
        }
    }

    #[test]
    fn what_is_said_of_a_full_and_of_a_read_only_disk() {
        let said = [
            (io::ErrorKind::StorageFull, 0, false),
            (io::ErrorKind::ReadOnlyFilesystem, 0, true),
            (io::ErrorKind::Other, 2, false),
            (io::ErrorKind::StorageFull, 3, false),
        ]
        .map(|(kind, at_call, for_good)| {
            let place = Place::new(true, false);
            let error = place.append_on(Fault { at_call, for_good, done_sixteenths: 8, kind }).unwrap_err();
            error.to_string().replace(&place.folder.path().display().to_string(), "DIR")
        });
        insta::assert_snapshot!(said.join("\n"));
    }
}
