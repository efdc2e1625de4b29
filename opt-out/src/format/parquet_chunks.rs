//! The bytes of a row group's wanted columns, and no others.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use datafusion::physical_plan::metrics::Count;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::problem::ReadProblem;
use crate::source::StoredFile;

/// Most bytes of a row group that are asked for together, where the store is far away.
const TOGETHER_BYTES_MAX: u64 = 64 << 20;

/// Why the store last failed: the decoder's errors keep only a text.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure(Arc<Mutex<Option<ReadProblem>>>);

impl Failure {
    /// How the store failed, if that is why decoding failed.
    pub(super) fn problem(&self) -> Option<ReadProblem> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, error: &io::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.into());
    }
}

/// Reads a file's footer: any part of it.
#[derive(Debug)]
pub(super) struct WholeFile {
    file: Arc<dyn StoredFile>,
    failure: Failure,
}

impl WholeFile {
    pub(super) fn new(file: Arc<dyn StoredFile>) -> Self {
        Self { file, failure: Failure::default() }
    }

    /// How the store failed, if that is why decoding failed.
    pub(super) fn failure(&self) -> Option<ReadProblem> {
        self.failure.problem()
    }
}

impl Length for WholeFile {
    fn len(&self) -> u64 {
        self.file.size()
    }
}

impl ChunkReader for WholeFile {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let length = self.file.size().saturating_sub(start).min(self.file.window_bytes());
        Ok(self.get_bytes(start, usize::try_from(length).unwrap_or_default())?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        Ok(self.file.read_at(start, length).inspect_err(|error| self.failure.keep(error))?)
    }
}

/// Reads the column chunks that it was made for. A byte outside of them is refused, so that a column which nobody asked
/// for cannot be read, whatever the decoder does.
#[derive(Clone, Debug)]
pub(super) struct WantedChunks {
    file: Arc<dyn StoredFile>,
    chunks: Arc<[Chunk]>,
    bytes_read: Count,
    failure: Failure,
}

#[derive(Debug)]
struct Chunk {
    range: Range<u64>,
    /// The part of it that was read last, and where that begins
    window: Mutex<(u64, Bytes)>,
}

impl WantedChunks {
    pub(super) fn new(file: Arc<dyn StoredFile>, ranges: Vec<Range<u64>>, bytes_read: Count) -> Self {
        let chunk = |range: Range<u64>| Chunk { window: Mutex::new((range.start, Bytes::new())), range };
        Self { file, chunks: ranges.into_iter().map(chunk).collect(), bytes_read, failure: Failure::default() }
    }

    /// The same with bytes at hand, where the store is far away: of a row group that is not large all, else the first of
    /// each chunk. Asked for together, they take the time of one request.
    pub(super) fn begun(self) -> io::Result<Self> {
        if !self.file.is_far_away() {
            return Ok(self);
        }
        let all: u64 = self.chunks.iter().map(|chunk| chunk.range.end - chunk.range.start).sum();
        let window = if all <= TOGETHER_BYTES_MAX { all } else { self.file.window_bytes() };
        let first = |chunk: &Chunk| chunk.range.start..chunk.range.end.min(chunk.range.start + window);
        let ranges: Vec<Range<u64>> = self.chunks.iter().map(first).collect();
        for (chunk, bytes) in self.chunks.iter().zip(self.file.read_many(&ranges)?) {
            self.bytes_read.add(bytes.len());
            *chunk.window.lock().unwrap_or_else(PoisonError::into_inner) = (chunk.range.start, bytes);
        }
        Ok(self)
    }

    /// How the store failed, if that is why decoding failed.
    pub(super) fn failure(&self) -> Option<ReadProblem> {
        self.failure.problem()
    }

    /// The bytes from `start`: at least `length`, and as many more as are at hand.
    fn at_least(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let outside = || io::Error::from(io::ErrorKind::PermissionDenied);
        let end = start.checked_add(length).ok_or_else(outside)?;
        let chunk = self.chunks.iter().find(|c| c.range.start <= start && end <= c.range.end).ok_or_else(outside)?;
        let mut window = chunk.window.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, bytes) = &*window;
        if *from <= start && end <= from + bytes.len() as u64 {
            let skipped = usize::try_from(start - from).map_err(|_| outside())?;
            return Ok(bytes.slice(skipped..));
        }
        let wanted = length.max(self.file.window_bytes()).min(chunk.range.end - start);
        let length = usize::try_from(wanted).map_err(|_| outside())?;
        let bytes = self.file.read_at(start, length).inspect_err(|error| self.failure.keep(error))?;
        self.bytes_read.add(bytes.len());
        *window = (start, bytes.clone());
        Ok(bytes)
    }
}

impl Length for WantedChunks {
    fn len(&self) -> u64 {
        self.file.size()
    }
}

impl ChunkReader for WantedChunks {
    type T = ChunkRead;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(ChunkRead { chunks: self.clone(), next: start, bytes: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut bytes = self.at_least(start, length as u64)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(String::new()));
        }
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// Reads on from a place in a chunk.
#[derive(Debug)]
pub(super) struct ChunkRead {
    chunks: WantedChunks,
    next: u64,
    bytes: Bytes,
}

impl Read for ChunkRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.bytes.is_empty() {
            self.bytes = self.chunks.at_least(self.next, 1)?;
            self.next += self.bytes.len() as u64;
        }
        let length = buffer.len().min(self.bytes.len());
        self.bytes.copy_to_slice(buffer.get_mut(..length).unwrap_or_default());
        Ok(length)
    }
}
