//! One block through the program: every step once, or once per interval.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::BooleanArray;
use arrow::buffer::BooleanBuffer;
use datafusion::common::{Result, internal_err};
use peristyle_model::Interval;
use peristyle_model::graph::{Binary, Constant, Parameter, Unary};
use peristyle_model::types::Physical;

use crate::blocks::Block;
use crate::code_index::CodeMatches;
use crate::kernels::sets::{ConstantMembers, in_combined, in_constant};
use crate::kernels::{FaultRows, aggregate, arithmetic, case, compare, dates, extreme, logic, pick, strings};
use crate::program::{Program, Slot, Step, StepOp, TableIx};
use crate::rows::{DomainRows, PatientRows};
use crate::taint::Taint;
use crate::vector::{Truth, Vector};

/// What a slot holds.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    Rows(DomainRows),
    Patients(PatientRows),
    Codes(Arc<CodeMatches>),
    Vector(Vector),
    ConstantSet(Arc<ConstantMembers>),
    /// The members of each patient's set, over rows
    Combined(Vector, DomainRows),
}

/// The evaluation of a block.
pub(crate) struct Evaluation<'a> {
    pub(crate) program: &'a Program,
    block: &'a Block,
    slots: Vec<Option<Held>>,
    /// What the slots' values hang on that could not be computed; empty until a step fails
    taints: HashMap<Slot, Taint>,
    table_rows: HashMap<TableIx, PatientRows>,
    interval: Option<Interval>,
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(program: &'a Program, block: &'a Block) -> Self {
        Evaluation {
            program,
            block,
            slots: vec![None; program.steps.len()],
            taints: HashMap::new(),
            table_rows: HashMap::new(),
            interval: None,
        }
    }

    /// Number of patients in the block.
    pub(crate) fn patients_len(&self) -> usize {
        self.block.patients.len()
    }

    /// Runs the steps that do not depend on an interval.
    pub(crate) fn run_common(&mut self) -> Result<()> {
        self.run(|step| !step.varies)
    }

    /// Runs the steps that depend on an interval and that `wanted` asks for; the results of the interval before are
    /// gone.
    pub(crate) fn run_interval(&mut self, interval: Interval, wanted: impl Fn(&Step) -> bool) -> Result<()> {
        self.interval = Some(interval);
        let program = self.program;
        self.taints.retain(|slot, _| !program.steps[*slot].varies);
        self.run(|step| step.varies && wanted(step))
    }

    fn run(&mut self, chosen: impl Fn(&Step) -> bool) -> Result<()> {
        let program = self.program;
        for (slot, step) in program.steps.iter().enumerate().filter(|(_, step)| chosen(step)) {
            let mut faults = FaultRows::default();
            let started = Instant::now();
            let held = self.step(step, &mut faults)?;
            program.times.add(slot, started.elapsed());
            if (!faults.0.is_empty() || !self.taints.is_empty())
                && let Some(taint) = self.taint(slot, step, &held, &faults)?
            {
                self.taints.insert(slot, taint);
            }
            self.slots[slot] = Some(held);
            for unused in &program.frees[slot] {
                self.slots[*unused] = None;
                self.taints.remove(unused);
            }
        }
        Ok(())
    }

    /// What a slot's values hang on that could not be computed.
    pub(crate) fn taint_of(&self, slot: Slot) -> Option<&Taint> {
        self.taints.get(&slot)
    }

    pub(crate) fn held(&self, slot: Slot) -> Result<&Held> {
        match &self.slots[slot] {
            Some(held) => Ok(held),
            None => internal_err!("a step was not run before it was needed"),
        }
    }

    /// A value a row or a patient.
    pub(crate) fn vector(&self, slot: Slot) -> Result<&Vector> {
        match self.held(slot)? {
            Held::Vector(vector) => Ok(vector),
            _ => internal_err!("a step yields no vector"),
        }
    }

    /// The rows of a domain.
    pub(crate) fn rows(&self, slot: Slot) -> Result<&DomainRows> {
        match self.held(slot)? {
            Held::Rows(rows) => Ok(rows),
            _ => internal_err!("a step yields no rows"),
        }
    }

    fn patient_rows(&self, slot: Slot) -> Result<&PatientRows> {
        match self.held(slot)? {
            Held::Patients(rows) => Ok(rows),
            _ => internal_err!("a step yields no row per patient"),
        }
    }

    /// Number of values that a step yields.
    pub(crate) fn len(&self, step: &Step) -> Result<usize> {
        match step.rows {
            None => Ok(self.patients_len()),
            Some(rows) => Ok(self.rows(rows)?.len()),
        }
    }

    /// The column of a table in this block. The scan yields the patient first, then the columns in order.
    fn column(&self, table: TableIx, column: usize) -> Result<Vector> {
        match self.program.tables[table].columns.binary_search(&column) {
            Ok(place) => Vector::from_arrow(self.block.tables[table].batch.column(place + 1)),
            Err(_) => internal_err!("a column was not read"),
        }
    }

    /// For each patient the row of a one-row table.
    fn one_row(&mut self, table: TableIx) -> PatientRows {
        let block = self.block;
        let rows = self.table_rows.entry(table).or_insert_with(|| {
            let offsets = &block.tables[table].offsets;
            let places = offsets[..offsets.len().saturating_sub(1)].to_vec();
            let present = BooleanBuffer::collect_bool(places.len(), |patient| offsets[patient] < offsets[patient + 1]);
            // A patient without a row has no place to read from, which at the end would lie past the last row.
            let places = places.iter().zip(present.iter()).map(|(place, there)| if there { *place } else { 0 });
            PatientRows::new(places.collect(), Some(present))
        });
        rows.clone()
    }

    fn step(&mut self, step: &Step, faults: &mut FaultRows) -> Result<Held> {
        let vector = match &step.op {
            StepOp::TableRows(table) => {
                return Ok(Held::Rows(DomainRows::all(self.block.tables[*table].offsets.clone())));
            }
            StepOp::CodeIndex(index) => {
                let index = &self.program.code_indexes[*index];
                let column = self.column(index.table, index.column)?;
                return Ok(Held::Codes(Arc::new(index.find(&column)?)));
            }
            StepOp::CodeRows { index, list } => {
                let Held::Codes(matches) = self.held(*index)? else {
                    return internal_err!("a step yields no code matches");
                };
                let table = matches.table();
                let offsets = &self.block.tables[table].offsets;
                return Ok(Held::Rows(DomainRows::chosen(matches.rows(*list).to_vec(), offsets)));
            }
            StepOp::FilterRows { parent, condition, by_patient } => {
                let truth = self.vector(*condition)?.truth()?;
                let parent = self.rows(*parent)?;
                return Ok(Held::Rows(match by_patient {
                    true => parent.filter_by_patient(&truth),
                    false => parent.filter_by_row(&truth),
                }));
            }
            StepOp::Pick { rows, whole, keys, position } => {
                let keys = keys.iter().map(|key| self.vector(*key).cloned()).collect::<Result<Vec<_>>>()?;
                return Ok(Held::Patients(pick::pick(self.rows(*rows)?, self.rows(*whole)?, &keys, *position)?));
            }
            StepOp::ConstantSet(members) => return Ok(Held::ConstantSet(members.clone())),
            StepOp::Combine { source, rows } => {
                let rows = self.rows(*rows)?.clone();
                return Ok(Held::Combined(self.vector(*source)?.to_array(rows.len(), step.physical), rows));
            }
            StepOp::Constant(constant) => Vector::Constant(constant.clone()),
            StepOp::Parameter(parameter) => self.parameter(*parameter)?,
            StepOp::PatientColumn { table, column } => {
                let rows = self.one_row(*table);
                self.patient_column(*table, *column, &rows, step.physical)?
            }
            StepOp::PatientPresent(table) => aggregate::exists(self.one_row(*table).exists()),
            StepOp::EventColumn { table, column, rows } => {
                let values = self.column(*table, *column)?;
                match self.rows(*rows)?.selected() {
                    None => values,
                    Some(places) => values.gather(places, step.physical)?,
                }
            }
            StepOp::PickedColumn { pick, table, column } => {
                let rows = self.patient_rows(*pick)?.clone();
                self.patient_column(*table, *column, &rows, step.physical)?
            }
            StepOp::PickedPresent(pick) => aggregate::exists(self.patient_rows(*pick)?.exists()),
            StepOp::RowsExist(rows) => aggregate::exists(self.rows(*rows)?.exists()),
            StepOp::RowsCount(rows) => aggregate::count(self.rows(*rows)?),
            StepOp::Aggregate { aggregation, source, rows } => {
                let rows = self.rows(*rows)?;
                let physical = self.program.steps[*source].physical;
                aggregate::aggregate(*aggregation, &self.vector(*source)?.to_array(rows.len(), physical), rows, faults)?
            }
            StepOp::Spread { source, rows } => {
                self.vector(*source)?.gather(self.rows(*rows)?.patients(), step.physical)?
            }
            _ => return self.function(step, faults).map(Held::Vector),
        };
        Ok(Held::Vector(vector))
    }

    fn parameter(&self, parameter: Parameter) -> Result<Vector> {
        let Some(interval) = self.interval else {
            return internal_err!("an interval's date was asked for outside an interval");
        };
        Ok(Vector::Constant(Constant::Date(match parameter {
            Parameter::IntervalStart => interval.start,
            Parameter::IntervalEnd => interval.end,
        })))
    }

    fn patient_column(&self, table: TableIx, column: usize, rows: &PatientRows, physical: Physical) -> Result<Vector> {
        let values = self.column(table, column)?;
        if self.block.tables[table].batch.num_rows() == 0 {
            return Ok(Vector::Null.to_array(self.patients_len(), physical));
        }
        values.gather(rows.places(), physical)
    }

    /// A function of series. Where all of them are constant it is computed for one row, and stays constant.
    fn function(&self, step: &Step, faults: &mut FaultRows) -> Result<Vector> {
        let inputs = match &step.op {
            StepOp::Unary { source, .. } | StepOp::Turned { source, .. } => vec![Some(*source)],
            StepOp::Binary { lhs, rhs, .. } => vec![Some(*lhs), Some(*rhs)],
            StepOp::InSet { lhs, .. } => vec![Some(*lhs)],
            StepOp::Extreme { sources, .. } => sources.iter().copied().map(Some).collect(),
            StepOp::Case { conditions, values } => {
                conditions.iter().copied().map(Some).chain(values.iter().copied()).collect()
            }
            _ => return internal_err!("a step is no function"),
        };
        let mut vectors = Vec::with_capacity(inputs.len());
        for input in &inputs {
            vectors.push(match input {
                None => Vector::Null,
                Some(slot) => self.vector(*slot)?.clone(),
            });
        }
        let per_patient_set =
            matches!(&step.op, StepOp::InSet { rhs, .. } if matches!(self.held(*rhs)?, Held::Combined(..)));
        let constant = !per_patient_set && vectors.iter().all(Vector::is_constant);
        let len = if constant { 1 } else { self.len(step)? };
        let physical = |place: usize| inputs[place].map_or(step.physical, |slot| self.program.steps[slot].physical);
        let result = match &step.op {
            StepOp::Unary { function, .. } => unary(*function, &vectors[0].to_array(len, physical(0)), faults)?,
            StepOp::Turned { difference, .. } => dates::turned(*difference, &vectors[0].to_array(len, Physical::Date))?,
            StepOp::Binary { function, .. } => {
                let kinds = (physical(0), physical(1));
                binary(*function, &vectors[0], &vectors[1], len, kinds, step.physical, faults)?
            }
            StepOp::InSet { rhs, rows, .. } => {
                let lhs = vectors[0].to_array(len, physical(0));
                match self.held(*rhs)? {
                    Held::ConstantSet(set) => in_constant(&lhs, set)?,
                    Held::Combined(members, member_rows) => {
                        let rows = rows.map(|rows| self.rows(rows)).transpose()?;
                        in_combined(&lhs, rows, members, member_rows)?
                    }
                    _ => return internal_err!("the right side of a membership is not a set"),
                }
            }
            StepOp::Extreme { largest, .. } => {
                let arrays: Vec<Vector> =
                    vectors.iter().enumerate().map(|(place, vector)| vector.to_array(len, physical(place))).collect();
                extreme::extreme_of(&arrays, if *largest { Ordering::Greater } else { Ordering::Less })?
            }
            StepOp::Case { conditions, .. } => {
                let (conditions, values) = vectors.split_at(conditions.len());
                let conditions = conditions.iter().map(Vector::truth).collect::<Result<Vec<Truth>>>()?;
                case::case(&conditions, values, len, step.physical)?
            }
            _ => return internal_err!("a step is no function"),
        };
        if constant { result.into_constant() } else { Ok(result) }
    }
}

