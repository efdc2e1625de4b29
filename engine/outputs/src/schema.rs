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
    /// Its columns in order, [`PATIENT_ID`] included
    pub columns: Vec<(Arc<str>, ColumnSpec)>,
}

impl TableSpec {
    /// The exact schema of the table's Arrow file.
    ///
    /// Definition format, section 7. `metadata` is written under `peristyle.` and its keys.
    pub fn arrow_schema(&self, metadata: &BTreeMap<String, String>) -> SchemaRef {
        let fields: Vec<Field> = self.columns.iter().map(|(name, spec)| arrow_field(name, spec)).collect();
        let metadata = metadata.iter().map(|(key, value)| (metadata_key(key), value.clone())).collect();
        Arc::new(Schema::new_with_metadata(fields, metadata))
    }

    /// Whether rows are in order of patient: in dataset tables they are, in tables of measures there is no patient.
    pub(crate) fn is_ordered_by_patient(&self) -> bool {
        self.columns.first().is_some_and(|(name, spec)| &**name == PATIENT_ID && spec.physical == Physical::Int)
    }
}

/// The key in a file for a key of the run's metadata.
pub(crate) fn metadata_key(key: &str) -> String {
    format!("peristyle.{key}")
}

/// The column of a patient's identifier: `int64`, never NULL.
pub(crate) fn patient_id_column() -> (Arc<str>, ColumnSpec) {
    (PATIENT_ID.into(), ColumnSpec { physical: Physical::Int, nullable: false, categories: None, range: None })
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
            ("patient_id", patient_id_column().1),
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
        patient_id: Int64, not null
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
        let table = TableSpec { name: "dataset".into(), columns: vec![patient_id_column()] };
        let schema = table.arrow_schema(&BTreeMap::from([("policy".to_owned(), "dummy".to_owned())]));
        assert_eq!(schema.metadata().get("peristyle.policy").map(String::as_str), Some("dummy"));
    }
}
