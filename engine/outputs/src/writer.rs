//! The tables of an answer, written at the same time and put in place together.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::columns::ChunkBuffer;
use crate::console::{self, Console, ConsoleSink};
use crate::error::OutputError;
use crate::formats::{self, EncoderFault, TableEncoder};
use crate::metered::{Metered, WriteFailure};
use crate::mode::FileMode;
use crate::partial::{self, NamedFile, PartialFile};
use crate::place;
use crate::schema::TableSpec;
use crate::target::{OutputFormat, OutputTarget};

/// Writes the tables of one answer.
///
/// Files have no name while they are written, or, where the system has no such files, hidden ones that nobody else may
/// read; [`seal`](Self::seal) completes and syncs them, [`SealedTables::publish`] puts them in their places. Dropping either
/// before that removes them, and what was there before is as it was. The console is the exception: the first table is shown
/// as it comes, further tables are held in memory.
pub struct TablesWriter {
    tables: Vec<OpenTable>,
    /// A table failed, and so the answer is not whole
    failed: bool,
}

struct OpenTable {
    buffer: ChunkBuffer,
    encoder: Box<dyn TableEncoder<Metered<Sink>>>,
    blame: Blame,
    rows: u64,
}

/// What an error of the table must name.
struct Blame {
    table: Arc<str>,
    format: OutputFormat,
    partial: Option<PartialFile>,
    failure: WriteFailure,
}

enum Sink {
    File(BufWriter<File>),
    Console(ConsoleSink),
    Waiting(Vec<u8>),
}

/// What became of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenTable {
    /// Its name
    pub name: Arc<str>,
    /// Its file; `None` for the console
    pub path: Option<PathBuf>,
    /// Number of rows
    pub rows: u64,
    /// Size of the file, or length of the text
    pub bytes: u64,
    /// SHA-256 digest of those bytes, in lower-case hex
    pub sha256: String,
}

/// Whole tables on disk that nobody sees yet. Dropping them removes them.
pub struct SealedTables {
    tables: Vec<WrittenTable>,
    partials: Vec<PartialFile>,
    console: Option<Console>,
}

impl TablesWriter {
    /// Opens every table of an answer for writing.
    ///
    /// `metadata` goes into Arrow and Parquet files, each key under `peristyle.`; CSV carries none. Files that are in their
    /// places have the permissions of `mode`, or, without, those of any file that a program makes there. Hidden files that
    /// dead runs left beside them are removed.
    ///
    /// # Errors
    /// Several tables for one file; a directory, FIFO, device or socket in the place of a file, or a link that leads nowhere;
    /// a directory that cannot be made or written to.
    pub fn create(
        target: OutputTarget,
        tables: Vec<TableSpec>,
        metadata: BTreeMap<String, String>,
        mode: Option<FileMode>,
    ) -> Result<Self, OutputError> {
        let names: Vec<&str> = tables.iter().map(|table| &*table.name).collect();
        let Some((files, format)) = target.files(&names)? else {
            return Self::to_console(Box::new(io::stdout()), tables);
        };
        let places = files.iter().map(|file| place::resolved(file)).collect::<Result<Vec<_>, _>>()?;
        partial::prepare_directories(places.iter().map(PathBuf::as_path))?;
        let open = |(table, place): (&TableSpec, PathBuf)| {
            let (partial, file) = PartialFile::create(place, mode)?;
            OpenTable::begin(table, format, Sink::File(BufWriter::new(file)), Some(partial), &metadata)
        };
        let tables = tables.iter().zip(places).map(open).collect::<Result<_, _>>()?;
        Ok(TablesWriter { tables, failed: false })
    }

    /// As [`create`](Self::create) for [`OutputTarget::Console`], with something else in place of standard output.
    ///
    /// # Errors
    /// The console cannot be written to.
    pub fn to_console(mut console: Box<dyn Write + Send>, tables: Vec<TableSpec>) -> Result<Self, OutputError> {
        let names: Vec<&str> = tables.iter().map(|table| &*table.name).collect();
        console::begin(&mut console, &names)?;
        let mut console = Some(console);
        let open = |table: &TableSpec| {
            let sink = console.take().map_or_else(|| Sink::Waiting(Vec::new()), Sink::Console);
            OpenTable::begin(table, OutputFormat::Csv, sink, None, &BTreeMap::new())
        };
        let tables = tables.iter().map(open).collect::<Result<_, _>>()?;
        Ok(TablesWriter { tables, failed: false })
    }

