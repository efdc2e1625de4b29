//! The guard: what it hides, what it refuses, what it does not tell.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::stats::Precision;
use datafusion::config::ConfigOptions;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::TableProviderFilterPushDown;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::{ExecutionPlan, empty::EmptyExec, placeholder_row::PlaceholderRowExec};
use datafusion::prelude::{SessionContext, ident, lit};

use super::fixtures::*;
use crate::guarded_table::GuardedTable;
use crate::leaf_rule::OnlyGuardedLeaves;
use crate::source::{Extract, Places};
use crate::{SourceError, VerifiedPolicy};

fn two_patients() -> Tables {
    let tables = Tables::new();
    let lines = "patient_id:int code:str a:int\n1 x 5\n2 hidden 6\n1 y 7\n2 hidden 8\n";
    tables.put_rows("patients.parquet", &rows(lines), Written::default());
    tables
}

#[test]
fn hidden_rows_are_gone_before_anything_else() {
    let tables = two_patients();
    tables.put("patients2.csv", "");
    let enclave = tables.enclave_with(VerifiedPolicy::permitting([1]), options());
    assert_eq!(run(&enclave, &request("code:str a:int"), None).unwrap(), ["1 x 5", "1 y 7"]);
    let hidden = Some(ident("code").eq(lit("hidden")));
    assert_eq!(run(&enclave, &request("code:str a:int"), hidden).unwrap(), Vec::<String>::new());
}

#[test]
fn what_is_wrong_with_hidden_rows_is_hidden() {
    let wanted = with_categories(request("code:str a:float"), "code", str_categories(&["x", "y"]));
    let tables = Tables::new();
    tables.put("patients.csv", "patient_id,code,a\n1,x,5\n2,outside,not a number\n1,y,7\n");
    let enclave = tables.enclave_with(VerifiedPolicy::permitting([1]), options());
    assert_eq!(run(&enclave, &wanted, None).unwrap(), ["1 x 5.0", "1 y 7.0"]);

    for name in ["patients.parquet", "patients.arrow"] {
        let tables = Tables::new();
        let lines = "patient_id:int code:str a:float\n1 x 5\n2 outside inf\n1 y 7\n";
        tables.put_rows(name, &rows(lines), Written::default());
        let enclave = tables.enclave_with(VerifiedPolicy::permitting([1]), options());
        assert_eq!(run(&enclave, &wanted, None).unwrap(), ["1 x 5.0", "1 y 7.0"], "{name}");
    }
}

#[test]
fn row_numbers_would_count_hidden_rows_and_are_not_told() {
    let tables = Tables::new();
    tables.put("patients.csv", "patient_id,a\n2,1\n1,wrong\n");
    let enclave = tables.enclave_with(VerifiedPolicy::permitting([1]), options());
    let error = run(&enclave, &request("a:int"), None).unwrap_err();
    assert!(!error.contains("row"), "{error}");
}

/// Every node of a plan.
fn nodes(plan: &Arc<dyn ExecutionPlan>) -> Vec<Arc<dyn ExecutionPlan>> {
    let children = plan.children().into_iter().flat_map(nodes);
    std::iter::once(Arc::clone(plan)).chain(children).collect()
}

#[test]
fn no_statistics_cross() {
    let tables = two_patients();
    let plan = plan(&tables.enclave(), &request("code:str a:int"), None);
    for node in nodes(&plan) {
        for partition in [None, Some(0)] {
            #[expect(deprecated, reason = "what an optimiser asks")]
            let statistics = node.partition_statistics(partition).unwrap();
            assert_eq!(statistics.num_rows, Precision::Absent, "{}", node.name());
            assert_eq!(statistics.total_byte_size, Precision::Absent, "{}", node.name());
            for column in &statistics.column_statistics {
                assert_eq!(column.max_value, Precision::Absent);
                assert_eq!(column.null_count, Precision::Absent);
            }
        }
    }
}

fn guarded(tables: &Tables) -> GuardedTable {
    let directory = Extract::from(tables.path()).open().unwrap();
    let wanted = request("code:str a:int");
    let policy = VerifiedPolicy::permitting([1]);
    let places = Places { directory: Some(&directory), study: None };
    GuardedTable::open(&policy, &wanted, places, &options()).unwrap()
}

