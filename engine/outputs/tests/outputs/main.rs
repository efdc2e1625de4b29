//! Whole tables through [`TablesWriter`] and back, as a user's next program would read them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bytes;
mod dataset;
mod formats;
mod measures;
mod refusals;
mod study;
mod whole_or_nothing;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow::datatypes::Int32Type;
use peristyle_model::ColumnSpec;
use peristyle_model::types::Physical;
use peristyle_outputs::{FileMode, OutputError, OutputTarget, PatientKeys, TableSpec, TablesWriter, WrittenTable};

/// A column: name, specification, and the values as the engine gives them.
type Column = (&'static str, ColumnSpec, ArrayRef);

fn spec(physical: Physical) -> ColumnSpec {
    ColumnSpec { physical, nullable: true, categories: None, range: None }
}

fn patient_id(values: &[i64]) -> Column {
    let column = ColumnSpec { nullable: false, ..spec(Physical::Int) };
    ("patient_id", column, Arc::new(Int64Array::from(values.to_vec())))
}

fn bools(name: &'static str, values: &[Option<bool>]) -> Column {
    (name, spec(Physical::Bool), Arc::new(BooleanArray::from(values.to_vec())))
}

fn ints(name: &'static str, range: Option<(i64, i64)>, values: &[Option<i64>]) -> Column {
    (name, ColumnSpec { range, ..spec(Physical::Int) }, Arc::new(Int64Array::from(values.to_vec())))
}

fn floats(name: &'static str, values: &[Option<f64>]) -> Column {
    (name, spec(Physical::Float), Arc::new(Float64Array::from(values.to_vec())))
}

/// Dates as days since 1970-01-01.
fn dates(name: &'static str, values: &[Option<i32>]) -> Column {
    (name, spec(Physical::Date), Arc::new(Date32Array::from(values.to_vec())))
}

fn texts(name: &'static str, values: &[Option<&str>]) -> Column {
    (name, spec(Physical::Str), Arc::new(StringArray::from(values.to_vec())))
}

fn categories(name: &'static str, categories: &[&str], values: &[Option<&str>]) -> Column {
    let categories = Some(categories.iter().map(|category| Arc::from(*category)).collect());
    (name, ColumnSpec { categories, ..spec(Physical::Str) }, Arc::new(StringArray::from(values.to_vec())))
}

/// The same strings, dictionary-encoded over `dictionary`, which may hold more than the strings, and NULLs.
fn encoded((name, spec, values): Column, dictionary: &[Option<&str>]) -> Column {
    let values = values.as_any().downcast_ref::<StringArray>().unwrap();
    let key = |value: Option<&str>| Some(dictionary.iter().position(|entry| *entry == value).unwrap() as i32);
    let keys: Int32Array = values.iter().map(key).collect();
    let dictionary = Arc::new(StringArray::from(dictionary.to_vec()));
    (name, spec, Arc::new(DictionaryArray::<Int32Type>::new(keys, dictionary)))
}

fn table(name: &str, columns: &[Column]) -> (TableSpec, RecordBatch) {
    let is_patients = |(name, ..): &&Column| *name == "patient_id";
    let patients = columns.first().filter(is_patients).map(|(.., values)| PatientKeys::of(values.data_type()).unwrap());
    let others = columns.iter().filter(|column| !is_patients(column));
    let specs = others.map(|(name, spec, _)| (Arc::from(*name), spec.clone())).collect();
    let values = columns.iter().map(|(name, _, values)| (*name, values.clone(), true));
    let spec = TableSpec { name: name.into(), patients, columns: specs };
    (spec, RecordBatch::try_from_iter_with_nullable(values).unwrap())
}

fn metadata() -> BTreeMap<String, String> {
    [("policy", "dummy"), ("engine_version", "0.1.0")].map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn writer(output: &Path, tables: &[(TableSpec, RecordBatch)]) -> Result<TablesWriter, OutputError> {
    writer_of(output, tables, None)
}

fn writer_of(
    output: &Path,
    tables: &[(TableSpec, RecordBatch)],
    mode: Option<FileMode>,
) -> Result<TablesWriter, OutputError> {
    let target = OutputTarget::parse(output.to_str())?;
    TablesWriter::create(target, tables.iter().map(|(spec, _)| spec.clone()).collect(), metadata(), mode)
}

/// Writes tables of one batch each.
fn write(output: &Path, tables: &[(TableSpec, RecordBatch)]) -> Result<Vec<WrittenTable>, OutputError> {
    let mut writer = writer(output, tables)?;
    for (index, (_, batch)) in tables.iter().enumerate() {
        writer.write(index, batch)?;
    }
    writer.finish()
}

/// Everything below a directory, hidden files included, in order.
fn files_in(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            names.extend(files_in(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            names.push(name);
        }
    }
    names.sort();
    names
}

/// A table with every kind of column, and a NULL in each that may have one.
fn every_kind() -> (TableSpec, RecordBatch) {
    table(
        "dataset",
        &[
            patient_id(&[123, 456, 789]),
            bools("b", &[Some(true), Some(false), None]),
            ints("i", None, &[Some(1), Some(i64::MIN), None]),
            ints("count", Some((0, 65_535)), &[Some(65_535), Some(0), None]),
            ints("imd", Some((0, 32_800)), &[Some(100), Some(32_800), None]),
            ints("decile", Some((1, 10)), &[Some(1), Some(10), None]),
            ints("change", Some((-5, 5)), &[Some(-5), Some(5), None]),
            floats("f", &[Some(2.3), Some(1e16), None]),
            texts("s", &[Some("a,b"), Some("say \"hi\"\nthere"), None]),
            categories("c", &["male", "female", "intersex"], &[Some("intersex"), Some("male"), None]),
            dates("d", &[Some(18_262), Some(-719_162), None]),
        ],
    )
}
