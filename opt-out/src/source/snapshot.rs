//! What the ledger says of a file that was read: its name, its size, and the digest of what tells it from others.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use datafusion::physical_plan::metrics::Count;
use sha2::{Digest as _, Sha256};

use super::{Sequential, SourceDirectory, StoredFile};
use crate::error::SourceError;
use crate::request::FileFormat;

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceFile {
    /// Its name, from the folder of tables where it is in there
    pub name: String,
    /// Its size
    pub bytes: u64,
    /// SHA-256 of its footer; of the whole file where its format has none
    pub footer_sha256: [u8; 32],
}

/// Bytes at the end of a Parquet or Arrow file: the footer's length (4), and a magic word (4 or 6).
const TRAILERS: [(FileFormat, u64); 2] = [(FileFormat::Parquet, 8), (FileFormat::Arrow, 10)];

impl SourceFile {
    /// Looks once more at the file that was read, which must be what it was when it was opened.
    pub(crate) fn of(
        table: &Arc<str>,
        path: &Arc<Path>,
        file: &Arc<dyn StoredFile>,
        directory: Option<&SourceDirectory>,
    ) -> Result<Self, SourceError> {
        let unreadable = |error: io::Error| SourceError::Unreadable {
            table: Arc::clone(table),
            file: Arc::clone(path),
            kind: error.into(),
        };
        let bytes = file.size();
        let start = footer_start(file.as_ref(), path).map_err(unreadable)?;
        let footer_sha256 = sha256_from(file, start).map_err(unreadable)?;
        file.check_unchanged().map_err(unreadable)?;
        let within = directory.and_then(|directory| path.strip_prefix(directory.path()).ok());
        let name = within.unwrap_or(path).display().to_string();
        Ok(Self { name, bytes, footer_sha256 })
    }
}

/// Where the footer begins; 0 in a format that has none, and where its length makes no sense.
fn footer_start(file: &dyn StoredFile, path: &Path) -> io::Result<u64> {
    let format = FileFormat::of_path(path);
    let trailer = TRAILERS.into_iter().find(|(known, _)| Some(*known) == format).map(|(_, trailer)| trailer);
    let Some(end) = trailer.and_then(|trailer| file.size().checked_sub(trailer)) else { return Ok(0) };
    let length = file.read_at(end, 4)?;
    let length: [u8; 4] = length.as_ref().try_into().map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    Ok(end.saturating_sub(u64::from(u32::from_le_bytes(length))))
}

/// SHA-256 of a file from a place on.
pub(crate) fn sha256_from(file: &Arc<dyn StoredFile>, start: u64) -> io::Result<[u8; 32]> {
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; 1 << 16]);
    let mut bytes = Sequential::from(Arc::clone(file), start, Count::new());
    loop {
        match bytes.read(&mut piece)? {
            0 => return Ok(hasher.finalize().into()),
            length => hasher.update(piece.get(..length).unwrap_or_default()),
        }
    }
}
