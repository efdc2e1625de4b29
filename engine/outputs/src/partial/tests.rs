#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;

fn names_in(directory: &Path) -> Vec<String> {
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(directory).unwrap().map(name).collect();
    names.sort();
    names
}

fn permissions(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A file with a hidden name, as where the system has none without a name.
fn hidden(place: &Path, mode: FileMode) -> PartialFile {
    let (file, hidden) = create_hidden(directory_of(place), FileMode::OWNER).unwrap();
    PartialFile { file, hidden: Some(hidden), place: place.to_owned(), mode }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_without_a_name_is_nowhere_until_it_is_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("out.csv");
    fs::write(&place, "old").unwrap();
    let Some(file) = create_unnamed(directory.path(), FileMode::OWNER) else {
        eprintln!("{}: its file system has no files without names", directory.path().display());
        return;
    };
    (&file).write_all(b"new").unwrap();
    let partial = PartialFile { file, hidden: None, place: place.clone(), mode: "640".parse().unwrap() };
    assert_eq!(names_in(directory.path()), ["out.csv"]);
    partial.name().unwrap().put_in_place().unwrap();
    assert_eq!(names_in(directory.path()), ["out.csv"]);
    assert_eq!((fs::read_to_string(&place).unwrap().as_str(), permissions(&place)), ("new", 0o640));
}

#[test]
fn a_hidden_file_is_its_owners_until_it_is_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("out.csv");
    let partial = hidden(&place, "644".parse().unwrap());
    let names = names_in(directory.path());
    assert!(names.len() == 1 && names[0].starts_with(PREFIX), "{names:?}");
    assert_eq!(permissions(&directory.path().join(&names[0])), 0o600);
    partial.name().unwrap().put_in_place().unwrap();
    assert_eq!(names_in(directory.path()), ["out.csv"]);
    assert_eq!(permissions(&place), 0o644);
}

#[test]
fn what_is_dropped_has_no_name_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("out.csv");
    drop(hidden(&place, FileMode::OWNER));
    assert_eq!(names_in(directory.path()), [""; 0]);
    drop(hidden(&place, FileMode::OWNER).name().unwrap());
    assert_eq!(names_in(directory.path()), [""; 0]);
    let (partial, _) = PartialFile::create(place, None).unwrap();
    drop(partial.name().unwrap());
    assert_eq!(names_in(directory.path()), [""; 0]);
}

#[test]
fn leftovers_of_the_dead_are_removed_and_those_of_the_living_stay() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at(&format!("{PREFIX}1-0-0")), "half an ans").unwrap();
    let place = at("out.csv");
    let living = hidden(&place, FileMode::OWNER);
    let named = PartialFile::create(at("other.csv"), None).unwrap().0.name().unwrap();
    prepare_directories([place.as_path(), &at("other.csv")].into_iter()).unwrap();
    assert_eq!(names_in(directory.path()).len(), 2, "{:?}", names_in(directory.path()));
    living.name().unwrap().put_in_place().unwrap();
    named.put_in_place().unwrap();
    assert_eq!(names_in(directory.path()), ["other.csv", "out.csv"]);
}

/// A run that is killed between naming a file and renaming it lets go of the lock, and of nothing else.
#[test]
fn a_file_that_was_named_and_never_renamed_is_a_leftover() {
    let directory = tempfile::tempdir().unwrap();
    let (partial, file) = PartialFile::create(directory.path().join("out.csv"), Some(FileMode::OWNER)).unwrap();
    let NamedFile { _file: kept, hidden, .. } = partial.name().unwrap();
    std::mem::forget(hidden);
    remove_leftovers(directory.path());
    assert_eq!(names_in(directory.path()).len(), 1, "while it is locked it stays");
    drop((file, kept));
    remove_leftovers(directory.path());
    assert_eq!(names_in(directory.path()), [""; 0]);
}

#[test]
fn what_is_no_leftover_stays_and_nothing_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("kept"), "").unwrap();
    fs::write(at(".kept.partial-1-abcdefgh"), "").unwrap();
    fs::create_dir(at(&format!("{PREFIX}directory"))).unwrap();
    symlink(at("kept"), at(&format!("{PREFIX}link"))).unwrap();
    let fifo = Command::new("mkfifo").arg(at(&format!("{PREFIX}fifo"))).status().unwrap();
    assert!(fifo.success());
    let before = names_in(directory.path());
    remove_leftovers(directory.path());
    assert_eq!(names_in(directory.path()), before);
}

/// Runs that begin while others tidy up: none loses its file.
#[test]
fn no_run_takes_the_file_of_another_for_a_leftover() {
    let directory = tempfile::tempdir().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let tidy = || {
            while !done.load(Ordering::Relaxed) {
                remove_leftovers(directory.path());
            }
        };
        let tidying = [scope.spawn(tidy), scope.spawn(tidy)];
        for run in 0..500 {
            let place = directory.path().join(format!("{}.csv", run % 10));
            let partial = hidden(&place, FileMode::OWNER);
            (&partial.file).write_all(run.to_string().as_bytes()).unwrap();
            partial.name().unwrap().put_in_place().unwrap();
            assert_eq!(fs::read_to_string(&place).unwrap(), run.to_string());
        }
        done.store(true, Ordering::Relaxed);
        tidying.into_iter().for_each(|tidying| tidying.join().unwrap());
    });
}

/// Whoever reads the place sees the old file or the new one, whole.
#[test]
fn a_file_is_replaced_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("out.csv");
    let text = |run: u64| run.to_string().repeat(2_000);
    fs::write(&place, text(0)).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reading = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let mut read = String::new();
                let mut file = File::open(&place).unwrap();
                file.read_to_string(&mut read).unwrap();
                let run: u64 = read[..1].parse().unwrap();
                assert_eq!(read, text(run));
            }
        });
        for run in (1..10).cycle().take(100) {
            let (partial, mut file) = PartialFile::create(place.clone(), None).unwrap();
            file.write_all(text(run).as_bytes()).unwrap();
            partial.name().unwrap().put_in_place().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reading.join().unwrap();
    });
}

#[test]
fn names_are_fresh() {
    let names: BTreeSet<PathBuf> = (0..1_000).map(|_| fresh_path(Path::new("somewhere"))).collect();
    assert_eq!(names.len(), 1_000);
}
