//! Arrow IPC files. Blocks are read by their place in the footer, checked against the file's length first.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::Schema;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::{Block, Message, RecordBatch as IpcBatch, root_as_footer, root_as_message};
use bytes::Bytes;

use super::ORDERED_BY_KEY;
use crate::error::{Place, SourceError};
use crate::policy::ScanPermit;
use crate::request::TableRequest;
use crate::source::{ColumnIndices, Flow, Head, OpenedFile, RawSink, ReadRequest, Segment, StoredFile};

/// Footer length (4 bytes) and magic (6 bytes), at the end of the file.
const TRAILER_BYTES: u64 = 10;
const NOT_IPC: &str = "is not an Arrow IPC file, or is cut short";
const BAD_FOOTER: &str = "has a damaged footer";
const BAD_BLOCK: &str = "has a damaged record batch";
const BAD_DICTIONARY: &str = "has a damaged dictionary";
const OTHER_ENDIAN: &str = "was written for machines of the other byte order";

/// An Arrow IPC file whose footer and dictionaries have been read.
#[derive(Debug)]
pub(crate) struct IpcFile {
    table: Arc<str>,
    path: Arc<Path>,
    place: Place,
    file: Arc<dyn StoredFile>,
    decoder: FileDecoder,
    projection: Vec<usize>,
    indices: ColumnIndices,
    blocks: Vec<BlockOfRows>,
    segments: Vec<Segment>,
    ordered: bool,
    schema: Arc<Schema>,
}

#[derive(Debug)]
struct BlockOfRows {
    block: Block,
    first_row: u64,
}

/// The file at hand, for reading and for errors.
struct Opening<'a> {
    table: &'a Arc<str>,
    path: &'a Arc<Path>,
    file: &'a dyn StoredFile,
}

impl Opening<'_> {
    fn damaged(&self, problem: &'static str) -> SourceError {
        let place = Place::File(Arc::clone(self.path));
        SourceError::Malformed { table: Arc::clone(self.table), place, row: None, problem }
    }

    fn read(&self, offset: u64, length: u64, problem: &'static str) -> Result<Bytes, SourceError> {
        let length = usize::try_from(length).map_err(|_| self.damaged(problem))?;
        self.file.read_at(offset, length).map_err(|error| self.failed(&error, problem))
    }

    fn failed(&self, error: &std::io::Error, problem: &'static str) -> SourceError {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.damaged(problem),
            _ => self.unreadable(error),
        }
    }

    fn unreadable(&self, error: &std::io::Error) -> SourceError {
        SourceError::Unreadable { table: Arc::clone(self.table), file: Arc::clone(self.path), kind: error.into() }
    }

    fn footer(&self) -> Result<Bytes, SourceError> {
        let end = self.file.size().checked_sub(TRAILER_BYTES).ok_or_else(|| self.damaged(NOT_IPC))?;
        let trailer = self.read(end, TRAILER_BYTES, NOT_IPC)?;
        let trailer: [u8; 10] = trailer.as_ref().try_into().map_err(|_| self.damaged(NOT_IPC))?;
        let length = read_footer_length(trailer).map_err(|_| self.damaged(NOT_IPC))? as u64;
        let start = end.checked_sub(length).ok_or_else(|| self.damaged(BAD_FOOTER))?;
        self.read(start, length, BAD_FOOTER)
    }

    /// A whole block.
    fn block(&self, block: &Block, problem: &'static str) -> Result<Buffer, SourceError> {
        let (offset, metadata, body) = block_range(block).ok_or_else(|| self.damaged(problem))?;
        let length = metadata.checked_add(body).ok_or_else(|| self.damaged(problem))?;
        let bytes = self.read(offset, length, problem)?;
        Ok(Buffer::from(bytes))
    }

    /// How many rows each block has, by its metadata, which must not point out of the block.
    fn rows_of(&self, blocks: &[Block]) -> Result<Vec<u64>, SourceError> {
        let bad = || self.damaged(BAD_BLOCK);
        let metadata = |block: &Block| {
            let (offset, metadata, _) = block_range(block)?;
            Some(offset..offset.checked_add(metadata)?)
        };
        let ranges: Vec<Range<u64>> = blocks.iter().map(metadata).collect::<Option<_>>().ok_or_else(bad)?;
        let metadata = self.file.read_many(&ranges).map_err(|error| self.failed(&error, BAD_BLOCK))?;
        let rows = |(block, metadata): (&Block, &Bytes)| {
            let rows = message_of(metadata).and_then(|message| checked_rows(message.header_as_record_batch()?, block));
            rows.ok_or_else(bad)
        };
        blocks.iter().zip(&metadata).map(rows).collect()
    }

    /// The same check for a dictionary.
    fn check_dictionary(&self, block: &Block, buffer: &Buffer) -> Result<(), SourceError> {
        let batch = message_of(buffer).and_then(|message| message.header_as_dictionary_batch()?.data());
        match batch.and_then(|batch| checked_rows(batch, block)) {
            Some(_) => Ok(()),
            None => Err(self.damaged(BAD_DICTIONARY)),
        }
    }
}

