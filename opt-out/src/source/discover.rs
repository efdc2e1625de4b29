//! Finding a table's files in the directory of tables.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::SourceError;
use crate::format;
use crate::policy::ScanPermit;
use crate::request::{FileFormat, TableRequest};
use crate::source::{FileStore, OpenedFile};

/// A directory of tables: one file `<table>.<ending>` or one folder `<table>/` each.
#[derive(Debug)]
pub(crate) struct SourceDirectory {
    directory: PathBuf,
}

/// The files of a table, by name.
#[derive(Debug)]
pub(crate) struct FoundFiles {
    pub(crate) format: FileFormat,
    pub(crate) files: Vec<Arc<Path>>,
}

struct Entry {
    name: String,
    path: PathBuf,
    is_folder: bool,
}

/// A directory's entries by name. Names that begin with a dot or an underscore are not rows: `.DS_Store`, `_SUCCESS`.
fn entries(directory: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !name.starts_with(['.', '_']) {
            // A link that leads nowhere is no folder; opening it will say what is wrong.
            let is_folder = fs::metadata(&path).is_ok_and(|metadata| metadata.is_dir());
            entries.push(Entry { name, path, is_folder });
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

impl SourceDirectory {
    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    /// A directory that exists and can be listed.
    pub(crate) fn open(directory: &Path) -> Result<Self, SourceError> {
        let directory = directory.to_path_buf();
        match entries(&directory) {
            Ok(_) => Ok(Self { directory }),
            Err(error) => Err(SourceError::DirectoryUnreadable { directory, kind: error.kind() }),
        }
    }

    /// The files of the table of that name.
    pub(crate) fn find(&self, table: &Arc<str>, name: &Arc<str>) -> Result<FoundFiles, SourceError> {
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            let reason = "its name cannot be that of a file".to_owned();
            return Err(SourceError::Request { table: Arc::clone(table), reason });
        }
        let (table, directory) = (Arc::clone(table), self.directory.clone());
        let entries = match entries(&directory) {
            Ok(entries) => entries,
            Err(error) => return Err(SourceError::DirectoryUnreadable { directory, kind: error.kind() }),
        };
        let is_candidate = |entry: &&Entry| {
            (entry.is_folder && entry.name == **name)
                || (!entry.is_folder && FileFormat::ALL.iter().any(|f| entry.name == format!("{name}{}", f.ending())))
        };
        let candidates: Vec<&Entry> = entries.iter().filter(is_candidate).collect();
        match candidates.as_slice() {
            [] => {
                let found = entries.iter().map(shown).collect();
                Err(SourceError::TableMissing { table, name: Arc::clone(name), directory, found })
            }
            [folder] if folder.is_folder => files_of(table, &folder.path),
            [file] => match FileFormat::of_path(&file.path) {
                Some(format) => Ok(FoundFiles { format, files: vec![file.path.as_path().into()] }),
                None => Err(SourceError::UnknownEnding { table, path: file.path.clone() }),
            },
            _ => {
                let found = candidates.into_iter().map(shown).collect();
                Err(SourceError::TableAmbiguous { table, directory, found })
            }
        }
    }
}

fn shown(entry: &Entry) -> String {
    if entry.is_folder { format!("{}/", entry.name) } else { entry.name.clone() }
}

/// The files of a table that is a folder: all of one format. A file that is not understood is not passed over: it
/// may hold rows.
fn files_of(table: Arc<str>, folder: &Path) -> Result<FoundFiles, SourceError> {
    let folder = folder.to_path_buf();
    let entries = match entries(&folder) {
        Ok(entries) => entries,
        Err(error) => return Err(SourceError::DirectoryUnreadable { directory: folder, kind: error.kind() }),
    };
    let (mut files, mut formats): (Vec<Arc<Path>>, Vec<FileFormat>) = (Vec::new(), Vec::new());
    for Entry { path, is_folder, .. } in entries {
        if is_folder {
            return Err(SourceError::FolderNested { table, path });
        }
        match FileFormat::of_path(&path) {
            Some(format) => formats.push(format),
            None => return Err(SourceError::UnknownEnding { table, path }),
        }
        files.push(path.into());
    }
    formats.sort_unstable();
    formats.dedup();
    match formats.as_slice() {
        [] => Err(SourceError::FolderEmpty { table, folder }),
        [format] => Ok(FoundFiles { format: *format, files }),
        _ => Err(SourceError::FolderMixed { table, folder, found: formats }),
    }
}

impl FoundFiles {
    /// Opens every file and reads its head.
    pub(crate) fn open(
        &self,
        request: &TableRequest,
        store: &dyn FileStore,
        permit: &ScanPermit,
    ) -> Result<Vec<Arc<dyn OpenedFile>>, SourceError> {
        let open = |path: &Arc<Path>| -> Result<Arc<dyn OpenedFile>, SourceError> {
            let file = store.open(permit, path).map_err(|error| SourceError::Unreadable {
                table: Arc::clone(&request.name),
                file: Arc::clone(path),
                kind: error.kind(),
            })?;
            Ok(match self.format {
                FileFormat::Parquet => Arc::new(format::parquet::ParquetFile::open(file, path, request)?),
                FileFormat::Arrow => Arc::new(format::ipc::IpcFile::open(file, path, request)?),
                FileFormat::Csv => Arc::new(format::csv::CsvFile::open(file, path, false, request)?),
                FileFormat::CsvGz => Arc::new(format::csv::CsvFile::open(file, path, true, request)?),
            })
        };
        self.files.iter().map(open).collect()
    }
}
