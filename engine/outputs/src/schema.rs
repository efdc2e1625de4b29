//! What an output table's columns are: the exact Arrow type of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use peristyle_model::column_spec::ColumnSpec;
use peristyle_model::types::Physical;

/// The column that every dataset table begins with.
pub const PATIENT_ID: &str = "patient_id";

/// What a table of an answer is called and made of.
#[derive(Clone, Debug, PartialEq)]
pub struct TableSpec {
    /// Its name; `dataset` for the one with a row a patient
    pub name: Arc<str>,
    /// What patients are known by in its first column, [`PATIENT_ID`]; `None` for tables that are not of patients
    pub patients: Option<PatientKeys>,
    /// The other columns in order
    pub columns: Vec<(Arc<str>, ColumnSpec)>,
}

/// What patients are known by. Rows are in ascending order of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatientKeys {
    /// `int64`
    Int,
    /// 16 bytes: fixed-size binary in Arrow and Parquet files, lower-case hexadecimal digits in CSV
    Bytes16,
    /// Text, in order of its bytes
    Text,
}

impl PatientKeys {
    /// The type of the column, in batches and in files.
    pub fn arrow_type(self) -> DataType {
        match self {
            PatientKeys::Int => DataType::Int64,
            PatientKeys::Bytes16 => DataType::FixedSizeBinary(16),
            PatientKeys::Text => DataType::Utf8,
        }
    }

    /// The kind of keys that a plan's column of that type has, if it is one of keys.
    pub fn of(data_type: &DataType) -> Option<Self> {
        [Self::Int, Self::Bytes16, Self::Text].into_iter().find(|keys| keys.arrow_type() == *data_type)
    }
}

impl TableSpec {
    /// The exact schema of the table's Arrow file.
    ///
    /// Definition format, section 7. `metadata` is written under `peristyle.` and its keys.
    pub fn arrow_schema(&self, metadata: &BTreeMap<String, String>) -> SchemaRef {
        let patient_id = self.patients.map(|keys| Field::new(PATIENT_ID, keys.arrow_type(), false));
        let columns = self.columns.iter().map(|(name, spec)| arrow_field(name, spec));
        let fields: Vec<Field> = patient_id.into_iter().chain(columns).collect();
        let metadata = metadata.iter().map(|(key, value)| (metadata_key(key), value.clone())).collect();
        Arc::new(Schema::new_with_metadata(fields, metadata))
    }

    /// Whether rows are in order of patient: in dataset tables they are, in tables of measures there is no patient.
    pub(crate) fn is_ordered_by_patient(&self) -> bool {
        self.patients.is_some()
    }
}

/// The key in a file for a key of the run's metadata.
pub(crate) fn metadata_key(key: &str) -> String {
    format!("peristyle.{key}")
}

/// The exact field of a column.
pub fn arrow_field(name: &str, spec: &ColumnSpec) -> Field {
    let data_type = match spec.physical {
        Physical::Bool => DataType::Boolean,
        Physical::Int => smallest_int(spec.range),
        Physical::Float => DataType::Float64,
        Physical::Date => DataType::Date32,
        Physical::Str => match &spec.categories {
            Some(categories) => {
                DataType::Dictionary(Box::new(smallest_index(categories.len())), Box::new(DataType::Utf8))
            }
            None => DataType::Utf8,
        },
    };
    let is_dictionary = matches!(data_type, DataType::Dictionary(..));
    Field::new(name, data_type, spec.nullable).with_dict_is_ordered(is_dictionary)
}

/// The smallest integer type for a range, as ehrQL chooses it: signed types are told by the largest magnitude, so that
/// a range from -128 takes 16 bits.
fn smallest_int(range: Option<(i64, i64)>) -> DataType {
    let Some((minimum, maximum)) = range else { return DataType::Int64 };
    let magnitude = minimum.unsigned_abs().max(maximum.unsigned_abs());
    match (minimum < 0, u64::BITS - magnitude.leading_zeros()) {
        (true, 0..=7) => DataType::Int8,
        (true, 8..=15) => DataType::Int16,
        (true, 16..=31) => DataType::Int32,
        (true, _) => DataType::Int64,
        (false, 0..=8) => DataType::UInt8,
        (false, 9..=16) => DataType::UInt16,
        (false, 17..=32) => DataType::UInt32,
        (false, _) => DataType::UInt64,
    }
}

