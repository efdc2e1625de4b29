#![allow(clippy::unwrap_used, clippy::expect_used)]

use object_store::ObjectStoreExt;
use object_store::memory::InMemory;

use super::*;
use crate::policy::VerifiedPolicy;
use crate::problem::ReadProblem;
use crate::tests::fixtures::request;

/// A bucket with these objects, and the extract `s3://bucket/extract` in it.
struct Place {
    memory: Arc<InMemory>,
    files: ObjectFiles,
}

impl Place {
    fn of(objects: &[&str]) -> Self {
        let memory = Arc::new(InMemory::new());
        let store = Arc::clone(&memory) as Arc<dyn ObjectStore>;
        let files = ObjectFiles::new(store, "s3://bucket/extract".into(), Key::from("extract")).unwrap();
        let place = Self { memory, files };
        objects.iter().for_each(|key| place.put(key, key));
        place
    }

    fn put(&self, key: &str, text: &str) {
        let (memory, key, text) = (Arc::clone(&self.memory), Key::from(key), text.to_owned());
        self.files.courier.fetch(async move { memory.put(&key, text.into()).await }).unwrap();
    }

    fn delete(&self, key: &str) {
        let (memory, key) = (Arc::clone(&self.memory), Key::from(key));
        self.files.courier.fetch(async move { memory.delete(&key).await }).unwrap();
    }

    fn open(&self, path: &str) -> Result<Arc<dyn StoredFile>, ReadProblem> {
        let permit = VerifiedPolicy::dummy_tables().permit_scan(&request("")).unwrap();
        self.files.open(&permit, Path::new(path)).map_err(ReadProblem::from)
    }

    fn entries(&self, folder: &str) -> Result<Vec<String>, ReadProblem> {
        let shown = |entry: Entry| if entry.is_folder { format!("{}/", entry.name) } else { entry.name };
        self.files
            .entries(Path::new(folder))
            .map(|found| found.into_iter().map(shown).collect())
            .map_err(ReadProblem::from)
    }
}

const MISSING: ReadProblem = ReadProblem::Store(StoreProblem::Missing);
const CHANGED: ReadProblem = ReadProblem::Store(StoreProblem::Changed);

#[test]
fn folders_are_what_keys_have_in_common() {
    let place = Place::of(&[
        "extract/patients.parquet",
        "extract/events/1.parquet",
        "extract/events/year=2020/1.parquet",
        "extract/_SUCCESS",
        "extract/.hidden/x",
        // As some tools mark a folder.
        "extract/events",
        "elsewhere/secret.parquet",
        "extract-of-others/secret.parquet",
    ]);
    let names = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(place.entries("s3://bucket/extract"), names(&[".hidden/", "_SUCCESS", "events/", "patients.parquet"]));
    assert_eq!(place.entries("s3://bucket/extract/events"), names(&["1.parquet", "year=2020/"]));
    assert_eq!(place.entries("s3://bucket/extract/nothing"), Err(MISSING));
    assert_eq!(Place::of(&["elsewhere/x"]).entries("s3://bucket/extract"), Err(MISSING));
}

#[test]
fn bytes_are_those_that_were_asked_for() {
    let place = Place::of(&["extract/x.csv"]);
    let file = place.open("s3://bucket/extract/x.csv").unwrap();
    assert_eq!(file.size(), 13);
    assert_eq!(file.read_at(8, 5).unwrap(), "x.csv");
    assert_eq!(file.read_many(&[8..9, 0..3, 3..8, 4..4]).unwrap(), ["x", "ext", "ract/", ""]);
    assert_eq!(file.read_at(8, 6).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(place.open("s3://bucket/extract/y.csv").unwrap_err(), MISSING);
    assert_eq!(place.open("s3://bucket/elsewhere/x.csv").unwrap_err(), MISSING);
}

#[test]
fn an_object_that_changes_is_not_read_on() {
    type Change = fn(&Place);
    let changes: [Change; 3] = [
        |place| place.put("extract/x.csv", "extract/y.csv"),
        |place| place.put("extract/x.csv", "longer than it was"),
        |place| place.delete("extract/x.csv"),
    ];
    for change in changes {
        let place = Place::of(&["extract/x.csv"]);
        let file = place.open("s3://bucket/extract/x.csv").unwrap();
        file.check_unchanged().unwrap();
        let identity = place.files.identity(Path::new("s3://bucket/extract/x.csv")).unwrap();
        change(&place);
        assert_eq!(ReadProblem::from(file.read_at(0, 3).unwrap_err()), CHANGED);
        assert_eq!(ReadProblem::from(file.check_unchanged().unwrap_err()), CHANGED);
        assert_ne!(place.files.identity(Path::new("s3://bucket/extract/x.csv")).ok(), Some(identity));
        // Opened once more, it is still what was listed that is wanted.
        let again = place.open("s3://bucket/extract/x.csv").unwrap();
        assert_eq!(ReadProblem::from(again.read_at(0, 3).unwrap_err()), CHANGED);
    }
}

#[test]
fn a_folder_is_another_when_something_is_put_into_it() {
    let place = Place::of(&["extract/list/1.csv"]);
    let folder = Path::new("s3://bucket/extract/list");
    let was = place.files.identity(folder).unwrap();
    assert_eq!(place.files.identity(folder).unwrap(), was);
    place.put("extract/list/2.csv", "one more");
    assert_ne!(place.files.identity(folder).unwrap(), was);
}
