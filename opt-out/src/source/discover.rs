//! Finding a table's files in an extract.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layout::{CsvOptions, FilePattern, TableLayout, matches, partition};
use super::managed::managed_by;
use super::partitioned::{Partition, PartitionedFile, asked_of_file};
use super::store::{Entry, FileStore, is_hidden};
use crate::error::SourceError;
use crate::format;
use crate::policy::ScanPermit;
use crate::request::{FileFormat, TableRequest};
use crate::source::OpenedFile;

/// What the names of digests beside files end with.
const CHECKSUM_ENDING: &str = ".sha256";

/// An opened extract: for each table one file `<table>.<ending>` or one folder `<table>/`, or what its layout says.
#[derive(Debug)]
pub(crate) struct SourceDirectory {
    store: Arc<dyn FileStore>,
    directory: PathBuf,
    layouts: BTreeMap<Arc<str>, TableLayout>,
}

/// The files of a table, by name.
#[derive(Debug)]
pub(crate) struct FoundFiles {
    pub(crate) format: FileFormat,
    pub(crate) files: Vec<FoundFile>,
    pub(crate) csv: CsvOptions,
    /// The folders whose files they all are
    pub(crate) folders: Vec<PathBuf>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FoundFile {
    pub(crate) path: Arc<Path>,
    pub(crate) partition: Partition,
}

impl FoundFile {
    fn plain(path: &Path) -> Self {
        Self { path: path.into(), partition: Partition::default() }
    }
}

impl SourceDirectory {
    /// As paths of its files begin.
    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    /// Where its bytes come from.
    pub(crate) fn store(&self) -> &Arc<dyn FileStore> {
        &self.store
    }

    /// A directory that exists and can be listed.
    pub(crate) fn open(
        store: Arc<dyn FileStore>,
        directory: PathBuf,
        layouts: BTreeMap<Arc<str>, TableLayout>,
    ) -> Result<Self, SourceError> {
        match store.entries(&directory) {
            Ok(_) => Ok(Self { store, directory, layouts }),
            Err(error) => Err(SourceError::DirectoryUnreadable { directory, kind: error.into() }),
        }
    }

    /// All that is in a folder, but for digests beside other files.
    fn entries(&self, folder: &Path) -> Result<Vec<Entry>, SourceError> {
        let unreadable =
            |error: io::Error| SourceError::DirectoryUnreadable { directory: folder.to_path_buf(), kind: error.into() };
        let mut entries = self.store.entries(folder).map_err(unreadable)?;
        let names: BTreeSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
        entries.retain(|entry| !entry.name.strip_suffix(CHECKSUM_ENDING).is_some_and(|file| names.contains(file)));
        Ok(entries)
    }

    /// What is in a folder that a table's rows are taken from.
    ///
    /// # Errors
    /// A folder whose files do not speak for themselves: see [`managed_by`].
    fn entries_of_table(&self, table: &Arc<str>, folder: &Path) -> Result<Vec<Entry>, SourceError> {
        let entries = self.entries(folder)?;
        let of_folder = |folder: &Path| self.entries(folder);
        match managed_by(&entries, of_folder)? {
            None => Ok(entries),
            Some(found) => {
                let (table, folder) = (Arc::clone(table), folder.to_path_buf());
                Err(SourceError::FolderManaged { table, folder, entry: found.entry, by: found.by })
            }
        }
    }

    /// What is in the extract's own folder, for whoever has to say what is there.
    pub(crate) fn names(&self) -> Result<Vec<String>, SourceError> {
        let entries = self.entries(&self.directory)?;
        Ok(entries.iter().filter(|entry| !is_hidden(&entry.name)).map(shown).collect())
    }

    /// The files of the table of that name.
    pub(crate) fn find(&self, table: &Arc<str>, name: &Arc<str>) -> Result<FoundFiles, SourceError> {
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            let reason = "its name cannot be that of a file".to_owned();
            return Err(SourceError::Request { table: Arc::clone(table), reason });
        }
        let default = TableLayout::default();
        let layout = self.layouts.get(name).unwrap_or(&default);
        let mut found =
            if layout.files.is_empty() { self.by_name(table, name)? } else { self.by_pattern(table, layout)? };
        found.csv = layout.csv.clone();
        found.format = layout.format.unwrap_or(found.format);
        Ok(found)
    }

