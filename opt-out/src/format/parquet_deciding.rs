//! Which rows of a row group are wanted, from the columns that decide.
//!
//! ```text
//! codes ─► may any of these rows be wanted? ─► many of them: every row's patient, and the guard
//!                                          └─► few of them:  the patients of the rows around them alone, and the guard
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::BooleanBuffer;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};

use super::parquet::{GroupOfRows, ParquetFile};
use super::parquet_chunks::WantedChunks;
use super::parquet_codes::CodeColumn;
use crate::error::SourceError;
use crate::source::{CodedRows, Flow, RawColumn, RowSink};

/// Rows of which the deciding columns are looked at together: few of them are wanted, so that more can be taken at once
/// than in a batch that is handed on.
const DECIDING_ROWS: usize = 1 << 14;

/// How many lots of codes tell whether wanted rows are rare.
const FIRST_LOTS: usize = 8;

/// Rows whose patients are decoded together where wanted rows are rare. Fewer than a page has, so that most pages are
/// left out; a divisor of [`DECIDING_ROWS`].
const RARE_ROWS: usize = 1 << 11;

/// A column of codes among those that decide.
pub(super) struct Codes {
    /// Its index in the file, and its place among the columns that were asked for
    pub(super) index: usize,
    pub(super) wanted: usize,
    pub(super) column: CodeColumn<WantedChunks>,
}

/// The deciding columns of a row group, which are read once, from its first row to its last.
pub(super) struct Deciding<'a> {
    pub(super) file: &'a ParquetFile,
    pub(super) group: &'a GroupOfRows,
    pub(super) chunks: &'a WantedChunks,
    /// The columns that were asked for
    pub(super) columns: &'a [usize],
    /// Those of the file that the general decoder reads
    pub(super) decoded: Vec<usize>,
    pub(super) codes: Vec<Codes>,
}

/// Rows of which the codes have been read.
struct Lot {
    rows: usize,
    /// Of each column of codes; none where no row can be wanted, which the sink knows then
    codes: Option<Vec<Arc<CodedRows>>>,
}

