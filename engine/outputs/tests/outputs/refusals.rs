//! What a user reads when an answer cannot be written; never a value.

use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::*;

/// Writes a table of one column beside `patient_id`, and says how it was refused.
fn refused(columns: &[Column]) -> String {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("out.csv"), &[table("dataset", columns)])
        .err()
        .map_or("written".into(), |error| error.to_string())
}

#[test]
fn values_that_a_column_must_not_have_are_refused() {
    let one = || patient_id(&[1]);
    let sexes = &["male", "female"];
    let no_patient = ("patient_id", patient_id(&[]).1, Arc::new(Int64Array::from(vec![None])) as ArrayRef);
    let wrong_type = ("b", spec(Physical::Bool), ints("b", None, &[Some(9_876_543)]).2);
    let cases: [(&str, Vec<Column>); 11] = [
        ("above", vec![one(), ints("count", Some((0, 65_535)), &[Some(9_876_543)])]),
        ("below", vec![one(), ints("count", Some((0, 65_535)), &[Some(-9_876_543)])]),
        ("in the type, not in the range", vec![one(), ints("decile", Some((1, 10)), &[Some(11)])]),
        ("no category", vec![one(), categories("sex", sexes, &[Some("SECRET")])]),
        ("no category, encoded", vec![one(), encoded(categories("sex", sexes, &[Some("SECRET")]), &[Some("SECRET")])]),
        ("no categories at all", vec![one(), categories("sex", &[], &[Some("SECRET")])]),
        ("after year 9999", vec![one(), dates("d", &[Some(9_876_543)])]),
        ("no patient", vec![no_patient]),
        ("out of order", vec![patient_id(&[9_876_543, 2])]),
        ("other type", vec![one(), wrong_type]),
        ("NULL where it may be", vec![one(), categories("sex", sexes, &[None])]),
    ];
    let shown: Vec<String> = cases.iter().map(|(case, columns)| format!("{case}: {}", refused(columns))).collect();
    for line in &shown {
        assert!(!line.contains("SECRET") && !line.contains("987"), "a value in: {line}");
    }
    insta::assert_snapshot!(shown.join("\n"), @r"
    above: table `dataset`, column `count`: a value is outside the range 0 to 65535 that is stated for it; check the variable's definition and the source that it reads from
    below: table `dataset`, column `count`: a value is outside the range 0 to 65535 that is stated for it; check the variable's definition and the source that it reads from
    in the type, not in the range: table `dataset`, column `decile`: a value is outside the range 1 to 10 that is stated for it; check the variable's definition and the source that it reads from
    no category: table `dataset`, column `sex`: a value is none of the categories that are stated for it; check the variable's definition and the source that it reads from
    no category, encoded: table `dataset`, column `sex`: a value is none of the categories that are stated for it; check the variable's definition and the source that it reads from
    no categories at all: table `dataset`, column `sex`: a value is none of the categories that are stated for it; check the variable's definition and the source that it reads from
    after year 9999: table `dataset`, column `d`: a date is outside the years 1 to 9999; check the variable's definition and the source that it reads from
    no patient: table `dataset`, column `patient_id`: a row has no value, and this column must have one; check the variable's definition and the source that it reads from
    out of order: table `dataset`: rows are not in ascending order of patient_id; this is a fault of the engine, report it
    other type: table `dataset`: column `b` cannot come from Int64; this is a fault of the engine, report it
    NULL where it may be: written
    ");
}

#[test]
fn patients_must_ascend_across_batches() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (table("dataset", &[patient_id(&[1, 5, 5])]), table("dataset", &[patient_id(&[4])]));
    let mut writer = writer(&directory.path().join("out.csv"), std::slice::from_ref(&first)).unwrap();
    writer.write(0, &first.1).unwrap();
    assert!(matches!(writer.write(0, &second.1), Err(OutputError::OutOfOrder { .. })));
}

