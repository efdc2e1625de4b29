#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use ::arrow::array::{Array, AsArray, RecordBatch};
use ::arrow::compute::concat_batches;
use ::arrow::datatypes::{DataType, Int64Type};
use ::arrow::util::display::{ArrayFormatter, FormatOptions};
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use peristyle_model::Catalogue;
use peristyle_model::catalogue::TableName;
use peristyle_model::graph::Constant;
use peristyle_model::types::{CodeSystem, Physical};

use super::*;
use crate::{Layout, Order, Planted};

fn small() -> Population {
    Population { patients: 700, events_per_patient: 20.0, seed: 11, ..Population::default() }
}

/// A user-facing table.
fn user(name: &str) -> Table {
    Layout::User.table(name).unwrap()
}

/// Every table there is.
fn all_tables() -> Vec<Table> {
    let tables = Layout::ALL.into_iter().flat_map(Layout::tables).copied();
    tables.chain(Table::REGISTERS).collect()
}

/// Rows as text, each.
fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        let options = FormatOptions::default().with_null("NULL");
        let columns: Vec<_> =
            batch.columns().iter().map(|array| ArrayFormatter::try_new(array, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

fn patients(batches: &[RecordBatch]) -> Vec<i64> {
    batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

fn written(population: &Population, tables: &[Table], format: FileFormat, threads: usize) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let written = population.write_tables(folder.path(), tables, format, threads, &|_| ()).unwrap();
    let read = |file: &WrittenTable| (format!("{:?}", file.table), std::fs::read(&file.path).unwrap());
    written.iter().map(read).collect()
}

#[test]
fn files_do_not_depend_on_threads() {
    for order in [Order::ByPatient, Order::Shuffled] {
        for (format, tables) in [(FileFormat::Parquet, all_tables()), (FileFormat::Csv, Table::ALL.to_vec())] {
            let population = Population { order, ..small() };
            let one = written(&population, &tables, format, 1);
            assert_eq!(one.len(), tables.len());
            assert!(one == written(&population, &tables, format, 3), "{order:?} {format:?}");
            let other = Population { seed: 12, ..population };
            assert!(one != written(&other, &tables, format, 3), "{order:?} {format:?}");
        }
    }
}

#[test]
fn ordered_tables_are_ordered_and_shuffled_ones_hold_the_same_rows() {
    for table in Table::ALL {
        let ordered = small().batches(table).unwrap();
        let shuffled = Population { order: Order::Shuffled, ..small() }.batches(table).unwrap();
        assert!(patients(&ordered).is_sorted(), "{}", table.name());
        assert!(!patients(&shuffled).is_sorted(), "{}", table.name());
        let (mut ordered, mut shuffled) = (rows(&ordered), rows(&shuffled));
        ordered.sort_unstable();
        shuffled.sort_unstable();
        assert_eq!(ordered, shuffled, "{}", table.name());
    }
}

#[test]
fn a_population_grows_at_its_end() {
    // More patients leave the earlier ones' events as they were (practices depend on the size beyond 72,000 patients).
    let few = rows(&small().batches(user("clinical_events")).unwrap());
    let many = rows(&Population { patients: 900, ..small() }.batches(user("clinical_events")).unwrap());
    assert_eq!(many[..few.len()], few);
}

#[test]
fn parquet_reads_back_with_its_order() {
    for order in [Order::ByPatient, Order::Shuffled] {
        let population = Population { order, events_per_patient: 900.0, ..small() };
        let folder = tempfile::tempdir().unwrap();
        let written = population
            .write_tables(folder.path(), &[user("clinical_events")], FileFormat::Parquet, 2, &|_| ())
            .unwrap();
        let file = File::open(&written[0].path).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let metadata = Arc::clone(reader.metadata());
        assert_eq!(metadata.file_metadata().num_rows() as u64, written[0].rows);
        assert!(metadata.num_row_groups() > 1);
        let note = metadata.file_metadata().key_value_metadata().cloned();
        let is_noted = note.is_some_and(|notes| notes.iter().any(|note| note.key == "peristyle.ordered_by"));
        assert_eq!(is_noted, order == Order::ByPatient);
        assert_eq!(metadata.row_group(0).sorting_columns().is_some(), order == Order::ByPatient);
        let columns = metadata.row_group(0).columns().iter();
        let filtered = columns.filter(|column| column.bloom_filter_offset().is_some());
        let names: Vec<_> = filtered.map(|column| column.column_path().string()).collect();
        assert_eq!(names, ["snomedct_code", "ctv3_code"], "a filter for each column of codes");
        let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
        assert_eq!(rows(&batches), rows(&population.batches(user("clinical_events")).unwrap()));
    }
}

#[test]
fn csv_is_as_ehrql_reads_it() {
    let files = written(&small(), &[user("addresses")], FileFormat::Csv, 2);
    let addresses = std::str::from_utf8(&files["User/addresses"]).unwrap();
    let mut lines = addresses.lines();
    let header = lines.next().unwrap();
    assert!(header.starts_with("patient_id,address_id,start_date,end_date,address_type,"), "{header}");
    let line: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(line.len(), 12);
    assert!(["T", "F"].contains(&line[8]), "{line:?}");
    assert_eq!(addresses.lines().count(), rows(&small().batches(user("addresses")).unwrap()).len() + 1);
}

#[test]
fn numbers_of_rows_are_as_asked_and_skewed() {
    let population = Population { patients: 4_000, events_per_patient: 50.0, ..Population::default() };
    let list = Planted::common(CodeSystem::SnomedCt, [Arc::from("314159265")]);
    let with_planted = Population { planted: vec![list; 60], ..population.clone() };
    for population in [&with_planted, &population] {
        let rows = patients(&population.batches(user("clinical_events")).unwrap()).len();
        assert!((180_000..220_000).contains(&rows), "{rows} rows");
    }
    let ids = patients(&population.batches(user("clinical_events")).unwrap());
    let mut counts = BTreeMap::new();
    ids.iter().for_each(|patient| *counts.entry(patient).or_insert(0usize) += 1);
    let mut counts: Vec<usize> = counts.into_values().collect();
    counts.sort_unstable();
    let top: usize = counts[counts.len() * 9 / 10..].iter().sum();
    assert!(top as f64 > 0.3 * ids.len() as f64, "a tenth of patients has {top} of {} events", ids.len());
}

#[test]
fn planted_codes_are_found_at_their_rate() {
    let list = |system, code: &str| Planted { patient_rate: 0.2, ..Planted::common(system, [Arc::from(code)]) };
    let planted = vec![
        list(CodeSystem::SnomedCt, "314159265"),
        list(CodeSystem::Ctv3, "XPLAN"),
        list(CodeSystem::Dmd, "271828182"),
        list(CodeSystem::Icd10, "Z987"),
        list(CodeSystem::Opcs4, "Z123"),
    ];
    let population = Population { patients: 2_000, planted, ..small() };
    for (table, column, code) in [
        (user("clinical_events"), "snomedct_code", "314159265"),
        (user("clinical_events"), "ctv3_code", "XPLAN"),
        (user("medications"), "dmd_code", "271828182"),
        (user("apcs"), "primary_diagnosis", "Z987"),
        (user("apcs"), "all_procedures", "Z123"),
    ] {
        let batches = population.batches(table).unwrap();
        let batch = concat_batches(&batches[0].schema(), &batches).unwrap();
        let codes = ::arrow::compute::cast(batch.column_by_name(column).unwrap(), &DataType::Utf8).unwrap();
        let ids = batch.column(0).as_primitive::<Int64Type>();
        let mut having: Vec<i64> = (codes.as_string::<i32>().iter().zip(ids.values()))
            .filter(|(text, _)| text.is_some_and(|text| text.contains(code)))
            .map(|(_, patient)| *patient)
            .collect();
        having.dedup();
        let share = having.len() as f64 / 2_000.0;
        assert!((0.12..0.25).contains(&share), "{}.{column}: {share}", table.name());
    }
}

/// The type that a file of the catalogue's type has.
fn physical(data_type: &DataType) -> Option<Physical> {
    Some(match data_type {
        DataType::Boolean => Physical::Bool,
        DataType::Int64 => Physical::Int,
        DataType::Float64 => Physical::Float,
        DataType::Date32 => Physical::Date,
        DataType::Utf8 => Physical::Str,
        DataType::Dictionary(_, values) if **values == DataType::Utf8 => Physical::Str,
        _ => return None,
    })
}

#[test]
fn tables_are_those_of_the_catalogue() {
    let catalogue = Catalogue::builtin();
    for table in Table::ALL {
        let name = TableName { module: "ehrql.tables.tpp".into(), name: table.name().into() };
        let known = catalogue.table(&name).unwrap();
        let batches = small().batches(table).unwrap();
        let batch = concat_batches(&batches[0].schema(), &batches).unwrap();
        let schema = batch.schema();
        let made: Vec<_> =
            schema.fields()[1..].iter().map(|field| (field.name().as_str(), physical(field.data_type()))).collect();
        let wanted: Vec<_> =
            known.columns.iter().map(|column| (&*column.name, Some(column.value_type.physical()))).collect();
        assert_eq!(made, wanted, "{}", table.name());
        for column in &known.columns {
            let array = batch.column_by_name(&column.name).unwrap();
            assert!(!column.is_not_null() || array.null_count() == 0, "{}.{}", table.name(), column.name);
            let Some(categories) = column.categories() else { continue };
            let text = |category: &Constant| match category {
                Constant::Str(text) => text.to_string(),
                Constant::Int(number) => number.to_string(),
                other => panic!("{other:?}"),
            };
            let categories: Vec<String> = categories.iter().map(text).collect();
            let values = ::arrow::compute::cast(array, &DataType::Utf8).unwrap();
            let strange =
                values.as_string::<i32>().iter().flatten().find(|value| !categories.iter().any(|known| known == value));
            assert_eq!(strange, None, "{}.{}", table.name(), column.name);
        }
    }
}

#[test]
fn settings_without_sense_are_refused() {
    let default = Population::default;
    for (population, want) in [
        (Population { patients: 0, ..default() }, "the number of patients is 0, but must be from 1 to 10,000,000,000"),
        (
            Population { events_per_patient: f64::NAN, ..default() },
            "events per patient is NaN, but must be from 0 to 100,000",
        ),
        (
            Population {
                planted: vec![Planted { patient_rate: 2.0, ..Planted::common(CodeSystem::Dmd, []) }],
                ..default()
            },
            "the patient rate of a code list is 2, but must be from 0 to 1",
        ),
    ] {
        assert_eq!(population.batches(user("patients")).unwrap_err().to_string(), want);
    }
}

#[test]
fn keys_of_bytes_are_not_written_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let tables = Layout::EmisV2.tables();
    let error = small().write_tables(folder.path(), tables, FileFormat::Csv, 1, &|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "the format is CSV for patient, but must be Parquet for tables of EMIS");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taken");
    std::fs::write(&file, "").unwrap();
    let error = small().write_tables(&file, &Table::ALL, FileFormat::Csv, 1, &|_| ()).unwrap_err();
    assert!(error.to_string().ends_with("taken"), "{error}");
}

#[test]
fn registers_have_their_digest_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let written = small().write_tables(folder.path(), &all_tables(), FileFormat::Parquet, 2, &|_| ()).unwrap();
    let mut registers = 0;
    for file in written {
        let beside = format!("{}.sha256", file.path.display());
        let stated = std::fs::read_to_string(&beside).ok();
        assert_eq!(stated.is_some(), file.table.is_register(), "{beside}");
        if let Some(stated) = stated {
            use sha2::Digest as _;
            let digest = sha2::Sha256::digest(std::fs::read(&file.path).unwrap());
            let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(stated.starts_with(&format!("{digits}  ")), "{beside}");
            registers += 1;
        }
    }
    assert_eq!(registers, 9);
}