impl Deciding<'_> {
    /// Which of the `rows` after the first `from` are wanted, as bits of the whole row group.
    pub(super) fn wanted(
        &mut self,
        (from, rows): (usize, usize),
        batch_rows: usize,
        sink: &mut dyn RowSink,
    ) -> Result<BooleanBuffer, SourceError> {
        let lot_rows = DECIDING_ROWS.max(batch_rows).next_multiple_of(RARE_ROWS);
        let mut wanted = BooleanBufferBuilder::new(self.group.rows);
        wanted.append_n(from, false);
        let mut lots = VecDeque::new();
        let mut looked = 0;
        while looked < rows && lots.len() < FIRST_LOTS && !self.codes.is_empty() {
            let lot = self.lot(lot_rows.min(rows - looked), sink)?;
            looked += lot.rows;
            lots.push_back(lot);
        }
        if 2 * lots.iter().filter(|lot| lot.codes.is_some()).count() < lots.len() {
            while looked < rows {
                let lot = self.lot(lot_rows.min(rows - looked), sink)?;
                looked += lot.rows;
                lots.push_back(lot);
            }
            self.rare(lots, &mut wanted, sink)?;
        } else {
            self.many((from, rows), lot_rows, (lots, &mut wanted), sink)?;
        }
        wanted.append_n(self.group.rows.saturating_sub(wanted.len()), false);
        Ok(wanted.finish())
    }

    /// The codes of the next rows.
    fn lot(&mut self, rows: usize, sink: &mut dyn RowSink) -> Result<Lot, SourceError> {
        let (mut codes, mut may_be_wanted) = (Vec::with_capacity(self.codes.len()), true);
        for column in &mut self.codes {
            let next = column.column.next(rows).map_err(|_| self.file.failed(self.chunks))?;
            // Once the sink has seen to rows, it is not asked again.
            may_be_wanted = may_be_wanted && sink.may_want_rows(column.wanted, &next, rows)?;
            codes.push(Arc::new(next));
        }
        Ok(Lot { rows, codes: may_be_wanted.then_some(codes) })
    }

    /// Looks at every row, those of `lots` first.
    fn many(
        &mut self,
        (from, rows): (usize, usize),
        lot_rows: usize,
        (mut lots, wanted): (VecDeque<Lot>, &mut BooleanBufferBuilder),
        sink: &mut dyn RowSink,
    ) -> Result<(), SourceError> {
        let (file, group, chunks, decoded) = (self.file, self.group, self.chunks, self.decoded.clone());
        let window = (from > 0 || rows < group.rows)
            .then(|| RowSelection::from(vec![RowSelector::skip(from), RowSelector::select(rows)]));
        file.each_batch((group, chunks), &decoded, window, lot_rows, &mut |batch| {
            let rows = batch.num_rows();
            let lot = match lots.pop_front() {
                Some(lot) if lot.rows == rows => lot,
                Some(_) => return Err(file.failed(chunks)),
                None => self.lot(rows, sink)?,
            };
            match lot.codes {
                Some(codes) => self.decide(batch.columns(), (rows, &codes), wanted, sink)?,
                None => wanted.append_n(rows, false),
            }
            Ok(Flow::GoOn)
        })?;
        Ok(())
    }

    /// Looks at the rows around those that may be wanted.
    fn rare(
        &self,
        lots: VecDeque<Lot>,
        wanted: &mut BooleanBufferBuilder,
        sink: &mut dyn RowSink,
    ) -> Result<(), SourceError> {
        let (mut parts, mut begin) = (VecDeque::new(), wanted.len());
        for lot in lots {
            let Some(codes) = lot.codes else {
                begin += lot.rows;
                continue;
            };
            for start in (0..lot.rows).step_by(RARE_ROWS) {
                let rows = RARE_ROWS.min(lot.rows - start);
                let part: Vec<_> = codes.iter().map(|codes| Arc::new(codes.slice(start, rows))).collect();
                let mut may_be_wanted = true;
                for (column, codes) in self.codes.iter().zip(&part) {
                    may_be_wanted = may_be_wanted && sink.may_want_rows(column.wanted, codes, rows)?;
                }
                if may_be_wanted {
                    parts.push_back((begin..begin + rows, part));
                }
                begin += rows;
            }
        }
        if parts.is_empty() {
            return Ok(());
        }
        let ranges = parts.iter().map(|(range, _)| range.clone());
        let selection = RowSelection::from_consecutive_ranges(ranges, self.group.rows);
        let (group, chunks) = (self.group, self.chunks);
        self.file.each_batch((group, chunks), &self.decoded, Some(selection), RARE_ROWS, &mut |batch| {
            let rows = batch.num_rows();
            // Only the last part is shorter than a batch.
            let part = parts.pop_front().filter(|(range, _)| range.len() == rows);
            let (range, codes) = part.ok_or_else(|| self.file.failed(chunks))?;
            wanted.append_n(range.start.saturating_sub(wanted.len()), false);
            self.decide(batch.columns(), (rows, &codes), wanted, sink)?;
            Ok(Flow::GoOn)
        })?;
        if parts.is_empty() { Ok(()) } else { Err(self.file.failed(chunks)) }
    }

    /// Has the guard decide of rows, the next after those of `wanted`.
    fn decide(
        &self,
        decoded: &[arrow::array::ArrayRef],
        (rows, codes): (usize, &[Arc<CodedRows>]),
        wanted: &mut BooleanBufferBuilder,
        sink: &mut dyn RowSink,
    ) -> Result<(), SourceError> {
        let first_row = self.group.first_row + wanted.len() as u64;
        let mut raw = self.file.indices.raw_batch(self.columns, (&self.decoded, decoded), first_row, rows);
        for (column, codes) in self.codes.iter().zip(codes) {
            for (raw, asked) in raw.columns.iter_mut().zip(self.columns) {
                if self.file.indices.columns.get(*asked) == Some(&Some(column.index)) {
                    *raw = RawColumn::Codes(Arc::clone(codes));
                }
            }
        }
        match sink.decide(raw)? {
            Some(mask) => wanted.append_buffer(&mask),
            None => wanted.append_n(rows, true),
        }
        Ok(())
    }
}
