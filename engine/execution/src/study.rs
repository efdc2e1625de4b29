//! From a definition to a plan: the program, the scans that feed it, the operator that runs it.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use peristyle_model::graph::{Graph, NodeId};
use peristyle_model::{Dataset, Definition, Interval, Measure};
use peristyle_opt_out::{Enclave, KeyType};

use crate::answers::{Answer, DatasetAnswer, MeasureColumns, MeasuresAnswer, Sum, SumAndGreatest, Tally};
use crate::blame::Blame;
use crate::block_exec::PatientBlockExec;
use crate::error::ExecutionError;
use crate::options::ExecutionOptions;
use crate::program::{Program, Query, Slot, compile};
use crate::tables::{predicate, request};

/// A program and what is made of it.
struct Study {
    program: Arc<Program>,
    answer: Arc<dyn Answer>,
    blame: Arc<Blame>,
}

/// The plan that answers a dataset definition.
///
/// One partition, rows in ascending order of patient. Schema: `patient_id` (of the enclave's [type of keys](Enclave::key_type), never NULL), each variable (Boolean,
/// Int64, Float64, Date32 or Utf8), then a column per event table, named by it, `List<Struct<members…>>`: the rows of
/// that patient. Files of inline tables are looked for in the enclave's [folder of the
/// study](peristyle_opt_out::StudyFiles).
///
/// # Errors
///
/// When a table cannot be opened. Errors of the stream are a [`SourceError`](peristyle_opt_out::SourceError) or an
/// [`ExecutionError`] inside a DataFusion error; [`ExecutionError::from_stream`] takes them out.
pub async fn dataset_plan(
    definition: &Definition,
    dataset: &Dataset,
    enclave: &Enclave,
    options: &ExecutionOptions,
) -> Result<Arc<dyn ExecutionPlan>, ExecutionError> {
    let key_type = enclave.key_type();
    plan(dataset_study(&definition.graph, dataset, key_type)?, enclave, options).await
}

/// What the measures plan says of each numerator and denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasureTotals {
    /// Its sum
    Sums,
    /// Its sum, and the [greatest amounts](crate::GREATEST_AMOUNTS) that single patients add to it: for disclosure control
    /// that is judged by people
    WithGreatestAmounts,
}

/// The plan that answers measures, all intervals in one pass.
///
/// One partition. Schema: `measure` (Utf8), `interval_start`, `interval_end` (Date32), `numerator`, `denominator`
/// (Int64; as counted, without disclosure control), then every group-by name of any measure (typed; NULL where the
/// measure does not use it). One row for each measure, interval and group present; in the order of the measures, their
/// intervals, the group's values with NULL first.
///
/// [`MeasureTotals::WithGreatestAmounts`] adds, after `denominator`, `greatest numerators` and `greatest denominators`:
/// lists of [`GREATEST_AMOUNTS`](crate::GREATEST_AMOUNTS) Int64, by size, the greatest first; 0 where there are fewer
/// patients with an amount.
///
/// # Errors
///
/// As [`dataset_plan`]. With the greatest amounts, what cannot be computed is [`ExecutionError::MeasureFault`], whatever
/// it is.
pub async fn measures_plan(
    definition: &Definition,
    measures: &[Measure],
    enclave: &Enclave,
    options: &ExecutionOptions,
    totals: MeasureTotals,
) -> Result<Arc<dyn ExecutionPlan>, ExecutionError> {
    let study = match totals {
        MeasureTotals::Sums => measures_study::<Sum>(&definition.graph, measures)?,
        MeasureTotals::WithGreatestAmounts => measures_study::<SumAndGreatest>(&definition.graph, measures)?,
    };
    plan(study, enclave, options).await
}

async fn plan(
    study: Study,
    enclave: &Enclave,
    options: &ExecutionOptions,
) -> Result<Arc<dyn ExecutionPlan>, ExecutionError> {
    let Study { program, answer, blame } = study;
    let mut scans = Vec::with_capacity(program.tables.len());
    for (table, needs) in program.tables.iter().zip(&program.needs) {
        let request = request(&program.graph, table, enclave.key_type())?;
        scans.push(enclave.ordered_scan(&request, predicate(&program.graph, table, needs)).await?);
    }
    Ok(Arc::new(PatientBlockExec::new(program, scans, answer, blame, *options)))
}

