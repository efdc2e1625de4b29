//! The bytes of a file depend on its rows alone.

use arrow::array::{Array as _, ArrayData, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Int64Type;
use sha2::{Digest as _, Sha256};

use super::*;

const OUTPUTS: [&str; 4] = ["out.arrow", "out.parquet", "out.csv", "out.csv.gz"];

/// Rows enough for two chunks, the second of them short.
fn long_table() -> (TableSpec, RecordBatch) {
    let rows: Vec<i64> = (0..70_003).collect();
    let sexes = ["male", "female", "unknown"];
    let some = |row: i64| row % 7 != 3;
    table(
        "dataset",
        &[
            patient_id(&rows),
            bools("b", &rows.iter().map(|row| some(*row).then_some(row % 3 == 0)).collect::<Vec<_>>()),
            ints(
                "n",
                Some((0, 70_000)),
                &rows.iter().map(|row| some(row + 1).then_some(row % 1_000)).collect::<Vec<_>>(),
            ),
            floats("f", &rows.iter().map(|row| some(row + 2).then_some(*row as f64 / 3.0)).collect::<Vec<_>>()),
            categories(
                "c",
                &sexes,
                &rows.iter().map(|row| some(row + 3).then_some(sexes[(row % 3) as usize])).collect::<Vec<_>>(),
            ),
            texts(
                "s",
                &rows
                    .iter()
                    .map(|row| some(row + 4).then_some(["x", "yy", ""][(row % 3) as usize]))
                    .collect::<Vec<_>>(),
            ),
        ],
    )
}

/// The digests of every format, with the rows cut after each of `cuts` in turn.
fn digests(spec: &TableSpec, batch: &RecordBatch, cuts: &[usize]) -> Vec<String> {
    digests_on(1, spec, batch, cuts)
}

fn digests_on(threads: usize, spec: &TableSpec, batch: &RecordBatch, cuts: &[usize]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let digest = |output: &&str| {
        let target = OutputTarget::parse(directory.path().join(output).to_str()).unwrap();
        let mut writer = TablesWriter::create(target, vec![spec.clone()], metadata(), None).unwrap();
        let mut begin = 0;
        for cut in cuts.iter().cycle() {
            let rows = (*cut).min(batch.num_rows() - begin);
            writer.write(0, &batch.slice(begin, rows)).unwrap();
            begin += rows;
            if begin == batch.num_rows() {
                break;
            }
        }
        writer.seal(threads).unwrap().publish().unwrap().remove(0).sha256
    };
    OUTPUTS.iter().map(digest).collect()
}

#[test]
fn bytes_do_not_depend_on_batches() {
    let (spec, batch) = long_table();
    let at_once = digests(&spec, &batch, &[usize::MAX]);
    for cuts in [&[1_000][..], &[64_000], &[63_999, 2], &[1, 10_007, 0, 57_777]] {
        assert_eq!(digests(&spec, &batch, cuts), at_once, "cut after {cuts:?}");
    }
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let (spec, batch) = long_table();
    // Several row groups, the last of them short.
    let batches: Vec<RecordBatch> = (0..4_i64)
        .map(|part| {
            let first = part * batch.num_rows() as i64;
            let patients = patient_id(&(first..first + batch.num_rows() as i64).collect::<Vec<_>>()).2;
            let columns = std::iter::once(patients).chain(batch.columns().iter().skip(1).cloned()).collect();
            RecordBatch::try_new(batch.schema(), columns).unwrap()
        })
        .collect();
    let batch = arrow::compute::concat_batches(&batch.schema(), &batches).unwrap();
    let alone = digests(&spec, &batch, &[usize::MAX]);
    for threads in [0, 2, 5, 100] {
        assert_eq!(digests_on(threads, &spec, &batch, &[50_000]), alone, "{threads} threads");
    }
}

#[test]
fn bytes_do_not_depend_on_how_strings_are_encoded() {
    let plain = || categories("c", &["a", "b"], &[Some("b"), None, Some("a")]);
    let of = |column: Column| {
        let (spec, batch) = table("dataset", &[patient_id(&[1, 2, 3]), column]);
        digests(&spec, &batch, &[3])
    };
    let expected = of(plain());
    assert_eq!(of(encoded(plain(), &[Some("a"), None, Some("b")])), expected);
    assert_eq!(of(encoded(plain(), &[None, Some("never used, no category"), Some("b"), Some("a")])), expected);
}

#[test]
fn what_lies_under_a_null_is_not_written() {
    let of = |under_null: i64| {
        let values = vec![1, under_null, 3].into();
        let hidden = PrimitiveArray::<Int64Type>::new(values, Some(NullBuffer::from(vec![true, false, true])));
        let column = ("n", spec(Physical::Int), Arc::new(hidden) as ArrayRef);
        let (spec, batch) = table("dataset", &[patient_id(&[1, 2, 3]), column]);
        digests(&spec, &batch, &[3])
    };
    assert_eq!(of(0), of(9_876_543_210));
}

#[test]
fn a_null_mask_without_nulls_is_as_none() {
    let of = |column: ArrayRef| {
        let (spec, batch) = table("dataset", &[patient_id(&[1, 2, 3]), ("n", spec(Physical::Int), column)]);
        digests(&spec, &batch, &[3])
    };
    let values: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let masked: ArrayData = values.to_data().into_builder().nulls(Some(NullBuffer::new_valid(3))).build().unwrap();
    assert_eq!(of(arrow::array::make_array(masked)), of(values));
}

#[test]
fn the_account_is_of_the_file_as_it_lies() {
    let directory = tempfile::tempdir().unwrap();
    for output in OUTPUTS {
        let path = directory.path().join(output);
        let written = write(&path, &[every_kind()]).unwrap().remove(0);
        let bytes = fs::read(&path).unwrap();
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((written.rows, written.bytes, written.sha256), (3, bytes.len() as u64, digest), "{output}");
    }
}

#[test]
fn arrow_batches_are_of_64_000_rows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.arrow");
    write(&path, &[long_table()]).unwrap();
    let reader = arrow::ipc::reader::FileReader::try_new(fs::File::open(&path).unwrap(), None).unwrap();
    let rows: Vec<usize> = reader.map(|batch| batch.unwrap().num_rows()).collect();
    assert_eq!(rows, [64_000, 6_003]);
}
