//! Every fault of a source, and the words for it. Cells at fault hold a marker, which no text may repeat.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;

use super::fixtures::*;
use crate::{Categories, Enclave, EnclaveOptions, Location, TableRequest, VerifiedPolicy};

/// Stands in cells and wherever else a patient's value may be.
const MARKER: &str = "MARKER";
/// The same for integers.
const MARKER_INT: i64 = 770_077;

/// The texts of several faults, one below another.
fn texts(faults: Vec<(&str, String)>) -> String {
    faults.into_iter().fold(String::new(), |mut all, (what, text)| {
        assert!(!text.contains(MARKER), "{what}: {text}");
        assert!(!text.contains(&MARKER_INT.to_string()), "{what}: {text}");
        writeln!(all, "{what}\n    {text}").unwrap();
        all
    })
}

fn csv_error(text: impl AsRef<[u8]>, columns: &str) -> String {
    let tables = Tables::new();
    tables.put("patients.csv", text);
    tables.error(&request(columns))
}

#[test]
fn tables_that_are_not_there() {
    let missing = Tables::new();
    missing.put("patients.feather", "").put("patients.csv.zip", "").put("events.csv", "").put("practices/a.csv", "");
    let crowded = Tables::new();
    for n in 0..20 {
        crowded.put(&format!("table{n:02}.csv"), "");
    }
    let twice = Tables::new();
    twice.put("patients.csv", "").put("patients.parquet", "").put("patients/a.csv", "");
    let empty = Tables::new();
    empty.put("patients/_SUCCESS", "");
    let mixed = Tables::new();
    mixed.put("patients/a.csv", "").put("patients/b.parquet", "").put("patients/c.csv", "");
    let nested = Tables::new();
    nested.put("patients/year=2020/a.csv", "");
    let unknown = Tables::new();
    unknown.put("patients/a.csv", "").put("patients/notes.txt", "");
    let escaping = TableRequest { location: Location::Table("../patients".into()), ..request("") };
    let nowhere = Enclave::open_tables("/nowhere/at/all", VerifiedPolicy::dummy_tables(), options());
    let without = Enclave::without_tables(VerifiedPolicy::dummy_tables(), EnclaveOptions::default()).unwrap();
    let in_study = Enclave::without_tables(VerifiedPolicy::dummy_tables(), empty.options()).unwrap();
    let lost = |path: &str| run(&in_study, &file(path.into(), ""), None).unwrap_err();
    let found = texts(vec![
        ("no directory", nowhere.unwrap_err().to_string()),
        ("no directory given", run(&without, &request(""), None).unwrap_err()),
        ("nothing there", Tables::new().error(&request(""))),
        ("other endings there", missing.error(&request(""))),
        ("many others there", crowded.error(&request(""))),
        ("several candidates", twice.error(&request(""))),
        ("empty folder", empty.error(&request(""))),
        ("several formats", mixed.error(&request(""))),
        ("folder in folder", nested.error(&request(""))),
        ("unknown ending", unknown.error(&request(""))),
        ("name with a path", Tables::new().error(&escaping)),
        ("file not there", lost("rows.csv")),
        ("file elsewhere", lost("/nowhere/rows.csv")),
        ("file without a folder of the study", run(&without, &file("rows.csv".into(), ""), None).unwrap_err()),
    ]);
    insta::assert_snapshot!(found);
}

#[test]
fn columns_at_fault() {
    let all = rows("patient_id:int a:int\n1 2\n");
    let doubled =
        Schema::new(vec![all.schema().field(0).clone(), all.schema().field(1).clone(), all.schema().field(1).clone()]);
    let doubled = RecordBatch::try_new(
        Arc::new(doubled),
        vec![Arc::clone(all.column(0)), Arc::clone(all.column(1)), Arc::clone(all.column(1))],
    );
    let in_file = |name: &str, rows: &RecordBatch, wanted: &TableRequest| {
        let tables = Tables::new();
        tables.put_rows(name, rows, Written::default());
        tables.error(wanted)
    };
    let at_hand =
        |rows: RecordBatch, columns: &str| run(&Tables::new().enclave(), &given(rows, columns), None).unwrap_err();
    let mut twice = request("a:int");
    twice.columns.push(twice.columns[0].clone());
    let of_other_type = with_categories(request("a:date"), "a", str_categories(&["x"]));
    let timestamps: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![MARKER_INT]));
    let nested: ArrayRef = Arc::new(StructArray::from(vec![(
        Arc::new(Field::new(MARKER, DataType::Int64, true)),
        Arc::new(Int64Array::from(vec![1])) as ArrayRef,
    )]));
    let with = |name: &str, array: ArrayRef| {
        RecordBatch::try_from_iter([("patient_id", Arc::new(Int64Array::from(vec![1])) as ArrayRef), (name, array)])
            .unwrap()
    };
    let text_ids =
        RecordBatch::try_from_iter([("patient_id", Arc::new(StringArray::from(vec![MARKER])) as ArrayRef)]).unwrap();
    let null_ids = RecordBatch::try_from_iter([("patient_id", Arc::new(NullArray::new(1)) as ArrayRef)]).unwrap();
    let found = texts(vec![
        ("no patient_id, csv", csv_error(format!("1,{MARKER}\n"), "")),
        (
            "no patient_id, parquet",
            in_file("patients.parquet", &with("a", timestamps.clone()).project(&[1]).unwrap(), &request("")),
        ),
        ("two of a name, csv", csv_error(format!("1,{MARKER},x,{MARKER}\n"), "")),
        ("two of a name, at hand", at_hand(doubled.unwrap(), "a:int")),
        ("missing, csv", csv_error("patient_id,a\n1,2\n", "b:int!")),
        ("missing, arrow", in_file("patients.arrow", &all, &request("b:int!"))),
        ("other type, parquet", in_file("patients.parquet", &all, &request("a:str"))),
        ("other type, arrow", in_file("patients.arrow", &all, &request("a:bool"))),
        ("timestamps for dates", in_file("patients.parquet", &with("a", timestamps), &request("a:date"))),
        ("nested", at_hand(with("a", nested), "a:float")),
        ("patients as text", at_hand(text_ids, "")),
        ("patients of no type", at_hand(null_ids, "")),
        ("asked for twice", in_file("patients.csv", &all, &twice)),
        ("categories of another type", in_file("patients.csv", &all, &of_other_type)),
    ]);
    insta::assert_snapshot!(found);
}

