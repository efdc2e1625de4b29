//! Parquet files: strings stay dictionaries, only wanted columns are read, a row group is a segment.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, FieldRef, Schema, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::basic::{Compression, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy};

use super::parquet_chunks::{WantedChunks, WholeFile};
use super::parquet_codes::{CodeColumn, is_coded};
use super::parquet_days::day_span;
use super::parquet_deciding::{Codes, Deciding};
use super::parquet_order::{patient_range, promises_order};
use crate::error::{Place, SourceError};
use crate::examine::DaySpan;
use crate::policy::ScanPermit;
use crate::problem::ReadProblem;
use crate::request::{ColumnType, TableRequest};
use crate::source::{ColumnIndices, Flow, Head, OpenedFile, RawSink, ReadRequest, RowSink, Segment, StoredFile};

/// Most rows of which the deciding columns are held while the others are read: a row group may be of any size.
const ROWS_IN_TWO_PASSES_MAX: usize = 1 << 21;

const NOT_PARQUET: &str = "is not a Parquet file, is cut short or has a damaged footer";
const BAD_GROUP: &str = "has a damaged row group";
const UNKNOWN_COMPRESSION: &str =
    "is compressed by a method that is not supported: write it with zstd, snappy, lz4 or gzip";

/// A Parquet file whose footer has been read.
#[derive(Debug)]
pub(crate) struct ParquetFile {
    table: Arc<str>,
    path: Arc<Path>,
    place: Place,
    file: Arc<dyn StoredFile>,
    metadata: ArrowReaderMetadata,
    pub(super) indices: ColumnIndices,
    groups: Vec<GroupOfRows>,
    segments: Vec<Segment>,
    ordered: bool,
}

#[derive(Debug)]
pub(super) struct GroupOfRows {
    row_group: usize,
    pub(super) first_row: u64,
    pub(super) rows: usize,
}

impl ParquetFile {
    pub(crate) fn open(
        file: Arc<dyn StoredFile>,
        path: &Arc<Path>,
        request: &TableRequest,
    ) -> Result<Self, SourceError> {
        let (table, place) = (Arc::clone(&request.name), Place::File(Arc::clone(path)));
        let damaged = |_| SourceError::Malformed {
            table: Arc::clone(&table),
            place: place.clone(),
            row: None,
            problem: NOT_PARQUET,
        };
        // What a page index would save is not used yet.
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Skip);
        let whole = WholeFile::new(Arc::clone(&file));
        let metadata = ArrowReaderMetadata::load(&whole, options.clone()).map_err(|error| match whole.failure() {
            None | Some(ReadProblem::System(std::io::ErrorKind::UnexpectedEof)) => damaged(error),
            Some(kind) => SourceError::Unreadable { table: Arc::clone(&table), file: Arc::clone(path), kind },
        })?;
        let indices = ColumnIndices::find_typed(metadata.schema(), request, &place)?;
        let schema = delivered_schema(&metadata, &indices, request);
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options.with_schema(schema))
            .map_err(damaged)?;

        let key = indices.patient_id.and_then(|index| {
            let leaf = leaves(&metadata, &[index]).first().copied()?;
            Some((leaf, metadata.schema().field(index).data_type()))
        });
        let (mut groups, mut segments, mut first_row) = (Vec::new(), Vec::new(), 1);
        for (row_group, group) in metadata.metadata().row_groups().iter().enumerate() {
            let weight = u64::try_from(group.num_rows()).map_err(|_| damaged(ParquetError::EOF(String::new())))?;
            if weight > 0 {
                let rows = usize::try_from(weight).map_err(|_| damaged(ParquetError::EOF(String::new())))?;
                groups.push(GroupOfRows { row_group, first_row, rows });
                segments.push(Segment {
                    weight,
                    patients: key.and_then(|(leaf, found)| patient_range(group, leaf, found)),
                });
                first_row += weight;
            }
        }
        let ranges: Vec<_> = segments.iter().map(|segment| segment.patients.clone()).collect();
        let ordered = key
            .zip(request.patient_key.as_ref())
            .is_some_and(|((leaf, _), key)| promises_order(metadata.metadata(), &key.name, leaf, &ranges));
        Ok(Self { table, path: Arc::clone(path), place, file, metadata, indices, groups, segments, ordered })
    }

    fn damaged(&self, problem: &'static str) -> SourceError {
        SourceError::Malformed { table: Arc::clone(&self.table), place: self.place.clone(), row: None, problem }
    }

    /// In words of our own: the text of the decoder's error may hold a value.
    pub(super) fn failed(&self, chunks: &WantedChunks) -> SourceError {
        match chunks.failure() {
            None | Some(ReadProblem::System(std::io::ErrorKind::UnexpectedEof)) => self.damaged(BAD_GROUP),
            Some(kind) => self.unreadable(kind),
        }
    }

    fn unreadable(&self, kind: ReadProblem) -> SourceError {
        SourceError::Unreadable { table: Arc::clone(&self.table), file: Arc::clone(&self.path), kind }
    }

    /// Where the wanted columns of a row group are.
    fn ranges(&self, row_group: usize, projection: &[usize]) -> Result<Vec<Range<u64>>, SourceError> {
        let group = self.metadata.metadata().row_groups().get(row_group).ok_or_else(|| self.damaged(BAD_GROUP))?;
        let mut ranges = Vec::with_capacity(projection.len());
        for leaf in leaves(&self.metadata, projection) {
            let column = group.columns().get(leaf).ok_or_else(|| self.damaged(BAD_GROUP))?;
            if matches!(column.compression(), Compression::LZO | Compression::BROTLI(_)) {
                return Err(self.damaged(UNKNOWN_COMPRESSION));
            }
            ranges.push(range_of(column).ok_or_else(|| self.damaged(BAD_GROUP))?);
        }
        Ok(ranges)
    }
}