    /// Adds rows to the table at `table_index`, in the order in which the tables were given.
    ///
    /// The batch has the table's columns by name and order, as `Boolean`, `Int64`, `Float64`, `Date32`, `Utf8` or
    /// `Dictionary(Int32, Utf8)`.
    ///
    /// # Errors
    /// [`OutputError::Value`] for a value outside its column's range or categories, or a NULL where there must be none;
    /// rows of a dataset table that are not in order of patient; a disk that is full. After an error, the tables
    /// cannot be finished.
    pub fn write(&mut self, table_index: usize, batch: &RecordBatch) -> Result<(), OutputError> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(OutputError::Incomplete);
        }
        let table = self.tables.get_mut(table_index).ok_or_else(|| OutputError::Mismatch {
            table: format!("number {table_index}").into(),
            what: "the answer has no such table".to_owned(),
        })?;
        table.write(batch)?;
        self.failed = false;
        Ok(())
    }

    /// Completes every table and has it synced to disk, where nobody sees it. What is still to be encoded is, where its
    /// format allows, on at most so many threads; the bytes are the same.
    ///
    /// # Errors
    /// The rest cannot be written, or an earlier write failed.
    pub fn seal(self, threads: usize) -> Result<SealedTables, OutputError> {
        if self.failed {
            return Err(OutputError::Incomplete);
        }
        let mut sealed = SealedTables { tables: Vec::new(), partials: Vec::new(), console: None };
        for table in self.tables {
            table.seal(&mut sealed, threads)?;
        }
        Ok(sealed)
    }

    /// [`seal`](Self::seal), on this thread, and [`publish`](SealedTables::publish) in one.
    ///
    /// # Errors
    /// As those two.
    pub fn finish(self) -> Result<Vec<WrittenTable>, OutputError> {
        self.seal(1)?.publish()
    }
}

impl SealedTables {
    /// What was written, and where it will be.
    pub fn tables(&self) -> &[WrittenTable] {
        &self.tables
    }

    /// Puts every file in its place, and shows what the console still waits for.
    ///
    /// Each file is replaced at once; if one of several cannot be, those before it are in place.
    ///
    /// # Errors
    /// A file cannot be named or renamed, or the console cannot be written to.
    pub fn publish(self) -> Result<Vec<WrittenTable>, OutputError> {
        let named = self.partials.into_iter().map(PartialFile::name).collect::<Result<Vec<_>, _>>()?;
        named.into_iter().try_for_each(NamedFile::put_in_place)?;
        partial::sync_directories(self.tables.iter().filter_map(|table| table.path.as_deref()))?;
        if let Some(console) = self.console {
            console.end()?;
        }
        Ok(self.tables)
    }
}

impl OpenTable {
    fn begin(
        table: &TableSpec,
        format: OutputFormat,
        sink: Sink,
        partial: Option<PartialFile>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, OutputError> {
        let schema = table.arrow_schema(metadata);
        let sink = Metered::new(sink);
        let blame = Blame { table: table.name.clone(), format, partial, failure: sink.failure() };
        let encoder = formats::encoder(format, sink, &schema, table.is_ordered_by_patient());
        let encoder = encoder.map_err(|fault| blame.explain(fault))?;
        Ok(OpenTable { buffer: ChunkBuffer::new(table, schema), encoder, blame, rows: 0 })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        let OpenTable { buffer, encoder, blame, rows } = self;
        buffer.append(batch, |chunk| encoder.write(chunk, 1).map_err(|fault| blame.explain(fault)))?;
        *rows += batch.num_rows() as u64;
        Ok(())
    }

    fn seal(self, sealed: &mut SealedTables, threads: usize) -> Result<(), OutputError> {
        let OpenTable { mut buffer, mut encoder, blame, rows } = self;
        // An Arrow file's categories come with its first batch, and ehrQL's reader asks for a first batch: so a table
        // without rows has one chunk, without rows.
        if buffer.rows() > 0 || rows == 0 {
            encoder.write(&buffer.take()?, threads).map_err(|fault| blame.explain(fault))?;
        }
        let sink = encoder.finish(threads).map_err(|fault| blame.explain(fault))?;
        let (sink, bytes, sha256) = sink.into_parts();
        let sink = sink.complete().map_err(|reason| blame.of_writing(reason))?;
        let Blame { table: name, partial, .. } = blame;
        match (sink, &mut sealed.console) {
            (Sink::Console(first), console) => *console = Some(Console::new(first)),
            (Sink::Waiting(text), Some(console)) => console.wait(name.clone(), text),
            (Sink::Waiting(_) | Sink::File(_), _) => {}
        }
        let path = partial.as_ref().map(|partial| partial.place().to_owned());
        sealed.tables.push(WrittenTable { name, path, rows, bytes, sha256 });
        sealed.partials.extend(partial);
        Ok(())
    }
}

impl Blame {
    fn explain(&self, _: EncoderFault) -> OutputError {
        match self.failure.take() {
            Some(reason) => self.of_writing(reason),
            None => OutputError::Encoding { table: self.table.clone(), format: self.format.extension() },
        }
    }

    fn of_writing(&self, reason: io::Error) -> OutputError {
        match &self.partial {
            Some(partial) => partial::failed("write", partial.place(), reason),
            None => console::failed(reason),
        }
    }
}

impl Sink {
    /// Everything is where it will outlast a power cut, as far as the kind of sink can.
    fn complete(mut self) -> io::Result<Self> {
        self.flush()?;
        if let Sink::File(file) = &self {
            file.get_ref().sync_all()?;
        }
        Ok(self)
    }

    fn inner(&mut self) -> &mut dyn Write {
        match self {
            Sink::File(file) => file,
            Sink::Console(console) => console,
            Sink::Waiting(text) => text,
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner().flush()
    }
}
