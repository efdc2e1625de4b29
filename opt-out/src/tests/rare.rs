//! Codes that few rows have: most of the other columns is left undecoded, and nothing else is different.

use std::sync::Arc;

use arrow::array::*;
use datafusion::prelude::{Expr, ident, lit};

use super::fixtures::*;
use crate::VerifiedPolicy;

const ROWS: usize = 100_000;
const ROWS_OF_A_PATIENT: usize = 20;

/// Ten codes, and a rare one or none at some places.
fn table(rare: &[usize], none: &[usize]) -> RecordBatch {
    let patients: ArrayRef =
        Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| (row / ROWS_OF_A_PATIENT) as i64)));
    let code = |row: usize| match row {
        row if rare.contains(&row) => Some("rare".to_owned()),
        row if none.contains(&row) => None,
        row => Some(format!("common{}", row % 10)),
    };
    let codes: ArrayRef = Arc::new((0..ROWS).map(code).collect::<StringArray>());
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    RecordBatch::try_from_iter_with_nullable([
        ("patient_id", patients, false),
        ("code", codes, true),
        ("number", numbers, true),
    ])
    .unwrap()
}

fn rare() -> Expr {
    ident("code").eq(lit("rare"))
}

fn expected(places: &[usize], code: &str) -> Vec<String> {
    places.iter().map(|row| format!("{} {code} {row}", row / ROWS_OF_A_PATIENT)).collect()
}

/// Groups of a row group: one, and some of which the last is shorter.
const GROUPS: [Written; 2] = [
    Written { by_key: true, by_sorting_columns: false, group_rows: None, no_statistics: false },
    Written { by_key: true, by_sorting_columns: false, group_rows: Some(35_000), no_statistics: false },
];

#[test]
fn rare_rows_are_found_wherever_they_are() {
    let every = |step: usize| (7..ROWS).step_by(step).collect::<Vec<_>>();
    let cases = [
        vec![],
        vec![0],
        vec![ROWS - 1],
        vec![2047, 2048, 16_383, 16_384],
        vec![34_999, 35_000, 69_999, 70_001, 99_998],
        (40_000..45_000).collect(),
        every(20_011),
        // Too many to leave anything out.
        every(9_001),
        every(3),
    ];
    for how in GROUPS {
        for places in &cases {
            let tables = Tables::new();
            tables.put_rows("patients.parquet", &table(places, &[]), how);
            let found = run(&tables.enclave(), &request("code:str number:int"), Some(rare())).unwrap();
            assert!(found == expected(places, "rare"), "{} rows of {}: {found:.9?}", found.len(), places.len());
            // And where somebody is hidden, so that every row's patient is looked at.
            let seen = VerifiedPolicy::permitting((0..ROWS as i64).filter(|patient| patient % 3 > 0));
            let enclave = tables.enclave_with(seen, options());
            let found = run(&enclave, &request("code:str number:int"), Some(rare())).unwrap();
            let seen: Vec<usize> =
                places.iter().copied().filter(|row| !(row / ROWS_OF_A_PATIENT).is_multiple_of(3)).collect();
            assert!(found == expected(&seen, "rare"), "{} rows of {}", found.len(), seen.len());
        }
    }
}

#[test]
fn rare_rows_without_a_code_are_found() {
    for how in GROUPS {
        let (places, none) = ([3, 50_000], [40, 16_384, 98_000]);
        let tables = Tables::new();
        tables.put_rows("patients.parquet", &table(&places, &none), how);
        let wanted = request("code:str number:int");
        assert_eq!(run(&tables.enclave(), &wanted, Some(rare())).unwrap(), expected(&places, "rare"));
        assert_eq!(run(&tables.enclave(), &wanted, Some(ident("code").is_null())).unwrap(), expected(&none, ""));
    }
}

#[test]
fn a_broken_promise_among_rare_rows_is_found_and_named() {
    let rows = table(&[10, 40_000, 80_000], &[]);
    let mut patients: Vec<i64> = rows.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec();
    let mut broken = |row: usize, patient: i64| {
        patients[row] = patient;
        let mut columns = rows.columns().to_vec();
        columns[0] = Arc::new(Int64Array::from(patients.clone()));
        let rows = RecordBatch::try_new(rows.schema(), columns).unwrap();
        let tables = Tables::new();
        tables.put_rows("patients.parquet", &rows, GROUPS[0]);
        run(&tables.enclave(), &request("code:str number:int"), Some(rare()))
    };
    // Far from every row that is wanted: no answer can come of it.
    assert_eq!(broken(60_000, 0).unwrap(), expected(&[10, 40_000, 80_000], "rare"));
    let error = broken(40_000, 0).unwrap_err();
    assert!(error.contains("row 40001"), "{error}");
}

#[test]
fn of_a_table_with_one_row_for_each_patient_every_row_is_looked_at() {
    let tables = Tables::new();
    tables.put_rows("patients.parquet", &table(&[80_000], &[]), GROUPS[0]);
    let error = run(&tables.enclave(), &one_row("code:str"), Some(rare())).unwrap_err();
    assert!(error.contains("row 2: a patient has a second row"), "{error}");
}
