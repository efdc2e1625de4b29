//! Columns of a table that a definition brings along, and their constraints.

use std::collections::HashSet;
use std::mem::discriminant;
use std::sync::Arc;

use super::constant::{constant_of, value_type};
use super::inline_table::read_constants;
use super::place::Place;
use super::record::{Read, boolean, fields, int, optional, string, tagged, tuple, untag};
use crate::catalogue::{Column, Constraint};
use crate::json::Json;
use crate::limits::Limits;
use crate::text::{quoted, suggestion};
use crate::types::ValueType;

/// The columns of a `TableSchema`.
pub(super) fn read_columns(json: &Json, place: &Place<'_>, limits: &Limits) -> Read<Vec<Column>> {
    let Json::Object(members) = untag(json, place, "TableSchema")? else {
        return Err(place.error("wants an object of columns"));
    };
    if members.len() > limits.inline_columns_max {
        let most = limits.inline_columns_max;
        return Err(place.error(format!("has {} columns; at most {most} are allowed", members.len())));
    }
    let mut names = HashSet::new();
    let mut columns = Vec::with_capacity(members.len());
    for (name, column) in members {
        if name.is_empty() || name.len() > limits.name_bytes_max || name.chars().any(char::is_control) {
            return Err(place.error(format!("{} cannot be the name of a column", quoted(name))));
        }
        if &**name == "patient_id" {
            return Err(place.error("has a column `patient_id`, which every table has without saying so"));
        }
        let place = place.named("column", name);
        names.insert(&**name);
        columns.push(read_column(name, column, &place, limits)?);
    }
    for column in &columns {
        check_other_columns(column, &names, place)?;
    }
    Ok(columns)
}

fn check_other_columns(column: &Column, names: &HashSet<&str>, place: &Place<'_>) -> Read<()> {
    let place = place.named("column", &column.name);
    for constraint in &column.constraints {
        let Constraint::DateAfter(others) = constraint else { continue };
        if column.value_type != ValueType::Date {
            return Err(place.error("has a Constraint.DateAfter, but is not a column of dates"));
        }
        if let Some(unknown) = others.iter().find(|other| !names.contains(&***other)) {
            return Err(place.error(format!("must be after {}, which is not a column", quoted(unknown))));
        }
    }
    Ok(())
}

fn read_column(name: &str, json: &Json, place: &Place<'_>, limits: &Limits) -> Read<Column> {
    let record = untag(json, place, "Column")?;
    let [type_name, constraints, dummy] = fields(record, place, ["type_", "constraints", "dummy_data_constraints"])?;
    let value_type = value_type(type_name, &place.field("type_"))?;
    let constraints = read_constraints(constraints, value_type, &place.field("constraints"), limits)?;
    // They say how to make data up, which is not what an engine does: checked for form, then dropped.
    read_constraints(dummy, value_type, &place.field("dummy_data_constraints"), limits)?;
    Ok(Column { name: Arc::from(name), value_type, constraints })
}

fn read_constraints(json: &Json, value_type: ValueType, place: &Place<'_>, limits: &Limits) -> Read<Vec<Constraint>> {
    let mut read: Vec<Constraint> = Vec::new();
    for (index, item) in tuple(json, place)?.iter().enumerate() {
        let place = place.item(index);
        let constraint = read_constraint(item, value_type, &place, limits)?;
        if read.iter().any(|known| discriminant(known) == discriminant(&constraint)) {
            return Err(place.error("is the second constraint of its kind on one column"));
        }
        read.push(constraint);
    }
    Ok(read)
}

fn read_constraint(json: &Json, value_type: ValueType, outer: &Place<'_>, limits: &Limits) -> Read<Constraint> {
    const KEYS: [&str; 8] = [
        "Constraint.Categorical",
        "Constraint.NotNull",
        "Constraint.Unique",
        "Constraint.FirstOfMonth",
        "Constraint.Regex",
        "Constraint.ClosedRange",
        "Constraint.GeneralRange",
        "Constraint.DateAfter",
    ];
    let (tag, payload) = tagged(json, outer, "a constraint")?;
    if !KEYS.contains(&tag) {
        let near = suggestion(tag, KEYS);
        return Err(outer.error(format!("{} is not a constraint{near}", quoted(tag))));
    }
    let place = &outer.inside(tag);
    let end = |json, field| optional(json, |json| constant_of(json, value_type, &place.field(field), limits));
    Ok(match tag {
        "Constraint.Categorical" => {
            let [values] = fields(payload, place, ["values"])?;
            Constraint::Categorical(read_constants(values, value_type, &place.field("values"), limits)?)
        }
        "Constraint.Regex" => {
            let [regex] = fields(payload, place, ["regex"])?;
            Constraint::Regex(string(regex, &place.field("regex"))?.into())
        }
        "Constraint.ClosedRange" => {
            let [minimum, maximum, step] = fields(payload, place, ["minimum", "maximum", "step"])?;
            closed_range(
                int(minimum, &place.field("minimum"))?,
                int(maximum, &place.field("maximum"))?,
                int(step, &place.field("step"))?,
                place,
            )?
        }
        "Constraint.GeneralRange" => {
            let names = ["minimum", "maximum", "includes_minimum", "includes_maximum"];
            let [minimum, maximum, includes_minimum, includes_maximum] = fields(payload, place, names)?;
            Constraint::GeneralRange {
                minimum: end(minimum, "minimum")?,
                maximum: end(maximum, "maximum")?,
                includes_minimum: boolean(includes_minimum, &place.field("includes_minimum"))?,
                includes_maximum: boolean(includes_maximum, &place.field("includes_maximum"))?,
            }
        }
        "Constraint.DateAfter" => {
            let [columns] = fields(payload, place, ["column_names"])?;
            let place = place.field("column_names");
            let names = tuple(columns, &place)?.iter().map(|name| Ok(Arc::from(string(name, &place)?)));
            Constraint::DateAfter(names.collect::<Read<_>>()?)
        }
        simple => {
            let [] = fields(payload, place, [])?;
            match simple {
                "Constraint.NotNull" => Constraint::NotNull,
                "Constraint.Unique" => Constraint::Unique,
                _ => Constraint::FirstOfMonth,
            }
        }
    })
}

fn closed_range(minimum: i64, maximum: i64, step: i64, place: &Place<'_>) -> Read<Constraint> {
    if minimum > maximum || step < 1 {
        return Err(place.error("is an empty range: its minimum must not be above its maximum, its step at least 1"));
    }
    Ok(Constraint::ClosedRange { minimum, maximum, step })
}