/// A function of one array.
fn unary(function: Unary, source: &Vector, faults: &mut FaultRows) -> Result<Vector> {
    match (function, source) {
        (Unary::IsNull, source) => Ok(match source {
            Vector::Bool(array) => logic::is_null(array),
            Vector::Int(array) => logic::is_null(array),
            Vector::Float(array) => logic::is_null(array),
            Vector::Date(array) => logic::is_null(array),
            Vector::Str(array) => logic::is_null(array),
            Vector::Null => Vector::Constant(Constant::Bool(true)),
            Vector::Constant(_) => Vector::Constant(Constant::Bool(false)),
        }),
        (Unary::Not, Vector::Bool(array)) => logic::negation(array),
        (_, Vector::Date(array)) => dates::unary(function, array),
        _ => arithmetic::unary(function, source, faults),
    }
}

/// A function of two series, of which at least one is made an array.
fn binary(
    function: Binary,
    lhs: &Vector,
    rhs: &Vector,
    len: usize,
    kinds: (Physical, Physical),
    physical: Physical,
    faults: &mut FaultRows,
) -> Result<Vector> {
    if let Binary::And | Binary::Or = function {
        let (lhs, rhs) = (lhs.to_array(len, kinds.0), rhs.to_array(len, kinds.1));
        return logic::binary(function, bools(&lhs)?, bools(&rhs)?);
    }
    // Every other function is NULL where a side is.
    if matches!(lhs, Vector::Null) || matches!(rhs, Vector::Null) {
        return Ok(Vector::Null.to_array(len, physical));
    }
    // A constant may stay one beside an array, except among booleans.
    let all_constant = lhs.is_constant() && rhs.is_constant();
    let expand = |vector: &Vector, kind| {
        if all_constant || kind == Physical::Bool { vector.to_array(len, kind) } else { vector.clone() }
    };
    let (lhs, rhs) = (expand(lhs, kinds.0), expand(rhs, kinds.1));
    match function {
        Binary::Eq | Binary::Ne | Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge => {
            compare::binary(function, &lhs, &rhs)
        }
        Binary::DateAddDays | Binary::DateAddMonths | Binary::DateAddYears => dates::add(function, &lhs, &rhs, faults),
        Binary::DateDifferenceInDays | Binary::DateDifferenceInMonths | Binary::DateDifferenceInYears => {
            dates::difference(function, &lhs, &rhs)
        }
        Binary::StringContains => strings::contains(&lhs, &rhs),
        _ => arithmetic::binary(function, &lhs, &rhs, faults),
    }
}

fn bools(vector: &Vector) -> Result<&BooleanArray> {
    match vector {
        Vector::Bool(array) => Ok(array),
        _ => internal_err!("a step expected conditions"),
    }
}