fn range_of(column: &ColumnChunkMetaData) -> Option<Range<u64>> {
    let start = u64::try_from(column.dictionary_page_offset().unwrap_or(column.data_page_offset())).ok()?;
    let end = start.checked_add(u64::try_from(column.compressed_size()).ok()?)?;
    Some(start..end)
}

/// The leaves of top-level columns: one each, as the wanted ones are not nested.
fn leaves(metadata: &ArrowReaderMetadata, roots: &[usize]) -> Vec<usize> {
    let schema = metadata.parquet_schema();
    (0..schema.num_columns()).filter(|&leaf| roots.contains(&schema.get_column_root_idx(leaf))).collect()
}

/// The schema in which the file's columns are delivered: wanted strings as dictionaries, which is how most pages have
/// them, and moments of 96 bits in milliseconds.
///
/// Spark, Impala and Hive store moments of all years in 96 bits. In nanoseconds, as the decoder would deliver them, years
/// before 1677 and after 2262 wrap round to others; in milliseconds every one of them has a number of its own.
fn delivered_schema(metadata: &ArrowReaderMetadata, indices: &ColumnIndices, request: &TableRequest) -> Arc<Schema> {
    let (schema, descriptors) = (metadata.schema(), metadata.parquet_schema());
    let wanted = request.columns.iter().zip(&indices.columns);
    let strings: Vec<usize> =
        wanted.filter(|(column, _)| column.column_type == ColumnType::Str).filter_map(|(_, index)| *index).collect();
    let is_int96 = |index: usize| {
        let leaf = leaves(metadata, &[index]).first().copied();
        leaf.is_some_and(|leaf| descriptors.column(leaf).physical_type() == PhysicalType::INT96)
    };
    let field = |(index, field): (usize, &FieldRef)| {
        let delivered = match field.data_type() {
            DataType::Timestamp(_, zone) if is_int96(index) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
            found if strings.contains(&index) && !found.is_null() => ColumnType::Str.arrow_type(),
            _ => return Arc::clone(field),
        };
        Arc::new(field.as_ref().clone().with_data_type(delivered))
    };
    let fields: Vec<FieldRef> = schema.fields().iter().enumerate().map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

impl OpenedFile for ParquetFile {
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
        Head::typed(self.metadata.schema())
    }

    fn days(&self, column: &str) -> Option<DaySpan> {
        day_span(&self.metadata, column)
    }

    fn stored(&self) -> Option<&Arc<dyn StoredFile>> {
        Some(&self.file)
    }

    fn metadata(&self, name: &str) -> Option<String> {
        let pairs = self.metadata.metadata().file_metadata().key_value_metadata()?;
        pairs.iter().find(|pair| pair.key == name)?.value.clone()
    }

    fn read(&self, _permit: &ScanPermit, request: &ReadRequest<'_>, sink: RawSink<'_>) -> Result<(), SourceError> {
        let Some(group) = self.groups.get(request.segment) else {
            return Ok(());
        };
        let projection = self.indices.projection(request.columns);
        let mut first_row = group.first_row;
        let chunks = self.chunks(group, &projection, request)?;
        self.each_batch((group, &chunks), &projection, None, request.batch_rows, &mut |batch| {
            let (arrays, rows) = ((projection.as_slice(), batch.columns()), batch.num_rows());
            let raw = self.indices.raw_batch(request.columns, arrays, first_row, rows);
            first_row += rows as u64;
            sink(raw)
        })?;
        Ok(())
    }

    fn read_deciding(
        &self,
        permit: &ScanPermit,
        request: &ReadRequest<'_>,
        deciding: usize,
        sink: &mut dyn RowSink,
    ) -> Result<(), SourceError> {
        let Some(group) = self.groups.get(request.segment) else {
            return Ok(());
        };
        let (first, others) = request.columns.split_at_checked(deciding).unwrap_or((request.columns, &[]));
        let projection = self.indices.projection(first);
        let rest = self.indices.found(others);
        let chunks = self.chunks(group, &projection, request)?;
        let codes = self.code_columns(group, (first, &projection), &chunks)?;
        for code in &codes {
            if !sink.may_want(code.wanted, code.column.entries(), group.rows)? {
                return Ok(());
            }
        }
        if rest.is_empty() && codes.is_empty() {
            return self.read(permit, request, &mut |rows| sink.whole(rows));
        }
        let is_decoded = |index: &usize| codes.iter().all(|code| code.index != *index);
        let decoded = projection.iter().copied().filter(is_decoded).collect();
        let mut deciding = Deciding { file: self, group, chunks: &chunks, columns: first, decoded, codes };
        let mut from = 0;
        while from < group.rows {
            let rows = ROWS_IN_TWO_PASSES_MAX.min(group.rows - from);
            let wanted = deciding.wanted((from, rows), request.batch_rows, sink)?;
            if self.complete(group, (others, &rest), wanted, request, sink)? == Flow::Stop {
                return Ok(());
            }
            from += rows;
        }
        Ok(())
    }
}