#[test]
fn batches_of_other_columns_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let dataset = table("dataset", &[patient_id(&[1]), bools("b", &[None])]);
    let other = table("dataset", &[patient_id(&[1]), bools("c", &[None])]);
    let mut opened = writer(&directory.path().join("out.csv"), std::slice::from_ref(&dataset)).unwrap();
    let error = opened.write(0, &other.1).unwrap_err();
    insta::assert_snapshot!(error, @"table `dataset`: its columns are [patient_id, b], but got [patient_id, c]; this is a fault of the engine, report it");
    let mut opened = writer(&directory.path().join("out.csv"), std::slice::from_ref(&dataset)).unwrap();
    assert!(matches!(opened.write(1, &dataset.1), Err(OutputError::Mismatch { .. })));
}

#[test]
fn places_that_cannot_be_written_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("file"), "").unwrap();
    fs::create_dir(at("directory.csv")).unwrap();
    let long = "x".repeat(300);
    let mut cases = vec![
        ("a directory", at("directory.csv")),
        ("below a file", at("file/out.csv")),
        ("a name too long", at(&format!("{long}.csv"))),
    ];
    if cfg!(target_os = "linux") {
        cases.push(("where no directory can be made", "/proc/peristyle/out.csv".into()));
    }
    for (link, target) in [("dangling.csv", "absent.csv"), ("loop.csv", "loop.csv"), ("null.csv", "/dev/null")] {
        symlink(target, at(link)).unwrap();
    }
    assert!(Command::new("mkfifo").arg(at("fifo.csv")).status().unwrap().success());
    let _socket = UnixListener::bind(at("socket.csv")).unwrap();
    cases.extend([
        ("a link to nothing", at("dangling.csv")),
        ("a link to itself", at("loop.csv")),
        ("a link to a device", at("null.csv")),
        ("a FIFO", at("fifo.csv")),
        ("a socket", at("socket.csv")),
    ]);
    let before = files_in(directory.path());
    let shown: Vec<String> = cases
        .iter()
        .map(|(case, path)| format!("{case}: {}", write(path, &[every_kind()]).unwrap_err()))
        .map(|line| line.replace(&directory.path().canonicalize().unwrap().display().to_string(), "TMP"))
        .map(|line| line.replace(&directory.path().display().to_string(), "TMP").replace(&long, "xx…"))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    a directory: output `TMP/directory.csv` is a directory: give the name of a file in it, or remove the directory
    below a file: cannot write `TMP/file/out.csv`: Not a directory (os error 20). A part of the path is a file: choose another path
    a name too long: cannot write `TMP/xx….csv`: File name too long (os error 36). Choose a shorter name
    where no directory can be made: cannot create directory `/proc/peristyle`: No such file or directory (os error 2). Create the directory, or choose another path
    a link to nothing: output `TMP/dangling.csv` is a symbolic link that leads to no file: remove the link, or give the name of the file that is meant
    a link to itself: output `TMP/loop.csv` is a symbolic link that leads to no file: remove the link, or give the name of the file that is meant
    a link to a device: output `TMP/null.csv` is a device, and an answer can only replace a regular file: give another name
    a FIFO: output `TMP/fifo.csv` is a FIFO, and an answer can only replace a regular file: give another name
    a socket: output `TMP/socket.csv` is a socket, and an answer can only replace a regular file: give another name
    ");
    assert_eq!(files_in(directory.path()), before, "nothing is removed, and nothing is left behind");
}

/// A console that takes so many bytes and then fails.
struct Failing(usize, io::ErrorKind);

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(self.1)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_console_that_closes_is_told_from_one_that_fails() {
    let tables = || [every_kind(), table("visits", &[patient_id(&[1])])];
    let write = |bytes: usize, kind: io::ErrorKind| -> Result<Vec<WrittenTable>, OutputError> {
        let specs = tables().map(|(spec, _)| spec).into();
        let mut writer = TablesWriter::to_console(Box::new(Failing(bytes, kind)), specs)?;
        for (index, (_, batch)) in tables().iter().enumerate() {
            writer.write(index, batch)?;
        }
        writer.finish()
    };
    let all: u64 = write(usize::MAX, io::ErrorKind::Other).unwrap().iter().map(|table| table.bytes).sum();
    for bytes in 0..all as usize {
        assert!(matches!(write(bytes, io::ErrorKind::BrokenPipe), Err(OutputError::ConsoleClosed)));
        assert!(matches!(write(bytes, io::ErrorKind::StorageFull), Err(OutputError::Console { .. })));
    }
}
