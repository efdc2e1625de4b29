//! The tables of a dataset: one row a patient, and an output table for each of its event tables.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema};
use peristyle_model::column_spec::{ColumnSpec, column_spec};
use peristyle_model::graph::NodeId;
use peristyle_model::{Dataset, Definition, EventTable};

use crate::error::OutputError;
use crate::schema::{PATIENT_ID, PatientKeys, TableSpec};

/// The name of the table that has a row a patient.
pub const DATASET: &str = "dataset";

/// The output tables of a dataset: [`DATASET`], then its event tables in order. Patients are known by `keys`.
pub fn table_specs(definition: &Definition, dataset: &Dataset, keys: PatientKeys) -> Vec<TableSpec> {
    let table = |name: &str, members: &[(Arc<str>, NodeId)]| {
        let column = |(name, node): &(Arc<str>, NodeId)| (name.clone(), column_spec(&definition.graph, *node));
        let columns: Vec<(Arc<str>, ColumnSpec)> = members.iter().map(column).collect();
        TableSpec { name: name.into(), patients: Some(keys), columns }
    };
    std::iter::once(table(DATASET, &dataset.variables))
        .chain(dataset.events.iter().map(|events| table(&events.name, &events.members)))
        .collect()
}

/// Splits a batch of the dataset plan into one batch an output table, in the order of [`table_specs`].
///
/// In: `patient_id`, the variables, then a `List<Struct<members>>` for each event table. Out: patient_id and variables;
/// then, for each event table, patient_id and members, a row an event.
///
/// # Errors
/// [`OutputError::Mismatch`] if the batch is of another shape.
pub fn split(batch: &RecordBatch, event_tables: &[EventTable]) -> Result<Vec<RecordBatch>, OutputError> {
    let mismatch = |table: &str, what: &str| OutputError::Mismatch { table: table.into(), what: what.to_owned() };
    let variables = batch.num_columns().checked_sub(event_tables.len()).filter(|columns| *columns > 0);
    let variables = variables.ok_or_else(|| mismatch(DATASET, "too few columns for its event tables"))?;
    let dataset = batch.project(&(0..variables).collect::<Vec<_>>());
    let mut tables = vec![dataset.map_err(|_| mismatch(DATASET, "no columns"))?];
    for (index, events) in event_tables.iter().enumerate() {
        let column = batch.column(variables + index);
        if batch.schema().field(variables + index).name().as_str() != &*events.name {
            return Err(mismatch(&events.name, "its rows are not where they belong in the dataset's columns"));
        }
        let rows = flattened(batch.column(0), column);
        tables.push(rows.ok_or_else(|| mismatch(&events.name, "its rows are not a list of rows for each patient"))?);
    }
    Ok(tables)
}

/// The rows of all lists, each with its patient before it. `None` if `lists` holds anything but rows.
fn flattened(patients: &ArrayRef, lists: &ArrayRef) -> Option<RecordBatch> {
    let lists = lists.as_list_opt::<i32>().filter(|lists| lists.null_count() == 0)?;
    let offsets = lists.value_offsets();
    let (first, last) = (*offsets.first()? as usize, *offsets.last()? as usize);
    let rows = lists.values().slice(first, last - first);
    let rows = rows.as_struct_opt().filter(|rows| rows.null_count() == 0)?;
    let patient_of_row = offsets
        .windows(2)
        .enumerate()
        .flat_map(|(patient, bounds)| std::iter::repeat_n(patient as u64, (bounds[1] - bounds[0]) as usize));
    let patients = take(patients, &UInt64Array::from_iter_values(patient_of_row), None).ok()?;
    let patient_field = Arc::new(Field::new(PATIENT_ID, patients.data_type().clone(), false));
    let fields = std::iter::once(&patient_field).chain(rows.fields()).cloned().collect::<Vec<_>>();
    let columns = std::iter::once(patients).chain(rows.columns().iter().cloned()).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).ok()
}
