//! What an audit ledger is held to: a key for its lines, and its last line, kept in the sealed counts.
//!
//! Whoever may write a ledger can compute digests, and so could write it anew, cut it off or empty it. They have not the
//! key of the counts. So each line carries a MAC under a key that is derived from it, and the sealed file of the counts
//! keeps the last line's number and SHA-256. It is written after the line: a ledger may be ahead of what is kept, and
//! never behind or beside it.
//!
//! One file of counts may keep several ledgers. Each goes by its path from the folder of that file, so that a place that
//! is moved as a whole stays as it is.

use std::fs::File;
use std::path::{Path, PathBuf};

use hmac::Mac;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Content, CountsError, hmac, lock, read, terms};
use crate::digest::{Canonical, Digest};
use crate::files::{FolderFault, folder_of, sync_folder_of, way_between};
use crate::policy::Policy;
use crate::secret_file::{self, Secret, SecretFileError, SecretKind};

/// The last line of a ledger, as the counts keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerHead {
    /// Its number; 0 for a ledger without lines
    pub sequence: u64,
    /// Its SHA-256; zeros for a ledger without lines
    pub sha256: Digest,
}

/// Where the counts are that a ledger is held to, and their key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountsFiles {
    /// The sealed counts
    pub file: PathBuf,
    /// Their key
    pub key_file: PathBuf,
}

impl CountsFiles {
    /// Those of a policy; `None` where it keeps no counts, because it applies no rule and follows no link.
    pub fn of(policy: &Policy) -> Option<Self> {
        let has_registers = policy.registers().next().is_some() || !policy.links.is_empty();
        let terms = terms(policy).ok().filter(|_| has_registers)?;
        Some(Self { file: terms.file.path.clone(), key_file: terms.key_file.path.clone() })
    }
}

/// Why there is no [`LedgerSeal`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the names, and the messages say the rest")]
pub enum SealError {
    /// The key is missing, or is none
    #[error(transparent)]
    Key(#[from] SecretFileError),
    /// The folder of the ledger or of the counts
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// Ledgers and counts name each other in JSON
    #[error("`{}`: paths of an audit ledger, of counts and of their key must be text in UTF-8", path.display())]
    NotText { path: PathBuf },
}

/// Where counts and key are, as a ledger notes it: by their ways from its folder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CountsNote {
    /// The sealed counts
    pub counts: String,
    /// Their key
    pub key: String,
}

impl CountsNote {
    /// The files, for the ledger that has the note.
    pub fn files(&self, ledger: &Path) -> CountsFiles {
        let folder = folder_of(ledger);
        CountsFiles { file: folder.join(&self.counts), key_file: folder.join(&self.key) }
    }
}

/// The key of a ledger's lines, and the way to its kept head. Wiped from memory when dropped.
pub struct LedgerSeal {
    files: CountsFiles,
    note: CountsNote,
    /// The ledger's way from the folder of the counts
    ledger: String,
    key: Secret,
    line_key: Secret,
}

impl LedgerSeal {
    /// Opens the key of the counts for a ledger, which need not be there yet.
    ///
    /// # Errors
    /// [`SealError`]
    pub fn open(files: CountsFiles, ledger: &Path) -> Result<Self, SealError> {
        let key = secret_file::open(SecretKind::CountsKey, &files.key_file)?;
        let counts = named_way(ledger, &files.file)?;
        let note = CountsNote { counts, key: named_way(ledger, &files.key_file)? };
        let ledger = named_way(&files.file, ledger)?;
        let line_key = derived(&key, "peristyle ledger 1");
        Ok(Self { files, note, ledger, key, line_key })
    }

    /// The counts, and the key.
    pub fn files(&self) -> &CountsFiles {
        &self.files
    }

    /// Where they are, for the ledger to note.
    pub fn note(&self) -> &CountsNote {
        &self.note
    }

    /// SHA-256 over the name that the counts know the ledger by. It stands in every line, so that a line of another ledger
    /// under the same key is told from one of this.
    pub fn ledger(&self) -> Digest {
        let mut canonical = Canonical::new("peristyle ledger name 1");
        canonical.text(&self.ledger);
        canonical.digest()
    }

    /// The same key for a copy of a ledger, which is held to what is kept of the original.
    ///
    /// # Errors
    /// As [`LedgerSeal::open`].
    pub fn for_copy_of(self, original: &Path) -> Result<Self, SealError> {
        Self::open(self.files, original)
    }

    /// The MAC of a line: HMAC-SHA256 over `parts`, one after another.
    pub fn mac(&self, parts: &[&[u8]]) -> Digest {
        Digest::from_bytes(hmac(&self.line_key, parts).finalize().into_bytes().into())
    }

    /// Whether `mac` is the MAC of `parts`; in constant time.
    pub fn holds(&self, parts: &[&[u8]], mac: &Digest) -> bool {
        hmac(&self.line_key, parts).verify_slice(mac.as_bytes()).is_ok()
    }

