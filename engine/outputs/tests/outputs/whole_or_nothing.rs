//! A file is whole or not there; what was there before stays until then.

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

#[test]
fn nothing_is_seen_before_it_is_published() {
    for output in OUTPUTS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(output);
        let (spec, batch) = every_kind();
        let mut writer = writer(&path, &[(spec, batch.clone())]).unwrap();
        writer.write(0, &batch).unwrap();
        let partial = files_in(directory.path());
        let prefix = format!(".{output}.partial-{}-", std::process::id());
        assert!(partial.len() == 1 && partial[0].starts_with(&prefix), "{partial:?}");

        let sealed = writer.seal(1).unwrap();
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
    assert_eq!(files_in(directory.path()).len(), 2);
    drop(opened);
    assert_eq!(files_in(directory.path()), [""; 0]);

    let sealed = writer(&output, &tables).unwrap().seal(1).unwrap();
    assert_eq!(files_in(directory.path()).len(), 2);
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

#[cfg(unix)]
#[test]
fn a_link_stands_for_what_it_points_to() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("real")).unwrap();
    fs::write(directory.path().join("real/answer.csv"), "old").unwrap();
    std::os::unix::fs::symlink("real/answer.csv", directory.path().join("out.csv")).unwrap();
    write(&directory.path().join("out.csv"), &[every_kind()]).unwrap();
    assert!(directory.path().join("out.csv").is_symlink());
    assert!(fs::read_to_string(directory.path().join("real/answer.csv")).unwrap().starts_with("patient_id,"));
}

#[cfg(unix)]
#[test]
fn a_file_has_the_permissions_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let mode = |name: &str| fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
    write(&directory.path().join("out.csv"), &[every_kind()]).unwrap();
    fs::write(directory.path().join("plain"), "").unwrap();
    assert_eq!(mode("out.csv"), mode("plain"));
}
