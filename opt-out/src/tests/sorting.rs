//! Tables larger than the memory they may take: sorted through private files that are gone afterwards.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::fixtures::*;
use crate::{EnclaveOptions, VerifiedPolicy};

/// 300,000 rows of 20,000 patients in no order.
fn many_rows(tables: &Tables, files: usize) {
    let mut random = StdRng::seed_from_u64(7);
    for file in 0..files {
        let mut lines: Vec<String> = (0..300_000 / files)
            .map(|_| {
                let patient = random.random_range(0..20_000);
                format!("{patient} code{} {}\n", patient % 300, patient * 2)
            })
            .collect();
        lines.shuffle(&mut random);
        let lines = format!("patient_id:int code:str a:int\n{}", lines.concat());
        let how = Written { group_rows: Some(40_000), ..Written::default() };
        tables.put_rows(&format!("patients/{file}.parquet"), &rows(&lines), how);
    }
}

#[test]
fn a_sort_that_spills_yields_every_row_in_order_and_leaves_nothing_behind() {
    let tables = Tables::new();
    many_rows(&tables, 3);
    let spill = tempfile::tempdir().unwrap();
    let options = EnclaveOptions {
        threads: 2,
        batch_rows: 1024,
        memory_limit_bytes: Some(6 << 20),
        spill_directory: Some(spill.path().to_path_buf()),
        ..options()
    };
    let enclave = tables.enclave_with(VerifiedPolicy::dummy_tables(), options);
    let wanted = request("code:str a:int");
    let plan = plan(&enclave, &wanted, None);
    let batches = block_on(datafusion::physical_plan::collect(plan.clone(), enclave.task_context())).unwrap();
    let spilled: usize = spilled_files(&plan);
    assert!(spilled > 0, "the test should make it spill");

    let found: Vec<String> =
        batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| line(batch, row))).collect();
    assert_eq!(found.len(), 300_000);
    for row in &found {
        let cells: Vec<&str> = row.split(' ').collect();
        let patient: i64 = cells[0].parse().unwrap();
        assert_eq!(
            (cells[1], cells[2]),
            (format!("code{}", patient % 300).as_str(), (patient * 2).to_string().as_str())
        );
    }
    drop((plan, batches, enclave));
    assert_eq!(std::fs::read_dir(spill.path()).unwrap().count(), 0);
}

/// Sorts and merges of two partitions and two tables compete; none may take what another needs to end.
#[test]
fn a_limit_that_suffices_suffices_whatever_the_threads_do() {
    let tables = Tables::new();
    many_rows(&tables, 3);
    let mut spilled = 0;
    for limit_mib in [3, 4, 6, 8, 12, 16] {
        for _ in 0..4 {
            let options = EnclaveOptions {
                threads: 2,
                batch_rows: 1024,
                memory_limit_bytes: Some(limit_mib << 20),
                ..EnclaveOptions::default()
            };
            let enclave = tables.enclave_with(VerifiedPolicy::dummy_tables(), options);
            let wanted = request("code:str a:int");
            let plans = [plan(&enclave, &wanted, None), plan(&enclave, &wanted, None)];
            let runs = plans.iter().map(|plan| {
                let batches = datafusion::physical_plan::collect(plan.clone(), enclave.task_context());
                async move {
                    batches
                        .await
                        .unwrap_or_else(|error| panic!("{limit_mib} MiB: {error}"))
                        .iter()
                        .map(|batch| batch.num_rows())
                        .sum::<usize>()
                }
            });
            let rows = block_on(futures::future::join_all(runs));
            assert_eq!(rows, [300_000, 300_000], "{limit_mib} MiB");
            spilled += plans.iter().map(spilled_files).sum::<usize>();
        }
    }
    assert!(spilled > 0, "the test should make them spill");
}

fn line(batch: &arrow::array::RecordBatch, row: usize) -> String {
    use arrow::util::display::array_value_to_string;
    batch.columns().iter().map(|c| array_value_to_string(c, row).unwrap()).collect::<Vec<_>>().join(" ")
}

fn spilled_files(plan: &std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>) -> usize {
    let own = plan.metrics().and_then(|metrics| metrics.spill_count()).unwrap_or_default();
    own + plan.children().into_iter().map(spilled_files).sum::<usize>()
}

#[test]
fn too_little_memory_is_said_in_our_words() {
    let tables = Tables::new();
    many_rows(&tables, 3);
    let options = EnclaveOptions { threads: 2, memory_limit_bytes: Some(200 << 10), ..EnclaveOptions::default() };
    let enclave = tables.enclave_with(VerifiedPolicy::dummy_tables(), options);
    let error = run(&enclave, &request("code:str a:int"), None).unwrap_err();
    assert!(error.contains("takes more memory than the limit: raise it (`--memory-limit`)"), "{error}");
}

#[test]
fn threads_batches_and_files_change_no_row() {
    let tables = Tables::new();
    many_rows(&tables, 2);
    let mut expected: Option<Vec<String>> = None;
    for (threads, batch_rows) in [(1, 8192), (2, 1000), (5, 100_000)] {
        let options = EnclaveOptions { threads, batch_rows, ..EnclaveOptions::default() };
        let enclave = tables.enclave_with(VerifiedPolicy::dummy_tables(), options);
        let mut found = run(&enclave, &request("code:str a:int"), None).unwrap();
        found.sort_unstable();
        match &expected {
            None => expected = Some(found),
            Some(expected) => assert!(*expected == found, "{threads} threads, {batch_rows} rows"),
        }
    }
}
