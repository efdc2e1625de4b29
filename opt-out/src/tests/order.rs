//! Orders: promised, kept, broken, merged, made.

use super::fixtures::*;
use crate::{Enclave, SourceError, TableRequest, VerifiedPolicy};

const BY_KEY: Written = Written { by_key: true, by_sorting_columns: false, group_rows: None, no_statistics: false };

fn order_shown(enclave: &Enclave, request: &TableRequest) -> String {
    let text = plan_text(&plan(enclave, request, None));
    let order = text.split("order=").last().unwrap().trim();
    let sorted = if text.contains("SortExec") { ", sorted" } else { "" };
    let merged = if text.contains("SortPreservingMergeExec") { ", merged" } else { "" };
    format!("{order}{sorted}{merged}")
}

#[test]
fn what_counts_as_a_promise() {
    let ascending = patients([1, 1, 2, 3, 5, 5]);
    let groups = Some(2);
    let sorting = Written { by_sorting_columns: true, group_rows: groups, ..Written::default() };
    for (name, how, expected) in [
        ("patients.parquet", Written::default(), "none, partitions=1, sorted"),
        ("patients.parquet", BY_KEY, "patient_id, partitions=1"),
        ("patients.parquet", Written { group_rows: groups, ..BY_KEY }, "patient_id, partitions=1"),
        ("patients.parquet", sorting, "patient_id, partitions=1"),
        // `sorting_columns` says nothing of how row groups follow each other; without statistics nothing does.
        ("patients.parquet", Written { no_statistics: true, ..sorting }, "none, partitions=2, sorted, merged"),
        ("patients.arrow", Written::default(), "none, partitions=1, sorted"),
        ("patients.arrow", Written { group_rows: groups, ..BY_KEY }, "patient_id, partitions=1"),
        ("patients.csv", BY_KEY, "none, partitions=1, sorted"),
    ] {
        let tables = Tables::new();
        tables.put_rows(name, &ascending, how);
        assert_eq!(order_shown(&tables.enclave(), &request("")), expected, "{name}");
        assert_eq!(tables.scan(&request("")).unwrap(), ["1", "1", "2", "3", "5", "5"], "{name}");
    }
}

#[test]
fn a_promise_of_whoever_asks_counts_like_a_files_own() {
    let mut said = request("");
    said.patient_key.as_mut().unwrap().rows_ascend = true;
    for name in ["patients.csv", "patients.parquet", "patients.arrow"] {
        let tables = Tables::new();
        tables.put_rows(name, &patients([1, 1, 2, 3, 5, 5]), Written::default());
        assert_eq!(order_shown(&tables.enclave(), &said), "patient_id, partitions=1", "{name}");
        assert_eq!(tables.scan(&said).unwrap(), ["1", "1", "2", "3", "5", "5"], "{name}");
        tables.put_rows(name, &patients([1, 3, 2]), Written::default());
        let error = tables.error(&said);
        assert!(error.contains("row 3: out of order, though the file or the connector says"), "{name}: {error}");
    }
}

#[test]
fn row_groups_sorted_by_themselves_are_no_promise() {
    let tables = Tables::new();
    let how = Written { by_sorting_columns: true, group_rows: Some(2), ..Written::default() };
    tables.put_rows("patients.parquet", &patients([3, 4, 1, 2]), how);
    assert_eq!(order_shown(&tables.enclave(), &request("")), "none, partitions=2, sorted, merged");
    assert_eq!(tables.scan(&request("")).unwrap(), ["1", "2", "3", "4"]);
}

#[test]
fn files_in_order_are_chained_or_merged() {
    for (files, expected) in [
        (vec![vec![5, 9], vec![1, 2], vec![2, 5]], "patient_id, partitions=1"),
        (vec![vec![1, 5], vec![2, 9], vec![5, 6]], "patient_id, partitions=2, merged"),
        (vec![vec![1], vec![], vec![2]], "patient_id, partitions=1"),
        (vec![vec![], vec![]], "patient_id, partitions=1"),
    ] {
        let tables = Tables::new();
        for (part, ids) in files.iter().enumerate() {
            tables.put_rows(&format!("patients/{part}.parquet"), &patients(ids.iter().copied()), BY_KEY);
        }
        let mut ids: Vec<i64> = files.concat();
        ids.sort_unstable();
        assert_eq!(order_shown(&tables.enclave(), &request("")), expected, "{files:?}");
        let expected: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert_eq!(tables.scan(&request("")).unwrap(), expected, "{files:?}");
    }
}

#[test]
fn one_file_without_order_makes_a_table_without_order() {
    let tables = Tables::new();
    tables.put_rows("patients/a.parquet", &patients([1, 4]), BY_KEY);
    tables.put_rows("patients/b.parquet", &patients([3, 2]), Written::default());
    assert_eq!(order_shown(&tables.enclave(), &request("")), "none, partitions=2, sorted, merged");
    assert_eq!(tables.scan(&request("")).unwrap(), ["1", "2", "3", "4"]);
}

