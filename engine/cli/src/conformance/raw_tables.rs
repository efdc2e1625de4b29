//! A supplier's raw tables of a case, as files that an enclave can open.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::ipc::writer::FileWriter;
use peristyle_audit::Digest;
use peristyle_opt_out::KeyType;
use peristyle_opt_out::connector::{ColumnClass, Connector, RawTable, RawType};
use serde::Deserialize;
use serde_json::Value;

/// A raw table of a case: columns with their SQL types, rows of JSON values.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct RawRows {
    pub(super) columns: Vec<(String, String)>,
    pub(super) rows: Vec<Vec<Value>>,
}

impl RawRows {
    /// A table without rows that has what a connector reads of it.
    fn empty(connector: &Connector, table: &RawTable) -> Self {
        let sql_type = |raw: RawType| match raw {
            RawType::Bool => "BIT",
            RawType::Int => "BIGINT",
            RawType::Float => "FLOAT",
            RawType::Str => "VARCHAR",
            RawType::Date => "DATETIME",
            RawType::Bytes16 => "VARBINARY",
        };
        let key_type = |key_type: KeyType| match key_type {
            KeyType::Int => "BIGINT",
            KeyType::Bytes16 => "VARBINARY",
            KeyType::Text => "VARCHAR",
        };
        let key = connector.key_of(table).map(|(key, of)| (key.to_string(), key_type(of).to_owned()));
        let columns = table.columns.iter().map(|spec| (spec.name.to_string(), sql_type(spec.column_type).to_owned()));
        Self { columns: key.into_iter().chain(columns).collect(), rows: Vec::new() }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|(known, _)| known == name)
    }

    /// Adds columns that a connector reads and the case leaves out: all NULL.
    fn complete(&mut self, connector: &Connector, table: &RawTable) {
        for column in Self::empty(connector, table).columns {
            if self.position(&column.0).is_none() {
                self.columns.push(column);
                self.rows.iter_mut().for_each(|row| row.push(Value::Null));
            }
        }
    }

    fn write(&self, folder: &Path, name: &str) -> Result<(), String> {
        let wrong = |problem: String| format!("raw table `{name}`: {problem}");
        let column = |(at, (column, sql_type)): (usize, &(String, String))| {
            let values = self.rows.iter().map(|row| row.get(at).unwrap_or(&Value::Null));
            let array = array(sql_type, &values.collect::<Vec<_>>());
            array.map(|array| (column.clone(), array, true)).map_err(|problem| wrong(format!("`{column}`: {problem}")))
        };
        let columns = self.columns.iter().enumerate().map(column).collect::<Result<Vec<_>, _>>()?;
        let batch = RecordBatch::try_from_iter_with_nullable(columns).map_err(|error| wrong(error.to_string()))?;
        let write = || {
            let mut bytes = Vec::new();
            let mut writer = FileWriter::try_new(&mut bytes, batch.schema_ref())?;
            writer.write(&batch)?;
            writer.finish()?;
            drop(writer);
            let file = format!("{name}.arrow");
            // Any of them may be a register of the policy, or a link's table.
            fs::write(folder.join(format!("{file}.sha256")), format!("{}  {file}\n", Digest::of(&bytes)))?;
            Ok(fs::write(folder.join(file), bytes)?)
        };
        write().map_err(|error: arrow::error::ArrowError| wrong(format!("cannot be written: {error}")))
    }
}

/// Writes a case's raw tables, and all others that the connector or its registers read, without rows.
///
/// Rows that lack the patient's key, where the supplier's schema has one in every row, get that of the row with the same
/// link: cases were recorded for joins by link alone. How many is told.
pub(super) fn write(
    folder: &Path,
    connector: &Connector,
    registers: &BTreeMap<String, RawRows>,
    mut tables: BTreeMap<String, RawRows>,
) -> Result<usize, String> {
    let filled = fill_keys(connector, &mut tables);
    for (name, table) in &connector.raw {
        match tables.get_mut(name.as_ref()) {
            Some(rows) => rows.complete(connector, table),
            None => _ = tables.insert(name.to_string(), RawRows::empty(connector, table)),
        }
    }
    for (name, register) in registers {
        let rows = tables.entry(name.clone()).or_insert_with(|| register.clone());
        for column in &register.columns {
            if rows.position(&column.0).is_none() {
                rows.columns.push(column.clone());
                rows.rows.iter_mut().for_each(|row| row.push(Value::Null));
            }
        }
    }
    tables.iter().try_for_each(|(name, rows)| rows.write(folder, name))?;
    Ok(filled)
}

/// Which patients have rows with a link: of a column's name and a value.
type Owners = BTreeMap<(String, String), BTreeSet<String>>;

