//! The same rows out of every format, and every type that a file may have them in.

use std::sync::Arc;

use arrow::array::*;
use arrow::compute::cast;
use arrow::datatypes::*;

use super::fixtures::*;
use crate::{Categories, Enclave, VerifiedPolicy};

const ROWS: &str = "
patient_id:int sex:str    born:date  smoker:bool bmi:float visits:int note:str
3              male       1970-01-01 T           21.5      7          c
1              female     1944-02-29 F           -0.0      -          a
2              -          -          -           -         -3         b
1              intersex   9999-12-31 T           1e300     0          d
5              female     0001-01-01 F           0.1       12         -
4              male       2020-06-30 T           2         4          e
";
const COLUMNS: &str = "sex:str born:date smoker:bool bmi:float visits:int";
const EXPECTED: [&str; 6] = [
    "1 female 1944-02-29 false 0.0 ",
    "1 intersex 9999-12-31 true 1e300 0",
    "2     -3",
    "3 male 1970-01-01 true 21.5 7",
    "4 male 2020-06-30 true 2.0 4",
    "5 female 0001-01-01 false 0.1 12",
];

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

#[test]
fn every_format_yields_the_same_rows() {
    for ending in ["parquet", "arrow", "csv", "csv.gz"] {
        for group_rows in [None, Some(1), Some(4)] {
            let tables = Tables::new();
            let how = Written { group_rows, ..Written::default() };
            tables.put_rows(&format!("patients.{ending}"), &rows(ROWS), how);
            assert_eq!(sorted(tables.scan(&request(COLUMNS)).unwrap()), EXPECTED, "{ending}, {group_rows:?}");
        }
    }
}

#[test]
fn a_folder_of_files_is_one_table() {
    for ending in ["parquet", "arrow", "csv", "csv.gz"] {
        let tables = Tables::new();
        for (part, (start, length)) in [(0, 2), (2, 3), (5, 1)].into_iter().enumerate() {
            let name = format!("patients/part-{part}.{ending}");
            tables.put_rows(&name, &rows(ROWS).slice(start, length), Written::default());
        }
        tables.put("patients/_SUCCESS", "").put("patients/.hidden", "");
        assert_eq!(sorted(tables.scan(&request(COLUMNS)).unwrap()), EXPECTED, "{ending}");
    }
}

#[test]
fn rows_at_hand_and_single_files_go_the_same_way() {
    let tables = Tables::new();
    tables.put_rows("rows.arrow", &rows(ROWS), Written::default());
    let enclave = Enclave::without_tables(VerifiedPolicy::dummy_tables(), tables.options()).unwrap();
    let by_file = run(&enclave, &file("rows.arrow".into(), COLUMNS), None).unwrap();
    let by_hand = run(&enclave, &given(rows(ROWS), COLUMNS), None).unwrap();
    assert_eq!(
        (sorted(by_file), sorted(by_hand)),
        (EXPECTED.map(String::from).into(), EXPECTED.map(String::from).into())
    );
}

#[test]
fn empty_tables_and_requests_of_no_columns() {
    let none = rows(ROWS).slice(0, 0);
    for ending in ["parquet", "arrow", "csv", "csv.gz"] {
        let tables = Tables::new();
        tables.put_rows(&format!("patients.{ending}"), &none, Written::default());
        assert_eq!(tables.scan(&one_row(COLUMNS)).unwrap(), Vec::<String>::new(), "{ending}");

        let tables = Tables::new();
        tables.put_rows(&format!("patients.{ending}"), &rows(ROWS), Written::default());
        assert_eq!(tables.scan(&request("")).unwrap(), ["1", "1", "2", "3", "4", "5"], "{ending}");
    }
    let tables = Tables::new();
    assert_eq!(run(&tables.enclave(), &given(none, COLUMNS), None).unwrap(), Vec::<String>::new());
}

#[test]
fn a_missing_column_is_null_unless_it_is_required() {
    for ending in ["parquet", "arrow", "csv"] {
        let tables = Tables::new();
        tables.put_rows(&format!("patients.{ending}"), &patients([2, 1]), Written::default());
        let columns = "sex:str born:date smoker:bool bmi:float visits:int";
        assert_eq!(tables.scan(&request(columns)).unwrap(), ["1     ", "2     "], "{ending}");
    }
}

fn one_column(name: &str, array: ArrayRef) -> RecordBatch {
    let ids: ArrayRef = Arc::new(UInt8Array::from_iter_values(1..=array.len() as u8));
    RecordBatch::try_from_iter_with_nullable([("patient_id", ids, false), (name, array, true)]).unwrap()
}

#[test]
fn widths_of_a_type_are_taken_as_they_come() {
    let ints: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(100)]));
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.5), None, Some(-2.0)]));
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![Some(0), None, Some(-1)]));
    let strings: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None, Some("a")]));
    let dictionary = |key: DataType, value: DataType| DataType::Dictionary(Box::new(key), Box::new(value));
    use DataType::*;
    let cases: Vec<(&str, &ArrayRef, Vec<DataType>, [&str; 3])> = vec![
        ("int", &ints, vec![Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64], ["1 1", "2 ", "3 100"]),
        ("float", &floats, vec![Float32, Float64], ["1 0.5", "2 ", "3 -2.0"]),
        ("date", &dates, vec![Date32, Date64], ["1 1970-01-01", "2 ", "3 1969-12-31"]),
        (
            "str",
            &strings,
            vec![
                Utf8,
                LargeUtf8,
                Utf8View,
                dictionary(Int8, Utf8),
                dictionary(Int32, Utf8),
                dictionary(UInt16, LargeUtf8),
                dictionary(Int64, Utf8View),
            ],
            ["1 b", "2 ", "3 a"],
        ),
    ];
    for (kind, array, types, expected) in cases {
        for found in types {
            let rows = one_column("x", cast(array, &found).unwrap());
            let wanted = format!("x:{kind}");
            for ending in ["parquet", "arrow"] {
                // Parquet's writer knows no dictionaries of views.
                if ending == "parquet" && found == dictionary(Int64, Utf8View) {
                    continue;
                }
                let tables = Tables::new();
                tables.put_rows(&format!("patients.{ending}"), &rows, Written::default());
                assert_eq!(tables.scan(&request(&wanted)).unwrap(), expected, "{ending} {found}");
            }
            let tables = Tables::new();
            assert_eq!(run(&tables.enclave(), &given(rows, &wanted), None).unwrap(), expected, "given {found}");
        }
    }
}