#[test]
fn csv_cells_at_fault() {
    let cell = |kind: &str, cell: &str| csv_error(format!("patient_id,a\n1,\n2,{cell}\n"), &format!("a:{kind}"));
    let sex = with_categories(request("a:str"), "a", str_categories(&["male", "female"]));
    let band = with_categories(request("a:int"), "a", Categories::Int([1, 2].into()));
    let category = |wanted: &TableRequest, cell: &str| {
        let tables = Tables::new();
        tables.put("patients.csv", format!("patient_id,a\n1,\n2,{cell}\n"));
        tables.error(wanted)
    };
    let found = texts(vec![
        ("int", cell("int", MARKER)),
        ("int, too large", cell("int", &format!("{MARKER_INT}00000000000000000000"))),
        ("float", cell("float", MARKER)),
        ("float, infinite", cell("float", "-inf")),
        ("bool", cell("bool", "true")),
        ("date", cell("date", "2023-02-29")),
        ("date, year 0", cell("date", "0000-01-01")),
        ("str, not UTF-8", csv_error([b"patient_id,a\n1,x\n2,MARKER\xff\n".as_slice()].concat(), "a:str")),
        ("str, no category", category(&sex, MARKER)),
        ("int, no category", category(&band, &MARKER_INT.to_string())),
        ("patient missing", csv_error(format!("patient_id,a\n1,x\n,{MARKER}\n"), "")),
        ("patient no number", csv_error(format!("patient_id,a\n1,x\n{MARKER},y\n"), "")),
        ("in a later batch", csv_error("patient_id,a\n1,1\n2,1\n3,1\n4,1\n5,1\n6,x\n", "a:int")),
    ]);
    insta::assert_snapshot!(found);
}

#[test]
fn csv_files_at_fault() {
    let gz = |bytes: Vec<u8>| {
        let tables = Tables::new();
        tables.put("patients.csv.gz", bytes);
        tables.error(&request("a:str"))
    };
    let whole = gzip(format!("patient_id,a\n{}", format!("1,{MARKER}\n").repeat(1000)).as_bytes());
    let mut damaged = whole.clone();
    let end = damaged.len() - 8;
    damaged[end] ^= 0xff;
    let good = gzip(b"patient_id,a\n1,x\n");
    let found = texts(vec![
        ("empty", csv_error("", "a:str")),
        ("empty lines only", csv_error("\n\n", "a:str")),
        ("too few cells", csv_error(format!("patient_id,a\n1,x\n{MARKER}\n"), "a:str")),
        ("too many cells", csv_error(format!("patient_id,a\n1,x,{MARKER}\n"), "a:str")),
        ("quote inside", csv_error(format!("patient_id,a\n1,{MARKER}\"x\"\n"), "a:str")),
        ("quote never closed", csv_error(format!("patient_id,a\n1,x\n2,\"{MARKER}\n3,y\n"), "a:str")),
        ("text after quote", csv_error(format!("patient_id,a\n1,\"x\"{MARKER}\n"), "a:str")),
        ("quote in the header", csv_error(format!("patient_id,{MARKER}\"\n1,x\n"), "a:str")),
        ("endless record", csv_error(format!("patient_id,a\n1,\"{}", MARKER.repeat(3 << 20)), "a:str")),
        ("gzip, empty", gz(Vec::new())),
        ("gzip, of nothing", gz(gzip(b""))),
        ("gzip, not gzip", gz(b"patient_id,a\n1,MARKER\n".to_vec())),
        ("gzip, cut short", gz(good[..good.len() - 4].to_vec())),
        ("gzip, damaged", gz(damaged)),
        ("gzip, followed by other bytes", gz([good, b"MARKER".to_vec()].concat())),
    ]);
    insta::assert_snapshot!(found);
}

