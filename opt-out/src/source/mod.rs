//! A table's rows before the guard: files that have been found and opened, and how they are cut into segments.
//!
//! Nothing here leaves the crate. What a reader yields is *raw*: rows of every patient, values unchecked. The only
//! consumer is `crate::decode`, which masks first.

mod buffers;
mod codes;
mod connect;
mod courier;
mod discover;
mod extract;
mod identity;
mod layout;
mod managed;
mod objects;
mod partitioned;
mod partitions;
mod snapshot;
mod store;
mod study;

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::Schema;
use datafusion::physical_plan::metrics::Count;

use crate::error::{Place, SourceError};
use crate::examine::DaySpan;
use crate::format;
use crate::patient_ids::PatientId;
use crate::policy::ScanPermit;
use crate::problem::{ReadProblem, StudyProblem};
use crate::request::{ColumnRequest, FileFormat, Location, PatientKeyColumn, TableRequest};

pub(crate) use codes::CodedRows;
pub(crate) use discover::{FoundFiles, SourceDirectory};
pub use extract::{Extract, LocationError};
pub(crate) use identity::Identity;
pub use layout::{CsvOptions, FilePattern, PatternError, TableLayout};
pub(crate) use partitions::{Partitions, SegmentRef};
pub use snapshot::SourceFile;
pub(crate) use snapshot::sha256_from;
#[cfg(test)]
pub(crate) use store::Entry;
pub(crate) use store::{FileStore, LocalFiles, Sequential, StoredFile};
pub use study::StudyFiles;
pub(crate) use study::StudyFolder;

/// A column as a reader finds it.
#[derive(Clone, Debug)]
pub(crate) enum RawColumn {
    /// An array of the file's own type
    Typed(ArrayRef),
    /// The text of cells; an empty one is NULL
    Text(BinaryArray),
    /// Strings as keys into the file's dictionary
    Codes(Arc<CodedRows>),
    /// The file does not have the column: every row is NULL
    Missing,
}

/// Some rows as a reader finds them: of every patient, and unchecked.
#[derive(Debug)]
pub(crate) struct RawBatch {
    /// The first row's number in its file, from 1
    pub(crate) first_row: u64,
    /// How many rows there are
    pub(crate) rows: usize,
    /// Whose rows they are; `Missing` where they are nobody's
    pub(crate) patients: RawColumn,
    /// The wanted columns, in the order they were asked for
    pub(crate) columns: Vec<RawColumn>,
}

/// Whether a reader should go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    GoOn,
    Stop,
}

/// Takes what a reader finds.
pub(crate) type RawSink<'a> = &'a mut dyn FnMut(RawBatch) -> Result<Flow, SourceError>;

/// Takes rows whole, or in two passes: first what decides which of them are wanted, then the rest of these alone.
pub(crate) trait RowSink {
    /// Takes some rows with all the columns that were asked for.
    fn whole(&mut self, rows: RawBatch) -> Result<Flow, SourceError>;

    /// Whether any of the next `rows` may be wanted, of which the column at this place among those that were asked for
    /// has only these entries, or no value. The rows have been seen to where none is.
    fn may_want(&mut self, column: usize, entries: &ArrayRef, rows: usize) -> Result<bool, SourceError>;

    /// The same of these rows, whose codes are known: `rows` of that column.
    fn may_want_rows(&mut self, column: usize, codes: &CodedRows, rows: usize) -> Result<bool, SourceError>;

    /// Looks at some rows with the deciding columns alone. Which of them are wanted; all, where there is no answer.
    fn decide(&mut self, rows: RawBatch) -> Result<Option<BooleanBuffer>, SourceError>;

    /// Takes the other columns of the next rows that were wanted.
    fn complete(&mut self, rows: usize, columns: Vec<RawColumn>) -> Result<Flow, SourceError>;

    /// Whether every row that was wanted has been completed: an error if not.
    fn completed(&self) -> Result<(), SourceError>;
}

impl RawColumn {
    /// Some of its rows.
    pub(crate) fn slice(&self, start: usize, rows: usize) -> Self {
        match self {
            Self::Typed(array) => Self::Typed(array.slice(start, rows)),
            Self::Text(cells) => Self::Text(cells.slice(start, rows)),
            Self::Codes(codes) => Self::Codes(Arc::new(codes.slice(start, rows))),
            Self::Missing => Self::Missing,
        }
    }
}

/// A part of a file that is decoded by itself: a row group, a record batch, or the whole file.
#[derive(Clone)]
pub(crate) struct Segment {
    /// How much work it is, in rows or bytes: comparable within a table
    pub(crate) weight: u64,
    /// Smallest and largest patient in it, where the file tells
    pub(crate) patients: Option<PatientRange>,
}

/// The smallest and the largest of some patients.
pub(crate) type PatientRange = (PatientId, PatientId);

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").field("weight", &self.weight).finish_non_exhaustive()
    }
}