#[test]
fn a_false_promise_is_found_wherever_it_breaks() {
    // In a batch (of 4 rows), between batches, between row groups, between files.
    for (name, files, groups, expected) in [
        ("patients.parquet", vec![vec![1, 3, 2, 4]], None, "patients.parquet`, row 3"),
        ("patients.parquet", vec![vec![1, 2, 3, 4, 3]], None, "patients.parquet`, row 5"),
        ("patients.parquet", vec![vec![1, 2, 1, 2]], Some(2), "patients.parquet`, row 3"),
        ("patients.arrow", vec![vec![1, 2, 2, 1]], Some(2), "patients.arrow`, row 4"),
        ("patients.arrow", vec![vec![5, 6, 4]], Some(2), "patients.arrow`, row 3"),
    ] {
        let tables = Tables::new();
        for ids in &files {
            tables.put_rows(name, &patients(ids.iter().copied()), Written { group_rows: groups, ..BY_KEY });
        }
        let error = tables.error(&request(""));
        assert!(error.contains(expected) && error.contains("out of order"), "{name} {files:?}: {error}");
    }
}

#[test]
fn a_second_row_of_a_patient_is_named_by_file_and_row() {
    let two = || patients([1, 2, 3, 2]);
    let cases: Vec<(&str, Tables, &str)> = vec![
        ("csv", by(|t| t.put_rows("patients.csv", &two(), Written::default())), "patients.csv`, row 4"),
        ("parquet", by(|t| t.put_rows("patients.parquet", &two(), Written::default())), "patients.parquet`, row 4"),
        (
            "in order, in one batch",
            by(|t| t.put_rows("patients.parquet", &patients([1, 2, 2]), BY_KEY)),
            "patients.parquet`, row 3",
        ),
        (
            "in order, between row groups",
            by(|t| {
                let how = Written { group_rows: Some(2), ..BY_KEY };
                t.put_rows("patients.parquet", &patients([1, 2, 2, 3]), how)
            }),
            "patients.parquet`, row 3",
        ),
        (
            "in two files",
            by(|t| {
                t.put_rows("patients/a.csv", &patients([4, 1]), Written::default());
                t.put_rows("patients/b.csv", &patients([7, 4]), Written::default())
            }),
            "b.csv`, row 2",
        ),
    ];
    for (what, tables, expected) in cases {
        let error = tables.error(&one_row(""));
        assert!(error.contains(expected) && error.contains("a patient has a second row"), "{what}: {error}");
        assert!(tables.scan(&request("")).is_ok(), "{what}: many rows are no fault in other tables");
    }
}

fn by(put: impl FnOnce(&Tables) -> &Tables) -> Tables {
    let tables = Tables::new();
    put(&tables);
    tables
}

#[test]
fn a_second_row_among_given_rows() {
    for ids in [[1, 2, 2], [2, 1, 2]] {
        let wanted = TableRequest { one_row_per_patient: true, ..given(patients(ids), "") };
        let error = run(&Tables::new().enclave(), &wanted, None).unwrap_err();
        assert!(error.contains("the rows given for it, row 3: a patient has a second row"), "{error}");
    }
}

#[test]
fn a_second_row_that_the_predicate_removes_is_found_in_an_ordered_table() {
    use datafusion::prelude::{ident, lit};
    let tables = Tables::new();
    tables.put_rows("patients.parquet", &rows("patient_id:int a:int\n1 1\n1 2\n"), BY_KEY);
    let error = run(&tables.enclave(), &one_row("a:int"), Some(ident("a").eq(lit(1_i64)))).unwrap_err();
    assert!(error.contains("row 2"), "{error}");
}

#[test]
fn errors_are_found_however_datafusion_wraps_them() {
    use datafusion::error::DataFusionError;
    use std::sync::Arc;
    let error = || SourceError::Unsorted { table: "t".into() };
    let bare = || DataFusionError::from(error());
    for wrapped in [
        bare(),
        bare().context("while sorting"),
        DataFusionError::Shared(Arc::new(bare())),
        DataFusionError::ArrowError(Box::new(arrow::error::ArrowError::ExternalError(Box::new(bare()))), None),
        DataFusionError::External(Box::new(DataFusionError::Shared(Arc::new(bare().context("x"))))),
    ] {
        assert_eq!(SourceError::find(&wrapped), Some(&error()), "{wrapped:?}");
    }
    assert_eq!(SourceError::find(&DataFusionError::Execution("other".into())), None);
}

#[test]
fn hidden_patients_break_no_promise_and_their_rows_no_count() {
    let tables = Tables::new();
    tables.put_rows("patients.parquet", &patients([1, 9, 2, 9, 3]), BY_KEY);
    let enclave = tables.enclave_with(VerifiedPolicy::permitting([1, 2, 3]), options());
    assert_eq!(run(&enclave, &one_row(""), None).unwrap(), ["1", "2", "3"]);
}