    fn by_name(&self, table: &Arc<str>, name: &Arc<str>) -> Result<FoundFiles, SourceError> {
        let (table, directory) = (Arc::clone(table), self.directory.clone());
        let entries = self.entries_of_table(&table, &directory)?;
        let is_candidate = |entry: &&Entry| {
            (entry.is_folder && entry.name == **name)
                || (!entry.is_folder && FileFormat::ALL.iter().any(|f| entry.name == format!("{name}{}", f.ending())))
        };
        let candidates: Vec<&Entry> = entries.iter().filter(is_candidate).collect();
        match candidates.as_slice() {
            [] => {
                let found = entries.iter().filter(|entry| !is_hidden(&entry.name)).map(shown).collect();
                Err(SourceError::TableMissing { table, name: Arc::clone(name), directory, found })
            }
            [folder] if folder.is_folder => self.files_of(table, &folder.path),
            [file] => match FileFormat::of_path(&file.path) {
                Some(format) => Ok(FoundFiles {
                    format,
                    files: vec![FoundFile::plain(&file.path)],
                    csv: CsvOptions::default(),
                    folders: Vec::new(),
                }),
                None => Err(SourceError::UnknownEnding { table, path: file.path.clone() }),
            },
            _ => {
                let found = candidates.into_iter().map(shown).collect();
                Err(SourceError::TableAmbiguous { table, directory, found })
            }
        }
    }

    /// The files of a table that is a folder: all of one format. A file that is not understood is not passed over: it
    /// may hold rows.
    fn files_of(&self, table: Arc<str>, folder: &Path) -> Result<FoundFiles, SourceError> {
        let mut files = Vec::new();
        let entries = self.entries_of_table(&table, folder)?;
        for Entry { path, is_folder, .. } in entries.into_iter().filter(|entry| !is_hidden(&entry.name)) {
            if is_folder {
                return Err(SourceError::FolderNested { table, path });
            }
            files.push(FoundFile::plain(&path));
        }
        if files.is_empty() {
            return Err(SourceError::FolderEmpty { table, folder: folder.to_path_buf() });
        }
        let format = one_format(&table, folder, &files)?;
        Ok(FoundFiles { format, files, csv: CsvOptions::default(), folders: vec![folder.to_path_buf()] })
    }

    fn by_pattern(&self, table: &Arc<str>, layout: &TableLayout) -> Result<FoundFiles, SourceError> {
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for pattern in &layout.files {
            let found = self.matching(table, pattern, &mut folders)?;
            if found.is_empty() {
                let (table, pattern) = (Arc::clone(table), pattern.to_string());
                return Err(SourceError::PatternUnmatched { table, pattern, directory: self.directory.clone() });
            }
            files.extend(found);
        }
        files.sort();
        // A file that two patterns stand for has its rows once.
        files.dedup_by(|one, other| one.path == other.path);
        let format = match layout.format {
            Some(format) => format,
            None => one_format(table, &self.directory, &files)?,
        };
        Ok(FoundFiles { format, files, csv: CsvOptions::default(), folders })
    }

    /// The files that a pattern stands for; the folders that were looked through are added to `folders`.
    fn matching(
        &self,
        table: &Arc<str>,
        pattern: &FilePattern,
        folders: &mut Vec<PathBuf>,
    ) -> Result<Vec<FoundFile>, SourceError> {
        let parts: Vec<&str> = pattern.parts().collect();
        let mut reached: Vec<(PathBuf, Partitions)> = vec![(self.directory.clone(), Vec::new())];
        for (at, part) in parts.iter().enumerate() {
            let is_last = at + 1 == parts.len();
            let mut next = Vec::new();
            for (folder, partitions) in reached {
                for entry in self.entries_of_table(table, &folder)? {
                    if entry.is_folder != is_last && matches(part, &entry.name) {
                        let mut partitions = partitions.clone();
                        partitions.extend(partition(part, &entry.name).filter(|_| !is_last));
                        next.push((entry.path, partitions));
                    }
                }
                folders.push(folder);
            }
            reached = next;
        }
        Ok(reached
            .into_iter()
            .map(|(path, partition)| FoundFile { path: path.into(), partition: partition.into() })
            .collect())
    }
}

