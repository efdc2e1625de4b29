//! Writes input tables as files, in every format and many shapes.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{Field, Int32Type, Schema};
use arrow::ipc::writer::FileWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::WriterProperties;

use crate::cells::Cell;
use crate::tables::Table;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Format {
    Parquet,
    Arrow,
    #[default]
    Csv,
    CsvGz,
}

impl Format {
    pub(crate) const ALL: [Format; 4] = [Format::Parquet, Format::Arrow, Format::Csv, Format::CsvGz];

    fn ending(self) -> &'static str {
        match self {
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
            Format::Csv => "csv",
            Format::CsvGz => "csv.gz",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum RowOrder {
    AsGiven,
    /// By this seed
    Shuffled(u64),
    /// By patient, and a Parquet or Arrow file says so
    Promised,
    /// By patient, and no file says so
    Unpromised,
}

/// How tables are laid down. The answer must not depend on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Layout {
    pub(crate) format: Format,
    /// Files of a table; more than one go in a folder
    pub(crate) files: usize,
    pub(crate) order: RowOrder,
    /// Strings as dictionaries, in formats that have them
    pub(crate) dictionaries: bool,
    /// Rows of a batch or row group
    pub(crate) batch_rows: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Layout { format: Format::Arrow, files: 1, order: RowOrder::AsGiven, dictionaries: false, batch_rows: 1024 }
    }
}

/// Writes every table below `directory`.
pub(crate) fn write_tables(tables: &[Table], layout: &Layout, directory: &Path) {
    for table in tables {
        let table = arranged(table, layout.order);
        let ending = layout.format.ending();
        if layout.files == 1 {
            write_table(&table, layout, &directory.join(format!("{}.{ending}", table.name)));
            continue;
        }
        let folder = directory.join(&table.name);
        fs::create_dir(&folder).expect("a folder");
        let rows_per_file = table.rows.len().div_ceil(layout.files).max(1);
        let mut parts: Vec<_> = table.rows.chunks(rows_per_file).collect();
        // Files without rows are files too.
        parts.resize(layout.files, &[]);
        for (number, rows) in parts.into_iter().enumerate() {
            let part = Table { rows: rows.to_vec(), ..table.clone() };
            write_table(&part, layout, &folder.join(format!("part-{number}.{ending}")));
        }
    }
}

fn arranged(table: &Table, order: RowOrder) -> Table {
    let mut table = table.clone();
    match order {
        RowOrder::AsGiven => (),
        RowOrder::Promised | RowOrder::Unpromised => table.rows.sort_by_key(|(patient, _)| *patient),
        RowOrder::Shuffled(mut state) => {
            // Fisher and Yates, with a generator that is good enough to mix up rows.
            for last in (1..table.rows.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                table.rows.swap(last, (state >> 33) as usize % (last + 1));
            }
        }
    }
    table
}

/// Writes one file, in the format that `layout` names.
pub(crate) fn write_table(table: &Table, layout: &Layout, path: &Path) {
    match layout.format {
        Format::Parquet => write_parquet(table, layout, path),
        Format::Arrow => write_arrow(table, layout, path),
        Format::Csv => fs::write(path, csv(table)).expect("a file"),
        Format::CsvGz => {
            let mut file = GzEncoder::new(File::create(path).expect("a file"), Compression::fast());
            file.write_all(csv(table).as_bytes()).expect("a file");
            file.finish().expect("a file");
        }
    }
}

fn write_parquet(table: &Table, layout: &Layout, path: &Path) {
    let batch = batch(table, layout.dictionaries);
    let mut properties = WriterProperties::builder().set_max_row_group_row_count(Some(layout.batch_rows));
    if layout.order == RowOrder::Promised {
        let by_patient = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
        properties = properties
            .set_sorting_columns(Some(vec![by_patient]))
            .set_key_value_metadata(Some(vec![KeyValue::new(ORDERED_BY.0.to_owned(), ORDERED_BY.1.to_owned())]));
    }
    let options = ArrowWriterOptions::new().with_properties(properties.build());
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new_with_options(file, batch.schema(), options).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a file");
}

/// What a file's metadata says when its rows ascend by patient.
const ORDERED_BY: (&str, &str) = ("peristyle.ordered_by", "patient_id");

fn write_arrow(table: &Table, layout: &Layout, path: &Path) {
    let batch = batch(table, layout.dictionaries);
    let mut schema = batch.schema().as_ref().clone();
    if layout.order == RowOrder::Promised {
        schema.metadata.insert(ORDERED_BY.0.to_owned(), ORDERED_BY.1.to_owned());
    }
    let schema = Arc::new(schema);
    let batch = batch.with_schema(Arc::clone(&schema)).expect("the same columns");
    let mut writer = FileWriter::try_new(File::create(path).expect("a file"), &schema).expect("a writer");
    for start in (0..batch.num_rows()).step_by(layout.batch_rows) {
        let rows = batch.slice(start, layout.batch_rows.min(batch.num_rows() - start));
        writer.write(&rows).expect("rows");
    }
    writer.finish().expect("a file");
}

fn batch(table: &Table, dictionaries: bool) -> RecordBatch {
    let patients: Vec<i64> = table.rows.iter().map(|(patient, _)| *patient).collect();
    let mut fields = vec![Field::new("patient_id", arrow::datatypes::DataType::Int64, false)];
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(patients))];
    for (index, column) in table.columns.iter().enumerate() {
        let cells: Vec<&Cell> = table.rows.iter().map(|(_, cells)| &cells[index]).collect();
        let array = array(&cells, &column.type_name, dictionaries);
        fields.push(Field::new(&column.name, array.data_type().clone(), true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("columns of one length")
}

fn array(cells: &[&Cell], type_name: &str, dictionaries: bool) -> ArrayRef {
    macro_rules! collect {
        ($array:ty, $variant:ident, $value:ident => $convert:expr) => {
            Arc::new(
                cells
                    .iter()
                    .map(|cell| match cell {
                        Cell::Null => None,
                        Cell::$variant($value) => Some($convert),
                        other => panic!("{other:?} in a column of {type_name}"),
                    })
                    .collect::<$array>(),
            )
        };
    }
    match type_name {
        "bool" => collect!(BooleanArray, Bool, value => *value),
        "int" => collect!(Int64Array, Int, value => *value),
        "float" => collect!(Float64Array, Float, value => *value),
        "date" => collect!(Date32Array, Date, value => value.to_epoch_days()),
        _ if dictionaries => collect!(DictionaryArray<Int32Type>, Str, value => value.as_str()),
        _ => collect!(StringArray, Str, value => value.as_str()),
    }
}

fn csv(table: &Table) -> String {
    let mut text = String::from("patient_id");
    table.columns.iter().for_each(|column| text.push_str(&format!(",{}", csv_cell(&column.name))));
    for (patient, cells) in &table.rows {
        text.push_str(&format!("\n{patient}"));
        for cell in cells {
            assert_ne!(*cell, Cell::Str(String::new()), "CSV has no empty string: it is NULL");
            text.push_str(&format!(",{}", csv_cell(&cell.to_string())));
        }
    }
    text.push('\n');
    text
}

fn csv_cell(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) || text.trim() != text {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
