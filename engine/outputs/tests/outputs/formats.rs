//! Each format, read back by a reader of its own.

use std::fs::File;
use std::io::Read as _;

use arrow::array::AsArray as _;
use arrow::ipc::reader::FileReader;
use arrow::util::pretty::pretty_format_batches;
use flate2::read::GzDecoder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;

use super::*;

/// What `csv.writer` of Python 3.11 writes for the rows of [`every_kind`], with ehrQL's `T` and `F`.
const CSV_OF_EVERY_KIND: &str = concat!(
    "patient_id,b,i,count,imd,decile,change,f,s,c,d\r\n",
    "123,T,1,65535,100,1,-5,2.3,\"a,b\",intersex,2020-01-01\r\n",
    "456,F,-9223372036854775808,0,32800,10,5,1e+16,\"say \"\"hi\"\"\nthere\",male,0001-01-01\r\n",
    "789,,,,,,,,,,\r\n",
);

fn fields(schema: &arrow::datatypes::Schema) -> String {
    let field = |field: &Arc<arrow::datatypes::Field>| {
        let nullable = if field.is_nullable() { "" } else { " not null" };
        let ordered = if field.dict_is_ordered() == Some(true) { " ordered" } else { "" };
        format!("{}: {}{nullable}{ordered}", field.name(), field.data_type())
    };
    schema.fields().iter().map(field).collect::<Vec<_>>().join("\n")
}

fn sorted(metadata: &std::collections::HashMap<String, String>) -> Vec<(&str, &str)> {
    let mut metadata: Vec<_> = metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    metadata.sort_unstable();
    metadata
}

#[test]
fn arrow_has_exact_types_and_values() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.arrow");
    let written = write(&output, &[every_kind()]).unwrap();
    assert_eq!((written[0].rows, written[0].path.as_deref()), (3, Some(output.canonicalize().unwrap().as_path())));

    let reader = FileReader::try_new(File::open(&output).unwrap(), None).unwrap();
    let schema = reader.schema();
    insta::assert_snapshot!(fields(&schema), @r"
    patient_id: Int64 not null
    b: Boolean
    i: Int64
    count: UInt16
    imd: UInt16
    decile: UInt8
    change: Int8
    f: Float64
    s: Utf8
    c: Dictionary(Int8, Utf8) ordered
    d: Date32
    ");
    assert_eq!(sorted(schema.metadata()), [("peristyle.engine_version", "0.1.0"), ("peristyle.policy", "dummy")]);
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    insta::assert_snapshot!(pretty_format_batches(&batches).unwrap(), @r#"
    +------------+-------+----------------------+-------+-------+--------+--------+------+----------+----------+------------+
    | patient_id | b     | i                    | count | imd   | decile | change | f    | s        | c        | d          |
    +------------+-------+----------------------+-------+-------+--------+--------+------+----------+----------+------------+
    | 123        | true  | 1                    | 65535 | 100   | 1      | -5     | 2.3  | a,b      | intersex | 2020-01-01 |
    | 456        | false | -9223372036854775808 | 0     | 32800 | 10     | 5      | 1e16 | say "hi" | male     | 0001-01-01 |
    |            |       |                      |       |       |        |        |      | there    |          |            |
    | 789        |       |                      |       |       |        |        |      |          |          |            |
    +------------+-------+----------------------+-------+-------+--------+--------+------+----------+----------+------------+
    "#);
    let categories = batches[0].column_by_name("c").unwrap().as_any_dictionary().values().clone();
    assert_eq!(categories.as_string::<i32>(), &StringArray::from(vec!["male", "female", "intersex"]));
}

#[test]
fn parquet_has_exact_types_and_values() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.parquet");
    write(&output, &[every_kind()]).unwrap();

    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&output).unwrap()).unwrap();
    insta::assert_snapshot!(fields(reader.schema()), @r"
    patient_id: Int64 not null
    b: Boolean
    i: Int64
    count: UInt16
    imd: UInt16
    decile: UInt8
    change: Int8
    f: Float64
    s: Utf8
    c: Dictionary(Int8, Utf8)
    d: Date32
    ");
    assert_eq!(
        sorted(reader.schema().metadata()),
        [("peristyle.engine_version", "0.1.0"), ("peristyle.policy", "dummy")]
    );
    let row_group = reader.metadata().row_group(0).clone();
    let sorting = row_group.sorting_columns().unwrap();
    assert_eq!(sorting.iter().map(|column| (column.column_idx, column.descending)).collect::<Vec<_>>(), [(0, false)]);
    assert!(matches!(row_group.column(1).compression(), Compression::ZSTD(_)));
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    insta::assert_snapshot!(pretty_format_batches(&batches).unwrap(), @r#"
    +------------+-------+----------------------+-------+-------+--------+--------+------+----------+----------+------------+
    | patient_id | b     | i                    | count | imd   | decile | change | f    | s        | c        | d          |
    +------------+-------+----------------------+-------+-------+--------+--------+------+----------+----------+------------+
    | 123        | true  | 1                    | 65535 | 100   | 1      | -5     | 2.3  | a,b      | intersex | 2020-01-01 |
    | 456        | false | -9223372036854775808 | 0     | 32800 | 10     | 5      | 1e16 | say "hi" | male     | 0001-01-01 |
    |            |       |                      |       |       |        |        |      | there    |          |            |
    | 789        |       |                      |       |       |        |        |      |          |          |            |
    +------------+-------+----------------------+-------+-------+--------+--------+------+----------+----------+------------+
    "#);
}

#[test]
fn csv_is_what_python_writes() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.csv");
    write(&output, &[every_kind()]).unwrap();
    assert_eq!(fs::read_to_string(&output).unwrap(), CSV_OF_EVERY_KIND);
}

