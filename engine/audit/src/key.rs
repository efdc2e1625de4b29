//! The key that a ledger's lines are sealed with, and what the sealed counts keep of the ledger: what its end is held to.
//!
//! ```text
//!                     the last line has a MAC                       it has none
//! no key              refused: the key is gone                      goes on without
//! key, known head     the MAC holds, and it is the head or later    it is the head
//! key, no head        refused, but for who begins counts            the head is kept before a line is written
//! key, no counts      the MAC holds; no answer may be shown         goes on with a MAC; no answer may be shown
//! ```

use std::path::{Path, PathBuf};

use peristyle_policy::SecretFileError;
use peristyle_policy::counts::CountsError;
use peristyle_policy::counts::ledger::{CountsFiles, LedgerSeal, SealError};

use crate::anchor::{Anchor, Head, read_anchor};
use crate::append::SoundEnd;
use crate::error::AuditError;
use crate::finding::Finding;

/// The key of a ledger's lines.
#[derive(Debug)]
pub enum LedgerKey {
    /// There is none: the policy keeps no counts, or nothing says where they are
    NotKept,
    /// It cannot be used: not made yet, gone, or not a key
    Unusable(SealError),
    /// It seals each line, and the counts keep the head
    Usable(LedgerSeal),
}

impl LedgerKey {
    /// The key of the policy whose counts these are, for a ledger that need not be there yet.
    pub fn of(files: Option<CountsFiles>, ledger: &Path) -> LedgerKey {
        match files.map(|files| LedgerSeal::open(files, ledger)) {
            None => LedgerKey::NotKept,
            Some(Ok(seal)) => LedgerKey::Usable(seal),
            Some(Err(fault)) => LedgerKey::Unusable(fault),
        }
    }

    /// The key that the ledger's own anchor notes, for whoever is given the ledger alone. Who can write the anchor can have
    /// it note another key: so say which one was used.
    ///
    /// # Errors
    /// If the anchor cannot be opened.
    pub fn noted(ledger: &Path) -> Result<LedgerKey, AuditError> {
        let files = match read_anchor(ledger)? {
            Anchor::At(anchored) => anchored.note.map(|note| note.files(ledger)),
            Anchor::Missing | Anchor::Unreadable => None,
        };
        Ok(LedgerKey::of(files, ledger))
    }

    /// The key by which `ledger` is held to the place whose ledger is `original`: the same ledger, an earlier one of the
    /// place, or a copy that lies elsewhere.
    pub fn of_place(files: Option<CountsFiles>, ledger: &Path, original: &Path) -> LedgerKey {
        match LedgerKey::of(files, ledger) {
            LedgerKey::Usable(seal) if matches!(seal.head(), Ok(None)) => match seal.for_copy_of(original) {
                Ok(seal) => LedgerKey::Usable(seal),
                Err(fault) => LedgerKey::Unusable(fault),
            },
            key => key,
        }
    }

    /// The key, where it can be used.
    pub fn usable(&self) -> Option<&LedgerSeal> {
        match self {
            LedgerKey::Usable(seal) => Some(seal),
            LedgerKey::NotKept | LedgerKey::Unusable(_) => None,
        }
    }

    /// Whether there is no key yet.
    pub fn is_missing(&self) -> bool {
        let missing = std::io::ErrorKind::NotFound.into();
        matches!(
            self,
            LedgerKey::Unusable(SealError::Key(SecretFileError::Unreadable { kind, .. })) if *kind == missing
        )
    }

    /// What the counts keep of the ledger.
    pub(crate) fn kept(&self) -> Kept {
        match self.usable().map(LedgerSeal::head) {
            None => Kept::NoKey,
            Some(Ok(Some(head))) => Kept::At(head.into()),
            Some(Ok(None)) => Kept::Unknown,
            Some(Err(fault)) => Kept::Unreadable(fault),
        }
    }
}

/// What the sealed counts keep of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// There is no key to read it with
    NoKey,
    /// The ledger's head when a line was last appended
    At(Head),
    /// Nothing: the counts do not know the ledger
    Unknown,
    /// The counts cannot be read. Whoever needs them is told so; the ledger still takes the record of that
    Unreadable(CountsError),
}

impl Kept {
    /// The number of the last record that the ledger must have, if it must have any.
    pub(crate) fn records(&self) -> Option<u64> {
        match self {
            Kept::At(head) if head.sequence > 0 => Some(head.sequence),
            _ => None,
        }
    }
}

/// Holds the end of a ledger to the key and to what is kept. Its last line was read with the key, so that a MAC that it
/// has holds. A ledger that the counts do not know is refused, unless it `is_new_to_counts`: a person begins them.
pub(crate) fn hold(
    path: &Path,
    end: &SoundEnd,
    key: &LedgerKey,
    kept: &Kept,
    is_new_to_counts: bool,
) -> Result<(), AuditError> {
    let unsound = |finding| Err(AuditError::Unsound { path: path.to_owned(), finding });
    match (key, kept) {
        (LedgerKey::NotKept, _) if end.has_mac => Err(key_unusable(path, None)),
        // No line of such a ledger could ever have one.
        (LedgerKey::Unusable(fault @ SealError::NotText { .. }), _) => Err(key_unusable(path, Some(fault.clone()))),
        (LedgerKey::Unusable(fault), _) if end.has_mac => Err(key_unusable(path, Some(fault.clone()))),
        (_, Kept::At(kept)) => match difference(end, *kept) {
            Some(finding) => unsound(finding),
            None => Ok(()),
        },
        (_, Kept::Unknown) if end.has_mac && !is_new_to_counts => unsound(Finding::UnknownToCounts),
        _ => Ok(()),
    }
}

/// How a ledger's end differs from what is kept of it. It may be ahead, by lines with a MAC: those the engine wrote.
fn difference(end: &SoundEnd, kept: Head) -> Option<Finding> {
    let last = end.head.sequence;
    if end.head == kept {
        None
    } else if last < kept.sequence {
        Some(Finding::BehindKept { last, kept: kept.sequence })
    } else if last == kept.sequence {
        Some(Finding::NotKept { sequence: last })
    } else {
        (!end.has_mac).then_some(Finding::NoMac { line: last })
    }
}

fn key_unusable(path: &Path, fault: Option<SealError>) -> AuditError {
    AuditError::KeyUnusable { path: PathBuf::from(path), fault }
}
