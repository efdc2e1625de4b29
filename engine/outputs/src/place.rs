//! The place of an output's file: what may stand there and be replaced.

use std::fs::{self, FileType};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use crate::error::OutputError;
use crate::partial::failed;

/// The file that is written for the output at `given`: there is none yet, or a regular file is replaced. A symbolic link
/// stands for the file that it leads to. Nothing is opened, so that nothing can keep us waiting.
///
/// # Errors
/// A directory, FIFO, device or socket; a link that leads nowhere; a path that cannot be looked at.
pub(crate) fn resolved(given: &Path) -> Result<PathBuf, OutputError> {
    let found = match fs::symlink_metadata(given) {
        Ok(found) => found,
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(given.to_owned()),
        // A name that is too long, say, is better known now than when the answer is there.
        Err(reason) => return Err(failed("write", given, reason)),
    };
    // Only a link stands for another path: what is written goes by the name that was given.
    let place = if found.is_symlink() {
        fs::canonicalize(given).map_err(|_| OutputError::LinkToNowhere { path: given.to_owned() })?
    } else {
        given.to_owned()
    };
    let kind = fs::symlink_metadata(&place).map_err(|reason| failed("write", &place, reason))?.file_type();
    match other_than_file(kind) {
        None => Ok(place),
        Some(_) if kind.is_dir() => Err(OutputError::IsDirectory { path: place }),
        Some(kind) => Err(OutputError::NotAFile { path: given.to_owned(), kind }),
    }
}

/// What it is, if it is no regular file.
fn other_than_file(kind: FileType) -> Option<&'static str> {
    match kind {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("a directory"),
        kind if kind.is_fifo() => Some("a FIFO"),
        kind if kind.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}