/// What to read of a segment.
#[derive(Clone, Debug)]
pub(crate) struct ReadRequest<'a> {
    /// Index of the segment in its file
    pub(crate) segment: usize,
    /// Indices of the wanted columns in the table's request
    pub(crate) columns: &'a [usize],
    /// Most rows in a batch
    pub(crate) batch_rows: usize,
    /// Counts the bytes asked of the store
    pub(crate) bytes_read: Count,
}

/// A file that has been opened and whose head has been read and checked: its columns have the wanted types.
pub(crate) trait OpenedFile: fmt::Debug + Send + Sync {
    /// For errors.
    fn place(&self) -> &Place;

    /// Its segments, in the order of its rows.
    fn segments(&self) -> &[Segment];

    /// Whether it promises that its rows ascend by patient, from the first segment to the last.
    fn promises_order(&self) -> bool;

    /// What the file's own metadata say under a name, beside its rows; `None` where its format has no metadata.
    fn metadata(&self, _name: &str) -> Option<String> {
        None
    }

    /// Its columns; none for rows that came with the request.
    fn head(&self) -> Head {
        Head::default()
    }

    /// The first and the last day of a column of dates or moments, where the file's own metadata tell.
    fn days(&self, _column: &str) -> Option<DaySpan> {
        None
    }

    /// The file itself; `None` for rows that came with the request.
    fn stored(&self) -> Option<&Arc<dyn StoredFile>> {
        None
    }

    /// Reads a segment, blocking. Nothing is read without a permit.
    fn read(&self, permit: &ScanPermit, request: &ReadRequest<'_>, sink: RawSink<'_>) -> Result<(), SourceError>;

    /// The same, where the first `deciding` of the columns tell which rows are wanted: a format that can read the other
    /// columns of some rows alone does so.
    fn read_deciding(
        &self,
        permit: &ScanPermit,
        request: &ReadRequest<'_>,
        _deciding: usize,
        sink: &mut dyn RowSink,
    ) -> Result<(), SourceError> {
        self.read(permit, request, &mut |rows| sink.whole(rows))
    }
}

/// A file's columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) names: Vec<Vec<u8>>,
    /// Their types, where the format has types
    pub(crate) schema: Option<Arc<Schema>>,
}

impl Head {
    /// Of a typed file.
    pub(crate) fn typed(schema: &Arc<Schema>) -> Self {
        let names = schema.fields().iter().map(|field| field.name().as_bytes().to_vec()).collect();
        Self { names, schema: Some(Arc::clone(schema)) }
    }
}

/// A table that has been found and opened.
#[derive(Debug)]
pub(crate) struct TableSource {
    pub(crate) table: Arc<str>,
    pub(crate) one_row_per_patient: bool,
    pub(crate) patient_key: Option<PatientKeyColumn>,
    pub(crate) columns: Arc<[ColumnRequest]>,
    /// None for rows that came with the request
    pub(crate) format: Option<FileFormat>,
    pub(crate) files: Vec<Arc<dyn OpenedFile>>,
}

/// Where files may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places<'a> {
    /// Those of an extract's tables
    pub(crate) directory: Option<&'a SourceDirectory>,
    /// Those that a definition names
    pub(crate) study: Option<&'a StudyFolder>,
}

impl TableSource {
    /// Finds a table's files and reads their heads, blocking.
    pub(crate) fn open(request: &TableRequest, places: Places<'_>, permit: &ScanPermit) -> Result<Self, SourceError> {
        request.check()?;
        let (format, files) = match &request.location {
            Location::Given(batch) => {
                let rows = format::given::GivenRows::open(batch, request)?;
                (None, vec![Arc::new(rows) as Arc<dyn OpenedFile>])
            }
            Location::File { path, format } => {
                let found = FoundFiles::of_file(path, *format);
                let study = places.study.ok_or_else(|| SourceError::Unreadable {
                    table: Arc::clone(&request.name),
                    file: path.as_path().into(),
                    kind: ReadProblem::Study(StudyProblem::NoFolder),
                })?;
                (Some(*format), found.open(request, study, permit)?)
            }
            Location::Table(name) => {
                let directory =
                    places.directory.ok_or_else(|| SourceError::NoSource { table: Arc::clone(&request.name) })?;
                let found = directory.find(&request.name, name)?;
                (Some(found.format), found.open(request, directory.store().as_ref(), permit)?)
            }
        };
        Ok(Self {
            table: Arc::clone(&request.name),
            one_row_per_patient: request.one_row_per_patient,
            patient_key: request.patient_key.clone(),
            columns: request.columns.iter().cloned().collect(),
            format,
            files,
        })
    }

