//! Plans as people read them.

use datafusion::prelude::{ident, lit};

use super::fixtures::*;
use crate::TableRequest;

const LINES: &str = "patient_id:int code:str date:date\n1 x 2020-01-01\n2 y -\n";
const BY_KEY: Written = Written { by_key: true, by_sorting_columns: false, group_rows: None, no_statistics: false };

fn shown(tables: &Tables, request: &TableRequest, predicate: Option<datafusion::prelude::Expr>) -> String {
    plan_text(&plan(&tables.enclave(), request, predicate))
}

#[test]
fn an_ordered_table_streams() {
    let tables = Tables::new();
    tables.put_rows("patients.parquet", &rows(LINES), BY_KEY);
    insta::assert_snapshot!(shown(&tables, &one_row("code:str date:date"), None), @r"
    PatientOrderExec: order=patient_id, rows_per_patient=one
      CooperativeExec
        GuardedScanExec: table=ehrql.tables.core.patients, format=parquet, files=[patients.parquet], columns=[patient_id, code, date], order=patient_id, partitions=1
    ");
}

#[test]
fn an_unordered_table_is_sorted() {
    let tables = Tables::new();
    tables.put_rows("patients/a.csv", &rows(LINES), Written::default());
    tables.put_rows("patients/b.csv", &rows(LINES), Written::default());
    insta::assert_snapshot!(shown(&tables, &request("code:str"), None), @r"
    PatientOrderExec: order=patient_id, rows_per_patient=any
      SortPreservingMergeExec: [patient_id@0 ASC]
        SortExec: expr=[patient_id@0 ASC], preserve_partitioning=[true]
          GuardedScanExec: table=ehrql.tables.core.patients, format=csv, files=[a.csv, b.csv], columns=[patient_id, code], order=none, partitions=2
    ");
}

#[test]
fn predicates_go_into_the_scan() {
    let tables = Tables::new();
    tables.put_rows("patients.parquet", &rows(LINES), BY_KEY);
    let codes = ident("code").in_list(["a", "b", "c", "d", "e"].map(lit).to_vec(), false);
    let day = lit(datafusion::scalar::ScalarValue::Date32(Some(18262)));
    let predicate = codes.and(ident("date").gt_eq(day));
    insta::assert_snapshot!(shown(&tables, &request("code:str date:date"), Some(predicate)), @r"
    PatientOrderExec: order=patient_id, rows_per_patient=any
      CooperativeExec
        GuardedScanExec: table=ehrql.tables.core.patients, format=parquet, files=[patients.parquet], columns=[patient_id, code, date], predicate=code IN (values: 5) AND date >= 2020-01-01, order=patient_id, partitions=1
    ");
}

#[test]
fn predicates_that_can_fail_stay_above() {
    let tables = Tables::new();
    tables.put_rows("patients.parquet", &rows("patient_id:int a:int\n1 1\n"), BY_KEY);
    let predicate = (lit(1_i64) / ident("a")).gt(lit(0_i64)).and(ident("a").gt(lit(0_i64)));
    insta::assert_snapshot!(shown(&tables, &request("a:int"), Some(predicate)), @r"
    PatientOrderExec: order=patient_id, rows_per_patient=any
      FilterExec: 1 / a@1 > 0
        CooperativeExec
          GuardedScanExec: table=ehrql.tables.core.patients, format=parquet, files=[patients.parquet], columns=[patient_id, a], predicate=a > 0, order=patient_id, partitions=1
    ");
}

#[test]
fn a_predicate_that_never_holds_leaves_no_scan() {
    let tables = Tables::new();
    tables.put_rows("patients.parquet", &rows("patient_id:int a:int\n1 1\n"), BY_KEY);
    insta::assert_snapshot!(shown(&tables, &request("a:int"), Some(lit(false))), @r"
    PatientOrderExec: order=patient_id, rows_per_patient=any
      EmptyExec
    ");
}

#[test]
fn rows_at_hand_are_a_guarded_scan_too() {
    insta::assert_snapshot!(shown(&Tables::new(), &given(rows(LINES), "code:str"), None), @r"
    PatientOrderExec: order=patient_id, rows_per_patient=any
      CooperativeExec
        GuardedScanExec: table=ehrql.tables.core.patients, format=given, columns=[patient_id, code], order=patient_id, partitions=1
    ");
}

#[test]
fn metrics_count_what_was_done() {
    let tables = Tables::new();
    let lines = "patient_id:int a:int\n1 1\n2 2\n3 3\n4 4\n5 5\n";
    tables.put_rows("patients.parquet", &rows(lines), BY_KEY);
    let enclave = tables.enclave_with(crate::VerifiedPolicy::permitting([1, 2, 3]), options());
    let plan = plan(&enclave, &request("a:int"), Some(ident("a").gt(lit(1_i64))));
    block_on(datafusion::physical_plan::collect(std::sync::Arc::clone(&plan), enclave.task_context())).unwrap();
    let mut scan = plan;
    while let Some(input) = scan.children().first().map(|child| std::sync::Arc::clone(child)) {
        scan = input;
    }
    let metrics = scan.metrics().unwrap();
    let count = |name: &str| metrics.sum_by_name(name).unwrap().as_usize();
    assert_eq!(count("rows_read"), 5);
    assert_eq!(count("rows_removed_by_policy"), 2);
    assert_eq!(count("rows_removed_by_predicate"), 1);
    assert_eq!(count("batches"), 2);
    assert_eq!(metrics.output_rows(), Some(2));
    assert!(count("bytes_read") > 0);
    assert!(metrics.sum_by_name("decode_time").is_some());
}