    /// What the counts keep of the ledger; `None` where they do not know it.
    ///
    /// # Errors
    /// Counts that cannot be read, or whose seal does not hold.
    pub fn head(&self) -> Result<Option<LedgerHead>, CountsError> {
        Ok(self.content()?.ledgers.get(&self.ledger).copied())
    }

    /// Locks the counts, to keep another head. Waits at most 30 s.
    ///
    /// # Errors
    /// [`CountsError::Busy`], [`CountsError::LockOfOthers`] or [`CountsError::Unlockable`].
    pub fn lock(&self) -> Result<LockedHead<'_>, CountsError> {
        Ok(LockedHead { seal: self, _lock: lock(&self.files.file)? })
    }

    fn content(&self) -> Result<Content, CountsError> {
        Content::unseal(&read(&self.files.file)?, &self.files.file, &self.key)
    }
}

impl std::fmt::Debug for LedgerSeal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerSeal").field("files", &self.files).field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

/// The kept head of a ledger, while nobody else may write the counts.
#[derive(Debug)]
pub struct LockedHead<'s> {
    seal: &'s LedgerSeal,
    _lock: File,
}

impl LockedHead<'_> {
    /// Keeps the first head of a ledger that the counts do not know yet: on the disk when this returns, since from then on
    /// they must know it.
    ///
    /// # Errors
    /// As [`LockedHead::keep`].
    pub fn keep_first(&self, head: LedgerHead) -> Result<(), CountsError> {
        self.keep(head)?;
        let path = &self.seal.files.file;
        sync_folder_of(path).map_err(|error| CountsError::Unwritable { path: path.clone(), kind: error.into() })
    }

    /// Keeps the ledger's last line. Its name is not brought to the disk: after a crash of the machine the one before may
    /// be kept, which is behind the ledger, as it may be.
    ///
    /// # Errors
    /// Counts that cannot be read or written. They are then as they were.
    pub fn keep(&self, head: LedgerHead) -> Result<(), CountsError> {
        let LedgerSeal { files, ledger, key, .. } = self.seal;
        let mut content = self.seal.content()?;
        content.ledgers.insert(ledger.clone(), head);
        content.write(&files.file, key)
    }
}

/// A key for another purpose: what is sealed with the one never passes for sealed with the other.
fn derived(key: &Secret, purpose: &str) -> Secret {
    let label = Canonical::new(purpose);
    Zeroizing::new(hmac(key, &[label.as_bytes()]).finalize().into_bytes().into())
}

