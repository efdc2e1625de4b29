//! What is made of the blocks: a dataset, or measures.

mod dataset;
mod group;
mod measures;
mod tally;

use std::fmt::Debug;
use std::sync::Arc;

use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{Result, internal_err};
use datafusion::execution::SendableRecordBatchStream;
use peristyle_model::graph::Constant;
use peristyle_model::types::Physical;

use crate::blame::Worst;
use crate::evaluate::Evaluation;
use crate::program::Program;
use crate::run::BlockRun;
use crate::taint::Taint;
use crate::vector::{Truth, Vector};

pub(crate) use dataset::DatasetAnswer;
pub(crate) use measures::{MeasureColumns, MeasuresAnswer};
pub use tally::GREATEST_AMOUNTS;
pub(crate) use tally::{Sum, SumAndGreatest, Tally};

/// An answer that can be made block by block.
pub(crate) trait Answer: Debug + Send + Sync {
    /// The schema of its rows.
    fn schema(&self) -> SchemaRef;
    /// What it is, for plans.
    fn describe(&self) -> String;
    /// Its rows.
    fn stream(self: Arc<Self>, run: BlockRun) -> Result<SendableRecordBatchStream>;
}

/// How a value leaves execution: strings as plain strings.
fn output_type(physical: Physical) -> DataType {
    match physical {
        Physical::Bool => DataType::Boolean,
        Physical::Int => DataType::Int64,
        Physical::Float => DataType::Float64,
        Physical::Date => DataType::Date32,
        Physical::Str => DataType::Utf8,
    }
}

/// The patients of a query's population.
fn population(evaluation: &Evaluation<'_>, program: &Program, query: usize) -> Result<BooleanBuffer> {
    let len = evaluation.patients_len();
    let vector = match evaluation.vector(program.outputs[query].population)? {
        Vector::Int(counts) => {
            let positive = BooleanBuffer::collect_bool(len, |patient| counts.value(patient) > 0);
            return Ok(match arrow::array::Array::nulls(counts) {
                Some(nulls) => &positive & nulls.inner(),
                None => positive,
            });
        }
        Vector::Constant(Constant::Int(count)) => Vector::Constant(Constant::Bool(*count > 0)),
        vector => vector.clone(),
    };
    Ok(match vector.truth()? {
        Truth::Never => BooleanBuffer::new_unset(len),
        Truth::Always => BooleanBuffer::new_set(len),
        Truth::Rows(rows) if rows.len() == len => rows,
        Truth::Rows(_) => return internal_err!("a population does not have one row per patient"),
    })
}

/// The worst failure that matters to a query: one that may change who is in its population, or a value of someone who
/// is.
fn worst_fault(
    evaluation: &Evaluation<'_>,
    program: &Program,
    query: usize,
    population: &BooleanBuffer,
) -> Result<Option<Worst>> {
    let output = &program.outputs[query];
    let mut worst = evaluation.taint_of(output.population).and_then(Taint::worst);
    let mut note = |found: Option<Worst>| worst = worst.into_iter().chain(found).min();
    let patients = evaluation.patients_len();
    let of_patients = |taint: &Taint| taint.worst_among(patients, |patient| population.value(patient));
    for (slot, _) in &output.columns {
        note(evaluation.taint_of(*slot).and_then(of_patients));
    }
    for event in &output.events {
        note(evaluation.taint_of(event.rows).and_then(of_patients));
        for (_, slot, _) in &event.members {
            let Some(taint) = evaluation.taint_of(*slot) else { continue };
            let rows = evaluation.rows(event.rows)?;
            note(match program.steps[*slot].rows {
                None => of_patients(taint),
                Some(_) => {
                    let owners = rows.patients();
                    taint.worst_among(rows.len(), |row| population.value(owners.value(row) as usize))
                }
            });
        }
    }
    Ok(worst)
}
