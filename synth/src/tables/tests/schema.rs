//! Names, types and what may be NULL, against the suppliers' schemas.

use std::collections::HashMap;

use arrow::datatypes::{DataType, TimeUnit};

use super::population;
use crate::tables::Layout;

/// Lines of a schema in the project's shared folder, by table and column; says so if it is not there.
fn schema(file: &str, table_at: usize) -> Option<HashMap<(String, String), Vec<String>>> {
    let path = format!("{}/../../shared/supplier-schemas/{file}", env!("CARGO_MANIFEST_DIR"));
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: there is no {path}");
        return None;
    };
    let lines = text.lines().skip(1).map(|line| {
        let cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        ((cells[table_at].clone(), cells[table_at + 1].clone()), cells[table_at + 2..].to_vec())
    });
    Some(lines.collect())
}

fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => (**values).clone(),
        other => other.clone(),
    }
}

#[test]
fn tpp_is_as_its_schema_says() {
    let Some(schema) = schema("tpp.csv", 1) else { return };
    for table in Layout::Tpp.tables() {
        // Not the supplier's: kept beside its tables.
        if table.name() == "CustomMedicationDictionary" {
            continue;
        }
        let made = population().batches(*table).unwrap()[0].schema();
        for field in made.fields() {
            let place = (table.name().to_owned(), field.name().clone());
            let known = schema.get(&place).unwrap_or_else(|| panic!("{place:?} is not in the schema"));
            let want = match known[0].as_str() {
                "bigint" => DataType::Int64,
                "int" => DataType::Int32,
                "real" => DataType::Float32,
                "date" => DataType::Date32,
                "datetime" => DataType::Timestamp(TimeUnit::Millisecond, None),
                "varchar" | "char" => DataType::Utf8,
                other => panic!("{other}"),
            };
            assert_eq!(plain(field.data_type()), want, "{place:?}");
            assert_eq!(field.is_nullable(), known[4] == "True", "{place:?}");
        }
    }
}

#[test]
fn emisv2_is_as_its_schema_says() {
    let Some(schema) = schema("emisv2.csv", 0) else { return };
    for table in Layout::EmisV2.tables() {
        let made = population().batches(*table).unwrap()[0].schema();
        for field in made.fields() {
            let place = (table.name().to_owned(), field.name().clone());
            let known = schema.get(&place).unwrap_or_else(|| panic!("{place:?} is not in the schema"));
            let zone = (known[4] == "True").then(|| "UTC".into());
            let want = match known[0].as_str() {
                "VARBINARY" => DataType::FixedSizeBinary(16),
                "BIGINT" => DataType::Int64,
                "DOUBLE" => DataType::Float64,
                "BOOLEAN" => DataType::Boolean,
                "VARCHAR" => DataType::Utf8,
                "TIMESTAMP" => DataType::Timestamp(TimeUnit::Microsecond, zone),
                "DECIMAL" => DataType::Decimal128(19, 3),
                other => panic!("{other}"),
            };
            assert_eq!(plain(field.data_type()), want, "{place:?}");
        }
    }
}
