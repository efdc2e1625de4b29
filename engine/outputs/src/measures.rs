//! The tables of measures: counts per interval and group, with ratio and disclosure control.
//!
//! Definition format, section 6.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use peristyle_model::column_spec::{ColumnSpec, column_spec};
use peristyle_model::scalar::true_divide_int;
use peristyle_model::types::Physical;
use peristyle_model::{Definition, Measure};

use crate::disclosure::{self, DisclosureControl, GREATEST_AMOUNTS};
use crate::error::{OutputError, ValueFault};
use crate::schema::TableSpec;

/// The name of the table that holds all measures.
pub const MEASURES: &str = "measures";

const MEASURE: &str = "measure";
const NUMERATOR: &str = "numerator";
const DENOMINATOR: &str = "denominator";
const RATIO: &str = "ratio";
/// Where the plan has the greatest amounts of numerators and denominators, if they are to be judged by people.
const GREATEST_PLACES: Range<usize> = 5..7;

/// The one table of all measures: a column for every group-by name that any measure uses.
pub fn table_spec(definition: &Definition, measures: &[Measure]) -> TableSpec {
    let names = measures.iter().map(|measure| measure.name.clone()).collect();
    let measure = ColumnSpec { categories: Some(names), ..column(Physical::Str, false) };
    let mut columns = vec![(MEASURE.into(), measure)];
    columns.extend(counts());
    for measure in measures {
        // A name stands for the same series in every measure that uses it.
        for (name, spec) in groups(definition, measure) {
            if !columns.iter().any(|(known, _)| *known == name) {
                columns.push((name, spec));
            }
        }
    }
    TableSpec { name: MEASURES.into(), patients: None, columns }
}

/// One table a measure, named by it, for output to a directory.
pub fn table_specs(definition: &Definition, measures: &[Measure]) -> Vec<TableSpec> {
    let table = |measure: &Measure| TableSpec {
        name: measure.name.clone(),
        patients: None,
        columns: counts().into_iter().chain(groups(definition, measure)).collect(),
    };
    measures.iter().map(table).collect()
}

fn column(physical: Physical, nullable: bool) -> ColumnSpec {
    ColumnSpec { physical, nullable, categories: None, range: None }
}

fn counts() -> Vec<(Arc<str>, ColumnSpec)> {
    vec![
        ("interval_start".into(), column(Physical::Date, false)),
        ("interval_end".into(), column(Physical::Date, false)),
        (RATIO.into(), column(Physical::Float, true)),
        (NUMERATOR.into(), column(Physical::Int, true)),
        (DENOMINATOR.into(), column(Physical::Int, true)),
    ]
}

fn groups(definition: &Definition, measure: &Measure) -> Vec<(Arc<str>, ColumnSpec)> {
    measure.group_by.iter().map(|(name, node)| (name.clone(), column_spec(&definition.graph, *node))).collect()
}

/// Adds the ratio to a batch of the measures plan, and applies disclosure control to its counts.
///
/// In: `measure, interval_start, interval_end, numerator, denominator`, groups. Out: the same with `ratio` before the
/// numerator. A NULL numerator counts zero; the ratio is of the counts as they are shown, NULL for a denominator of
/// zero.
///
/// Judged by people, in: after the denominator, `greatest numerators` and `greatest denominators`, lists of the
/// [`GREATEST_AMOUNTS`] greatest amounts of single patients. Out: without those; and without the rows both of whose counts
/// are suppressed, as a row that is there says that somebody is.
///
/// # Errors
/// [`OutputError::Value`] for a denominator that is NULL or below zero, [`OutputError::Mismatch`] for a batch of
/// another shape.
pub fn finish(batch: &RecordBatch, disclosure_control: DisclosureControl) -> Result<RecordBatch, OutputError> {
    let schema = batch.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let ["measure", "interval_start", "interval_end", "numerator", "denominator", ..] = names[..] else {
        return Err(mismatch(&format!("its columns are [{}]", names.join(", "))));
    };
    let [numerators, denominators] = shown(batch, disclosure_control)?;
    let ratios: Float64Array = numerators
        .values()
        .iter()
        .zip(denominators.values())
        .map(|(numerator, denominator)| true_divide_int(*numerator, *denominator))
        .collect();

    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    if disclosure_control == DisclosureControl::ByPeople {
        fields.drain(GREATEST_PLACES);
        columns.drain(GREATEST_PLACES);
    }
    fields.insert(3, Arc::new(Field::new(RATIO, DataType::Float64, true)));
    columns.splice(3..5, [Arc::new(ratios) as ArrayRef, Arc::new(numerators), Arc::new(denominators)]);
    let finished = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
    let finished = finished.map_err(|_| mismatch("its columns do not fit together"))?;
    match disclosure_control {
        DisclosureControl::ByPeople => without_suppressed_rows(&finished),
        DisclosureControl::BySums | DisclosureControl::Off => Ok(finished),
    }
}

