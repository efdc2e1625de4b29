//! Which files a run read: names, sizes and digests of their footers.

use serde::{Deserialize, Serialize};

use super::{Digest, FileName, Name, RecordError};
use crate::canonical::canonical;

/// Most files that a record lists one by one. A source of more is held to by their number, size and one digest of all.
const LISTED_FILES_MAX: usize = 4_096;

/// One file of the source as it was when the run opened it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSnapshot {
    /// Its name, relative to the source
    pub name: FileName,
    /// Its size in bytes
    pub bytes: u64,
    /// SHA-256 of its footer; of the whole file, where its format has no footer
    pub footer_sha256: Digest,
}

/// The source that a run read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSnapshot {
    /// Sum of the sizes of all files, in bytes
    bytes: u64,
    /// The connector that read it, such as `tpp`
    connector: Name,
    /// Number of files
    file_count: u64,
    /// The files, in order of their names; empty if there are more than 4,096
    files: Vec<FileSnapshot>,
    /// SHA-256 over the canonical form of the list of all files, listed here or not
    files_sha256: Digest,
}

impl SourceSnapshot {
    /// The snapshot of all files that a run may read. More than 4,096 are not listed one by one, so that a record keeps
    /// within its bound, but all of them count for the digest.
    pub fn of(connector: Name, mut files: Vec<FileSnapshot>) -> Result<SourceSnapshot, RecordError> {
        files.sort_unstable();
        let files_sha256 = Digest::of(&canonical(&files).map_err(|_| RecordError::NoCanonicalForm)?);
        let bytes = files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.bytes));
        let file_count = files.len() as u64;
        if files.len() > LISTED_FILES_MAX {
            files.clear();
        }
        Ok(SourceSnapshot { bytes, connector, file_count, files, files_sha256 })
    }

    /// Sum of the sizes of all files, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The connector that read it.
    pub fn connector(&self) -> &Name {
        &self.connector
    }

    /// Number of files.
    pub fn file_count(&self) -> u64 {
        self.file_count
    }

    /// The files in order of their names; empty if there are more than 4,096.
    pub fn files(&self) -> &[FileSnapshot] {
        &self.files
    }

    /// SHA-256 over the list of all files.
    pub fn files_sha256(&self) -> Digest {
        self.files_sha256
    }
}
