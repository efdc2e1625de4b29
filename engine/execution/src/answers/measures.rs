//! Measures: sums over the patients of a denominator, per interval and group, all intervals in one pass.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Date32Array, FixedSizeListArray, Int64Array, RecordBatch, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{TryStreamExt, future, stream};
use peristyle_model::Interval;
use peristyle_model::graph::Constant;
use peristyle_model::types::Physical;

use super::group::{GroupKey, Groups, column};
use super::tally::Tally;
use super::{Answer, output_type, population, worst_fault};
use crate::blocks::Block;
use crate::error::ExecutionError;
use crate::evaluate::Evaluation;
use crate::program::{Program, QuerySet, Slot};
use crate::run::{BlockResult, BlockRun};
use crate::vector::Vector;

/// A measure in terms of the program.
#[derive(Clone, Debug)]
pub(crate) struct MeasureColumns {
    pub(crate) name: Arc<str>,
    /// The query that it belongs to: all with the same denominator and intervals
    pub(crate) query: usize,
    pub(crate) intervals: Arc<[Interval]>,
    pub(crate) numerator: Slot,
    /// For each group-by its place among the answer's group columns, and its slot
    pub(crate) group_by: Vec<(usize, Slot)>,
}

/// The answer to a set of measures: counts as they are, without ratio or disclosure control. `T` is what is kept of each.
#[derive(Debug)]
pub(crate) struct MeasuresAnswer<T> {
    schema: SchemaRef,
    measures: Vec<MeasureColumns>,
    group_columns: Vec<Physical>,
    /// Each interval once, and which queries it belongs to
    intervals: Vec<(Interval, QuerySet)>,
    kept: PhantomData<T>,
}

/// Measure, interval by its place in the measure's list, group.
type CellKey = (usize, usize, GroupKey);

/// The two numbers of a measure, in one interval and group.
#[derive(Clone, Copy, Debug, Default)]
struct Cell<T> {
    numerator: T,
    denominator: T,
}

impl<T: Tally> MeasuresAnswer<T> {
    pub(crate) fn new(measures: Vec<MeasureColumns>, group_columns: Vec<(Arc<str>, Physical)>) -> Self {
        let mut fields = vec![
            Field::new("measure", DataType::Utf8, false),
            Field::new("interval_start", DataType::Date32, false),
            Field::new("interval_end", DataType::Date32, false),
            Field::new("numerator", DataType::Int64, false),
            Field::new("denominator", DataType::Int64, false),
        ];
        if T::KEPT > 0 {
            fields.extend(["greatest numerators", "greatest denominators"].map(|name| greatest_field::<T>(name)));
        }
        fields.extend(group_columns.iter().map(|(name, physical)| Field::new(&**name, output_type(*physical), true)));
        let mut intervals: BTreeMap<Interval, QuerySet> = BTreeMap::new();
        for measure in &measures {
            for interval in measure.intervals.iter() {
                intervals.entry(*interval).or_default().insert(measure.query);
            }
        }
        MeasuresAnswer {
            schema: Arc::new(Schema::new(fields)),
            measures,
            group_columns: group_columns.into_iter().map(|(_, physical)| physical).collect(),
            intervals: intervals.into_iter().collect(),
            kept: PhantomData,
        }
    }

    fn evaluate(&self, program: &Program, block: &Block) -> Result<BlockResult<HashMap<CellKey, Cell<T>>>> {
        let mut evaluation = Evaluation::new(program, block);
        evaluation.run_common()?;
        let mut worst = None;
        let mut totals = HashMap::new();
        let mut groups_known = HashMap::new();
        for (interval, queries) in &self.intervals {
            evaluation.run_interval(*interval, |step| step.queries.intersects(queries))?;
            let present: BTreeSet<usize> =
                self.measures.iter().map(|measure| measure.query).filter(|query| queries.contains(*query)).collect();
            for query in present {
                let population = population(&evaluation, program, query)?;
                worst = worst.into_iter().chain(worst_fault(&evaluation, program, query, &population)?).min();
                let members: Vec<u32> = population.set_indices_u32().collect();
                let measures = self.measures.iter().enumerate().filter(|(_, measure)| measure.query == query);
                for (place, measure) in measures {
                    let groups = groups(&evaluation, program, measure, &mut groups_known)?;
                    let cells = cells::<T>(&evaluation, program, measure, &members, &groups)?;
                    let positions = measure.intervals.iter().enumerate().filter(|(_, known)| *known == interval);
                    for (position, _) in positions {
                        let present = groups.keys.iter().zip(&cells).filter(|(_, cell)| cell.denominator.sum() != 0);
                        for (key, cell) in present {
                            add(&mut totals, (place, position, key.clone()), cell);
                        }
                    }
                }
            }
        }
        Ok(BlockResult { result: totals, worst })
    }

