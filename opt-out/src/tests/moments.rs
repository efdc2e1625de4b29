//! Every stored type of dates and moments, over all years, wherever one is read: the right day, or an error.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Date32Array, Date64Array, DictionaryArray, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type};
use chrono::{DateTime, NaiveDate};
use parquet::data_type::{Int32Type as StoredInt32, Int64Type as StoredInt64, Int96, Int96Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::fixtures::*;
use super::policy::{Place, policy_text, seal, type_one};
use crate::connector::{
    ColumnClass, Connector, NullValue, RawActivation, RawColumnSpec, RawTable, RawType, RowsOf, View,
};
use crate::request::RawConversion;
use crate::{ColumnType, ConnectedExtract, Enclave, KeyType, VerifiedPolicy};

const DAYS: [&str; 6] = ["0001-01-01", "1600-06-15", "1677-01-01", "1900-02-28", "2262-12-31", "9999-12-31"];
/// 12:34:56, so that a moment is not the beginning of its day.
const TIME_OF_DAY_S: i64 = 45_296;

/// How a column of moments is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    Int96,
    Date32,
    Date64,
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    MicrosecondsInUtc,
    Text,
    Dictionary,
}

const ALL: [Stored; 10] = [
    Stored::Int96,
    Stored::Date32,
    Stored::Date64,
    Stored::Seconds,
    Stored::Milliseconds,
    Stored::Microseconds,
    Stored::Nanoseconds,
    Stored::MicrosecondsInUtc,
    Stored::Text,
    Stored::Dictionary,
];

fn epoch_days(day: &str) -> i32 {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
    i32::try_from(day.parse::<NaiveDate>().unwrap().signed_duration_since(epoch).num_days()).unwrap()
}

impl Stored {
    /// The formats that have the type.
    fn formats(self) -> &'static [&'static str] {
        match self {
            Stored::Int96 => &["parquet"],
            Stored::Text => &["parquet", "arrow", "csv", "csv.gz"],
            _ => &["parquet", "arrow"],
        }
    }

    /// A column of these days; `None` where the type cannot hold them.
    fn column(self, days: &[&str]) -> Option<ArrayRef> {
        let days: Vec<i32> = days.iter().map(|day| epoch_days(day)).collect();
        let scaled = |per_second: i64| -> Option<Vec<i64>> {
            days.iter().map(|days| (i64::from(*days) * 86_400 + TIME_OF_DAY_S).checked_mul(per_second)).collect()
        };
        let text = |seconds: i64| DateTime::from_timestamp(seconds, 0).unwrap().format("%Y-%m-%d %H:%M:%S").to_string();
        let texts = || scaled(1).map(|seconds| seconds.into_iter().map(text).collect::<Vec<String>>());
        Some(match self {
            // The days alone; `put` writes them as 96 bits.
            Stored::Int96 | Stored::Date32 => Arc::new(Date32Array::from(days)),
            Stored::Date64 => {
                Arc::new(days.iter().map(|days| Some(i64::from(*days) * 86_400_000)).collect::<Date64Array>())
            }
            Stored::Seconds => Arc::new(TimestampSecondArray::from(scaled(1)?)),
            Stored::Milliseconds => Arc::new(TimestampMillisecondArray::from(scaled(1_000)?)),
            Stored::Microseconds => Arc::new(TimestampMicrosecondArray::from(scaled(1_000_000)?)),
            Stored::MicrosecondsInUtc => {
                Arc::new(TimestampMicrosecondArray::from(scaled(1_000_000)?).with_timezone("UTC"))
            }
            Stored::Nanoseconds => Arc::new(TimestampNanosecondArray::from(scaled(1_000_000_000)?)),
            Stored::Text => Arc::new(StringArray::from(texts()?)),
            Stored::Dictionary => {
                let texts = texts()?;
                let dictionary: DictionaryArray<Int32Type> = texts.iter().map(|text| Some(text.as_str())).collect();
                Arc::new(dictionary)
            }
        })
    }

    /// Writes a table of integer and date columns and the column `at`, with its digest.
    fn put(self, tables: &Tables, name: &str, others: &[(&str, ArrayRef)], at: (&str, ArrayRef)) {
        let rows = RecordBatch::try_from_iter(others.iter().cloned().chain([at.clone()])).unwrap();
        if self == Stored::Int96 {
            let path = tables.path().join(name);
            write_int96(&path, &rows, at.0);
            seal(&path);
        } else {
            tables.put_rows(name, &rows, Written::default());
        }
    }
}