    /// All segments of its files, in the order of its rows.
    pub(crate) fn segments(&self) -> impl Iterator<Item = SegmentRef> {
        let of_file = |file: &Arc<dyn OpenedFile>| {
            let file = Arc::clone(file);
            (0..file.segments().len()).map(move |segment| SegmentRef { file: Arc::clone(&file), segment })
        };
        self.files.iter().flat_map(of_file)
    }
}

/// Where a file's columns are: the indices of `patient_id` and of each column of the request.
#[derive(Clone, Debug)]
pub(crate) struct ColumnIndices {
    /// None for a table of nobody
    pub(crate) patient_id: Option<usize>,
    pub(crate) columns: Vec<Option<usize>>,
}

impl ColumnIndices {
    /// Looks the request's columns up among a file's names.
    pub(crate) fn find<'n>(
        names: impl IntoIterator<Item = &'n [u8]>,
        request: &TableRequest,
        place: &Place,
    ) -> Result<Self, SourceError> {
        let mut index_of = std::collections::HashMap::new();
        for (index, name) in names.into_iter().enumerate() {
            if let Some(first) = index_of.insert(name, index) {
                // Positions, not the name: a file without a header has a patient's values in its first line.
                let (table, place) = (Arc::clone(&request.name), place.clone());
                return Err(SourceError::DuplicateColumn { table, place, first: first + 1, second: index + 1 });
            }
        }
        let table = || Arc::clone(&request.name);
        let find_key = |key: &PatientKeyColumn| {
            index_of.get(key.name.as_bytes()).copied().ok_or_else(|| SourceError::PatientIdMissing {
                table: table(),
                place: place.clone(),
                column: Arc::clone(&key.name),
            })
        };
        let patient_id = request.patient_key.as_ref().map(find_key).transpose()?;
        let mut columns = Vec::with_capacity(request.columns.len());
        for column in &request.columns {
            let index = index_of.get(column.name.as_bytes()).copied();
            if index.is_none()
                && let Some(missing) = column.missing(&request.name, place)
            {
                return Err(missing);
            }
            columns.push(index);
        }
        Ok(Self { patient_id, columns })
    }

    /// The same for a typed file, whose types are checked too.
    pub(crate) fn find_typed(schema: &Schema, request: &TableRequest, place: &Place) -> Result<Self, SourceError> {
        let indices = Self::find(schema.fields().iter().map(|f| f.name().as_bytes()), request, place)?;
        let patient_id = request.patient_key.as_ref().map(PatientKeyColumn::request);
        let wanted = request.columns.iter().zip(&indices.columns).filter_map(|(column, i)| i.map(|i| (column, i)));
        for (column, index) in wanted.chain(patient_id.as_ref().zip(indices.patient_id)) {
            let found = schema.field(index).data_type();
            if !crate::conform::accepts(column, found) || (Some(index) == indices.patient_id && found.is_null()) {
                return Err(SourceError::WrongType {
                    table: Arc::clone(&request.name),
                    place: place.clone(),
                    column: Arc::clone(&column.name),
                    found: crate::conform::type_name(found),
                    wanted: column.column_type,
                });
            }
        }
        Ok(indices)
    }

    /// Indices in the file of `patient_id` and the wanted columns that the file has, ascending, each once: what a
    /// reader must be asked for.
    pub(crate) fn projection(&self, wanted: &[usize]) -> Vec<usize> {
        let found = wanted.iter().filter_map(|&column| self.columns.get(column).copied().flatten());
        let mut projection: Vec<usize> = found.chain(self.patient_id).collect();
        projection.sort_unstable();
        projection.dedup();
        projection
    }

    /// The same without `patient_id`.
    pub(crate) fn found(&self, wanted: &[usize]) -> Vec<usize> {
        Self { patient_id: None, columns: self.columns.clone() }.projection(wanted)
    }

    /// A raw batch of the arrays that were read by a projection, which is ascending.
    pub(crate) fn raw_batch(
        &self,
        wanted: &[usize],
        (projection, arrays): (&[usize], &[ArrayRef]),
        first_row: u64,
        rows: usize,
    ) -> RawBatch {
        let patients = self.patient_id.map_or(RawColumn::Missing, |index| array_at((projection, arrays), index));
        RawBatch { first_row, rows, patients, columns: self.raw_columns(wanted, (projection, arrays)) }
    }

    /// The wanted columns among the arrays that were read by a projection, which is ascending.
    pub(crate) fn raw_columns(&self, wanted: &[usize], read: (&[usize], &[ArrayRef])) -> Vec<RawColumn> {
        let column = |column: &usize| {
            self.columns.get(*column).copied().flatten().map_or(RawColumn::Missing, |index| array_at(read, index))
        };
        wanted.iter().map(column).collect()
    }
}

fn array_at((projection, arrays): (&[usize], &[ArrayRef]), index: usize) -> RawColumn {
    let found = projection.binary_search(&index).ok().and_then(|at| arrays.get(at));
    found.map_or(RawColumn::Missing, |array| RawColumn::Typed(Arc::clone(array)))
}