/// The way from one file to another as text, by which files name each other.
fn named_way(from: &Path, to: &Path) -> Result<String, SealError> {
    let way = way_between(from, to)?.into_os_string();
    way.into_string().map_err(|_| SealError::NotText { path: to.to_owned() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::{fs, io};

    use super::super::CountsFile;
    use super::*;
    use crate::fixtures::{THREE_RULES, TYPE_ONE_ONLY, day, policy_in};
    use crate::rule::Rule;

    fn head(sequence: u64) -> LedgerHead {
        LedgerHead { sequence, sha256: Digest::of(&sequence.to_le_bytes()) }
    }

    /// A policy whose counts have been begun, and the seal of a ledger beside it.
    fn begun(folder: &Path) -> (Policy, LedgerSeal) {
        let policy = policy_in(folder, &THREE_RULES);
        let register = policy.registers_of(Rule::TypeOne)[0];
        CountsFile::begin(&policy, &[(register, 100_000)], day("2026-06-01"), 0).unwrap();
        let seal = LedgerSeal::open(CountsFiles::of(&policy).unwrap(), &folder.join("ledger.jsonl")).unwrap();
        (policy, seal)
    }

    #[test]
    fn each_ledger_has_a_head_that_nothing_else_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (policy, seal) = begun(folder.path());
        let other = LedgerSeal::open(seal.files().clone(), &folder.path().join("other.jsonl")).unwrap();
        assert_eq!((seal.head().unwrap(), other.head().unwrap()), (None, None));
        seal.lock().unwrap().keep(head(1)).unwrap();
        other.lock().unwrap().keep(head(7)).unwrap();
        seal.lock().unwrap().keep(head(2)).unwrap();
        assert_eq!((seal.head().unwrap(), other.head().unwrap()), (Some(head(2)), Some(head(7))));
        let register = policy.registers_of(Rule::TypeOne)[0];
        assert_eq!(CountsFile::record(&policy, &[(register, 100_001)], day("2026-06-01")).unwrap().sequence(), 2);
        assert_eq!(CountsFile::accept(&policy, &[(register, 100_001)], day("2026-06-02")).unwrap().sequence(), 3);
        assert_eq!((seal.head().unwrap(), other.head().unwrap()), (Some(head(2)), Some(head(7))));

        // Neither a digit nor a name can be altered without the key.
        let counts = &seal.files().file;
        let whole = fs::read_to_string(counts).unwrap();
        for (from, to) in [("\"sequence\": 7", "\"sequence\": 6"), ("other.jsonl", "another.jsonl")] {
            assert!(whole.contains(from), "{whole}");
            fs::write(counts, whole.replace(from, to)).unwrap();
            assert_eq!(seal.head(), Err(CountsError::Altered { path: counts.clone() }), "{from}");
            assert_eq!(seal.lock().unwrap().keep(head(3)), Err(CountsError::Altered { path: counts.clone() }));
        }
    }

    #[test]
    fn a_ledger_goes_by_its_way_from_the_counts_and_they_by_theirs_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let (_, seal) = begun(folder.path());
        assert_eq!(seal.ledger, "../ledger.jsonl");
        let note = CountsNote { counts: "state/counts.json".to_owned(), key: "state/counts.key".to_owned() };
        assert_eq!(seal.note(), &note);
        let found = note.files(&folder.path().join("ledger.jsonl"));
        assert_eq!(&found, seal.files());
        let absent = LedgerSeal::open(found, &folder.path().join("absent/ledger.jsonl")).unwrap_err();
        assert_eq!(
            absent.to_string().replace(&folder.path().display().to_string(), "FOLDER"),
            "the folder `FOLDER/absent` cannot be found (entity not found)"
        );
    }

    /// A MAC of a line is of this key, of all of its parts, and no seal of counts.
    #[test]
    fn a_line_s_mac_is_of_its_key_alone() {
        let [folder, elsewhere] = [(), ()].map(|()| tempfile::tempdir().unwrap());
        let (seal, other) = (begun(folder.path()).1, begun(elsewhere.path()).1);
        let mac = seal.mac(&[b"a line", b" in two parts"]);
        assert!(seal.holds(&[b"a line in two parts"], &mac));
        assert!(!seal.holds(&[b"a line in two part"], &mac));
        assert!(!other.holds(&[b"a line in two parts"], &mac));
        assert_ne!(seal.mac(&[b"x"]), Digest::from_bytes(hmac(&seal.key, &[b"x"]).finalize().into_bytes().into()));
        let copy = seal.for_copy_of(&folder.path().join("copied.jsonl")).unwrap();
        assert_ne!(copy.ledger(), other.ledger());
        assert!(copy.holds(&[b"a line in two parts"], &mac), "of the same key");
    }

    #[test]
    fn counts_of_the_form_before_are_read_and_written_in_this_one() {
        let folder = tempfile::tempdir().unwrap();
        let (policy, seal) = begun(folder.path());
        let counts = &seal.files().file;
        let mut content = seal.content().unwrap();
        content.peristyle_counts = 1;
        let sealed = content.sealing(&seal.key).unwrap().finalize().into_bytes();
        let sealed: [u8; 32] = sealed.into();
        let sealed = super::super::Sealed { content, seal: Digest::from_bytes(sealed).to_string() };
        fs::write(counts, serde_json::to_vec(&sealed).unwrap()).unwrap();
        assert_eq!((CountsFile::open(&policy).unwrap().sequence(), seal.head().unwrap()), (1, None));
        seal.lock().unwrap().keep(head(40)).unwrap();
        assert_eq!((CountsFile::open(&policy).unwrap().sequence(), seal.head().unwrap()), (1, Some(head(40))));
        assert!(fs::read_to_string(counts).unwrap().contains("\"peristyle_counts\": 2"));
        // There is no form 1 that knows ledgers.
        let mut content = seal.content().unwrap();
        content.peristyle_counts = 1;
        assert!(content.sealing(&seal.key).is_none());
    }

    #[test]
    fn what_is_missing_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let (policy, seal) = begun(folder.path());
        let files = seal.files().clone();
        fs::remove_file(&files.file).unwrap();
        assert_eq!(seal.head(), Err(CountsError::Absent { path: files.file.clone() }));
        fs::remove_file(&files.key_file).unwrap();
        let kind = io::ErrorKind::NotFound.into();
        let missing = SecretFileError::Unreadable { secret: SecretKind::CountsKey, path: files.key_file.clone(), kind };
        let ledger = folder.path().join("ledger.jsonl");
        assert_eq!(LedgerSeal::open(files.clone(), &ledger).unwrap_err(), SealError::Key(missing));
        assert_eq!(CountsFiles::of(&policy), Some(files));
        let off = "applied = false\nbecause = \"a test\"\n";
        let rules = format!("[type_one]\n{off}[national]\n{off}[practice_activation]\n{off}");
        let start = TYPE_ONE_ONLY.split_once("[type_one]").unwrap().0;
        let none = format!("{start}{rules}[disclosure_control]\nlocked = true\njudged_by = \"people\"");
        assert_eq!(CountsFiles::of(&crate::fixtures::policy(&none)), None);
    }
}
