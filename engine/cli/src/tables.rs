//! Rows at hand, as Arrow files that an enclave can open: for recorded cases and for plans without a source.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::writer::FileWriter;
use peristyle_model::catalogue::TableSchema;
use peristyle_model::scalar::{float_to_int, parse_date};
use peristyle_model::types::{Physical, ValueType};
use serde_json::Value;

/// Writes `<table>.arrow` into a folder. Rows are `patient_id` and the schema's columns, in order, as JSON.
///
/// # Errors
/// A value of another type than its column's, or a file that cannot be written, in words. JSON rows are made up, so
/// that values may be told.
pub(crate) fn write(folder: &Path, schema: &TableSchema, rows: &[Vec<Value>]) -> Result<(), String> {
    let batch = batch(schema, rows).map_err(|problem| format!("table `{}`: {problem}", schema.table))?;
    let failed = |error: &dyn std::error::Error| format!("table `{}`: cannot be written: {error}", schema.table);
    let path = folder.join(format!("{}.arrow", schema.table));
    let file = File::create(path).map_err(|error| failed(&error))?;
    let write = || {
        let mut writer = FileWriter::try_new_buffered(file, batch.schema_ref())?;
        writer.write(&batch)?;
        writer.finish()
    };
    write().map_err(|error| failed(&error))
}

fn batch(schema: &TableSchema, rows: &[Vec<Value>]) -> Result<RecordBatch, String> {
    let width = schema.columns.len() + 1;
    if let Some(row) = rows.iter().find(|row| row.len() != width) {
        return Err(format!("a row has {} values, not {width}", row.len()));
    }
    let mut fields = vec![Field::new("patient_id", DataType::Int64, true)];
    let mut arrays =
        vec![column(ValueType::Int, rows.iter().map(|row| &row[0])).map_err(|e| format!("patient_id: {e}"))?];
    for (index, known) in schema.columns.iter().enumerate() {
        let array = column(known.value_type, rows.iter().map(|row| &row[index + 1]))
            .map_err(|problem| format!("column `{}`: {problem}", known.name))?;
        fields.push(Field::new(&*known.name, array.data_type().clone(), true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|error| error.to_string())
}

fn column<'a>(value_type: ValueType, values: impl Iterator<Item = &'a Value>) -> Result<ArrayRef, String> {
    fn all<'a, T>(
        values: impl Iterator<Item = &'a Value>,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Vec<Option<T>>, String> {
        let one = |value: &'a Value| match value {
            Value::Null => Ok(None),
            value => read(value).map(Some).ok_or_else(|| format!("{value} is of another type")),
        };
        values.map(one).collect()
    }
    Ok(match value_type.physical() {
        Physical::Bool => Arc::new(BooleanArray::from(all(values, Value::as_bool)?)),
        Physical::Int => Arc::new(Int64Array::from(all(values, whole)?)),
        Physical::Float => Arc::new(Float64Array::from(all(values, Value::as_f64)?)),
        Physical::Date => Arc::new(Date32Array::from(all(values, |value| value.as_str().and_then(parse_date))?)),
        Physical::Str => Arc::new(StringArray::from(all(values, Value::as_str)?)),
    })
}

/// A whole number, also where it was recorded as a float, which Python does not tell apart.
fn whole(value: &Value) -> Option<i64> {
    let as_float = || value.as_f64().filter(|float| float.fract() == 0.0).and_then(|float| float_to_int(float).ok());
    value.as_i64().or_else(as_float)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use arrow::ipc::reader::FileReader;
    use peristyle_model::catalogue::{ActivationFilter, Column, TableName};
    use serde_json::json;

    fn schema() -> TableSchema {
        let column = |(name, value_type): (&str, &str)| Column {
            name: name.into(),
            value_type: ValueType::from_name(value_type).unwrap(),
            constraints: Vec::new(),
        };
        let columns = [("b", "bool"), ("i", "int"), ("f", "float"), ("d", "date"), ("c", "SNOMEDCTCode")];
        TableSchema {
            name: TableName { module: "m".into(), name: "t".into() },
            table: "t".into(),
            one_row_per_patient: false,
            required_permission: None,
            activation: ActivationFilter::NotApplied,
            columns: columns.into_iter().map(column).collect(),
        }
    }

    #[test]
    fn rows_become_a_file() {
        let folder = tempfile::tempdir().unwrap();
        for rows in [json!([]), json!([[1, true, 2, 3, "2020-02-29", "x"], [1, null, null, 0.5, null, null]])] {
            let rows: Vec<Vec<Value>> = serde_json::from_value(rows).unwrap();
            write(folder.path(), &schema(), &rows).unwrap();
            let file = File::open(folder.path().join("t.arrow")).unwrap();
            let read: usize = FileReader::try_new(file, None).unwrap().map(|batch| batch.unwrap().num_rows()).sum();
            assert_eq!(read, rows.len());
        }
    }

    #[test]
    fn rows_of_another_shape_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (row, problem) in [
            (json!([1]), "table `t`: a row has 1 values, not 6"),
            (json!([1, 1, 2, 3, null, null]), "table `t`: column `b`: 1 is of another type"),
            (json!([1, null, 2.5, 3, null, null]), "table `t`: column `i`: 2.5 is of another type"),
            (json!([1, null, 2, 3, "2021-02-29", null]), "table `t`: column `d`: \"2021-02-29\" is of another type"),
        ] {
            let row: Vec<Value> = serde_json::from_value(row).unwrap();
            assert_eq!(write(folder.path(), &schema(), &[row]).unwrap_err(), problem);
        }
    }
}