/// What the folders on the way to a file say: columns, and their text.
type Partitions = Vec<(String, Option<String>)>;

fn shown(entry: &Entry) -> String {
    if entry.is_folder { format!("{}/", entry.name) } else { entry.name.clone() }
}

/// The format that all of a table's files have by their endings.
fn one_format(table: &Arc<str>, folder: &Path, files: &[FoundFile]) -> Result<FileFormat, SourceError> {
    let format = |file: &FoundFile| {
        let unknown = || SourceError::UnknownEnding { table: Arc::clone(table), path: file.path.to_path_buf() };
        FileFormat::of_path(&file.path).ok_or_else(unknown)
    };
    let mut formats = files.iter().map(format).collect::<Result<Vec<_>, _>>()?;
    formats.sort_unstable();
    formats.dedup();
    match formats.as_slice() {
        [format] => Ok(*format),
        _ => {
            let (table, folder) = (Arc::clone(table), folder.to_path_buf());
            Err(SourceError::FolderMixed { table, folder, found: formats })
        }
    }
}

impl FoundFiles {
    /// One file, wherever it is.
    pub(crate) fn of_file(path: &Path, format: FileFormat) -> Self {
        Self { format, files: vec![FoundFile::plain(path)], csv: CsvOptions::default(), folders: Vec::new() }
    }

    /// Opens every file and reads its head.
    pub(crate) fn open(
        &self,
        request: &TableRequest,
        store: &dyn FileStore,
        permit: &ScanPermit,
    ) -> Result<Vec<Arc<dyn OpenedFile>>, SourceError> {
        let at_once = store.opened_at_once().min(self.files.len());
        let open = |file: &FoundFile| self.open_file(file, request, store, permit);
        if at_once < 2 {
            return self.files.iter().map(open).collect();
        }
        // Of a store that is far away, heads are read side by side.
        let share = self.files.len().div_ceil(at_once);
        std::thread::scope(|scope| {
            let shares: Vec<_> = self
                .files
                .chunks(share)
                .map(|files| scope.spawn(move || files.iter().map(open).collect::<Result<Vec<_>, _>>()))
                .collect();
            let mut opened = Vec::with_capacity(self.files.len());
            for (share, files) in shares.into_iter().zip(self.files.chunks(share)) {
                let stopped = |file: &FoundFile| SourceError::ReaderStopped {
                    table: Arc::clone(&request.name),
                    place: crate::error::Place::File(Arc::clone(&file.path)),
                };
                match (share.join(), files.first()) {
                    (Ok(found), _) => opened.extend(found?),
                    (Err(_), Some(file)) => return Err(stopped(file)),
                    (Err(_), None) => {}
                }
            }
            Ok(opened)
        })
    }

    fn open_file(
        &self,
        found: &FoundFile,
        request: &TableRequest,
        store: &dyn FileStore,
        permit: &ScanPermit,
    ) -> Result<Arc<dyn OpenedFile>, SourceError> {
        if let Some(of_file) = asked_of_file(request, &found.partition) {
            let inner = self.open_plain(&found.path, &of_file, store, permit)?;
            return Ok(Arc::new(PartitionedFile::new(inner, request, &found.partition)));
        }
        self.open_plain(&found.path, request, store, permit)
    }

    fn open_plain(
        &self,
        path: &Arc<Path>,
        request: &TableRequest,
        store: &dyn FileStore,
        permit: &ScanPermit,
    ) -> Result<Arc<dyn OpenedFile>, SourceError> {
        let file = store.open(permit, path).map_err(|error| SourceError::Unreadable {
            table: Arc::clone(&request.name),
            file: Arc::clone(path),
            kind: error.into(),
        })?;
        let csv = |is_gzip| format::csv::CsvFile::open(Arc::clone(&file), path, (is_gzip, &self.csv), request);
        Ok(match self.format {
            FileFormat::Parquet => Arc::new(format::parquet::ParquetFile::open(file, path, request)?),
            FileFormat::Arrow => Arc::new(format::ipc::IpcFile::open(file, path, request)?),
            FileFormat::Csv => Arc::new(csv(false)?),
            FileFormat::CsvGz => Arc::new(csv(true)?),
        })
    }
}
