//! Where bytes come from: files of this machine, or objects of a store (`super::objects`).

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use datafusion::physical_plan::metrics::Count;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::buffers::filled;
use super::identity::Identity;
use crate::policy::ScanPermit;
use crate::problem::StoreProblem;

/// Bytes worth asking a disk for at a time: enough that a page is seldom cut in two, small enough that a row group of
/// any size costs little memory.
const WINDOW_BYTES: u64 = 1 << 20;

/// Finds and opens files. Nothing opens without a permit.
pub(crate) trait FileStore: fmt::Debug + Send + Sync {
    /// Opens a file for reading.
    fn open(&self, permit: &ScanPermit, path: &Path) -> io::Result<Arc<dyn StoredFile>>;

    /// All that is in a folder, by name.
    fn entries(&self, folder: &Path) -> io::Result<Vec<Entry>>;

    /// What tells a file, or a folder with what is in it, from what it may become.
    fn identity(&self, path: &Path) -> io::Result<Identity>;

    /// How many files are worth opening at the same time.
    fn opened_at_once(&self) -> usize {
        1
    }
}

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) is_folder: bool,
}

/// Whether an entry of this name holds no rows: names that begin with a dot or an underscore are those of `.DS_Store` and
/// `_SUCCESS`.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

/// A file that can be read at any place.
pub(crate) trait StoredFile: fmt::Debug + Send + Sync {
    /// Its length in bytes.
    fn size(&self) -> u64;

    /// Exactly the bytes asked for; an `UnexpectedEof` error where there are fewer.
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes>;

    /// The bytes of each range, and none between them.
    fn read_many(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
        ranges.iter().map(|range| self.read_at(range.start, length_of(range)?)).collect()
    }

    /// Bytes worth asking for at a time.
    fn window_bytes(&self) -> u64 {
        WINDOW_BYTES
    }

    /// Whether what will be wanted is worth asking for together, before it is wanted.
    fn is_far_away(&self) -> bool {
        false
    }

    /// Fails where the file is no longer what it was when it was opened.
    fn check_unchanged(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The length of a range, where memory could hold it.
pub(super) fn length_of(range: &Range<u64>) -> io::Result<usize> {
    let length = range.end.checked_sub(range.start).and_then(|length| usize::try_from(length).ok());
    length.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Files of this machine.
#[derive(Debug)]
pub(crate) struct LocalFiles;

/// Opens a file for reading, at once: a pipe without a writer would be waited for.
fn open_without_waiting(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map(File::from).map_err(|error| match error {
        // Of a socket, and of a device that nothing stands behind.
        Errno::NXIO | Errno::NODEV => StoreProblem::NotAFile.into(),
        error => error.into(),
    })
}

#[derive(Debug)]
pub(super) struct LocalFile {
    file: File,
    size: u64,
    /// What it was when it was opened
    identity: Identity,
}

impl LocalFile {
    /// A file that is open, for reading.
    ///
    /// # Errors
    /// What is no regular file: a device or a pipe has no length, and may never end.
    pub(super) fn of(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(StoreProblem::NotAFile.into());
        }
        Ok(Self { file, size: metadata.len(), identity: Identity::of_metadata(&metadata) })
    }

    /// What it was when it was opened.
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl FileStore for LocalFiles {
    fn open(&self, _permit: &ScanPermit, path: &Path) -> io::Result<Arc<dyn StoredFile>> {
        Ok(Arc::new(LocalFile::of(open_without_waiting(path)?)?))
    }

    fn entries(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            // A link that leads nowhere is no folder; opening it will say what is wrong.
            let is_folder = fs::metadata(&path).is_ok_and(|metadata| metadata.is_dir());
            entries.push(Entry { name, path, is_folder });
        }
        entries.sort();
        Ok(entries)
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        Identity::of_local(path)
    }
}

impl StoredFile for LocalFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        // A length comes from a file's own metadata: check it before memory is set aside for it.
        if offset.checked_add(length as u64).is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled(length, WINDOW_BYTES as usize, |bytes| self.file.read_exact_at(bytes, offset))
    }

    fn check_unchanged(&self) -> io::Result<()> {
        // Of the file that is open. Another one that took its name meanwhile was not read. The moment of its last change
        // counts, too: whoever writes to a file can put back when it was last written, and not that.
        if Identity::of_metadata(&self.file.metadata()?) == self.identity {
            return Ok(());
        }
        Err(StoreProblem::Changed.into())
    }
}

/// Bytes asked for first when a file is read from its beginning to its end: enough for a header.
const FIRST_STEP_BYTES: u64 = 1 << 18;

/// Reads a file from its beginning to its end.
#[derive(Debug)]
pub(crate) struct Sequential {
    file: Arc<dyn StoredFile>,
    /// Where the next bytes are that were not asked for
    offset: u64,
    step_bytes: u64,
    at_hand: Bytes,
    bytes_read: Count,
}

impl Sequential {
    pub(crate) fn new(file: Arc<dyn StoredFile>, bytes_read: Count) -> Self {
        Self::from(file, 0, bytes_read)
    }

    /// The same, from `offset` on.
    pub(crate) fn from(file: Arc<dyn StoredFile>, offset: u64, bytes_read: Count) -> Self {
        Self { file, offset, step_bytes: FIRST_STEP_BYTES, at_hand: Bytes::new(), bytes_read }
    }
}

impl Read for Sequential {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at_hand.is_empty() {
            let left = self.file.size().saturating_sub(self.offset);
            let range = self.offset..self.offset + left.min(self.step_bytes);
            self.at_hand = self.file.read_at(range.start, length_of(&range)?)?;
            self.offset = range.end;
            self.step_bytes = (self.step_bytes * 2).min(self.file.window_bytes());
            self.bytes_read.add(self.at_hand.len());
        }
        let length = self.at_hand.len().min(buffer.len());
        let taken = self.at_hand.split_to(length);
        buffer.get_mut(..length).ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(&taken);
        Ok(length)
    }
}
