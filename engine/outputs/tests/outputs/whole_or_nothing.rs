//! A file is whole or not there; what was there before stays until then.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

/// A table whose second batch holds a value outside its range.
fn failing() -> [(TableSpec, RecordBatch); 2] {
    let of = |patient, value| table("dataset", &[patient_id(&[patient]), ints("n", Some((0, 9)), &[Some(value)])]);
    [of(1, 5), of(2, 10)]
}

const OUTPUTS: [&str; 4] = ["out.arrow", "out.parquet", "out.csv", "out.csv.gz"];

#[test]
fn a_failed_write_leaves_what_was_there() {
    let [good, bad] = failing();
    for output in OUTPUTS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(output);
        fs::write(&path, "the answer of last week").unwrap();

        let mut writer = writer(&path, std::slice::from_ref(&good)).unwrap();
        writer.write(0, &good.1).unwrap();
        assert!(matches!(writer.write(0, &bad.1), Err(OutputError::Value { .. })));
        assert!(matches!(writer.write(0, &good.1), Err(OutputError::Incomplete)), "no way on after a failure");
        assert!(matches!(writer.finish(), Err(OutputError::Incomplete)), "half an answer cannot be finished");

        assert_eq!(fs::read_to_string(&path).unwrap(), "the answer of last week");
        assert_eq!(files_in(directory.path()), [output]);
    }
}

/// What is under way has no name; where the system has no such files, it is hidden, and its owner's alone.
fn assert_nobody_sees(directory: &Path) {
    for name in files_in(directory) {
        let mode = fs::metadata(directory.join(&name)).unwrap().permissions().mode();
        assert!(name.contains(".peristyle-partial-") && mode & 0o777 == 0o600, "{name}: {mode:o}");
    }
}

#[test]
fn nothing_is_seen_before_it_is_published() {
    for output in OUTPUTS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(output);
        let (spec, batch) = every_kind();
        let mut writer = writer(&path, &[(spec, batch.clone())]).unwrap();
        writer.write(0, &batch).unwrap();
        assert_nobody_sees(directory.path());

        let sealed = writer.seal(1).unwrap();
        assert_nobody_sees(directory.path());
        assert!(!path.exists() && sealed.tables()[0].sha256.len() == 64, "digests are known before the file is seen");
        sealed.publish().unwrap();
        assert_eq!(files_in(directory.path()), [output]);
    }
}

#[test]
fn what_is_dropped_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("new/:arrow");
    let tables = [every_kind(), table("visits", &[patient_id(&[1])])];

    let mut opened = writer(&output, &tables).unwrap();
    opened.write(0, &tables[0].1).unwrap();
    assert_nobody_sees(directory.path());
    drop(opened);
    assert_eq!(files_in(directory.path()), [""; 0]);

    let sealed = writer(&output, &tables).unwrap().seal(1).unwrap();
    assert_nobody_sees(directory.path());
    drop(sealed);
    assert_eq!(files_in(directory.path()), [""; 0]);
}

#[test]
fn if_one_table_cannot_be_opened_none_is_left() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("out/visits.csv")).unwrap();
    let tables = [every_kind(), table("visits", &[patient_id(&[1])])];
    let refused = writer(&directory.path().join("out/:csv"), &tables).err().unwrap();
    assert!(matches!(refused, OutputError::IsDirectory { .. }));
    assert_eq!(files_in(directory.path()), [""; 0]);
}

#[test]
fn a_link_stands_for_what_it_points_to() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("real")).unwrap();
    fs::write(directory.path().join("real/answer.csv"), "old").unwrap();
    symlink("real/answer.csv", directory.path().join("out.csv")).unwrap();
    write(&directory.path().join("out.csv"), &[every_kind()]).unwrap();
    assert!(directory.path().join("out.csv").is_symlink());
    assert!(fs::read_to_string(directory.path().join("real/answer.csv")).unwrap().starts_with("patient_id,"));
}

/// Says the permissions of `out.csv` once it is written with these.
fn mode_when_written(directory: &Path, mode: Option<&str>) -> u32 {
    let tables = [every_kind()];
    let mut writer = writer_of(&directory.join("out.csv"), &tables, mode.map(|mode| mode.parse().unwrap())).unwrap();
    writer.write(0, &tables[0].1).unwrap();
    writer.finish().unwrap();
    fs::metadata(directory.join("out.csv")).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_file_has_the_permissions_of_any_new_file_or_those_that_are_given() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plain"), "").unwrap();
    let plain = fs::metadata(directory.path().join("plain")).unwrap().permissions().mode() & 0o7777;
    // Each replaces the one before, whose permissions are no matter.
    for (given, expected) in
        [(None, plain), (Some("600"), 0o600), (Some("644"), 0o644), (Some("0666"), 0o666), (None, plain)]
    {
        assert_eq!(mode_when_written(directory.path(), given), expected, "{given:?}");
    }
}

#[test]
fn what_dead_runs_left_is_removed_from_the_folders_that_are_written_to() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("real")).unwrap();
    fs::write(directory.path().join("real/out.csv"), "old").unwrap();
    symlink("real/out.csv", directory.path().join("out.csv")).unwrap();
    for folder in ["", "real/"] {
        fs::write(directory.path().join(format!("{folder}.peristyle-partial-1-0-0")), "half an ans").unwrap();
    }
    write(&directory.path().join("out.csv"), &[every_kind()]).unwrap();
    assert_eq!(files_in(directory.path()), [".peristyle-partial-1-0-0", "out.csv", "real/out.csv"]);
    write(&directory.path().join("other.csv"), &[every_kind()]).unwrap();
    assert_eq!(files_in(directory.path()), ["other.csv", "out.csv", "real/out.csv"]);
}
