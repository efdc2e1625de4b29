//! Plans as text.

use std::fmt::Write;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use peristyle_opt_out::scans_without_files;

use crate::block_exec::PatientBlockExec;
use crate::program::{ColumnNeed, Program, Step, StepOp, TableSource};

/// The operators of a plan with the scans below it, one a line; with metrics once it has run.
pub fn explain_plan(plan: &dyn ExecutionPlan, with_metrics: bool) -> String {
    let displayable =
        if with_metrics { DisplayableExecutionPlan::with_metrics(plan) } else { DisplayableExecutionPlan::new(plan) };
    displayable.indent(false).to_string()
}

/// The operator on top of a plan and its scans without files, one a line: what the definition and the connector ask for, and
/// nothing that rows change. For whoever may not know of rows that a policy hides.
pub fn explain_scans(plan: &dyn ExecutionPlan) -> String {
    let mut text = DisplayableExecutionPlan::new(plan).one_line().to_string().trim_end().to_owned();
    text.push('\n');
    for scan in scans_without_files(plan) {
        let _ = writeln!(text, "  {scan}");
    }
    text
}

/// The program of a plan: its tables with the columns read and the rows that can matter, and its steps in order; with
/// what each step took once it has run. Empty if the plan is none of this crate's.
pub fn explain_program(plan: &dyn ExecutionPlan, with_metrics: bool) -> String {
    let any: &dyn std::any::Any = plan;
    any.downcast_ref::<PatientBlockExec>().map(|exec| program_text(exec.program(), with_metrics)).unwrap_or_default()
}

fn program_text(program: &Program, with_metrics: bool) -> String {
    let mut text = String::from("tables\n");
    for (table, needs) in program.tables.iter().zip(&program.needs) {
        let schema = match table.source {
            TableSource::Catalogue(id) => program.graph.table(id),
            TableSource::Inline(id) => &program.graph.inline_tables()[id.index()].schema,
        };
        let columns: Vec<&str> = table.columns.iter().map(|column| &*schema.columns[*column].name).collect();
        let rows = if table.one_row_per_patient { "one row per patient" } else { "many rows per patient" };
        let _ = writeln!(text, "  {}: {rows}; columns patient_id {}", schema.table, columns.join(" "));
        for (column, need) in needs {
            let _ = writeln!(text, "    rows that can matter: {} {}", schema.columns[*column].name, need_text(need));
        }
    }
    text.push_str("steps\n");
    for (slot, step) in program.steps.iter().enumerate() {
        let varies = if step.varies { " (per interval)" } else { "" };
        let took = match with_metrics {
            true => format!("{:>10.1} ms", program.times.of(slot).as_secs_f64() * 1e3),
            false => String::new(),
        };
        let _ = writeln!(text, "{took}  {slot}: {}{varies}", step_text(program, step));
    }
    text
}

fn need_text(need: &ColumnNeed) -> String {
    let date = |days: &i32| peristyle_model::scalar::format_date(*days);
    match need {
        ColumnNeed::OneOf(codes) => format!("in {} values", codes.len()),
        ColumnNeed::Dates { from: Some(from), to: Some(to) } => format!("from {} to {}", date(from), date(to)),
        ColumnNeed::Dates { from: Some(from), to: None } => format!("from {}", date(from)),
        ColumnNeed::Dates { from: None, to: Some(to) } => format!("to {}", date(to)),
        ColumnNeed::Dates { from: None, to: None } => "any".to_owned(),
    }
}

fn step_text(program: &Program, step: &Step) -> String {
    let name = step.node.map_or("", |node| program.graph.node(node).op.name());
    let column = |table: usize, column: usize| {
        let schema = match program.tables[table].source {
            TableSource::Catalogue(id) => program.graph.table(id),
            TableSource::Inline(id) => &program.graph.inline_tables()[id.index()].schema,
        };
        format!("{}.{}", schema.table, schema.columns[column].name)
    };
    let slots = |slots: &[usize]| slots.iter().map(|slot| format!("#{slot}")).collect::<Vec<_>>().join(" ");
    match &step.op {
        StepOp::TableRows(table) => format!("rows of table {table}"),
        StepOp::CodeIndex(index) => {
            let index = &program.code_indexes[*index];
            format!("match {} code lists against {}", index.lists_len, column(index.table, index.column))
        }
        StepOp::CodeRows { index, list } => format!("rows of code list {list} of #{index}"),
        StepOp::FilterRows { parent, condition, .. } => format!("rows of #{parent} where #{condition}"),
        StepOp::Pick { rows, keys, position, .. } => format!("{position:?} of #{rows} by {}", slots(keys)),
        StepOp::Constant(_) | StepOp::ConstantSet(_) | StepOp::Parameter(_) => "constant".to_owned(),
        StepOp::PatientColumn { table, column: index } => column(*table, *index),
        StepOp::EventColumn { table, column: index, rows } => format!("{} at #{rows}", column(*table, *index)),
        StepOp::PickedColumn { pick, table, column: index } => format!("{} at #{pick}", column(*table, *index)),
        StepOp::Turned { source, .. } => format!("#{source} as {name} takes it"),
        StepOp::Spread { source, rows } => format!("#{source} repeated over #{rows}"),
        // The slot of the rows comes first; it says nothing that the inputs do not.
        _ => format!("{name} {}", slots(&step.inputs()[usize::from(step.rows.is_some())..])),
    }
}