impl ParquetFile {
    /// Reads the other columns of the wanted rows.
    fn complete(
        &self,
        group: &GroupOfRows,
        (columns, projection): (&[usize], &[usize]),
        wanted: BooleanBuffer,
        request: &ReadRequest<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<Flow, SourceError> {
        let rows = wanted.count_set_bits();
        if rows == 0 {
            return Ok(Flow::GoOn);
        }
        if projection.is_empty() {
            let flow = sink.complete(rows, self.indices.raw_columns(columns, (&[], &[])))?;
            if flow == Flow::GoOn {
                sink.completed()?;
            }
            return Ok(flow);
        }
        let selection = Some(RowSelection::from_boolean_buffer(wanted));
        let chunks = self.chunks(group, projection, request)?;
        let flow = self.each_batch((group, &chunks), projection, selection, request.batch_rows, &mut |batch| {
            let (arrays, rows) = ((projection, batch.columns()), batch.num_rows());
            sink.complete(rows, self.indices.raw_columns(columns, arrays))
        })?;
        if flow == Flow::GoOn {
            // Fewer rows than were wanted would be rows lost.
            sink.completed()?;
        }
        Ok(flow)
    }

    /// The bytes of some columns of a row group.
    fn chunks(
        &self,
        group: &GroupOfRows,
        projection: &[usize],
        request: &ReadRequest<'_>,
    ) -> Result<WantedChunks, SourceError> {
        let ranges = self.ranges(group.row_group, projection)?;
        let chunks = WantedChunks::new(Arc::clone(&self.file), ranges, request.bytes_read.clone());
        chunks.begun().map_err(|error| self.unreadable(error.into()))
    }

    /// Those of the wanted columns of a row group that are keys into a dictionary. At least one column stays with the
    /// general decoder, which counts the rows.
    fn code_columns(
        &self,
        group: &GroupOfRows,
        (wanted, projection): (&[usize], &[usize]),
        chunks: &WantedChunks,
    ) -> Result<Vec<Codes>, SourceError> {
        let groups = self.metadata.metadata().row_groups();
        let columns = groups.get(group.row_group).map(|group| group.columns()).unwrap_or_default();
        let mut codes = Vec::new();
        for index in projection.iter().filter(|index| self.indices.patient_id != Some(**index)) {
            let delivered = self.metadata.schema().field(*index).data_type();
            let column = leaves(&self.metadata, &[*index]).first().and_then(|leaf| columns.get(*leaf));
            let at = wanted.iter().position(|column| self.indices.columns.get(*column) == Some(&Some(*index)));
            if let (Some(column), Some(at)) = (column, at)
                && is_coded(column, delivered, group.rows)
                && codes.len() + 1 < projection.len()
            {
                let column =
                    CodeColumn::open(chunks.clone(), column, delivered, group.rows).map_err(|_| self.failed(chunks))?;
                codes.push(Codes { index: *index, wanted: at, column });
            }
        }
        Ok(codes)
    }

    /// Decodes some columns of a row group: all rows, or those that are selected.
    pub(super) fn each_batch(
        &self,
        (group, chunks): (&GroupOfRows, &WantedChunks),
        projection: &[usize],
        selection: Option<RowSelection>,
        batch_rows: usize,
        each: &mut dyn FnMut(RecordBatch) -> Result<Flow, SourceError>,
    ) -> Result<Flow, SourceError> {
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), projection.iter().copied());
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks.clone(), self.metadata.clone())
            .with_row_groups(vec![group.row_group])
            .with_projection(mask)
            .with_batch_size(batch_rows);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let reader = builder.build().map_err(|_| self.failed(chunks))?;
        debug_assert_eq!(reader.schema().fields().len(), projection.len());
        for batch in reader {
            let batch = batch.map_err(|_| self.failed(chunks))?;
            if each(batch)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::GoOn)
    }
}
