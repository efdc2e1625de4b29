//! Rows of which the deciding columns have been read and the others are awaited.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;

use super::order::PatientSpan;
use crate::arrays::joined;
use crate::bits::nth_set;
use crate::patient_ids::PatientIds;
use crate::source::RawColumn;

/// Rows that are wanted, as far as they have been read.
pub(super) struct Piece {
    pub(super) rows: usize,
    /// Whose rows they are; none for a table of nobody
    pub(super) ids: Option<PatientIds>,
    /// The columns that the predicate asked about, conformed
    pub(super) tested: Vec<ArrayRef>,
    /// Deciding columns that are conformed late
    pub(super) carried: Vec<RawColumn>,
    /// First and last patient of the rows that the permit let through, wanted or not
    pub(super) span: Option<PatientSpan>,
    /// Where the rows were, as far as that may be told
    pub(super) origins: Origins,
}

/// The numbers that rows have in their file: of some rows one after another, those that are wanted.
#[derive(Clone, Default)]
pub(super) struct Origins(Vec<Origin>);

#[derive(Clone)]
struct Origin {
    /// Wanted rows
    rows: usize,
    first_row: u64,
    /// Which rows from the first on are wanted; all, where there is none
    kept: Option<BooleanBuffer>,
}

impl Origins {
    /// Numbers that may not be told.
    pub(super) fn untold() -> Self {
        Self::default()
    }

    pub(super) fn of(rows: usize, first_row: u64, kept: Option<&BooleanBuffer>) -> Self {
        Self(vec![Origin { rows, first_row, kept: kept.cloned() }])
    }

    /// The number of the wanted row at `index`.
    pub(super) fn number(&self, mut index: usize) -> Option<u64> {
        for origin in &self.0 {
            if index < origin.rows {
                let row = match &origin.kept {
                    Some(kept) => nth_set(kept, index)?,
                    None => index,
                };
                return Some(origin.first_row + row as u64);
            }
            index -= origin.rows;
        }
        None
    }

    /// The number of the first row, where all from it on are wanted.
    pub(super) fn first_of_all(&self) -> Option<u64> {
        match self.0.as_slice() {
            [Origin { first_row, kept: None, .. }] => Some(*first_row),
            _ => None,
        }
    }
}

impl Piece {
    /// Rows of this piece; their numbers are those of the piece from `start` on.
    fn slice(&self, start: usize, rows: usize) -> Option<Self> {
        let ids = match &self.ids {
            Some(ids) => Some(PatientIds::of(&ids.clone().into_array().slice(start, rows))?),
            None => None,
        };
        Some(Self {
            rows,
            ids,
            tested: self.tested.iter().map(|array| array.slice(start, rows)).collect(),
            carried: self.carried.iter().map(|column| column.slice(start, rows)).collect(),
            span: None,
            origins: self.origins.clone(),
        })
    }

    /// One piece of several. None where they do not fit each other.
    fn joined(pieces: &[Piece]) -> Option<Self> {
        let first = pieces.first()?;
        let ids = match &first.ids {
            Some(_) => {
                let ids: Option<Vec<ArrayRef>> = pieces.iter().map(|p| Some(p.ids.clone()?.into_array())).collect();
                Some(PatientIds::of(&joined(&ids?).ok()?)?)
            }
            None => None,
        };
        let tested = (0..first.tested.len()).map(|at| {
            let arrays: Option<Vec<ArrayRef>> = pieces.iter().map(|piece| piece.tested.get(at).cloned()).collect();
            joined(&arrays?).ok()
        });
        let carried = (0..first.carried.len()).map(|at| {
            let columns: Option<Vec<&RawColumn>> = pieces.iter().map(|piece| piece.carried.get(at)).collect();
            joined_raw(&columns?)
        });
        Some(Self {
            rows: pieces.iter().map(|piece| piece.rows).sum(),
            ids,
            tested: tested.collect::<Option<_>>()?,
            carried: carried.collect::<Option<_>>()?,
            span: None,
            origins: Origins(pieces.iter().flat_map(|piece| piece.origins.0.iter().cloned()).collect()),
        })
    }
}

fn joined_raw(columns: &[&RawColumn]) -> Option<RawColumn> {
    let typed = |column: &&RawColumn| if let RawColumn::Typed(array) = column { Some(Arc::clone(array)) } else { None };
    match columns.first()? {
        RawColumn::Missing => Some(RawColumn::Missing),
        RawColumn::Typed(_) => {
            joined(&columns.iter().map(typed).collect::<Option<Vec<_>>>()?).ok().map(RawColumn::Typed)
        }
        // Text is read whole, in one pass; and codes are arrays by now.
        RawColumn::Text(_) | RawColumn::Codes(_) => None,
    }
}

/// Pieces in order. Small ones are joined, so that what is handed on is not in crumbs.
pub(super) struct Pieces {
    ready: VecDeque<Piece>,
    small: Vec<Piece>,
    small_rows: usize,
    /// Rows of the first piece that have been taken
    taken: usize,
    /// Fewest rows of a piece that is not joined with others
    rows_min: usize,
    span: Option<PatientSpan>,
}

impl Pieces {
    pub(super) fn new(batch_rows: usize) -> Self {
        let rows_min = (batch_rows / 2).max(1);
        Self { ready: VecDeque::new(), small: Vec::new(), small_rows: 0, taken: 0, rows_min, span: None }
    }

    /// None where it does not fit the others.
    pub(super) fn push(&mut self, mut piece: Piece) -> Option<()> {
        if let Some(span) = piece.span.take() {
            self.span = Some(match self.span.take() {
                Some(before) => PatientSpan { last: span.last, ..before },
                None => span,
            });
        }
        if piece.rows == 0 {
            return Some(());
        }
        self.small_rows += piece.rows;
        self.small.push(piece);
        if self.small_rows >= self.rows_min { self.join() } else { Some(()) }
    }

    /// Joins what is small so far: no more will come for now. None where it does not fit.
    pub(super) fn join(&mut self) -> Option<()> {
        let small = std::mem::take(&mut self.small);
        self.small_rows = 0;
        if !small.is_empty() {
            self.ready.push_back(Piece::joined(&small)?);
        }
        Some(())
    }

    /// The span of all rows that came, once.
    pub(super) fn take_span(&mut self) -> Option<PatientSpan> {
        self.span.take()
    }

    /// The next rows, at most so many, and the index of the first of them in its piece. None where there are no more.
    pub(super) fn next(&mut self, rows_max: usize) -> Option<(usize, Piece)> {
        let front = self.ready.front()?;
        let (start, rows) = (self.taken, rows_max.min(front.rows - self.taken));
        let piece = front.slice(start, rows)?;
        self.taken += rows;
        if self.taken == front.rows {
            self.ready.pop_front();
            self.taken = 0;
        }
        Some((start, piece))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.small.is_empty()
    }
}
