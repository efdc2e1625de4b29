//! The encoders, one a format: chunks of rows in, bytes out.

mod arrow_file;
mod csv;
mod csv_text;
mod parquet_file;

use std::collections::BTreeMap;
use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use parquet::errors::ParquetError;

use crate::target::OutputFormat;

/// Writes a table's chunks to `W` in one format.
pub(crate) trait TableEncoder<W>: Send {
    /// Takes a chunk, on at most so many threads: some formats have pieces of which none waits for another.
    fn write(&mut self, chunk: &RecordBatch, threads: usize) -> Result<(), EncoderFault>;

    /// Writes what ends the file, and gives back what was written to.
    fn finish(self: Box<Self>, threads: usize) -> Result<W, EncoderFault>;
}

/// An encoder failed. What it says is dropped, since it may hold a value, and since some of them lose what the disk said:
/// that, the sink remembers.
#[derive(Debug)]
pub(crate) struct EncoderFault;

/// Starts a table: writes what begins the file.
///
/// `schema` carries the run's metadata; Parquet states the order of patients where `ordered_by_patient`.
pub(crate) fn encoder<W: Write + Send + 'static>(
    format: OutputFormat,
    sink: W,
    schema: &SchemaRef,
    ordered_by_patient: bool,
) -> Result<Box<dyn TableEncoder<W>>, EncoderFault> {
    Ok(match format {
        OutputFormat::Arrow => Box::new(arrow_file::ArrowFile::begin(sink, schema)?),
        OutputFormat::Csv => Box::new(csv::Csv::begin(sink, schema)?),
        OutputFormat::CsvGz => Box::new(csv::CsvGz::begin(sink, schema)?),
        OutputFormat::Parquet => Box::new(parquet_file::ParquetFile::begin(sink, schema, ordered_by_patient)?),
    })
}

/// The run's metadata of a schema, in order of the keys.
fn sorted_metadata(schema: &SchemaRef) -> BTreeMap<String, String> {
    schema.metadata().iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

impl From<io::Error> for EncoderFault {
    fn from(_: io::Error) -> Self {
        EncoderFault
    }
}

impl From<ArrowError> for EncoderFault {
    fn from(_: ArrowError) -> Self {
        EncoderFault
    }
}

impl From<ParquetError> for EncoderFault {
    fn from(_: ParquetError) -> Self {
        EncoderFault
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::sync::Arc;

    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::metered::Metered;

    /// A disk with so many bytes left.
    struct FullDisk(usize);

    impl Write for FullDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Bytes written to a disk with so many left, or what the disk said.
    fn write(format: OutputFormat, bytes_left: usize) -> Result<u64, io::ErrorKind> {
        let schema = Arc::new(Schema::new(vec![Field::new("patient_id", DataType::Int64, false)]));
        let chunk = RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(vec![1, 2, 3]))]).unwrap();
        let disk = Metered::new(FullDisk(bytes_left));
        let failure = disk.failure();
        let all = || {
            let mut encoder = encoder(format, disk, &schema, true)?;
            encoder.write(&chunk, 1)?;
            encoder.finish(1)
        };
        let written: Result<_, EncoderFault> = all();
        written.map(|disk| disk.into_parts().1).map_err(|_| failure.take().unwrap().kind())
    }

    #[test]
    fn a_full_disk_is_told_as_such_wherever_it_fills() {
        for format in OutputFormat::ALL {
            let size = write(format, usize::MAX).unwrap() as usize;
            for bytes_left in 0..size {
                assert_eq!(write(format, bytes_left), Err(io::ErrorKind::StorageFull), "{format:?}, {bytes_left} left");
            }
            assert_eq!(write(format, size), Ok(size as u64));
        }
    }
}
