//! Rows that come with a request: inline tables, and tests.

use std::sync::Arc;

use arrow::array::RecordBatch;
use peristyle_policy::patients::TextComparison;

use crate::conform;
use crate::error::{Place, SourceError};
use crate::policy::ScanPermit;
use crate::request::TableRequest;
use crate::source::{ColumnIndices, Flow, OpenedFile, RawColumn, RawSink, ReadRequest, Segment};

/// Rows at hand.
#[derive(Debug)]
pub(crate) struct GivenRows {
    rows: RecordBatch,
    indices: ColumnIndices,
    segments: [Segment; 1],
    ordered: bool,
}

impl GivenRows {
    pub(crate) fn open(rows: &RecordBatch, request: &TableRequest) -> Result<Self, SourceError> {
        let indices = ColumnIndices::find_typed(rows.schema_ref(), request, &Place::Given)?;
        let patient_ids = indices.patient_id.and_then(|index| rows.columns().get(index));
        let patients = patient_ids.zip(request.patient_key.as_ref());
        let exact = TextComparison::default();
        let patients =
            patients.map(|(ids, key)| conform::patients(&RawColumn::Typed(Arc::clone(ids)), key.key_type, &exact));
        // Looking costs less than sorting. Rows without a patient are found when they are read.
        let ordered = patients.is_some_and(|patients| patients.is_ok_and(|patients| patients.runs(|_| {})));
        let segments = [Segment { weight: rows.num_rows() as u64, patients: None }];
        Ok(Self { rows: rows.clone(), indices, segments, ordered })
    }
}

impl OpenedFile for GivenRows {
    fn place(&self) -> &Place {
        &Place::Given
    }

    fn segments(&self) -> &[Segment] {
        &self.segments
    }

    fn promises_order(&self) -> bool {
        self.ordered
    }

    fn read(&self, _permit: &ScanPermit, request: &ReadRequest<'_>, sink: RawSink<'_>) -> Result<(), SourceError> {
        let projection = self.indices.projection(request.columns);
        let mut start = 0;
        while start < self.rows.num_rows() {
            let slice = self.rows.slice(start, request.batch_rows.min(self.rows.num_rows() - start));
            let arrays: Vec<_> = projection.iter().filter_map(|&index| slice.columns().get(index).cloned()).collect();
            let batch =
                self.indices.raw_batch(request.columns, (&projection, &arrays), start as u64 + 1, slice.num_rows());
            if sink(batch)? == Flow::Stop {
                return Ok(());
            }
            start += slice.num_rows();
        }
        Ok(())
    }
}