/// Rows of a query over the guarded table, planned with DataFusion's own settings: nothing must hang on ours.
fn query(tables: &Tables, sql: &str) -> String {
    let table = guarded(tables);
    assert_eq!(table.statistics(), None);
    block_on(async {
        let context = SessionContext::new();
        context.register_table("patients", Arc::new(table)).unwrap();
        let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
        arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string()
    })
}

#[test]
fn counts_and_limits_see_permitted_rows_only() {
    let tables = two_patients();
    insta::assert_snapshot!(query(&tables, "SELECT count(*), min(a), max(a), max(code) FROM patients"), @r"
    +----------+-----------------+-----------------+--------------------+
    | count(*) | min(patients.a) | max(patients.a) | max(patients.code) |
    +----------+-----------------+-----------------+--------------------+
    | 2        | 5               | 7               | y                  |
    +----------+-----------------+-----------------+--------------------+
    ");
    insta::assert_snapshot!(query(&tables, "SELECT a FROM patients ORDER BY a DESC LIMIT 1"), @r"
    +---+
    | a |
    +---+
    | 7 |
    +---+
    ");
    // Division fails on a = 6 and a = 8 only, which are hidden.
    insta::assert_snapshot!(query(&tables, "SELECT a FROM patients WHERE 1 / (a - 6) + 1 / (a - 8) < 100 ORDER BY a"), @r"
    +---+
    | a |
    +---+
    | 5 |
    | 7 |
    +---+
    ");
}

#[test]
fn only_what_cannot_fail_goes_below() {
    use TableProviderFilterPushDown::{Exact, Unsupported};
    use datafusion::functions::expr_fn::upper;
    let table = guarded(&two_patients());
    let code = || ident("code");
    let a = || ident("a");
    let many: Vec<_> = (0..100).map(|n| lit(n as i64)).collect();
    for (filter, expected) in [
        (code().eq(lit("x")), Exact),
        (lit("x").lt_eq(code()), Exact),
        (code().in_list(vec![lit("x"), lit("y")], false), Exact),
        (code().in_list(vec![lit("x")], true), Exact),
        (a().in_list(many, false), Exact),
        (a().between(lit(1_i64), lit(2_i64)), Exact),
        (code().is_null().or(a().gt(lit(3_i64)).and(code().is_not_null())), Exact),
        // Of another type, NULL, of two columns, of a function, of arithmetic: all stay above.
        (a().eq(lit("x")), Unsupported),
        (a().eq(lit(1_i32)), Unsupported),
        (a().in_list(vec![lit(1_i64), lit(datafusion::scalar::ScalarValue::Int64(None))], true), Unsupported),
        (a().eq(ident("patient_id")), Unsupported),
        (upper(code()).eq(lit("X")), Unsupported),
        ((lit(1_i64) / a()).gt(lit(0_i64)), Unsupported),
        (code().is_null().or((lit(1_i64) / a()).gt(lit(0_i64))), Unsupported),
        (code().like(lit("x%")), Unsupported),
        ((!(a().gt(lit(3_i64)))), Unsupported),
        (ident("nowhere").eq(lit("x")), Unsupported),
    ] {
        assert_eq!(table.supports_filters_pushdown(&[&filter]).unwrap(), [expected], "{filter}");
    }
    let deep = (0..10_000).fold(a().eq(lit(0_i64)), |all, n| all.or(ident("a").eq(lit(n as i64))));
    assert_eq!(table.supports_filters_pushdown(&[&deep]).unwrap(), [Unsupported]);
    // Too deep for its own drop.
    std::mem::forget(deep);
}

#[test]
fn predicates_hold_for_exactly_the_rows_they_should() {
    let tables = Tables::new();
    let lines = "
        patient_id:int code:str a:int x:float d:date       b:bool
        1              x        5     0.5     2020-01-01   T
        2              y        -     -1      2020-01-02   F
        3              -        7     -       -            -
        4              é        -7    0       2019-12-31   T";
    let day = |days: i32| lit(datafusion::scalar::ScalarValue::Date32(Some(days)));
    for name in ["patients.parquet", "patients.csv"] {
        tables.put_rows(name, &rows(lines), Written::default());
        let code = || ident("code");
        for (predicate, expected) in [
            (code().eq(lit("x")), "1"),
            (code().not_eq(lit("x")), "24"),
            (code().gt(lit("x")), "24"),
            (code().in_list(vec![lit("y"), lit("é"), lit("z")], false), "24"),
            (code().in_list(["x", "q", "r", "s", "t"].map(lit).to_vec(), true), "24"),
            (code().is_null(), "3"),
            (ident("a").lt(lit(6_i64)), "14"),
            (ident("a").in_list([5_i64, 7, 8, 9, 10].map(lit).to_vec(), false), "13"),
            (ident("x").gt_eq(lit(0.0)), "14"),
            (ident("d").lt_eq(day(18262)), "14"),
            (ident("b").eq(lit(true)), "14"),
            (ident("b").eq(lit(false)), "2"),
            (ident("b").is_not_null().and(ident("a").is_null()), "2"),
            (code().eq(lit("x")).or(ident("a").eq(lit(7_i64))), "13"),
            (ident("patient_id").gt(lit(2_i64)), "34"),
            // Above the scan.
            ((ident("a") * lit(2_i64)).gt(lit(10_i64)), "3"),
            (lit(false), ""),
        ] {
            let enclave = tables.enclave();
            let found = run(&enclave, &request("code:str a:int x:float d:date b:bool"), Some(predicate.clone()));
            let found: String = found.unwrap().iter().filter_map(|row| row.chars().next()).collect();
            assert_eq!(found, expected, "{name}: {predicate}");
        }
        std::fs::remove_file(tables.path().join(name)).unwrap();
    }
}

#[test]
fn the_last_rule_refuses_unguarded_leaves() {
    let refused = |plan: Arc<dyn ExecutionPlan>| {
        OnlyGuardedLeaves.optimize(plan, &ConfigOptions::new()).map(|_| ()).map_err(|e| e.strip_backtrace())
    };
    let schema = patients([]).schema();
    let empty: Arc<dyn ExecutionPlan> = Arc::new(EmptyExec::new(Arc::clone(&schema)));
    assert_eq!(refused(empty), Ok(()));
    insta::assert_snapshot!(
        refused(Arc::new(PlaceholderRowExec::new(schema))).unwrap_err(),
        @"Error during planning: refused: leaf PlaceholderRowExec is not guarded"
    );
    let tables = two_patients();
    assert_eq!(refused(plan(&tables.enclave(), &request("a:int"), None)), Ok(()));

    let memory = block_on(async {
        let table = MemTable::try_new(patients([1]).schema(), vec![vec![patients([1])]]).unwrap();
        let context = SessionContext::new();
        context.register_table("raw", Arc::new(table)).unwrap();
        context.register_table("patients", Arc::new(guarded(&tables))).unwrap();
        let sql = "SELECT patient_id FROM patients UNION ALL SELECT patient_id FROM raw";
        context.sql(sql).await.unwrap().create_physical_plan().await.unwrap()
    });
    insta::assert_snapshot!(
        refused(memory).unwrap_err(),
        @"Error during planning: refused: leaf DataSourceExec is not guarded"
    );
}

#[test]
fn the_session_itself_refuses_them() {
    let tables = two_patients();
    let enclave = tables.enclave();
    let table = MemTable::try_new(patients([1]).schema(), vec![vec![patients([1])]]).unwrap();
    let error = block_on(async {
        let frame = enclave.session_for_tests().read_table(Arc::new(table)).unwrap();
        frame.create_physical_plan().await.unwrap_err()
    });
    assert!(error.to_string().contains("is not guarded"), "{error}");
}

#[test]
fn predicates_of_other_columns_are_refused_before_anything_is_read() {
    let tables = two_patients();
    let wanted = request("a:int");
    let error = block_on(tables.enclave().ordered_scan(&wanted, Some(ident("code").eq(lit("x"))))).unwrap_err();
    assert!(matches!(error, SourceError::Request { .. }), "{error}");
}

#[test]
fn what_fails_above_the_scan_fails_in_our_words() {
    let tables = two_patients();
    let predicate = (lit(1_i64) / (ident("a") - lit(6_i64))).gt(lit(0_i64));
    let error = run(&tables.enclave(), &request("a:int"), Some(predicate)).unwrap_err();
    assert_eq!(error, "table `ehrql.tables.core.patients`: its rows could not be filtered or put in order");
}

#[test]
fn a_policy_is_stamped() {
    let tables = two_patients();
    assert_eq!(tables.enclave().policy().stamp(), "dummy");
}