#[test]
fn csv_gz_is_csv_without_a_time_or_name() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.csv.gz");
    write(&output, &[every_kind()]).unwrap();
    let compressed = fs::read(&output).unwrap();
    // RFC 1952: magic, deflate, no flags, no time.
    assert_eq!(compressed[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    let mut text = String::new();
    GzDecoder::new(&compressed[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, CSV_OF_EVERY_KIND);
}

#[test]
fn a_line_of_nothing_is_quoted_as_python_does() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.csv");
    write(&output, &[table("t", &[texts("only", &[None, Some(""), Some("x")])])]).unwrap();
    assert_eq!(fs::read_to_string(&output).unwrap(), "only\r\n\"\"\r\n\"\"\r\nx\r\n");
}

#[test]
fn a_table_without_rows_keeps_its_columns() {
    let directory = tempfile::tempdir().unwrap();
    let (spec, batch) = every_kind();
    let empty = (spec, batch.slice(0, 0));
    for extension in ["arrow", "parquet", "csv"] {
        write(&directory.path().join(format!("out.{extension}")), std::slice::from_ref(&empty)).unwrap();
    }
    let open = |name: &str| File::open(directory.path().join(name)).unwrap();

    let arrow: Vec<_> = FileReader::try_new(open("out.arrow"), None).unwrap().map(Result::unwrap).collect();
    assert_eq!(arrow.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [0], "one batch, for ehrQL's reader");
    assert_eq!(arrow[0].column_by_name("c").unwrap().as_any_dictionary().values().len(), 3, "categories are kept");
    let parquet = ParquetRecordBatchReaderBuilder::try_new(open("out.parquet")).unwrap();
    assert_eq!((parquet.schema().fields().len(), parquet.metadata().file_metadata().num_rows()), (11, 0));
    let csv = fs::read_to_string(directory.path().join("out.csv")).unwrap();
    assert_eq!(csv, "patient_id,b,i,count,imd,decile,change,f,s,c,d\r\n");
}

#[test]
fn several_tables_go_to_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("deep/er/:csv");
    let visits = table("visits/all", &[patient_id(&[1, 1, 2]), ints("n", None, &[Some(1), Some(2), Some(3)])]);
    let written = write(&output, &[every_kind(), visits]).unwrap();
    assert_eq!(files_in(directory.path()), ["deep/er/dataset.csv", "deep/er/visits%2Fall.csv"]);
    assert_eq!(
        written.iter().map(|table| (&*table.name, table.rows)).collect::<Vec<_>>(),
        [("dataset", 3), ("visits/all", 3)]
    );
}

/// A console that a test can read.
#[derive(Clone, Default)]
struct Screen(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn shown(tables: &[(TableSpec, RecordBatch)]) -> String {
    let screen = Screen::default();
    let specs = tables.iter().map(|(spec, _)| spec.clone()).collect();
    let mut writer = TablesWriter::to_console(Box::new(screen.clone()), specs).unwrap();
    // Last first: the engine writes to all tables as it goes.
    for (index, (_, batch)) in tables.iter().enumerate().rev() {
        writer.write(index, batch).unwrap();
    }
    assert!(writer.finish().unwrap().iter().all(|table| table.path.is_none() && table.bytes > 0));
    let text = screen.0.lock().unwrap().clone();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_console_shows_csv() {
    assert_eq!(shown(&[every_kind()]), CSV_OF_EVERY_KIND);
}

/// As ehrQL's console does: names without a carriage return, two lines between tables.
#[test]
fn the_console_shows_one_table_after_the_other() {
    let first = table("table_1", &[patient_id(&[123, 456]), bools("b", &[Some(true), Some(false)])]);
    let second = table("table_2", &[patient_id(&[789]), texts("s", &[Some("a")])]);
    let expected = "table_1\npatient_id,b\r\n123,T\r\n456,F\r\n\n\ntable_2\npatient_id,s\r\n789,a\r\n";
    assert_eq!(shown(&[first, second]), expected);
}
