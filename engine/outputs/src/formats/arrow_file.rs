//! Arrow IPC files, zstd, one batch a chunk.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};

use super::{EncoderFault, TableEncoder};

pub(super) struct ArrowFile<W: Write> {
    writer: FileWriter<W>,
}

impl<W: Write> ArrowFile<W> {
    pub(super) fn begin(sink: W, schema: &SchemaRef) -> Result<Self, EncoderFault> {
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
        Ok(ArrowFile { writer: FileWriter::try_new_with_options(sink, schema, options)? })
    }
}

impl<W: Write + Send> TableEncoder<W> for ArrowFile<W> {
    fn write(&mut self, chunk: &RecordBatch, _: usize) -> Result<(), EncoderFault> {
        Ok(self.writer.write(chunk)?)
    }

    fn finish(mut self: Box<Self>, _: usize) -> Result<W, EncoderFault> {
        self.writer.finish()?;
        Ok(self.writer.into_inner()?)
    }
}
