//! A dataset: one row per patient of the population, event rows beside.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, RecordBatch, StructArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::common::{Result, internal_datafusion_err, internal_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use peristyle_model::types::Physical;
use peristyle_opt_out::{KeyType, PATIENT_ID, PatientId, patient_id_type};

use super::{Answer, output_type, population, worst_fault};
use crate::blocks::Block;
use crate::evaluate::Evaluation;
use crate::kernels::pick::by_keys;
use crate::program::{EventOutput, Program};
use crate::run::{BlockResult, BlockRun};
use crate::vector::Vector;

/// The answer to a dataset definition: the program's only query.
#[derive(Debug)]
pub(crate) struct DatasetAnswer {
    schema: SchemaRef,
    /// What patients are known by
    key_type: KeyType,
    variables: usize,
    events: usize,
}

impl DatasetAnswer {
    pub(crate) fn new(program: &Program, names: impl Iterator<Item = Arc<str>>, key_type: KeyType) -> Self {
        let output = &program.outputs[0];
        let mut fields = vec![Field::new(PATIENT_ID, patient_id_type(key_type), false)];
        fields.extend(
            names.zip(&output.columns).map(|(name, (_, physical))| Field::new(&*name, output_type(*physical), true)),
        );
        for event in &output.events {
            let rows = Field::new_list_field(DataType::Struct(event_fields(event)), false);
            fields.push(Field::new(&*event.name, DataType::List(Arc::new(rows)), false));
        }
        DatasetAnswer {
            schema: Arc::new(Schema::new(fields)),
            key_type,
            variables: output.columns.len(),
            events: output.events.len(),
        }
    }
}

fn event_fields(event: &EventOutput) -> Fields {
    event.members.iter().map(|(name, _, physical)| Field::new(&**name, output_type(*physical), true)).collect()
}

impl Answer for DatasetAnswer {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn describe(&self) -> String {
        format!("dataset, variables={}, event_tables={}", self.variables, self.events)
    }

    fn stream(self: Arc<Self>, run: BlockRun) -> Result<SendableRecordBatchStream> {
        let schema = self.schema.clone();
        let output_rows = run.metrics.output_rows.clone();
        let batches = run.evaluate(move |program, block| evaluate(&self, program, block)).filter_map(move |batch| {
            if let Ok(batch) = &batch {
                output_rows.add(batch.num_rows());
            }
            let empty = batch.as_ref().is_ok_and(|batch| batch.num_rows() == 0);
            futures::future::ready((!empty).then_some(batch))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

fn evaluate(answer: &DatasetAnswer, program: &Program, block: &Block) -> Result<BlockResult<RecordBatch>> {
    let mut evaluation = Evaluation::new(program, block);
    evaluation.run_common()?;
    let population = population(&evaluation, program, 0)?;
    let worst = worst_fault(&evaluation, program, 0, &population)?;
    let everyone = population.count_set_bits() == population.len();
    let places = UInt32Array::from(population.set_indices_u32().collect::<Vec<_>>());
    let output = &program.outputs[0];

    let ids: Vec<PatientId> = places.values().iter().map(|place| block.patients[*place as usize].clone()).collect();
    let Some(ids) = PatientId::column(&ids, answer.key_type) else {
        return internal_err!("patients are known by keys of two types");
    };
    let mut columns: Vec<ArrayRef> = vec![ids];
    for (slot, physical) in &output.columns {
        let vector = evaluation.vector(*slot)?;
        let vector = if everyone { vector.clone() } else { vector.gather(&places, *physical)? };
        columns.push(plain(&vector, places.len(), *physical)?);
    }
    for event in &output.events {
        columns.push(event_rows(&evaluation, event, &places)?);
    }
    Ok(BlockResult { result: RecordBatch::try_new(answer.schema.clone(), columns)?, worst })
}

/// As an array whose strings are plain.
fn plain(vector: &Vector, len: usize, physical: Physical) -> Result<ArrayRef> {
    let array = vector.to_arrow(len, physical)?;
    Ok(if physical == Physical::Str { cast(&array, &DataType::Utf8)? } else { array })
}

/// The rows of an event table for the patients at these places; a patient's rows in the order of their values, so that
/// the answer does not depend on the order of rows in files.
fn event_rows(evaluation: &Evaluation<'_>, event: &EventOutput, places: &UInt32Array) -> Result<ArrayRef> {
    let rows = evaluation.rows(event.rows)?;
    let offsets = rows.offsets();
    let range = |place: &u32| offsets[*place as usize]..offsets[*place as usize + 1];
    let values =
        event.members.iter().map(|(_, slot, _)| evaluation.vector(*slot).cloned()).collect::<Result<Vec<_>>>()?;
    let compare = by_keys(&values)?;
    let mut kept: Vec<u32> = Vec::new();
    for place in places.values() {
        let start = kept.len();
        kept.extend(range(place));
        kept[start..].sort_by(|a, b| compare(*a as usize, *b as usize));
    }
    let kept = UInt32Array::from(kept);
    let lengths = places.values().iter().map(|place| range(place).len());
    let mut members = Vec::with_capacity(event.members.len());
    for ((_, _, physical), vector) in event.members.iter().zip(&values) {
        members.push(plain(&vector.gather(&kept, *physical)?, kept.len(), *physical)?);
    }
    let fields = event_fields(event);
    let members = StructArray::try_new_with_length(fields.clone(), members, None, kept.len())
        .map_err(|_| internal_datafusion_err!("the columns of an event table do not fit together"))?;
    let field = Arc::new(Field::new_list_field(DataType::Struct(fields), false));
    let list = ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), Arc::new(members), None)?;
    Ok(Arc::new(list))
}
