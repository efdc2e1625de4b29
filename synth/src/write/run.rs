//! One table into its file: threads make and encode chunks, and append them in order.

use std::fs::File;
use std::io::BufWriter;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use ::arrow::array::{RecordBatch, UInt64Array};
use ::arrow::compute::take_record_batch;
use ::arrow::error::ArrowError;

use super::{FileFormat, Format, Progress, Sink, WrittenTable, csv, digest, parquet};
use crate::dice::Dice;
use crate::error::SynthError;
use crate::life::Life;
use crate::order::{Chunk, Chunks, Order};
use crate::population::Population;
use crate::tables::{Made, Rows, Table};
use crate::world::World;

/// Rows that are made and encoded at once, and so a Parquet row group. In a table of many rows they are more: a row
/// group has a dictionary of its own, which a reader looks its code lists up in, and a few in flight are little memory.
const CHUNK_ROWS: Range<f64> = 262_144.0..1_048_576.0;
/// A table that has enough rows is in so many chunks at least, for readers to share.
const CHUNKS: f64 = 64.0;

/// Rows that are handed to the encoder at once.
const BATCH_ROWS: usize = 32_768;

/// One table on its way into a file.
pub(super) struct TableRun<'a> {
    pub(super) population: &'a Population,
    pub(super) world: &'a World,
    pub(super) table: Table,
    pub(super) threads: usize,
    pub(super) progress: &'a (dyn Fn(Progress) + Sync),
}

/// What the threads share: whose turn it is, and whether one has failed.
struct Turn<S> {
    next: u64,
    rows: u64,
    failure: Option<SynthError>,
    sink: S,
}