#[test]
fn half_floats_and_nulls_of_no_type() {
    let tables = Tables::new();
    let halves = cast(&Float32Array::from(vec![0.5, 1.0]), &DataType::Float16).unwrap();
    assert_eq!(run(&tables.enclave(), &given(one_column("x", halves), "x:float"), None).unwrap(), ["1 0.5", "2 1.0"]);
    for kind in ["bool", "int", "float", "date", "str"] {
        let nulls = one_column("x", Arc::new(NullArray::new(2)));
        assert_eq!(run(&tables.enclave(), &given(nulls.clone(), &format!("x:{kind}")), None).unwrap(), ["1 ", "2 "]);
        tables.put_rows("patients.parquet", &nulls, Written::default());
        assert_eq!(tables.scan(&request(&format!("x:{kind}"))).unwrap(), ["1 ", "2 "], "{kind}");
    }
}

#[test]
fn a_dictionary_is_judged_by_the_entries_that_rows_use() {
    let keys = Int8Array::from(vec![Some(0), Some(2), None, Some(1)]);
    let entries: ArrayRef = Arc::new(StringArray::from(vec![Some("male"), None, Some("female"), Some("unused")]));
    let rows = one_column("sex", Arc::new(DictionaryArray::new(keys, entries)));
    let tables = Tables::new();
    let wanted = with_categories(given(rows, "sex:str"), "sex", str_categories(&["male", "female"]));
    assert_eq!(run(&tables.enclave(), &wanted, None).unwrap(), ["1 male", "2 female", "3 ", "4 "]);
}

#[test]
fn categories_of_both_kinds_are_let_through() {
    let tables = Tables::new();
    tables.put("patients.csv", "patient_id,sex,band\n1,male,3\n2,,\n3,female,1\n");
    let wanted = with_categories(request("sex:str band:int"), "sex", str_categories(&["male", "female"]));
    let wanted = with_categories(wanted, "band", Categories::Int([1, 2, 3].into()));
    assert_eq!(tables.scan(&wanted).unwrap(), ["1 male 3", "2  ", "3 female 1"]);
}

#[test]
fn csv_as_people_write_it() {
    for (what, text) in [
        ("plain", "patient_id,a,b\n1,x,y\n2,,\n".to_owned()),
        ("byte order mark", "\u{feff}patient_id,a,b\n1,x,y\n2,,\n".to_owned()),
        ("quoted after a mark", "\u{feff}\"patient_id\",\"a\",b\n\"1\",\"x\",y\n2,\"\",\n".to_owned()),
        ("carriage returns", "patient_id,a,b\r\n1,x,y\r\n2,,\r\n".to_owned()),
        ("no last line end", "patient_id,a,b\n1,x,y\n2,,".to_owned()),
        ("empty lines", "patient_id,a,b\n\n1,x,y\n\r\n2,,\n\n".to_owned()),
        ("other order of columns", "b,patient_id,a\ny,1,x\n,2,\n".to_owned()),
    ] {
        let tables = Tables::new();
        tables.put("patients.csv", &text);
        assert_eq!(tables.scan(&request("a:str b:str")).unwrap(), ["1 x y", "2  "], "{what}");
    }
}

#[test]
fn quoted_cells_may_hold_anything() {
    let tables = Tables::new();
    tables.put("patients.csv", "patient_id,a\n1,\"say \"\"hi\"\", twice\r\nor more\"\n2,\"\"\"\"\n3,\",\"\n");
    let expected = ["1 say \"hi\", twice\r\nor more", "2 \"", "3 ,"];
    assert_eq!(tables.scan(&request("a:str")).unwrap(), expected);
}

#[test]
fn columns_that_are_not_wanted_are_never_parsed() {
    let tables = Tables::new();
    tables.put("patients.csv", b"patient_id,a,junk\n1,5,\xff\xfe\n2,6,not a number\n");
    assert_eq!(tables.scan(&request("a:int")).unwrap(), ["1 5", "2 6"]);
}

#[test]
fn gzip_of_several_members() {
    let tables = Tables::new();
    let bytes = [gzip(b"patient_id,a\n1,x\n2,"), gzip(b"y\n3,z\n")].concat();
    tables.put("patients.csv.gz", bytes);
    assert_eq!(tables.scan(&request("a:str")).unwrap(), ["1 x", "2 y", "3 z"]);
}

#[test]
fn records_that_do_not_fit_into_one_read() {
    let tables = Tables::new();
    let long = "x".repeat(700_000);
    let text = format!("patient_id,a\n1,\"{long}\"\n2,{long}\n");
    tables.put("patients.csv", text);
    assert_eq!(tables.scan(&request("a:str")).unwrap(), [format!("1 {long}"), format!("2 {long}")]);
}
