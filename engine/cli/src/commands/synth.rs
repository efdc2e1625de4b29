//! `synth`

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use peristyle_model::graph::{Constant, Kind};
use peristyle_model::types::{CodeSystem, ValueType};
use peristyle_model::{Definition, NodeId, Op};
use peristyle_synth::{Layout, Order, Planted, Population, Table};

use crate::args::Synth;
use crate::definition;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::ui::{self, Progress};

/// Makes the tables.
pub(crate) fn run(command: &Synth, settings: &Settings) -> Result<ExitStatus, Failure> {
    let tables = tables(command)?;
    refuse_files(&command.out)?;
    let population = population(command, settings)?;
    let started = Instant::now();
    let bar = Progress::bar(0, "synth");
    let progress = |progress: peristyle_synth::Progress| {
        bar.position(progress.chunks, progress.chunks_total);
        bar.rows(progress.rows);
    };
    let threads = settings.threads();
    let written = population.write_tables(&command.out, &tables, command.format.into(), threads, &progress)?;
    drop(bar);
    for table in &written {
        let (rows, size) = (ui::count(table.rows), indicatif::HumanBytes(table.bytes));
        ui::show(&format!("{:<26} {rows:>13} rows {size:>12}  {}\n", table.table.name(), table.path.display()))?;
    }
    ui::show(&format!("{} patients in {}\n", ui::count(command.patients), ui::span(started.elapsed())))?;
    Ok(ExitStatus::Success)
}

fn population(command: &Synth, settings: &Settings) -> Result<Population, Failure> {
    let mut planted = Vec::new();
    for path in &command.definitions {
        planted.extend(code_lists(&definition::load(path, &[], settings)?));
    }
    planted.sort_by(|a: &Planted, b| (a.system, &a.codes).cmp(&(b.system, &b.codes)));
    planted.dedup();
    if let Some(percent) = command.percent_coded {
        planted.iter_mut().for_each(|list| list.patient_rate = percent / 100.0);
    }
    let default = Population::default();
    Ok(Population {
        patients: command.patients,
        events_per_patient: command.events_per_patient,
        seed: command.seed,
        planted,
        order: if command.unordered { Order::Shuffled } else { Order::ByPatient },
        last_date: command.last_date.unwrap_or(default.last_date),
    })
}

/// The tables that were asked for: all of the layout, or some.
fn tables(command: &Synth) -> Result<Vec<Table>, Failure> {
    let layout = Layout::from(command.layout);
    let table = |name: &String| {
        layout.table(name).ok_or_else(|| {
            let known = layout.tables().iter().map(|table| table.name()).collect::<Vec<_>>().join(", ");
            Failure::new(ExitStatus::Arguments, format!("there is no table `{name}` to make"))
                .help(format!("give some of {known}"))
        })
    };
    let mut tables = match command.tables.as_slice() {
        [] => layout.tables().to_vec(),
        names => names.iter().map(table).collect::<Result<Vec<_>, _>>()?,
    };
    if command.registers && layout == Layout::User {
        tables.extend(Table::REGISTERS);
    }
    Ok(tables)
}

/// Two sets of tables in one folder would not fit together.
fn refuse_files(folder: &Path) -> Result<(), Failure> {
    let is_empty = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => {
            let message = format!("cannot write to `{}`", folder.display());
            return Err(Failure::new(ExitStatus::Files, message).cause(error));
        }
    };
    if is_empty {
        return Ok(());
    }
    let message = format!("the folder `{}` is not empty", folder.display());
    Err(Failure::new(ExitStatus::Files, message).help("give another one with --out, or empty it first"))
}

/// The code lists that a definition tests a code against, each once.
pub(super) fn code_lists(definition: &Definition) -> Vec<Planted> {
    let graph = &definition.graph;
    let system = |node: NodeId| match graph.node(node).kind {
        Kind::Series(ValueType::Code(system)) => Some(system),
        _ => None,
    };
    let text = |constant: &Constant| match constant {
        Constant::Str(code) => Some(Arc::clone(code)),
        _ => None,
    };
    let mut lists: Vec<(CodeSystem, Vec<Arc<str>>)> = Vec::new();
    for (_, node) in graph.nodes() {
        let found = match &node.op {
            Op::InSet { lhs, rhs } => match (&graph.node(*rhs).op, system(*lhs)) {
                (Op::ValueSet(set), Some(system)) => Some((system, set.0.iter().filter_map(text).collect())),
                _ => None,
            },
            Op::Binary { lhs, rhs, .. } => match (&graph.node(*rhs).op, system(*lhs)) {
                (Op::Value(constant), Some(system)) => Some((system, text(constant).into_iter().collect())),
                _ => None,
            },
            _ => None,
        };
        lists.extend(found.filter(|(_, codes): &(_, Vec<_>)| !codes.is_empty()));
    }
    lists.sort();
    lists.dedup();
    lists.into_iter().map(|(system, codes)| Planted::common(system, codes)).collect()
}