fn message_of(metadata: &[u8]) -> Option<Message<'_>> {
    // Since format version 0.15 a message begins with a marker of four bytes before its length.
    let skipped = if metadata.starts_with(&[0xff; 4]) { 8 } else { 4 };
    root_as_message(metadata.get(skipped..)?).ok()
}

/// The rows of a batch whose buffers lie within its block; the decoder would panic on others.
fn checked_rows(batch: IpcBatch<'_>, block: &Block) -> Option<u64> {
    let (_, _, body) = block_range(block)?;
    for buffer in batch.buffers()? {
        let (offset, length) = (u64::try_from(buffer.offset()).ok()?, u64::try_from(buffer.length()).ok()?);
        offset.checked_add(length).filter(|end| *end <= body)?;
    }
    u64::try_from(batch.length()).ok()
}

/// Offset, length of metadata and length of body.
fn block_range(block: &Block) -> Option<(u64, u64, u64)> {
    let offset = u64::try_from(block.offset()).ok()?;
    Some((offset, u64::try_from(block.metaDataLength()).ok()?, u64::try_from(block.bodyLength()).ok()?))
}

impl IpcFile {
    pub(crate) fn open(
        file: Arc<dyn StoredFile>,
        path: &Arc<Path>,
        request: &TableRequest,
    ) -> Result<Self, SourceError> {
        let place = Place::File(Arc::clone(path));
        let opening = Opening { table: &request.name, path, file: file.as_ref() };
        let bytes = opening.footer()?;
        let footer = root_as_footer(&bytes).map_err(|_| opening.damaged(BAD_FOOTER))?;
        let schema = footer.schema().ok_or_else(|| opening.damaged(BAD_FOOTER))?;
        if !schema.endianness().equals_to_target_endianness() {
            return Err(opening.damaged(OTHER_ENDIAN));
        }
        let schema: Arc<Schema> = Arc::new(fb_to_schema(schema));
        let indices = ColumnIndices::find_typed(&schema, request, &place)?;
        let key = request.patient_key.as_ref().map(|key| key.name.as_ref());
        let ordered = key.is_some() && schema.metadata().get(ORDERED_BY_KEY).map(String::as_str) == key;

        let every_column: Vec<usize> = (0..request.columns.len()).collect();
        let projection = indices.projection(&every_column);
        let mut decoder = FileDecoder::new(Arc::clone(&schema), footer.version()).with_projection(projection.clone());
        for block in footer.dictionaries().into_iter().flatten() {
            let buffer = opening.block(block, BAD_DICTIONARY)?;
            opening.check_dictionary(block, &buffer)?;
            decoder.read_dictionary(block, &buffer).map_err(|_| opening.damaged(BAD_DICTIONARY))?;
        }
        let (mut blocks, mut segments, mut first_row) = (Vec::new(), Vec::new(), 1);
        let batches: Vec<Block> = footer.recordBatches().into_iter().flatten().copied().collect();
        let batch_rows = opening.rows_of(&batches)?;
        for (block, rows) in batches.into_iter().zip(batch_rows) {
            blocks.push(BlockOfRows { block, first_row });
            segments.push(Segment { weight: rows, patients: None });
            first_row += rows;
        }
        let (table, path) = (Arc::clone(&request.name), Arc::clone(path));
        Ok(Self { table, path, place, file, decoder, projection, indices, blocks, segments, ordered, schema })
    }

    fn decode(&self, block: &Block, request: &ReadRequest<'_>) -> Result<Option<RecordBatch>, SourceError> {
        let opening = Opening { table: &self.table, path: &self.path, file: self.file.as_ref() };
        let buffer = opening.block(block, BAD_BLOCK)?;
        request.bytes_read.add(buffer.len());
        self.decoder.read_record_batch(block, &buffer).map_err(|_| opening.damaged(BAD_BLOCK))
    }
}

impl OpenedFile for IpcFile {
    fn place(&self) -> &Place {
        &self.place
    }

    fn segments(&self) -> &[Segment] {
        &self.segments
    }

    fn promises_order(&self) -> bool {
        self.ordered
    }

    fn head(&self) -> Head {
        Head::typed(&self.schema)
    }

    fn stored(&self) -> Option<&Arc<dyn StoredFile>> {
        Some(&self.file)
    }

    fn metadata(&self, name: &str) -> Option<String> {
        self.schema.metadata().get(name).cloned()
    }

    fn read(&self, _permit: &ScanPermit, request: &ReadRequest<'_>, sink: RawSink<'_>) -> Result<(), SourceError> {
        let Some(block) = self.blocks.get(request.segment) else {
            return Ok(());
        };
        let Some(batch) = self.decode(&block.block, request)? else {
            return Ok(());
        };
        let mut start = 0;
        while start < batch.num_rows() {
            let slice = batch.slice(start, request.batch_rows.min(batch.num_rows() - start));
            let arrays = (self.projection.as_slice(), slice.columns());
            let first_row = block.first_row + start as u64;
            if sink(self.indices.raw_batch(request.columns, arrays, first_row, slice.num_rows()))? == Flow::Stop {
                return Ok(());
            }
            start += slice.num_rows();
        }
        Ok(())
    }
}