/// As Spark writes moments: nanoseconds of the day, and a Julian day.
fn int96(days: i32) -> Int96 {
    let nanoseconds = (TIME_OF_DAY_S as u64) * 1_000_000_000;
    let mut value = Int96::new();
    value.set_data(nanoseconds as u32, (nanoseconds >> 32) as u32, (days + 2_440_588).cast_unsigned());
    value
}

fn write_int96(path: &Path, rows: &RecordBatch, at: &str) {
    let schema = rows.schema();
    let field = |name: &str, found: &DataType| match found {
        _ if name == at => format!("REQUIRED INT96 {name};"),
        DataType::Date32 => format!("REQUIRED INT32 {name} (DATE);"),
        _ => format!("REQUIRED INT64 {name};"),
    };
    let fields: String = schema.fields().iter().map(|known| field(known.name(), known.data_type())).collect();
    let message = Arc::new(parse_message_type(&format!("message m {{ {fields} }}")).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), message, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (column, field) in rows.columns().iter().zip(schema.fields()) {
        let mut chunk = group.next_column().unwrap().unwrap();
        match (column.as_primitive_opt::<Date32Type>(), field.name() == at) {
            (Some(days), true) => {
                let moments: Vec<Int96> = days.values().iter().map(|days| int96(*days)).collect();
                chunk.typed::<Int96Type>().write_batch(&moments, None, None).unwrap();
            }
            (Some(days), false) => {
                chunk.typed::<StoredInt32>().write_batch(days.values(), None, None).unwrap();
            }
            (None, _) => {
                let ints = column.as_primitive::<Int64Type>();
                chunk.typed::<StoredInt64>().write_batch(ints.values(), None, None).unwrap();
            }
        }
        chunk.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

fn ints(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn days(values: &[&str]) -> ArrayRef {
    Arc::new(Date32Array::from(values.iter().map(|day| epoch_days(day)).collect::<Vec<_>>()))
}

/// What one use of a column comes to: right, an error, or, which must never be, another day.
fn outcome(found: Result<Vec<String>, String>, expected: &[&str]) -> String {
    match found {
        Ok(found) if found == expected => "right".to_owned(),
        Ok(found) => format!("WRONG {found:?} for {expected:?}"),
        Err(_) => "refused".to_owned(),
    }
}

/// A supplier's column of days in a table of one patient, with a value that stands for NULL or without.
fn in_table(stored: Stored, format: &str, day: &str, null_values: &[NullValue], expected: &str) -> Option<String> {
    let tables = Tables::new();
    let column = stored.column(&[day])?;
    stored.put(&tables, &format!("patients.{format}"), &[("patient_id", ints(&[1]))], ("at", column));
    let mut request = request("at:date");
    request.columns[0].column_type = ColumnType::Day;
    request.columns[0].raw = Some(RawConversion { null_values: null_values.iter().cloned().collect() });
    Some(outcome(tables.scan(&request), &[expected]))
}

/// A view that passes a supplier's column of days on.
fn in_view(stored: Stored, format: &str, day: &str) -> Option<String> {
    let tables = Tables::new();
    let column = stored.column(&[day])?;
    stored.put(&tables, &format!("people.{format}"), &[("id", ints(&[1]))], ("at", column));
    let at = RawColumnSpec {
        name: "at".into(),
        class: ColumnClass::Date,
        column_type: RawType::Date,
        null_values: Vec::new(),
    };
    let people = RawTable {
        rows_of: RowsOf::Patients("id".into()),
        activation: RawActivation::NotApplied,
        columns: vec![at],
        may_be_absent: false,
        sorted_by_patient: false,
    };
    let sql = "SELECT \"id\" AS patient_id, \"at\" AS at FROM \"people\" WHERE \"at\" IS NOT NULL";
    let view = View { file: "v.sql".into(), sql: sql.into(), links: [].into() };
    let connector = Connector {
        name: "c".into(),
        patient_key: KeyType::Int,
        raw: [("people".into(), people)].into(),
        views: [("ehrql.tables.core.patients".into(), view)].into(),
        missing: [].into(),
        links: [].into(),
        everybody: None,
    };
    let extracts = vec![ConnectedExtract { connector, location: tables.path().into() }];
    let enclave = Enclave::open_extracts(extracts, VerifiedPolicy::dummy_tables(), options()).unwrap();
    Some(outcome(run_view(&enclave, &request("at:date"), None), &[&format!("1 {day}")]))
}

/// Who may be seen where patient 1 has an opt-out until the day, or from it: today is a day of 2026.
fn in_register(stored: Stored, format: &str, day: &str, column: &str) -> Option<String> {
    let holds = if column == "until" { day > "2026" } else { day < "2026" };
    let text = type_one("has_opted_out").replace("type_one.parquet", &format!("type_one.{format}"));
    let text = text.replace("lists", &format!("{column}_column = \"at\"\nlists"));
    let place = Place::new(&policy_text("int", &[("type_one", &text)], ""), &[]);
    let others = [("patient", ints(&[1])), ("of", days(&["2026-06-15"]))];
    stored.put(&place.tables, &format!("type_one.{format}"), &others, ("at", stored.column(&[day])?));
    place.begin();
    place.tables.put_rows("patients.parquet", &patients([1, 2]), Written::default());
    let verified = place.verify("[]").map_err(|error| error.to_string());
    let found = verified.and_then(|policy| run(&place.tables.enclave_with(policy, options()), &request(""), None));
    Some(outcome(found, if holds { &["2"] } else { &["1", "2"] }))
}

/// Which rows may be seen of a patient whose activated registration ended on the day, and another one in 2100.
fn in_registrations(stored: Stored, format: &str, day: &str) -> Option<String> {
    let activation = super::policy::activation().replace("registrations.parquet", &format!("registrations.{format}"));
    let text = policy_text("int", &[("practice_activation", &activation)], "");
    let practices = ("practices.arrow", "practice:int off:date of:date\n10 - 2026-06-15\n");
    let place = Place::new(&text, &[practices]);
    let others = [("patient", ints(&[1, 1])), ("practice", ints(&[10, 12])), ("of", days(&["2026-06-15"; 2]))];
    let ends = stored.column(&[day, "2100-01-01"])?;
    stored.put(&place.tables, &format!("registrations.{format}"), &others, ("end", ends));
    place.begin();
    let table = "patient_id:int on:date\n1 2000-01-01\n2 2000-01-01\n";
    place.tables.put_rows("patients.parquet", &rows(table), Written::default());
    let verified = place.verify("[]").map_err(|error| error.to_string());
    let mut request = request("on:date");
    request.activation = crate::TableActivation::ByColumn("on".into());
    let found = verified.and_then(|policy| run(&place.tables.enclave_with(policy, options()), &request, None));
    // The last registration is at a practice that takes no part, unless the day comes after its end.
    Some(outcome(found, if day > "2100" { &["1 2000-01-01"] } else { &[] }))
}

#[test]
fn the_right_day_or_an_error_whatever_is_stored() {
    let mut table = format!("{:<18} {:<8}", "stored as", "format");
    table += &DAYS.map(|day| format!(" {:<9}", &day[..4])).concat();
    for stored in ALL {
        for format in stored.formats() {
            let mut line = format!("{:<18} {format:<8}", format!("{stored:?}"));
            for day in DAYS {
                let null = [NullValue::Day(epoch_days(day)), NullValue::Text(text_of(stored, day))];
                let uses = [
                    in_table(stored, format, day, &[], &format!("1 {day}")),
                    in_table(stored, format, day, &null, "1 "),
                    in_view(stored, format, day),
                    in_register(stored, format, day, "until"),
                    in_register(stored, format, day, "from"),
                    in_registrations(stored, format, day),
                ];
                let told = match uses.iter().flatten().collect::<std::collections::BTreeSet<_>>() {
                    none if none.is_empty() => "-".to_owned(),
                    said => said.into_iter().cloned().collect::<Vec<_>>().join("+"),
                };
                assert!(!told.contains("WRONG"), "{stored:?} {format} {day}: {uses:?}");
                line += &format!(" {told:<9}");
            }
            table += &format!("\n{}", line.trim_end());
        }
    }
    insta::assert_snapshot!(table);
}

fn text_of(stored: Stored, day: &str) -> String {
    let column = stored.column(&[day]);
    column.and_then(|column| Some(column.as_string_opt::<i32>()?.value(0).to_owned())).unwrap_or_default()
}
