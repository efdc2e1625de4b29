//! Whatever the batches and the bounds, blocks are the tables cut at the same patients.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};
use peristyle_opt_out::{Cores, PatientId};
use proptest::prelude::*;

use super::BlockStream;
use crate::options::ExecutionOptions;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("patient_id", DataType::Int64, false),
        Field::new("value", DataType::Int64, true),
    ]))
}

/// A table's stream in batches of the given sizes, the last size again and again.
fn stream(rows: &[(i64, i64)], sizes: &[usize]) -> SendableRecordBatchStream {
    let mut batches = Vec::new();
    let mut rest = rows;
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(sizes.last().copied().unwrap_or(1)));
    while !rest.is_empty() {
        let (taken, left) = rest.split_at(sizes.next().unwrap().min(rest.len()));
        let ids: Int64Array = taken.iter().map(|row| row.0).collect::<Vec<_>>().into();
        let values: Int64Array = taken.iter().map(|row| row.1).collect::<Vec<_>>().into();
        batches.push(RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(values)]));
        rest = left;
    }
    let batches = futures::stream::iter(batches).map_err(Into::into);
    Box::pin(RecordBatchStreamAdapter::new(schema(), batches))
}

fn int(patient: &PatientId) -> i64 {
    let PatientId::Int(key) = patient else { panic!("another key") };
    *key
}

type Table = Vec<(i64, i64)>;

/// Patients and each table's values of every patient, from the blocks.
async fn through_blocks(
    tables: &[Table],
    sizes: &[usize],
    options: ExecutionOptions,
) -> (Vec<i64>, Vec<BTreeMap<i64, Vec<i64>>>) {
    let streams = tables.iter().map(|table| stream(table, sizes)).collect();
    let blocks: Vec<_> = BlockStream::new(streams, &options, Cores::new(1)).into_stream().try_collect().await.unwrap();
    let mut patients = Vec::new();
    let mut seen = vec![BTreeMap::new(); tables.len()];
    for block in blocks {
        assert!(!block.patients.is_empty() && block.patients.len() <= options.block_patients_max);
        let rows: usize = block.tables.iter().map(|table| table.batch.num_rows()).sum();
        assert!(rows <= options.block_rows_max || block.patients.len() == 1);
        for (table, seen) in block.tables.iter().zip(&mut seen) {
            assert_eq!(table.offsets.len(), block.patients.len() + 1);
            assert_eq!(*table.offsets.last().unwrap() as usize, table.batch.num_rows());
            let values = table.batch.column(1).as_primitive::<Int64Type>();
            let ids = table.batch.column(0).as_primitive::<Int64Type>();
            for (patient, range) in block.patients.iter().zip(table.offsets.windows(2)) {
                for row in range[0] as usize..range[1] as usize {
                    assert_eq!(ids.value(row), int(patient));
                    seen.entry(int(patient)).or_insert_with(Vec::new).push(values.value(row));
                }
            }
        }
        patients.extend(block.patients.iter().map(int));
    }
    (patients, seen)
}

fn table() -> impl Strategy<Value = Table> {
    prop::collection::vec((-3i64..12, 0i64..100), 0..40).prop_map(|mut rows| {
        rows.sort_by_key(|row| row.0);
        rows
    })
}

proptest! {
    #[test]
    fn blocks_hold_every_row_once_with_its_patient(
        tables in prop::collection::vec(table(), 1..4),
        sizes in prop::collection::vec(1usize..9, 1..4),
        block_rows_max in 1usize..30,
        block_patients_max in 1usize..6,
    ) {
        let options = ExecutionOptions { threads: 1, block_rows_max, block_patients_max };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (patients, seen) = runtime.block_on(through_blocks(&tables, &sizes, options));
        let expected: BTreeSet<i64> = tables.iter().flatten().map(|row| row.0).collect();
        prop_assert_eq!(patients, expected.into_iter().collect::<Vec<_>>());
        for (table, seen) in tables.iter().zip(seen) {
            let mut expected: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
            for (patient, value) in table {
                expected.entry(*patient).or_default().push(*value);
            }
            prop_assert_eq!(seen, expected);
        }
    }
}

#[test]
fn rows_out_of_order_are_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let blocks = BlockStream::new(vec![stream(&[(2, 0), (1, 0)], &[2])], &ExecutionOptions::default(), Cores::new(1))
        .into_stream();
    assert!(runtime.block_on(blocks.boxed().next()).unwrap().is_err());
}
