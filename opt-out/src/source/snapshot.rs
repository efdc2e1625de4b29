//! What the ledger says of a file that was read: its name, its size, and the digest of what tells it from others.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::SourceDirectory;
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
    /// Looks at a file once more.
    pub(crate) fn of(
        table: &Arc<str>,
        path: &Arc<Path>,
        directory: Option<&SourceDirectory>,
    ) -> Result<Self, SourceError> {
        let unreadable = |error: io::Error| SourceError::Unreadable {
            table: Arc::clone(table),
            file: Arc::clone(path),
            kind: error.kind(),
        };
        let file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        let start = footer_start(&file, path, bytes).map_err(unreadable)?;
        let footer_sha256 = digest_from(&file, start, bytes).map_err(unreadable)?;
        let within = directory.and_then(|directory| path.strip_prefix(directory.path()).ok());
        let name = within.unwrap_or(path).display().to_string();
        Ok(Self { name, bytes, footer_sha256 })
    }
}

/// Where the footer begins; 0 in a format that has none, and where its length makes no sense.
fn footer_start(file: &File, path: &Path, bytes: u64) -> io::Result<u64> {
    let format = FileFormat::of_path(path);
    let trailer = TRAILERS.into_iter().find(|(known, _)| Some(*known) == format).map(|(_, trailer)| trailer);
    let Some(end) = trailer.and_then(|trailer| bytes.checked_sub(trailer)) else { return Ok(0) };
    let mut length = [0; 4];
    file.read_exact_at(&mut length, end)?;
    Ok(end.saturating_sub(u64::from(u32::from_le_bytes(length))))
}

fn digest_from(file: &File, start: u64, end: u64) -> io::Result<[u8; 32]> {
    let (mut hasher, mut piece, mut at) = (Sha256::new(), vec![0; 1 << 16], start);
    while at < end {
        let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(piece.len());
        let piece = piece.get_mut(..length).unwrap_or_default();
        file.read_exact_at(piece, at)?;
        hasher.update(&*piece);
        at += length as u64;
    }
    Ok(hasher.finalize().into())
}
