#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::*;
use crate::problem::{ReadProblem, StoreProblem};

/// A study beside an extract, with all that could lead from the one to the other.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    for folder in ["study/analysis/deep", "extract/events"] {
        fs::create_dir_all(path(folder)).unwrap();
    }
    for file in ["study/rows.csv", "study/analysis/rows.csv", "extract/patients.csv", "extract/events/0.csv", "policy"]
    {
        fs::write(path(file), file).unwrap();
    }
    symlink(path("extract/patients.csv"), path("study/link.csv")).unwrap();
    symlink("rows.csv", path("study/link-inside.csv")).unwrap();
    symlink(path("extract"), path("study/linked")).unwrap();
    symlink("analysis", path("study/linked-inside")).unwrap();
    symlink(path("study"), path("named-otherwise")).unwrap();
    fs::hard_link(path("extract/events/0.csv"), path("study/hard.csv")).unwrap();
    fs::hard_link(path("policy"), path("study/analysis/policy.csv")).unwrap();
    let pipe = path("study/pipe.csv");
    rustix::fs::mknodat(rustix::fs::CWD, pipe, rustix::fs::FileType::Fifo, Mode::from(0o600), 0).unwrap();
    drop(UnixListener::bind(path("study/socket.csv")).unwrap());
    place
}

fn study(place: &Path, root: &str) -> StudyFolder {
    let files = StudyFiles { root: Some(place.join(root)), kept: vec![place.join("policy")] };
    StudyFolder::open(&files, vec![place.join("extract")]).unwrap()
}

#[test]
fn files_are_opened_beneath_the_folder_or_not_at_all() {
    let place = place();
    let at = |name: &str| place.path().join(name).display().to_string();
    let (outside, link) = (ReadProblem::Study(StudyProblem::Outside), ReadProblem::Study(StudyProblem::Link));
    let (kept, no_file) = (ReadProblem::Study(StudyProblem::Kept), ReadProblem::Store(StoreProblem::NotAFile));
    let missing = ReadProblem::System(io::ErrorKind::NotFound);
    let cases: [(String, Result<&str, ReadProblem>); 27] = [
        ("rows.csv".into(), Ok("study/rows.csv")),
        ("./rows.csv".into(), Ok("study/rows.csv")),
        ("analysis/rows.csv".into(), Ok("study/analysis/rows.csv")),
        ("analysis/../rows.csv".into(), Ok("study/rows.csv")),
        ("nowhere/../rows.csv".into(), Ok("study/rows.csv")),
        ("../study/rows.csv".into(), Ok("study/rows.csv")),
        (at("study/analysis/rows.csv"), Ok("study/analysis/rows.csv")),
        (at("study/analysis/deep/../rows.csv"), Ok("study/analysis/rows.csv")),
        (at("extract/../study/rows.csv"), Ok("study/rows.csv")),
        ("../extract/patients.csv".into(), Err(outside)),
        ("analysis/../../extract/patients.csv".into(), Err(outside)),
        (at("extract/patients.csv"), Err(outside)),
        (at("extract/nowhere.csv"), Err(outside)),
        (at("study"), Err(outside)),
        ("../study-of-others/rows.csv".into(), Err(outside)),
        ("/etc/passwd".into(), Err(outside)),
        ("/proc/self/environ".into(), Err(outside)),
        ("link.csv".into(), Err(link)),
        ("link-inside.csv".into(), Err(link)),
        ("linked/patients.csv".into(), Err(link)),
        ("linked-inside/rows.csv".into(), Err(link)),
        ("hard.csv".into(), Err(kept)),
        ("analysis/policy.csv".into(), Err(kept)),
        ("pipe.csv".into(), Err(no_file)),
        ("socket.csv".into(), Err(no_file)),
        ("analysis".into(), Err(no_file)),
        ("nowhere/rows.csv".into(), Err(missing)),
    ];
    // A folder may be reached by another name; what a definition writes may have either.
    for root in ["study", "named-otherwise", "extract/../study"] {
        let study = study(place.path(), root);
        let permit = ScanPermit::to_look_at(&"inline".into());
        for (written, expected) in &cases {
            let opened = study.open(&permit, Path::new(written));
            let found = opened.map_err(ReadProblem::from).map(|file| {
                let length = usize::try_from(file.size()).unwrap();
                String::from_utf8(file.read_at(0, length).unwrap().to_vec()).unwrap()
            });
            assert_eq!(found.as_deref(), expected.as_ref().map(|text| *text), "{root} {written}");
        }
    }
}

/// Where the system cannot open beneath a folder at once, it comes to the same.
#[test]
fn both_ways_of_opening_agree() {
    let place = place();
    let study = study(place.path(), "study");
    for path in [
        "rows.csv",
        "analysis/rows.csv",
        "link.csv",
        "link-inside.csv",
        "linked/patients.csv",
        "linked-inside/rows.csv",
        "pipe.csv",
        "socket.csv",
        "nowhere/rows.csv",
        "rows.csv/rows.csv",
    ] {
        let problem = |opened: io::Result<File>| opened.map(|_| ()).map_err(ReadProblem::from);
        let path = Path::new(path);
        assert_eq!(problem(study.open_beneath(path)), problem(study.open_step_by_step(path)), "{path:?}");
    }
}

#[test]
fn without_a_folder_nothing_is_opened() {
    let opened = StudyFolder::open(&StudyFiles::default(), Vec::new());
    assert_eq!(opened.map(|_| ()).map_err(ReadProblem::from), Err(ReadProblem::Study(StudyProblem::NoFolder)));
}