impl TableRun<'_> {
    pub(super) fn chunks(&self) -> Chunks {
        match self.table.made() {
            Made::Once(_) => Chunks::new(Order::ByPatient, 0, 1, 1.0, 1),
            Made::PerPatient(_) => {
                let Population { order, seed, patients, .. } = *self.population;
                let rows_per_patient = self.table.rows_per_patient(self.world);
                // A chunk that is shuffled is made four times over, and is in memory as a whole.
                let share = if order == Order::Shuffled { 0.0 } else { rows_per_patient * patients as f64 / CHUNKS };
                let rows_per_chunk = share.clamp(CHUNK_ROWS.start, CHUNK_ROWS.end) as usize;
                Chunks::new(order, seed, patients, rows_per_patient, rows_per_chunk)
            }
        }
    }

    /// The rows of a chunk.
    pub(super) fn batches<'c>(
        &'c self,
        chunk: &'c Chunk,
    ) -> Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + 'c> {
        match self.table.made() {
            Made::Once(rows) => Box::new(std::iter::once(rows(self.world))),
            Made::PerPatient(rows) => Box::new(self.patient_batches(chunk, rows(self.world))),
        }
    }

    fn patient_batches<'c>(
        &'c self,
        chunk: &'c Chunk,
        mut rows: Box<dyn Rows + 'c>,
    ) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> + 'c {
        let mut patients = chunk.patients();
        let mut done = false;
        std::iter::from_fn(move || {
            if done {
                return None;
            }
            let mut kept = Vec::new();
            loop {
                let Some(patient) = patients.next() else {
                    done = true;
                    break;
                };
                let life = Life::draw(self.world, patient);
                let before = rows.columns().len();
                rows.add(&life, &mut Dice::new(self.world.seed, patient, self.table.purpose()));
                let after = rows.columns().len();
                if chunk.is_shuffled() {
                    kept.extend((before..after).filter(|row| chunk.holds(patient, row - before)).map(|row| row as u64));
                } else if after >= BATCH_ROWS {
                    break;
                }
            }
            let batch = rows.columns().take();
            if !chunk.is_shuffled() {
                return Some(batch);
            }
            chunk.permutation(self.population.seed, &mut kept);
            Some(batch.and_then(|batch| take_record_batch(&batch, &UInt64Array::from(kept))))
        })
    }

    /// The table's columns, as an empty batch.
    fn empty(&self) -> Result<RecordBatch, SynthError> {
        let rows = match self.table.made() {
            Made::Once(rows) => rows(self.world).map(|rows| rows.slice(0, 0)),
            Made::PerPatient(rows) => rows(self.world).columns().take(),
        };
        rows.map_err(|source| SynthError::Rows { table: self.table.name(), source })
    }

    /// Writes beside the path, and gives the file its name when it is whole.
    pub(super) fn write(&self, path: &Path, format: FileFormat) -> Result<WrittenTable, SynthError> {
        let failed = |source| SynthError::File { path: path.into(), source };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let unfinished = path.with_file_name(format!(".{name}.part"));
        let rows = self.write_rows(&unfinished, path, format).inspect_err(|_| {
            // The first failure is the one to tell.
            let _ = std::fs::remove_file(&unfinished);
        })?;
        std::fs::rename(&unfinished, path).map_err(failed)?;
        if self.table.is_register() {
            digest::write_beside(path).map_err(failed)?;
        }
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        Ok(WrittenTable { table: self.table, path: path.into(), rows, bytes })
    }

    /// Writes the file; `path` is what errors name. How many rows.
    fn write_rows(&self, unfinished: &Path, path: &Path, format: FileFormat) -> Result<u64, SynthError> {
        let file = File::create(unfinished).map_err(|source| SynthError::File { path: path.into(), source })?;
        let file = BufWriter::with_capacity(1 << 20, file);
        let schema = self.empty()?.schema();
        let of_patients = matches!(self.table.made(), Made::PerPatient(_));
        let notes = parquet::Notes {
            ordered: of_patients && self.population.order == Order::ByPatient,
            as_of: self.population.last_date,
        };
        match format {
            FileFormat::Parquet => {
                let (sink, format) = parquet::open(file, schema, notes, path)?;
                let (sink, rows) = self.run(&format, sink)?;
                sink.finish()?;
                Ok(rows)
            }
            FileFormat::Csv => {
                let (sink, format) = csv::open(file, &schema, self.table.name(), path)?;
                let (sink, rows) = self.run(&format, sink)?;
                sink.finish()?;
                Ok(rows)
            }
        }
    }

    /// Makes all chunks; returns the sink and the number of rows.
    fn run<F: Format, S: Sink<F::Encoded>>(&self, format: &F, sink: S) -> Result<(S, u64), SynthError> {
        let turn = Mutex::new(Turn { next: 0, rows: 0, failure: None, sink });
        let (changed, ticket) = (Condvar::new(), AtomicU64::new(0));
        let panicked = thread::scope(|scope| {
            let workers: Vec<_> =
                (0..self.threads).map(|_| scope.spawn(|| self.work(format, &turn, &changed, &ticket))).collect();
            // Every one is joined, whether or not another one panicked.
            workers.into_iter().map(thread::ScopedJoinHandle::join).filter(Result::is_err).count() > 0
        });
        let turn = turn.into_inner().unwrap_or_else(PoisonError::into_inner);
        match turn.failure {
            Some(failure) => Err(failure),
            None if panicked => Err(SynthError::Thread { table: self.table.name() }),
            None => Ok((turn.sink, turn.rows)),
        }
    }

    /// One thread: takes the next chunk, makes it, waits for its turn, appends it.
    fn work<F: Format, S: Sink<F::Encoded>>(
        &self,
        format: &F,
        turn: &Mutex<Turn<S>>,
        changed: &Condvar,
        ticket: &AtomicU64,
    ) {
        // A thread that panics never takes its turn: this tells the others.
        let mut bell = Bell { turn, changed, table: self.table, armed: true };
        let chunks = self.chunks();
        loop {
            let index = ticket.fetch_add(1, Ordering::Relaxed);
            if index >= chunks.count() || lock(turn).failure.is_some() {
                break;
            }
            let chunk = chunks.chunk(index);
            let mut rows = 0;
            let counted = self.batches(&chunk).inspect(|batch| rows += batch.as_ref().map_or(0, RecordBatch::num_rows));
            let encoded = format.encode(index, &mut { counted });
            let mut held = lock(turn);
            while held.next != index && held.failure.is_none() {
                held = changed.wait(held).unwrap_or_else(PoisonError::into_inner);
            }
            if held.failure.is_some() {
                break;
            }
            let appended = encoded.and_then(|encoded| held.sink.append(encoded));
            held.failure = appended.err();
            held.next += 1;
            held.rows += rows as u64;
            let (table, rows, chunks) = (self.table, held.rows, held.next);
            drop(held);
            changed.notify_all();
            (self.progress)(Progress { table, rows, chunks, chunks_total: self.chunks().count() });
        }
        bell.armed = false;
    }
}

fn lock<S>(turn: &Mutex<Turn<S>>) -> MutexGuard<'_, Turn<S>> {
    turn.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes the threads that wait for one that panicked.
struct Bell<'a, S> {
    turn: &'a Mutex<Turn<S>>,
    changed: &'a Condvar,
    table: Table,
    armed: bool,
}

impl<S> Drop for Bell<'_, S> {
    fn drop(&mut self) {
        if self.armed {
            lock(self.turn).failure.get_or_insert(SynthError::Thread { table: self.table.name() });
            self.changed.notify_all();
        }
    }
}
