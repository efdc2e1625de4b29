//! A batch of the dataset plan, split into its output tables.

use arrow::array::{ListArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::util::pretty::pretty_format_batches;
use peristyle_model::{DomainId, EventTable};
use peristyle_outputs::dataset::split;

use super::*;

/// The events of each patient as a list of rows: a date and a code.
fn events(events_of_patients: &[&[(Option<i32>, Option<&str>)]], nulls: Option<NullBuffer>) -> ArrayRef {
    let rows = events_of_patients.concat();
    let fields =
        Fields::from(vec![Field::new("date", DataType::Date32, true), Field::new("code", DataType::Utf8, true)]);
    let dates: Date32Array = rows.iter().map(|(date, _)| *date).collect();
    let codes: StringArray = rows.iter().map(|(_, code)| *code).collect();
    let rows = StructArray::new(fields.clone(), vec![Arc::new(dates), Arc::new(codes)], None);
    let lengths = events_of_patients.iter().map(|events| events.len());
    let item = Arc::new(Field::new_list_field(DataType::Struct(fields), false));
    Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(lengths), Arc::new(rows), nulls))
}

fn event_table(name: &str) -> EventTable {
    EventTable { name: name.into(), domain: DomainId::PATIENT, members: Vec::new() }
}

fn dataset_batch(events: ArrayRef) -> RecordBatch {
    let patients: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
    let ages: ArrayRef = Arc::new(Int64Array::from(vec![Some(40), None, Some(62), Some(7)]));
    RecordBatch::try_from_iter([("patient_id", patients), ("age", ages), ("visits", events)]).unwrap()
}

#[test]
fn events_become_rows_of_a_table_of_their_own() {
    let visits =
        events(&[&[(Some(0), Some("a"))], &[], &[(Some(1), None), (None, Some("b"))], &[(Some(2), None)]], None);
    let batch = dataset_batch(visits);
    let shown = |batch: &RecordBatch| {
        let tables = split(batch, &[event_table("visits")]).unwrap();
        let tables = tables.iter().map(|table| pretty_format_batches(std::slice::from_ref(table)).unwrap().to_string());
        tables.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(shown(&batch), @r"
    +------------+-----+
    | patient_id | age |
    +------------+-----+
    | 1          | 40  |
    | 2          |     |
    | 3          | 62  |
    | 4          | 7   |
    +------------+-----+
    +------------+------------+------+
    | patient_id | date       | code |
    +------------+------------+------+
    | 1          | 1970-01-01 | a    |
    | 3          | 1970-01-02 |      |
    | 3          |            | b    |
    | 4          | 1970-01-03 |      |
    +------------+------------+------+
    ");
    insta::assert_snapshot!(shown(&batch.slice(2, 1)), @r"
    +------------+-----+
    | patient_id | age |
    +------------+-----+
    | 3          | 62  |
    +------------+-----+
    +------------+------------+------+
    | patient_id | date       | code |
    +------------+------------+------+
    | 3          | 1970-01-02 |      |
    | 3          |            | b    |
    +------------+------------+------+
    ");
    insta::assert_snapshot!(shown(&batch.slice(1, 1)), @r"
    +------------+-----+
    | patient_id | age |
    +------------+-----+
    | 2          |     |
    +------------+-----+
    +------------+------+------+
    | patient_id | date | code |
    +------------+------+------+
    +------------+------+------+
    ");
}

#[test]
fn a_dataset_without_events_is_one_table() {
    let (_, batch) = every_kind();
    assert_eq!(split(&batch, &[]).unwrap(), [batch]);
}

#[test]
fn batches_of_another_shape_are_refused() {
    let no_events: &[&[(Option<i32>, Option<&str>)]] = &[&[], &[], &[], &[]];
    let cases = [
        ("no column", RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty())), "visits"),
        ("another name", dataset_batch(events(no_events, None)), "admissions"),
        ("no list", dataset_batch(Arc::new(Int64Array::from(vec![1, 2, 3, 4]))), "visits"),
        ("a NULL list", dataset_batch(events(no_events, Some(NullBuffer::new_null(4)))), "visits"),
    ];
    for (case, batch, name) in cases {
        assert!(matches!(split(&batch, &[event_table(name)]), Err(OutputError::Mismatch { .. })), "{case}");
    }
}