#[test]
fn typed_cells_at_fault() {
    let with = |array: ArrayRef| {
        let ids: ArrayRef = Arc::new(Int32Array::from_iter_values(1..=array.len() as i32));
        RecordBatch::try_from_iter_with_nullable([("patient_id", ids, false), ("a", array, true)]).unwrap()
    };
    let fault = |name: &str, array: ArrayRef, wanted: &TableRequest| {
        let tables = Tables::new();
        tables.put_rows(name, &with(array), Written::default());
        tables.error(wanted)
    };
    let plain = |kind: &str| request(&format!("a:{kind}"));
    let sex = with_categories(request("a:str"), "a", str_categories(&["male", "female"]));
    let band = with_categories(request("a:int"), "a", Categories::Int([1, 2].into()));
    let no_ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let no_ids = RecordBatch::try_from_iter_with_nullable([("patient_id", no_ids, true)]).unwrap();
    let unpatiented = |name: &str| {
        let tables = Tables::new();
        tables.put_rows(name, &no_ids, Written::default());
        tables.error(&request(""))
    };
    let strings = || Arc::new(StringArray::from(vec!["male", "female", "male", "male", "male", MARKER])) as ArrayRef;
    let encoded = arrow::compute::cast(&strings(), &DataType::Dictionary(DataType::Int8.into(), DataType::Utf8.into()));
    let found = texts(vec![
        ("int too large", fault("patients.arrow", Arc::new(UInt64Array::from(vec![1, u64::MAX])), &plain("int"))),
        (
            "float, not a number",
            fault("patients.parquet", Arc::new(Float64Array::from(vec![1.0, f64::NAN])), &plain("float")),
        ),
        (
            "float, infinite",
            fault("patients.arrow", Arc::new(Float32Array::from(vec![f32::INFINITY])), &plain("float")),
        ),
        ("date, year 10000", fault("patients.parquet", Arc::new(Date32Array::from(vec![2_932_897])), &plain("date"))),
        ("date, year 0", fault("patients.parquet", Arc::new(Date32Array::from(vec![0, -719_163])), &plain("date"))),
        ("date, with time", fault("patients.arrow", Arc::new(Date64Array::from(vec![86_400_001])), &plain("date"))),
        ("no category, parquet", fault("patients.parquet", strings(), &sex)),
        ("no category, arrow", fault("patients.arrow", encoded.unwrap(), &sex)),
        ("no int category", fault("patients.parquet", Arc::new(Int64Array::from(vec![1, MARKER_INT])), &band)),
        ("patient missing, parquet", unpatiented("patients.parquet")),
        ("patient missing, arrow", unpatiented("patients.arrow")),
    ]);
    insta::assert_snapshot!(found);
}

#[test]
fn order_and_second_rows_at_fault() {
    let by_key = Written { by_key: true, ..Written::default() };
    let fault = |name: &str, ids: &[i64], how: Written, wanted: &TableRequest| {
        let tables = Tables::new();
        tables.put_rows(name, &patients(ids.iter().copied()), how);
        tables.error(wanted)
    };
    let apart = Tables::new();
    apart.put_rows("patients/a.csv", &patients([1, MARKER_INT]), Written::default());
    apart.put_rows("patients/b.csv", &patients([MARKER_INT]), Written::default());
    let found = texts(vec![
        ("out of order", fault("patients.parquet", &[1, MARKER_INT, 2], by_key, &request(""))),
        ("second row, sorted", fault("patients.csv", &[MARKER_INT, 2, MARKER_INT], Written::default(), &one_row(""))),
        ("second row, in order", fault("patients.arrow", &[1, MARKER_INT, MARKER_INT], by_key, &one_row(""))),
        ("second row, in another file", apart.error(&one_row(""))),
    ]);
    insta::assert_snapshot!(found);
}

/// A file cut anywhere, or with a byte turned anywhere, is an error in our words or the same rows: never a panic, never
/// other words.
#[test]
fn damaged_files_fail_in_our_words() {
    let lines: String = (0..50).map(|n| format!("{n} {MARKER}{n} {n} 0.5\n")).collect();
    let good = rows(&format!("patient_id:int code:str a:int x:float\n{lines}"));
    let wanted = request("code:str a:int x:float");
    for name in ["patients.parquet", "patients.arrow", "patients.csv.gz"] {
        let tables = Tables::new();
        tables.put_rows(name, &good, Written { group_rows: Some(20), ..Written::default() });
        let bytes = std::fs::read(tables.path().join(name)).unwrap();
        let step = (bytes.len() / 60).max(1);
        for at in (0..bytes.len()).step_by(step) {
            let mut turned = bytes.clone();
            turned[at] ^= 0x55;
            for damaged in [&bytes[..at], &turned] {
                tables.put(name, damaged);
                if let Err(text) = tables.scan(&wanted) {
                    assert!(text.starts_with("table `ehrql.tables.core.patients`"), "{name} at {at}: {text}");
                    assert!(!text.contains(MARKER), "{name} at {at}: {text}");
                }
            }
            tables.put(name, &bytes[..at]);
            assert!(tables.scan(&wanted).is_err(), "{name} cut at {at}");
        }
    }
}
