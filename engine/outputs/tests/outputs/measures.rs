//! Counts of the measures plan, finished for the eyes of others.

use arrow::array::FixedSizeListArray;
use arrow::datatypes::{DataType, Field};
use arrow::util::pretty::pretty_format_batches;
use peristyle_outputs::DisclosureControl;
use peristyle_outputs::measures::finish;

use super::*;

/// A numerator and a denominator.
type Counts = (Option<i64>, Option<i64>);

/// A batch of the measures plan: numerator and denominator of each row.
fn counted(rows: &[Counts]) -> RecordBatch {
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|_| "bp_checked")));
    let days = |day: i32| -> ArrayRef { Arc::new(Date32Array::from(vec![day; rows.len()])) };
    let counts =
        |count: fn(&Counts) -> Option<i64>| -> ArrayRef { Arc::new(rows.iter().map(count).collect::<Int64Array>()) };
    let groups: ArrayRef =
        Arc::new(StringArray::from_iter(rows.iter().enumerate().map(|(row, _)| (row > 0).then_some("f"))));
    let columns = [
        ("measure", names),
        ("interval_start", days(18_262)),
        ("interval_end", days(18_292)),
        ("numerator", counts(|row| row.0)),
        ("denominator", counts(|row| row.1)),
        ("sex", groups),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn shown(disclosure_control: DisclosureControl) -> String {
    let rows = [(1, 3), (7, 8), (8, 12), (13, 18), (0, 100), (100, 100), (1_002, 3_003)];
    let mut rows: Vec<_> = rows.map(|(numerator, denominator)| (Some(numerator), Some(denominator))).into();
    rows.push((None, Some(50)));
    let batch = finish(&counted(&rows), disclosure_control).unwrap();
    pretty_format_batches(&[batch]).unwrap().to_string()
}

#[test]
fn ratios_are_of_the_counts_as_they_are() {
    insta::assert_snapshot!(shown(DisclosureControl::Off), @r"
    +------------+----------------+--------------+--------------------+-----------+-------------+-----+
    | measure    | interval_start | interval_end | ratio              | numerator | denominator | sex |
    +------------+----------------+--------------+--------------------+-----------+-------------+-----+
    | bp_checked | 2020-01-01     | 2020-01-31   | 0.3333333333333333 | 1         | 3           |     |
    | bp_checked | 2020-01-01     | 2020-01-31   | 0.875              | 7         | 8           | f   |
    | bp_checked | 2020-01-01     | 2020-01-31   | 0.6666666666666666 | 8         | 12          | f   |
    | bp_checked | 2020-01-01     | 2020-01-31   | 0.7222222222222222 | 13        | 18          | f   |
    | bp_checked | 2020-01-01     | 2020-01-31   | 0.0                | 0         | 100         | f   |
    | bp_checked | 2020-01-01     | 2020-01-31   | 1.0                | 100       | 100         | f   |
    | bp_checked | 2020-01-01     | 2020-01-31   | 0.3336663336663337 | 1002      | 3003        | f   |
    | bp_checked | 2020-01-01     | 2020-01-31   | 0.0                | 0         | 50          | f   |
    +------------+----------------+--------------+--------------------+-----------+-------------+-----+
    ");
}

#[test]
fn disclosure_control_hides_small_counts_and_rounds_the_others() {
    insta::assert_snapshot!(shown(DisclosureControl::BySums), @r"
    +------------+----------------+--------------+---------------------+-----------+-------------+-----+
    | measure    | interval_start | interval_end | ratio               | numerator | denominator | sex |
    +------------+----------------+--------------+---------------------+-----------+-------------+-----+
    | bp_checked | 2020-01-01     | 2020-01-31   |                     | 0         | 0           |     |
    | bp_checked | 2020-01-01     | 2020-01-31   | 0.0                 | 0         | 10          | f   |
    | bp_checked | 2020-01-01     | 2020-01-31   | 1.0                 | 10        | 10          | f   |
    | bp_checked | 2020-01-01     | 2020-01-31   | 0.75                | 15        | 20          | f   |
    | bp_checked | 2020-01-01     | 2020-01-31   | 0.0                 | 0         | 100         | f   |
    | bp_checked | 2020-01-01     | 2020-01-31   | 1.0                 | 100       | 100         | f   |
    | bp_checked | 2020-01-01     | 2020-01-31   | 0.33277870216306155 | 1000      | 3005        | f   |
    | bp_checked | 2020-01-01     | 2020-01-31   | 0.0                 | 0         | 50          | f   |
    +------------+----------------+--------------+---------------------+-----------+-------------+-----+
    ");
}

/// What patients add to a numerator and a denominator.
type Amounts = (&'static [i64], &'static [i64]);

/// A batch of the measures plan with the greatest amounts of each number, so many of them.
fn counted_with_greatest(rows: &[Amounts], greatest_len: usize) -> RecordBatch {
    let sums: Vec<Counts> = rows.iter().map(|(of, among)| (Some(of.iter().sum()), Some(among.iter().sum()))).collect();
    let greatest = |amounts: fn(&Amounts) -> &'static [i64]| -> ArrayRef {
        let each = rows.iter().flat_map(|row| {
            let mut amounts = amounts(row).to_vec();
            amounts.sort_by_key(|amount| std::cmp::Reverse(amount.unsigned_abs()));
            amounts.resize(greatest_len, 0);
            amounts
        });
        let item = Arc::new(Field::new_list_field(DataType::Int64, false));
        let amounts = Arc::new(each.collect::<Int64Array>());
        Arc::new(FixedSizeListArray::new(item, greatest_len as i32, amounts, None))
    };
    let plain = counted(&sums);
    let mut columns: Vec<(String, ArrayRef)> =
        plain.schema().fields().iter().map(|field| field.name().clone()).zip(plain.columns().to_vec()).collect();
    let beside = [("greatest numerators", greatest(|row| row.0)), ("greatest denominators", greatest(|row| row.1))];
    columns.splice(5..5, beside.map(|(name, amounts)| (name.to_owned(), amounts)));
    RecordBatch::try_from_iter(columns).unwrap()
}

/// A row of which nothing is shown would say that somebody is there.
#[test]
fn numbers_are_judged_by_people_and_rows_without_any_are_left_out() {
    let rows: [Amounts; 6] = [
        (&[1_000; 3], &[1; 10]),
        (&[1_000; 8], &[1; 10]),
        (&[1; 7], &[1; 7]),
        (&[1; 0], &[1; 7]),
        (&[1; 7], &[1; 8]),
        (&[100; 10], &[8, 1, 1, 1, 1, 1, 1, 1]),
    ];
    let batch = finish(&counted_with_greatest(&rows, 8), DisclosureControl::ByPeople).unwrap();
    insta::assert_snapshot!(pretty_format_batches(&[batch]).unwrap(), @r"
    +------------+----------------+--------------+--------+-----------+-------------+-----+
    | measure    | interval_start | interval_end | ratio  | numerator | denominator | sex |
    +------------+----------------+--------------+--------+-----------+-------------+-----+
    | bp_checked | 2020-01-01     | 2020-01-31   | 0.0    | 0         | 10          |     |
    | bp_checked | 2020-01-01     | 2020-01-31   | 1000.0 | 10000     | 10          | f   |
    | bp_checked | 2020-01-01     | 2020-01-31   | 0.0    | 0         | 10          | f   |
    | bp_checked | 2020-01-01     | 2020-01-31   | 100.0  | 1000      | 10          | f   |
    +------------+----------------+--------------+--------+-----------+-------------+-----+
    ");
}

#[test]
fn what_cannot_be_judged_by_people_is_refused() {
    let rows: [Amounts; 1] = [(&[1; 20], &[1; 20])];
    let judged = |batch: &RecordBatch| finish(batch, DisclosureControl::ByPeople);
    judged(&counted_with_greatest(&rows, 8)).unwrap();
    for batch in [counted(&[(Some(20), Some(20))]), counted_with_greatest(&rows, 7), counted_with_greatest(&rows, 16)] {
        assert!(matches!(judged(&batch), Err(OutputError::Mismatch { .. })));
    }
}

#[test]
fn it_is_on_unless_somebody_says_otherwise() {
    assert_eq!(DisclosureControl::default(), DisclosureControl::BySums);
}

#[test]
fn a_denominator_of_null_or_below_zero_is_refused() {
    for denominator in [None, Some(-1)] {
        let batch = counted(&[(Some(1), denominator)]);
        let error = finish(&batch, DisclosureControl::BySums).unwrap_err();
        assert!(matches!(error, OutputError::Value { .. }), "{error}");
    }
    let (_, other) = every_kind();
    assert!(matches!(finish(&other, DisclosureControl::BySums), Err(OutputError::Mismatch { .. })));
}
