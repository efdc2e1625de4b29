//! CSV, plain or gzip: read as text, parsed when it has passed the guard.

use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use arrow::array::builder::BinaryBuilder;
use datafusion::physical_plan::metrics::Count;
use flate2::bufread::MultiGzDecoder;

use super::csv_records::{RecordFault, RecordReader};
use crate::error::{Place, SourceError};
use crate::policy::ScanPermit;
use crate::request::TableRequest;
use crate::source::{
    ColumnIndices, Flow, OpenedFile, RawBatch, RawColumn, RawSink, ReadRequest, Segment, Sequential, StoredFile,
};

const EMPTY: &str = "is empty: it has not even a header";
const CUT_SHORT: &str = "is cut short: the gzip stream has no end";
const NOT_GZIP: &str = "is not valid gzip, or is damaged";
const CELLS: &str = "has more or fewer cells than the header";

/// A CSV file whose header has been read.
#[derive(Debug)]
pub(crate) struct CsvFile {
    table: Arc<str>,
    path: Arc<Path>,
    place: Place,
    file: Arc<dyn StoredFile>,
    is_gzip: bool,
    cells: usize,
    indices: ColumnIndices,
    segments: [Segment; 1],
}

/// Where a fault was met, for its message.
struct At<'a> {
    table: &'a Arc<str>,
    path: &'a Arc<Path>,
    is_gzip: bool,
    /// None for the header
    row: Option<u64>,
}

impl At<'_> {
    fn error(&self, fault: RecordFault) -> SourceError {
        let (table, place) = (Arc::clone(self.table), Place::File(Arc::clone(self.path)));
        let problem = match fault {
            RecordFault::Damaged(problem) => problem,
            RecordFault::Io(error) => match error.kind() {
                std::io::ErrorKind::UnexpectedEof if self.is_gzip => CUT_SHORT,
                std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData if self.is_gzip => NOT_GZIP,
                kind => return SourceError::Unreadable { table, file: Arc::clone(self.path), kind },
            },
        };
        SourceError::Malformed { table, place, row: self.row, problem }
    }
}

fn records(file: &Arc<dyn StoredFile>, is_gzip: bool, bytes_read: Count) -> Result<RecordReader, RecordFault> {
    let bytes = Sequential::new(Arc::clone(file), bytes_read);
    let input: Box<dyn Read> =
        if is_gzip { Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, bytes))) } else { Box::new(bytes) };
    RecordReader::new(input)
}

impl CsvFile {
    pub(crate) fn open(
        file: Arc<dyn StoredFile>,
        path: &Arc<Path>,
        is_gzip: bool,
        request: &TableRequest,
    ) -> Result<Self, SourceError> {
        let place = Place::File(Arc::clone(path));
        let at = At { table: &request.name, path, is_gzip, row: None };
        let mut header = records(&file, is_gzip, Count::new()).map_err(|fault| at.error(fault))?;
        if !header.advance().map_err(|fault| at.error(fault))? {
            return Err(at.error(RecordFault::Damaged(EMPTY)));
        }
        let mut names = vec![Vec::new(); header.cells()];
        for (index, name) in names.iter_mut().enumerate() {
            header.cell(index, name);
        }
        let indices = ColumnIndices::find(names.iter().map(Vec::as_slice), request, &place)?;
        let segments = [Segment { weight: file.size(), patients: None }];
        let (table, path) = (Arc::clone(&request.name), Arc::clone(path));
        Ok(Self { table, path, place, file, is_gzip, cells: names.len(), indices, segments })
    }

    fn at(&self, row: Option<u64>) -> At<'_> {
        At { table: &self.table, path: &self.path, is_gzip: self.is_gzip, row }
    }
}

/// Collects the text of wanted cells.
struct TextColumn {
    /// Which cell of a record; None for a column that the file does not have
    cell: Option<usize>,
    text: BinaryBuilder,
}

impl TextColumn {
    fn new(cell: Option<usize>) -> Self {
        Self { cell, text: BinaryBuilder::new() }
    }

    fn take_from(&mut self, records: &RecordReader, scratch: &mut Vec<u8>) {
        let Some(cell) = self.cell else { return };
        records.cell(cell, scratch);
        match scratch.as_slice() {
            b"" => self.text.append_null(),
            text => self.text.append_value(text),
        }
    }

    fn finish(&mut self) -> RawColumn {
        if self.cell.is_none() { RawColumn::Missing } else { RawColumn::Text(self.text.finish()) }
    }
}

impl OpenedFile for CsvFile {
    fn place(&self) -> &Place {
        &self.place
    }

    fn segments(&self) -> &[Segment] {
        &self.segments
    }

    fn promises_order(&self) -> bool {
        false
    }

    fn read(&self, _permit: &ScanPermit, request: &ReadRequest<'_>, sink: RawSink<'_>) -> Result<(), SourceError> {
        let header = self.at(None);
        let bytes_read = request.bytes_read.clone();
        let mut records = records(&self.file, self.is_gzip, bytes_read).map_err(|fault| header.error(fault))?;
        records.advance().map_err(|fault| header.error(fault))?;

        let cell_of = |&column: &usize| TextColumn::new(self.indices.columns.get(column).copied().flatten());
        let mut columns: Vec<TextColumn> = request.columns.iter().map(cell_of).collect();
        let mut patients = TextColumn::new(self.indices.patient_id);
        let (mut first_row, mut rows, mut scratch) = (1_u64, 0_usize, Vec::new());
        loop {
            let at = self.at(Some(first_row + rows as u64));
            let more = records.advance().map_err(|fault| at.error(fault))?;
            if more {
                if records.cells() != self.cells {
                    return Err(at.error(RecordFault::Damaged(CELLS)));
                }
                for column in columns.iter_mut().chain([&mut patients]) {
                    column.take_from(&records, &mut scratch);
                }
                rows += 1;
            }
            if rows == request.batch_rows || (!more && rows > 0) {
                let columns = columns.iter_mut().map(TextColumn::finish).collect();
                let flow = sink(RawBatch { first_row, rows, patients: patients.finish(), columns })?;
                first_row += rows as u64;
                rows = 0;
                if flow == Flow::Stop {
                    return Ok(());
                }
            }
            if !more {
                return Ok(());
            }
        }
    }
}