    fn batch(&self, totals: HashMap<CellKey, Cell<T>>) -> Result<RecordBatch> {
        let totals: BTreeMap<CellKey, Cell<T>> = totals.into_iter().collect();
        let interval = |(place, position, _): &CellKey| self.measures[*place].intervals[*position];
        let names = totals.keys().map(|(place, ..)| Some(&*self.measures[*place].name));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter(names)),
            Arc::new(totals.keys().map(|key| interval(key).start).map(Some).collect::<Date32Array>()),
            Arc::new(totals.keys().map(|key| interval(key).end).map(Some).collect::<Date32Array>()),
            Arc::new(self.totals(&totals, "numerator", |cell| &cell.numerator)?),
            Arc::new(self.totals(&totals, "denominator", |cell| &cell.denominator)?),
        ];
        if T::KEPT > 0 {
            columns.push(Arc::new(greatest(totals.values().map(|cell| &cell.numerator))?));
            columns.push(Arc::new(greatest(totals.values().map(|cell| &cell.denominator))?));
        }
        for (place, physical) in self.group_columns.iter().enumerate() {
            let values: Vec<_> = totals
                .keys()
                .map(|(measure, _, key)| {
                    let position = self.measures[*measure].group_by.iter().position(|(column, _)| *column == place);
                    position.and_then(|position| key.get(position))
                })
                .collect();
            columns.push(column(&values, *physical));
        }
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    fn totals(
        &self,
        totals: &BTreeMap<CellKey, Cell<T>>,
        part: &'static str,
        of: impl Fn(&Cell<T>) -> &T,
    ) -> Result<Int64Array> {
        let mut values = Vec::with_capacity(totals.len());
        for ((place, ..), cell) in totals {
            values.push(i64::try_from(of(cell).sum()).map_err(|_| {
                let error = match T::NAMES_FAULTS {
                    true => ExecutionError::MeasureOverflow { measure: self.measures[*place].name.to_string(), part },
                    false => ExecutionError::MeasureFault,
                };
                DataFusionError::External(Box::new(error))
            })?);
        }
        Ok(values.into())
    }
}

impl<T: Tally> Answer for MeasuresAnswer<T> {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn describe(&self) -> String {
        let groups = self.measures.iter().map(|measure| measure.query).collect::<BTreeSet<_>>().len();
        format!("measures={}, denominators={groups}, intervals={}", self.measures.len(), self.intervals.len())
    }

    fn stream(self: Arc<Self>, run: BlockRun) -> Result<SendableRecordBatchStream> {
        let schema = self.schema.clone();
        let output_rows = run.metrics.output_rows.clone();
        let answer = self.clone();
        let totals = run.evaluate(move |program, block| self.evaluate(program, block)).try_fold(
            HashMap::new(),
            |mut totals, block| {
                block.into_iter().for_each(|(key, cell)| add(&mut totals, key, &cell));
                future::ready(Ok(totals))
            },
        );
        let batch = async move {
            let batch = answer.batch(totals.await?)?;
            output_rows.add(batch.num_rows());
            Ok(batch)
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::once(batch))))
    }
}

fn add<T: Tally>(totals: &mut HashMap<CellKey, Cell<T>>, key: CellKey, cell: &Cell<T>) {
    let total = totals.entry(key).or_default();
    total.numerator.merge(&cell.numerator);
    total.denominator.merge(&cell.denominator);
}

fn greatest_field<T: Tally>(name: &str) -> Field {
    Field::new_fixed_size_list(name, Field::new_list_field(DataType::Int64, false), T::KEPT as i32, false)
}

/// The amounts of greatest size of each number, as a column.
fn greatest<'t, T: Tally>(tallies: impl Iterator<Item = &'t T>) -> Result<FixedSizeListArray> {
    let amounts: Int64Array = tallies.flat_map(Tally::greatest).copied().map(Some).collect();
    let item = Arc::new(Field::new_list_field(DataType::Int64, false));
    Ok(FixedSizeListArray::try_new(item, T::KEPT as i32, Arc::new(amounts), None)?)
}

