//! What is asked of the store: nothing without a permit, and no byte of a column that nobody wants.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::fixtures::*;
use super::recording::{Log, RecordingStore};
use crate::policy::ScanPermit;
use crate::source::{Entry, FileStore, Identity, LocalFiles, StoredFile};
use crate::{Enclave, VerifiedPolicy};

#[test]
fn bytes_of_unwanted_columns_are_never_asked_for() {
    let lines: String = (0..2000).map(|n| format!("{n} name{n} {n} other{n} x{n}\n")).collect();
    let lines = format!("patient_id:int name:str a:int b:str c:str\n{lines}");
    let tables = Tables::new();
    tables.put_rows("patients.parquet", &rows(&lines), Written { group_rows: Some(700), ..Written::default() });
    let file = std::fs::File::open(tables.path().join("patients.parquet")).unwrap();
    let footer = SerializedFileReader::new(file).unwrap();
    let chunks = |column: usize| {
        let groups = footer.metadata().row_groups().to_vec();
        groups.into_iter().map(move |group| group.column(column).byte_range())
    };

    let log = Log::default();
    let enclave = Enclave::with_store(
        tables.path(),
        Arc::new(RecordingStore(Arc::clone(&log))),
        VerifiedPolicy::dummy_tables(),
        options(),
    )
    .unwrap();
    assert_eq!(run(&enclave, &request("a:int"), None).unwrap().len(), 2000);
    let read = log.lock().unwrap().clone();
    let touched =
        |start: u64, length: u64| read.iter().any(|(_, range)| range.start < start + length && start < range.end);
    for (column, name, wanted) in
        [(0, "patient_id", true), (1, "name", false), (2, "a", true), (3, "b", false), (4, "c", false)]
    {
        for (start, length) in chunks(column) {
            assert_eq!(touched(start, length), wanted, "{name}");
        }
    }
}

#[test]
fn a_store_that_fails_is_no_damaged_file() {
    #[derive(Debug)]
    struct Failing(Arc<dyn StoredFile>);
    impl StoredFile for Failing {
        fn size(&self) -> u64 {
            self.0.size()
        }
        fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
            // The footer can be read, the rows cannot.
            if offset < self.0.size() / 4 {
                Err(io::ErrorKind::TimedOut.into())
            } else {
                self.0.read_at(offset, length)
            }
        }
    }
    #[derive(Debug)]
    struct FailingStore;
    impl FileStore for FailingStore {
        fn open(&self, permit: &ScanPermit, path: &Path) -> io::Result<Arc<dyn StoredFile>> {
            Ok(Arc::new(Failing(LocalFiles.open(permit, path)?)))
        }
        fn entries(&self, folder: &Path) -> io::Result<Vec<Entry>> {
            LocalFiles.entries(folder)
        }
        fn identity(&self, path: &Path) -> io::Result<Identity> {
            LocalFiles.identity(path)
        }
    }
    for name in ["patients.parquet", "patients.arrow"] {
        let tables = Tables::new();
        tables.put_rows(name, &patients(0..1000), Written::default());
        let enclave =
            Enclave::with_store(tables.path(), Arc::new(FailingStore), VerifiedPolicy::dummy_tables(), options())
                .unwrap();
        let error = run(&enclave, &request(""), None).unwrap_err();
        assert!(error.ends_with(&format!("{name}`: cannot be read (timed out)")), "{error}");
    }
}