fn fill_keys(connector: &Connector, tables: &mut BTreeMap<String, RawRows>) -> usize {
    let links = |table: &RawTable| -> Vec<String> {
        let links = table.columns.iter().filter(|column| column.class == ColumnClass::LinkKey);
        links.map(|column| column.name.to_string()).collect()
    };
    let mut owners = Owners::new();
    let mut keys: BTreeMap<String, Value> = BTreeMap::new();
    for (name, rows) in tables.iter() {
        let Some(table) = connector.raw.get(name.as_str()) else { continue };
        let Some(key) = table.patient_column().and_then(|key| rows.position(key)) else { continue };
        for (link, at) in links(table).into_iter().filter_map(|link| Some((link.clone(), rows.position(&link)?))) {
            for row in rows.rows.iter().filter(|row| !row[key].is_null() && !row[at].is_null()) {
                let owner = row[key].to_string();
                keys.insert(owner.clone(), row[key].clone());
                owners.entry((link.clone(), row[at].to_string())).or_default().insert(owner);
            }
        }
    }
    let mut filled = 0;
    for (name, rows) in tables.iter_mut() {
        let Some(table) = connector.raw.get(name.as_str()) else { continue };
        let Some(key) = table.patient_column().and_then(|key| rows.position(key)) else { continue };
        let places: Vec<(String, usize)> =
            links(table).into_iter().filter_map(|link| Some((link.clone(), rows.position(&link)?))).collect();
        for row in rows.rows.iter_mut().filter(|row| row[key].is_null()) {
            let of_link = |(link, at): &(String, usize)| owners.get(&(link.clone(), row[*at].to_string()));
            let found: BTreeSet<&String> = places.iter().filter_map(of_link).flatten().collect();
            if let [owner] = found.into_iter().collect::<Vec<_>>().as_slice()
                && let Some(value) = keys.get(*owner)
            {
                row[key] = value.clone();
                filled += 1;
            }
        }
    }
    filled
}

fn array(sql_type: &str, values: &[&Value]) -> Result<ArrayRef, String> {
    let sql_type = sql_type.to_ascii_uppercase();
    let is = |names: &[&str]| names.iter().any(|name| sql_type.starts_with(name));
    let text = |value: &&Value| match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        other => Ok::<_, String>(Some(other.to_string())),
    };
    if is(&["BIGINT", "INT", "SMALLINT", "TINYINT"]) {
        let int = |value: &&Value| match value {
            Value::Null => Ok(None),
            value => value.as_i64().map(Some).ok_or_else(|| format!("{value} is no whole number")),
        };
        return Ok(Arc::new(Int64Array::from(values.iter().map(int).collect::<Result<Vec<_>, _>>()?)));
    }
    if is(&["FLOAT", "REAL", "DOUBLE", "DECIMAL", "NUMERIC"]) {
        return Ok(Arc::new(Float64Array::from(values.iter().map(|value| value.as_f64()).collect::<Vec<_>>())));
    }
    if is(&["BIT", "BOOL"]) {
        let truth = |value: &&Value| value.as_bool().or_else(|| value.as_i64().map(|value| value != 0));
        return Ok(Arc::new(BooleanArray::from(values.iter().map(truth).collect::<Vec<_>>())));
    }
    if is(&["VARBINARY", "BINARY"]) {
        let bytes = values.iter().map(|value| bytes(value)).collect::<Result<Vec<_>, _>>()?;
        return Ok(Arc::new(bytes.iter().map(Option::as_deref).collect::<BinaryArray>()));
    }
    let texts = values.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    if is(&["DATE", "TIMESTAMP", "SMALLDATETIME"]) {
        let texts: ArrayRef = Arc::new(StringArray::from(texts));
        let moments = cast(&texts, &DataType::Timestamp(TimeUnit::Microsecond, None)).map_err(|e| e.to_string())?;
        return if sql_type == "DATE" {
            cast(&moments, &DataType::Date32).map_err(|error| error.to_string())
        } else {
            Ok(moments)
        };
    }
    Ok(Arc::new(StringArray::from(texts)))
}

/// `{"hex": …}`, or text that stands for its bytes.
fn bytes(value: &Value) -> Result<Option<Vec<u8>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.as_bytes().to_vec())),
        other => {
            let digits = other.get("hex").and_then(Value::as_str).ok_or_else(|| format!("{other} is no bytes"))?;
            let digit = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
            let bytes = (0..digits.len()).step_by(2).map(digit).collect::<Option<Vec<u8>>>();
            bytes.map(Some).ok_or_else(|| format!("{other} is no hexadecimal text"))
        }
    }
}