/// The groups of a measure; found once per block where they do not depend on the interval.
fn groups(
    evaluation: &Evaluation<'_>,
    program: &Program,
    measure: &MeasureColumns,
    known: &mut HashMap<Vec<Slot>, Arc<Groups>>,
) -> Result<Arc<Groups>> {
    let slots: Vec<Slot> = measure.group_by.iter().map(|(_, slot)| *slot).collect();
    let varies = slots.iter().any(|slot| program.steps[*slot].varies);
    if !varies && let Some(groups) = known.get(&slots) {
        return Ok(groups.clone());
    }
    let columns = slots.iter().map(|slot| evaluation.vector(*slot)).collect::<Result<Vec<_>>>()?;
    let groups = Arc::new(Groups::new(&columns, evaluation.patients_len())?);
    if !varies {
        known.insert(slots, groups.clone());
    }
    Ok(groups)
}

/// The numbers of each group over the members of the denominator.
fn cells<T: Tally>(
    evaluation: &Evaluation<'_>,
    program: &Program,
    measure: &MeasureColumns,
    members: &[u32],
    groups: &Groups,
) -> Result<Vec<Cell<T>>> {
    let denominators = Amounts::new(evaluation.vector(program.outputs[measure.query].population)?)?;
    let numerators = Amounts::new(evaluation.vector(measure.numerator)?)?;
    let group_of = |patient: &u32| groups.of_patient[*patient as usize] as usize;
    if let (Amounts::Flags(denominators), Amounts::Flags(numerators)) = (&denominators, &numerators) {
        // Counts of patients, in one pass: 32 bits hold those of a block.
        let mut counts = vec![[0_u32; 2]; groups.keys.len()];
        for patient in members {
            let count = &mut counts[group_of(patient)];
            count[0] += u32::from(numerators.value(*patient as usize));
            count[1] += u32::from(denominators.value(*patient as usize));
        }
        let cell = |[numerator, denominator]: [u32; 2]| Cell {
            numerator: T::of_equal(1, numerator),
            denominator: T::of_equal(1, denominator),
        };
        return Ok(counts.into_iter().map(cell).collect());
    }
    let of_groups = |amounts: &Amounts<'_>| tallies::<T>(amounts, members, group_of, groups.keys.len());
    let cells = of_groups(&numerators).into_iter().zip(of_groups(&denominators));
    Ok(cells.map(|(numerator, denominator)| Cell { numerator, denominator }).collect())
}

/// What the members of each group add.
fn tallies<T: Tally>(
    amounts: &Amounts<'_>,
    members: &[u32],
    group_of: impl Fn(&u32) -> usize,
    groups_len: usize,
) -> Vec<T> {
    let mut counts = vec![0_u32; groups_len];
    let amount = match amounts {
        Amounts::Numbers(numbers) => {
            let mut tallies = vec![T::default(); groups_len];
            for patient in members.iter().filter(|patient| numbers.is_valid(**patient as usize)) {
                tallies[group_of(patient)].add(numbers.value(*patient as usize));
            }
            return tallies;
        }
        Amounts::Flags(flags) => {
            for patient in members {
                counts[group_of(patient)] += u32::from(flags.value(*patient as usize));
            }
            1
        }
        Amounts::Same(amount) => {
            members.iter().for_each(|patient| counts[group_of(patient)] += 1);
            *amount
        }
    };
    counts.into_iter().map(|patients| T::of_equal(amount, patients)).collect()
}

/// A series as amounts: bool counts 0 or 1, NULL counts 0.
enum Amounts<'a> {
    Same(i64),
    Flags(BooleanBuffer),
    Numbers(&'a Int64Array),
}

impl<'a> Amounts<'a> {
    fn new(vector: &'a Vector) -> Result<Self> {
        Ok(match vector {
            Vector::Null => Amounts::Same(0),
            Vector::Constant(Constant::Bool(value)) => Amounts::Same(i64::from(*value)),
            Vector::Constant(Constant::Int(value)) => Amounts::Same(*value),
            Vector::Bool(array) => Amounts::Flags(match array.nulls() {
                Some(nulls) => array.values() & nulls.inner(),
                None => array.values().clone(),
            }),
            Vector::Int(array) => Amounts::Numbers(array),
            _ => return internal_err!("a measure sums something other than counts"),
        })
    }
}
