//! A file that is seen only when it is whole: written under a hidden name beside its place, synced, renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use tempfile::TempPath;

use crate::error::OutputError;

/// Longest part of a file's name that the hidden name repeats, in bytes: the whole must stay below 255.
const NAME_BYTES_MAX: usize = 150;

/// A file under its hidden name. Dropping it removes it.
pub(crate) struct PartialFile {
    hidden: TempPath,
    place: PathBuf,
}

impl PartialFile {
    /// Opens a hidden file beside `place`, for writing; makes the directories above it.
    ///
    /// The file is readable by whom the process' umask says, as any file that a program makes. A `place` that is a
    /// link stands for what it points to.
    pub(crate) fn create(place: &Path) -> Result<(Self, File), OutputError> {
        let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
        match fs::metadata(&place) {
            Ok(found) if found.is_dir() => return Err(OutputError::IsDirectory { path: place }),
            // A name that is too long, say, is better known now than when the answer is there.
            Err(reason) if reason.kind() != io::ErrorKind::NotFound => return Err(failed("write", &place, reason)),
            _ => {}
        }
        let directory = directory_of(&place);
        fs::create_dir_all(directory).map_err(|reason| failed("create directory", directory, reason))?;
        let hidden = hidden_file(&place, directory).map_err(|reason| failed("create a file in", directory, reason))?;
        let (file, hidden) = hidden.into_parts();
        Ok((PartialFile { hidden, place }, file))
    }

    /// Renames the file to its place, at once and whole.
    pub(crate) fn put_in_place(self) -> Result<(), OutputError> {
        let PartialFile { hidden, place } = self;
        hidden.persist(&place).map_err(|failure| failed("put in place", &place, failure.error))
    }

    /// Where the file will be.
    pub(crate) fn place(&self) -> &Path {
        &self.place
    }
}

fn hidden_file(place: &Path, directory: &Path) -> io::Result<tempfile::NamedTempFile> {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
    let prefix = format!(".{name}.partial-{}-", std::process::id());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).rand_bytes(8);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory)
}

fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes renames in the directories of `places` outlast a power cut.
pub(crate) fn sync_directories<'a>(places: impl Iterator<Item = &'a Path>) -> Result<(), OutputError> {
    let mut directories: Vec<&Path> = places.map(directory_of).collect();
    directories.sort();
    directories.dedup();
    if cfg!(unix) {
        for directory in directories {
            let synced = File::open(directory).and_then(|directory| directory.sync_all());
            match synced {
                // Some network file systems cannot sync a directory, and promise order without it.
                Err(reason) if !matches!(reason.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
                    return Err(failed("sync directory", directory, reason));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// An error of the operating system, with what was tried.
pub(crate) fn failed(doing: &'static str, path: &Path, reason: io::Error) -> OutputError {
    OutputError::File { doing, path: path.to_owned(), reason }
}

/// Counts and digests what is written through it, and remembers why a write failed.
pub(crate) struct Metered<W> {
    inner: W,
    digest: Sha256,
    bytes: u64,
    failure: WriteFailure,
}

/// What the operating system said of a write that failed, kept for whoever lost it.
#[derive(Clone, Default)]
pub(crate) struct WriteFailure(Arc<Mutex<Option<io::Error>>>);

impl WriteFailure {
    /// What it said, if a write failed.
    pub(crate) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|reason| {
            let kind = reason.kind();
            // A write that was interrupted is tried again.
            if kind != io::ErrorKind::Interrupted {
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
            }
            kind.into()
        })
    }
}

impl<W: Write> Metered<W> {
    pub(crate) fn new(inner: W) -> Self {
        Metered { inner, digest: Sha256::new(), bytes: 0, failure: WriteFailure::default() }
    }

    /// Where it keeps why a write failed.
    pub(crate) fn failure(&self) -> WriteFailure {
        self.failure.clone()
    }

    /// What was written to, the number of bytes, and their SHA-256 digest in lower-case hex.
    pub(crate) fn into_parts(self) -> (W, u64, String) {
        let digest = self.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        (self.inner, self.bytes, digest)
    }
}

impl<W: Write> Write for Metered<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.failure.keep(self.inner.write(bytes))?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.failure.keep(self.inner.flush())
    }
}
