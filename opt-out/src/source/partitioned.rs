//! A file below folders `NAME=VALUE`: what its path says of its rows is a column of them, read as text.

use std::sync::Arc;

use arrow::array::BinaryArray;
use arrow::array::builder::BinaryBuilder;

use super::{Head, OpenedFile, RawBatch, RawColumn, RawSink, ReadRequest, Segment, StoredFile};
use crate::error::{Place, SourceError};
use crate::examine::DaySpan;
use crate::policy::ScanPermit;
use crate::request::TableRequest;

/// Column and value of each partition that a file lies in; NULL where there is no value.
pub(super) type Partition = Arc<[(String, Option<String>)]>;

/// A file whose path says something of its rows.
#[derive(Debug)]
pub(super) struct PartitionedFile {
    inner: Arc<dyn OpenedFile>,
    columns: Vec<Column>,
}

/// Where a column of the request comes from.
#[derive(Clone, Debug)]
enum Column {
    /// The file: its index among the columns that are asked of it
    OfFile(usize),
    OfPath(Option<String>),
}

/// The request without what a path says. `None` where the path says nothing that is wanted.
pub(super) fn asked_of_file(request: &TableRequest, partition: &Partition) -> Option<TableRequest> {
    let is_of_path = |name: &str| partition.iter().any(|(column, _)| column == name);
    if !request.columns.iter().any(|column| is_of_path(&column.name)) {
        return None;
    }
    let mut of_file = request.clone();
    of_file.columns.retain(|column| !is_of_path(&column.name));
    Some(of_file)
}

impl PartitionedFile {
    /// A file that was opened for the request of [`asked_of_file`].
    pub(super) fn new(inner: Arc<dyn OpenedFile>, request: &TableRequest, partition: &Partition) -> Self {
        let mut of_file = 0;
        let column = |name: &str| match partition.iter().find(|(column, _)| column == name) {
            Some((_, value)) => Column::OfPath(value.clone()),
            None => {
                of_file += 1;
                Column::OfFile(of_file - 1)
            }
        };
        let columns = request.columns.iter().map(|column| &*column.name).map(column).collect();
        Self { inner, columns }
    }
}

fn repeated(value: &str, rows: usize) -> BinaryArray {
    let mut texts = BinaryBuilder::with_capacity(rows, rows * value.len());
    (0..rows).for_each(|_| texts.append_value(value));
    texts.finish()
}

impl OpenedFile for PartitionedFile {
    fn place(&self) -> &Place {
        self.inner.place()
    }

    fn segments(&self) -> &[Segment] {
        self.inner.segments()
    }

    fn promises_order(&self) -> bool {
        self.inner.promises_order()
    }

    fn metadata(&self, name: &str) -> Option<String> {
        self.inner.metadata(name)
    }

    fn head(&self) -> Head {
        self.inner.head()
    }

    fn days(&self, column: &str) -> Option<DaySpan> {
        self.inner.days(column)
    }

    fn stored(&self) -> Option<&Arc<dyn StoredFile>> {
        self.inner.stored()
    }

    fn read(&self, permit: &ScanPermit, request: &ReadRequest<'_>, sink: RawSink<'_>) -> Result<(), SourceError> {
        let wanted: Vec<Option<&Column>> = request.columns.iter().map(|&column| self.columns.get(column)).collect();
        let of_file = wanted.iter().filter_map(|column| match column {
            Some(Column::OfFile(index)) => Some(*index),
            _ => None,
        });
        let of_file: Vec<usize> = of_file.collect();
        let inner = ReadRequest { columns: &of_file, bytes_read: request.bytes_read.clone(), ..*request };
        self.inner.read(permit, &inner, &mut |batch: RawBatch| {
            let mut read = batch.columns.into_iter();
            let columns = wanted.iter().map(|column| match column {
                Some(Column::OfFile(_)) => read.next().unwrap_or(RawColumn::Missing),
                Some(Column::OfPath(Some(value))) => RawColumn::Text(repeated(value, batch.rows)),
                Some(Column::OfPath(None)) | None => RawColumn::Missing,
            });
            let columns = columns.collect();
            sink(RawBatch { columns, ..batch })
        })
    }
}