/// The smallest signed type for an index into so many categories. Signed, since pandas does not read unsigned ones.
fn smallest_index(categories: usize) -> DataType {
    let last = categories.saturating_sub(1);
    match usize::BITS - last.leading_zeros() {
        0..=7 => DataType::Int8,
        8..=15 => DataType::Int16,
        16..=31 => DataType::Int32,
        _ => DataType::Int64,
    }
}

/// The categories as the values of a dictionary, in their order.
pub(crate) fn category_values(categories: &[Arc<str>]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(categories.iter().map(|category| &**category)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn spec(physical: Physical) -> ColumnSpec {
        ColumnSpec { physical, nullable: true, categories: None, range: None }
    }

    #[test]
    fn each_column_has_its_exact_type() {
        let int = |minimum, maximum| ColumnSpec { range: Some((minimum, maximum)), ..spec(Physical::Int) };
        let text = |categories: usize| {
            let categories = (0..categories).map(|category| category.to_string().into()).collect();
            ColumnSpec { categories: Some(categories), ..spec(Physical::Str) }
        };
        let cases = [
            ("bool", spec(Physical::Bool)),
            ("int", spec(Physical::Int)),
            ("float", spec(Physical::Float)),
            ("date", spec(Physical::Date)),
            ("str", spec(Physical::Str)),
            ("count", int(0, 65_535)),
            ("uint8", int(0, 255)),
            ("uint16", int(1, 256)),
            ("uint32", int(0, 65_536)),
            ("uint32 max", int(0, u32::MAX.into())),
            ("uint64", int(0, i64::from(u32::MAX) + 1)),
            ("int8", int(-127, 127)),
            ("int16 min", int(-128, 0)),
            ("int16", int(-1, 32_767)),
            ("int32", int(-1, 32_768)),
            ("int64", int(-1, 1 << 31)),
            ("int64 min", int(i64::MIN, 0)),
            ("no category", text(0)),
            ("128 categories", text(128)),
            ("129 categories", text(129)),
            ("32769 categories", text(32_769)),
        ];
        let shown: Vec<_> = cases
            .iter()
            .map(|(name, spec)| {
                let field = arrow_field(name, spec);
                let nullable = if field.is_nullable() { "" } else { ", not null" };
                let ordered = if field.dict_is_ordered() == Some(true) { ", ordered" } else { "" };
                format!("{name}: {}{nullable}{ordered}", field.data_type())
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        bool: Boolean
        int: Int64
        float: Float64
        date: Date32
        str: Utf8
        count: UInt16
        uint8: UInt8
        uint16: UInt16
        uint32: UInt32
        uint32 max: UInt32
        uint64: UInt64
        int8: Int8
        int16 min: Int16
        int16: Int16
        int32: Int32
        int64: Int64
        int64 min: Int64
        no category: Dictionary(Int8, Utf8), ordered
        128 categories: Dictionary(Int8, Utf8), ordered
        129 categories: Dictionary(Int16, Utf8), ordered
        32769 categories: Dictionary(Int32, Utf8), ordered
        ");
    }

    #[test]
    fn metadata_is_written_under_our_name() {
        let table = TableSpec { name: "dataset".into(), patients: Some(PatientKeys::Bytes16), columns: Vec::new() };
        let schema = table.arrow_schema(&BTreeMap::from([("policy".to_owned(), "dummy".to_owned())]));
        assert_eq!(schema.metadata().get("peristyle.policy").map(String::as_str), Some("dummy"));
        let patient_id = Field::new(PATIENT_ID, DataType::FixedSizeBinary(16), false);
        assert_eq!(schema.fields().iter().map(|field| field.as_ref()).collect::<Vec<_>>(), [&patient_id]);
    }
}
