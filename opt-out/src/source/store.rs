//! Where bytes come from. Local files today; an object store would be a second [`FileStore`].

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::physical_plan::metrics::Count;

use crate::policy::ScanPermit;

/// Opens files. Nothing opens without a permit.
pub(crate) trait FileStore: fmt::Debug + Send + Sync {
    /// Opens a file for reading.
    fn open(&self, permit: &ScanPermit, path: &Path) -> io::Result<Arc<dyn StoredFile>>;
}

/// A file that can be read at any place.
pub(crate) trait StoredFile: fmt::Debug + Send + Sync {
    /// Its length in bytes.
    fn size(&self) -> u64;

    /// Exactly the bytes asked for; an `UnexpectedEof` error where there are fewer.
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes>;
}

/// Files of this machine.
#[derive(Debug)]
pub(crate) struct LocalFiles;

#[derive(Debug)]
struct LocalFile {
    file: File,
    size: u64,
}

impl FileStore for LocalFiles {
    fn open(&self, _permit: &ScanPermit, path: &Path) -> io::Result<Arc<dyn StoredFile>> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Arc::new(LocalFile { file, size: metadata.len() }))
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
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    }
}

/// Bytes asked for at a time when a file is read from its beginning to its end.
const STEP_BYTES: u64 = 1 << 18;

/// Reads a file from its beginning to its end.
#[derive(Debug)]
pub(crate) struct Sequential {
    file: Arc<dyn StoredFile>,
    offset: u64,
    bytes_read: Count,
}

impl Sequential {
    pub(crate) fn new(file: Arc<dyn StoredFile>, bytes_read: Count) -> Self {
        Self { file, offset: 0, bytes_read }
    }
}

impl Read for Sequential {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.file.size().saturating_sub(self.offset);
        let length = left.min(STEP_BYTES).min(buffer.len() as u64) as usize;
        let bytes = self.file.read_at(self.offset, length)?;
        buffer.get_mut(..length).ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(&bytes);
        self.offset += length as u64;
        self.bytes_read.add(length);
        Ok(length)
    }
}
