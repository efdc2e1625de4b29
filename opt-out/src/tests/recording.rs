//! A store that remembers what was asked of it.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::policy::ScanPermit;
use crate::source::{Entry, FileStore, Identity, LocalFiles, StoredFile};

/// Which bytes of which file were read.
pub(crate) type Log = Arc<Mutex<Vec<(PathBuf, Range<u64>)>>>;

#[derive(Debug)]
pub(crate) struct RecordingStore(pub(crate) Log);

#[derive(Debug)]
struct RecordedFile(Arc<dyn StoredFile>, PathBuf, Log);

impl FileStore for RecordingStore {
    fn open(&self, permit: &ScanPermit, path: &Path) -> io::Result<Arc<dyn StoredFile>> {
        Ok(Arc::new(RecordedFile(LocalFiles.open(permit, path)?, path.to_owned(), Arc::clone(&self.0))))
    }

    fn entries(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        LocalFiles.entries(folder)
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        LocalFiles.identity(path)
    }
}

impl StoredFile for RecordedFile {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        self.2.lock().unwrap().push((self.1.clone(), offset..offset + length as u64));
        self.0.read_at(offset, length)
    }
}
