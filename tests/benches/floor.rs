//! The floor under every time of the side-by-side bench: the bare decoding of columns of Parquet files.
//!
//! `cargo bench -p peristyle-tests --bench floor -- THREADS FILE:COLUMN,COLUMN …` decodes the columns as the engine's
//! reader does (strings as dictionaries), row group by row group over the threads, and drops them. Prints one line of
//! JSON: the seconds, and the rows of all files together.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench, not the engine"
)]

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arrow::datatypes::{DataType, FieldRef, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

// As in the engine's binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

// Larger batches leave the caches, smaller ones are mostly overhead.
const BATCH_ROWS: usize = 8_192;

/// A file and the columns of it that are decoded.
struct Table {
    path: String,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
}

impl Table {
    /// From `FILE:COLUMN,COLUMN`.
    fn open(argument: &str) -> Self {
        let (path, columns) = argument.rsplit_once(':').expect("FILE:COLUMN,COLUMN");
        let columns: Vec<&str> = columns.split(',').collect();
        let file = File::open(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let found = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap();
        let schema = with_dictionaries(found.schema());
        let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(found.metadata()), options).unwrap();
        for column in &columns {
            assert!(metadata.schema().index_of(column).is_ok(), "{path} has no column `{column}`");
        }
        let mask = ProjectionMask::columns(metadata.parquet_schema(), columns);
        Table { path: path.to_owned(), metadata, mask }
    }

    /// Decodes a row group; how many rows it has.
    fn decode(&self, row_group: usize) -> usize {
        let file = File::open(&self.path).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_row_groups(vec![row_group])
            .with_projection(self.mask.clone())
            .with_batch_size(BATCH_ROWS)
            .build()
            .unwrap();
        reader.map(|batch| std::hint::black_box(batch.unwrap()).num_rows()).sum()
    }
}

fn with_dictionaries(schema: &Schema) -> Schema {
    let field = |field: &FieldRef| match field.data_type() {
        DataType::Utf8 => {
            let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            Arc::new(field.as_ref().clone().with_data_type(dictionary))
        }
        _ => Arc::clone(field),
    };
    Schema::new_with_metadata(schema.fields().iter().map(field).collect::<Vec<_>>(), schema.metadata().clone())
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(threads) = arguments.next().and_then(|threads| threads.parse::<usize>().ok()) else {
        println!("give the number of threads, then FILE:COLUMN,COLUMN for each file");
        return;
    };
    let tables: Vec<Table> = arguments.map(|argument| Table::open(&argument)).collect();
    let started = Instant::now();
    let groups = |table: &Table| table.metadata.metadata().num_row_groups();
    let work: Vec<(&Table, usize)> =
        tables.iter().flat_map(|table| (0..groups(table)).map(move |group| (table, group))).collect();
    let (next, rows) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((table, group)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    rows.fetch_add(table.decode(*group), Ordering::Relaxed);
                }
            });
        }
    });
    let seconds = started.elapsed().as_secs_f64();
    println!("{{\"seconds\": {seconds:.6}, \"rows\": {}}}", rows.load(Ordering::Relaxed));
}