fn compiled(graph: &Arc<Graph>, queries: &[Query]) -> Result<Arc<Program>, ExecutionError> {
    let program = compile(graph, queries);
    Ok(Arc::new(program.map_err(|source| ExecutionError::Internal { doing: "planning the definition", source })?))
}

fn dataset_study(graph: &Arc<Graph>, dataset: &Dataset, key_type: KeyType) -> Result<Study, ExecutionError> {
    let query = Query {
        population: dataset.population,
        columns: dataset.variables.iter().map(|(_, node)| *node).collect(),
        events: dataset.events.clone(),
    };
    let program = compiled(graph, &[query])?;
    let output = &program.outputs[0];
    let mut outputs: Vec<(Arc<str>, Slot)> = vec![(Arc::from("population"), output.population)];
    for ((name, _), (slot, _)) in dataset.variables.iter().zip(&output.columns) {
        outputs.push((format!("variable '{name}'").into(), *slot));
    }
    for event in &output.events {
        for (member, slot, _) in &event.members {
            outputs.push((format!("event table '{}', column '{member}'", event.name).into(), *slot));
        }
        outputs.push((format!("event table '{}'", event.name).into(), event.rows));
    }
    let blame = Arc::new(Blame::new(program.clone(), &outputs));
    let names = dataset.variables.iter().map(|(name, _)| name.clone());
    let answer = Arc::new(DatasetAnswer::new(&program, names, key_type));
    Ok(Study { program, answer, blame })
}

/// Measures that share denominator and intervals are one query, as in ehrQL: ties of their picks are broken by the
/// columns that any of them selects.
fn measures_study<T: Tally>(graph: &Arc<Graph>, measures: &[Measure]) -> Result<Study, ExecutionError> {
    let mut queries: Vec<Query> = Vec::new();
    let mut query_ids: HashMap<(NodeId, Arc<[Interval]>), usize> = HashMap::new();
    let mut places = Vec::with_capacity(measures.len());
    for measure in measures {
        let query = *query_ids.entry((measure.denominator, measure.intervals.clone())).or_insert_with(|| {
            queries.push(Query { population: measure.denominator, columns: Vec::new(), events: Vec::new() });
            queries.len() - 1
        });
        let columns = &mut queries[query].columns;
        places.push((query, columns.len()));
        columns.push(measure.numerator);
        columns.extend(measure.group_by.iter().map(|(_, node)| *node));
    }
    let program = compiled(graph, &queries)?;

    let mut group_columns = Vec::new();
    let mut known_groups: HashMap<Arc<str>, usize> = HashMap::new();
    let mut columns = Vec::with_capacity(measures.len());
    let mut outputs: Vec<(Arc<str>, Slot)> = Vec::new();
    for (measure, (query, place)) in measures.iter().zip(places) {
        let output = &program.outputs[query];
        let (numerator, _) = output.columns[place];
        let mut group_by = Vec::with_capacity(measure.group_by.len());
        let part = |part: &str| -> Arc<str> { format!("measure '{}', {part}", measure.name).into() };
        outputs.push((part("denominator"), output.population));
        outputs.push((part("numerator"), numerator));
        for ((name, _), (slot, physical)) in measure.group_by.iter().zip(&output.columns[place + 1..]) {
            let column = *known_groups.entry(name.clone()).or_insert_with(|| {
                group_columns.push((name.clone(), *physical));
                group_columns.len() - 1
            });
            group_by.push((column, *slot));
            outputs.push((part(&format!("group_by '{name}'")), *slot));
        }
        columns.push(MeasureColumns {
            name: measure.name.clone(),
            query,
            intervals: measure.intervals.clone(),
            numerator,
            group_by,
        });
    }
    let blame = if T::NAMES_FAULTS { Blame::new(program.clone(), &outputs) } else { Blame::Nameless };
    let (blame, answer) = (Arc::new(blame), Arc::new(MeasuresAnswer::<T>::new(columns, group_columns)));
    Ok(Study { program, answer, blame })
}