/// The numerators and denominators that are shown.
fn shown(batch: &RecordBatch, disclosure_control: DisclosureControl) -> Result<[Int64Array; 2], OutputError> {
    let (numerators, denominators) = (whole_numbers(batch.column(3))?, whole_numbers(batch.column(4))?);
    check_denominators(denominators)?;
    let each = |counts: &Int64Array, show: fn(i64) -> i64| -> Int64Array {
        counts.iter().map(|count| Some(show(count.unwrap_or(0)))).collect()
    };
    Ok(match disclosure_control {
        DisclosureControl::Off => [numerators, denominators].map(|counts| each(counts, |count| count)),
        DisclosureControl::BySums => [numerators, denominators].map(|counts| each(counts, disclosure::by_sums)),
        DisclosureControl::ByPeople => {
            let greatest = |at: usize| batch.columns().get(GREATEST_PLACES).and_then(|columns| amounts(&columns[at]));
            let (Some(of_numerators), Some(of_denominators)) = (greatest(0), greatest(1)) else {
                return Err(mismatch("its counts cannot be judged by people"));
            };
            [(numerators, of_numerators), (denominators, of_denominators)].map(|(counts, greatest)| {
                let judged = counts.iter().zip(greatest);
                judged.map(|(count, greatest)| Some(disclosure::by_people(count.unwrap_or(0), greatest))).collect()
            })
        }
    })
}

/// The greatest amounts of each row.
fn amounts(lists: &ArrayRef) -> Option<&[[i64; GREATEST_AMOUNTS]]> {
    let lists = lists.as_fixed_size_list_opt().filter(|lists| lists.null_count() == 0)?;
    let amounts = lists.values().as_primitive_opt::<Int64Type>().filter(|amounts| amounts.null_count() == 0)?;
    let (amounts, rest) = amounts.values().as_chunks();
    (rest.is_empty() && amounts.len() == lists.len()).then_some(amounts)
}

/// The rows of which a count is shown.
fn without_suppressed_rows(finished: &RecordBatch) -> Result<RecordBatch, OutputError> {
    let (numerators, denominators) = (whole_numbers(finished.column(4))?, whole_numbers(finished.column(5))?);
    let counts = numerators.values().iter().zip(denominators.values());
    let is_shown: BooleanArray = counts.map(|counts| Some(counts != (&0, &0))).collect();
    filter_record_batch(finished, &is_shown).map_err(|_| mismatch("its rows cannot be told apart"))
}

fn whole_numbers(counts: &ArrayRef) -> Result<&Int64Array, OutputError> {
    counts.as_primitive_opt::<Int64Type>().ok_or_else(|| mismatch("its counts are not whole numbers"))
}

fn check_denominators(denominators: &Int64Array) -> Result<(), OutputError> {
    let fault = if denominators.null_count() > 0 {
        ValueFault::Null
    } else if denominators.values().iter().any(|denominator| *denominator < 0) {
        ValueFault::NegativeCount
    } else {
        return Ok(());
    };
    Err(OutputError::Value { table: MEASURES.into(), column: DENOMINATOR.into(), fault })
}

/// Splits a batch of [`finish`] into one batch a measure, in the order of [`table_specs`].
///
/// # Errors
/// [`OutputError::Mismatch`] for a batch that lacks a column.
pub fn split(batch: &RecordBatch, measures: &[Measure]) -> Result<Vec<RecordBatch>, OutputError> {
    let names = batch.column_by_name(MEASURE).and_then(|names| cast(names, &DataType::Utf8).ok());
    let names = names.ok_or_else(|| mismatch("it has no column of measures"))?;
    let names = names.as_string::<i32>();
    let schema = batch.schema();
    let table = |measure: &Measure| {
        let groups = measure.group_by.iter().map(|(name, _)| name.clone());
        let wanted = counts().into_iter().map(|(name, _)| name).chain(groups);
        let columns: Vec<usize> = wanted.map(|name| schema.index_of(&name)).collect::<Result<_, _>>()?;
        let own: BooleanArray = names.iter().map(|name| Some(name == Some(&*measure.name))).collect();
        filter_record_batch(&batch.project(&columns)?, &own)
    };
    measures.iter().map(|measure| table(measure).map_err(|_| mismatch("it lacks a column of a measure"))).collect()
}

fn mismatch(what: &str) -> OutputError {
    OutputError::Mismatch { table: MEASURES.into(), what: what.to_owned() }
}
