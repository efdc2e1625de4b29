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
    ColumnIndices, CsvOptions, Flow, Head, OpenedFile, RawBatch, RawColumn, RawSink, ReadRequest, Segment, Sequential,
    StoredFile,
};

const EMPTY: &str = "is empty: it has not even a header";
const CUT_SHORT: &str = "is cut short: the gzip stream has no end";
const NOT_GZIP: &str = "is not valid gzip, or is damaged";
const UNSPLIT: &str = "has one column, with `;`, `|` or a tab in its name: if that stands between cells, say so in the source \
                       file (`delimiter`)";
const CELLS: &str = "has more or fewer cells than the header";
const CELLS_BY_LAYOUT: &str = "has more or fewer cells than the source file's `columns`";

/// A CSV file whose header has been read.
#[derive(Debug)]
pub(crate) struct CsvFile {
    table: Arc<str>,
    path: Arc<Path>,
    place: Place,
    file: Arc<dyn StoredFile>,
    is_gzip: bool,
    options: CsvOptions,
    names: Vec<Vec<u8>>,
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
                _ => {
                    let (file, kind) = (Arc::clone(self.path), (&error).into());
                    return SourceError::Unreadable { table, file, kind };
                }
            },
        };
        SourceError::Malformed { table, place, row: self.row, problem }
    }
}

fn records(
    file: &Arc<dyn StoredFile>,
    (is_gzip, options): (bool, &CsvOptions),
    bytes_read: Count,
) -> Result<RecordReader, RecordFault> {
    let bytes = Sequential::new(Arc::clone(file), bytes_read);
    let input: Box<dyn Read> =
        if is_gzip { Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, bytes))) } else { Box::new(bytes) };
    RecordReader::new(input, options.delimiter, options.is_quoted)
}

/// The names in a file's header.
fn names_in(file: &Arc<dyn StoredFile>, how: (bool, &CsvOptions)) -> Result<Vec<Vec<u8>>, RecordFault> {
    let mut header = records(file, how, Count::new())?;
    if !header.advance()? {
        return Err(RecordFault::Damaged(EMPTY));
    }
    let mut names = vec![Vec::new(); header.cells()];
    for (index, name) in names.iter_mut().enumerate() {
        header.cell(index, name);
    }
    Ok(names)
}

impl CsvFile {
    pub(crate) fn open(
        file: Arc<dyn StoredFile>,
        path: &Arc<Path>,
        (is_gzip, options): (bool, &CsvOptions),
        request: &TableRequest,
    ) -> Result<Self, SourceError> {
        let place = Place::File(Arc::clone(path));
        let at = At { table: &request.name, path, is_gzip, row: None };
        let names = match &options.columns {
            Some(names) => names.iter().map(|name| name.as_bytes().to_vec()).collect(),
            None => names_in(&file, (is_gzip, options)).map_err(|fault| at.error(fault))?,
        };
        let is_unsplit = |name: &Vec<u8>| name.iter().any(|byte| matches!(byte, b';' | b'|' | b'\t'));
        if names.len() == 1 && names.iter().any(is_unsplit) {
            return Err(at.error(RecordFault::Damaged(UNSPLIT)));
        }
        let indices = ColumnIndices::find(names.iter().map(Vec::as_slice), request, &place)?;
        let segments = [Segment { weight: file.size(), patients: None }];
        let (table, path, options) = (Arc::clone(&request.name), Arc::clone(path), options.clone());
        Ok(Self { table, path, place, file, is_gzip, options, names, indices, segments })
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

    fn take_from(&mut self, records: &RecordReader, null_texts: &[String], scratch: &mut Vec<u8>) {
        let Some(cell) = self.cell else { return };
        records.cell(cell, scratch);
        match scratch.as_slice() {
            b"" => self.text.append_null(),
            text if null_texts.iter().any(|null| null.as_bytes() == text) => self.text.append_null(),
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

    fn head(&self) -> Head {
        Head { names: self.names.clone(), schema: None }
    }

    fn stored(&self) -> Option<&Arc<dyn StoredFile>> {
        Some(&self.file)
    }

    fn read(&self, permit: &ScanPermit, request: &ReadRequest<'_>, sink: RawSink<'_>) -> Result<(), SourceError> {
        let header = self.at(None);
        let bytes_read = request.bytes_read.clone();
        let how = (self.is_gzip, &self.options);
        let mut records = records(&self.file, how, bytes_read).map_err(|fault| header.error(fault))?;
        if self.options.columns.is_none() {
            records.advance().map_err(|fault| header.error(fault))?;
        }

        let cell_of = |&column: &usize| TextColumn::new(self.indices.columns.get(column).copied().flatten());
        let mut columns: Vec<TextColumn> = request.columns.iter().map(cell_of).collect();
        let mut patients = TextColumn::new(self.indices.patient_id);
        let (mut first_row, mut rows, mut scratch) = (1_u64, 0_usize, Vec::new());
        loop {
            let at = self.at(permit.tells_rows().then_some(first_row + rows as u64));
            let more = records.advance().map_err(|fault| at.error(fault))?;
            if more {
                if records.cells() != self.names.len() {
                    let problem = if self.options.columns.is_none() { CELLS } else { CELLS_BY_LAYOUT };
                    return Err(at.error(RecordFault::Damaged(problem)));
                }
                for column in columns.iter_mut().chain([&mut patients]) {
                    column.take_from(&records, &self.options.null_texts, &mut scratch);
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
