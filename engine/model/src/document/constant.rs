//! Constants: numbers, strings, dates, codes and sets of them; type names.

use std::sync::Arc;

use super::place::Place;
use super::record::{Read, list, string, tagged, untag};
use crate::codes;
use crate::graph::Constant;
use crate::json::Json;
use crate::limits::Limits;
use crate::scalar;
use crate::text::{quoted, suggestion};
use crate::types::ValueType;

/// A constant, or a set of constants.
pub(super) enum Literal {
    One(Constant, ValueType),
    /// The type of an empty set is whatever it is compared with
    Set(Vec<Constant>, Option<ValueType>),
}

/// What a `Value` holds.
pub(super) fn literal(json: &Json, place: &Place<'_>, limits: &Limits) -> Read<Literal> {
    match json {
        Json::Object(members) if members.len() == 1 && *members[0].0 == *"frozenset" => {
            set(list(&members[0].1, place)?, place, limits)
        }
        other => constant(other, place, limits).map(|(constant, value_type)| Literal::One(constant, value_type)),
    }
}

fn set(items: &[Json], place: &Place<'_>, limits: &Limits) -> Read<Literal> {
    if items.len() > limits.set_members_max {
        let message = format!("a set has {} members; at most {} are allowed", items.len(), limits.set_members_max);
        return Err(place.error(message));
    }
    let mut set_type = None;
    let mut members = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let place = place.item(index);
        if matches!(item, Json::Null) {
            return Err(place.error("NULL cannot be a member of a set: use `is_null()` to find missing values"));
        }
        let (member, value_type) = constant(item, &place, limits)?;
        let wanted = *set_type.get_or_insert(value_type);
        if value_type != wanted {
            return Err(
                place.error(format!("is of type {value_type} in a set of {wanted}: all members must have one type"))
            );
        }
        members.push(member);
    }
    Ok(Literal::Set(members, set_type))
}

/// A constant and its type.
pub(super) fn constant(json: &Json, place: &Place<'_>, limits: &Limits) -> Read<(Constant, ValueType)> {
    let bounded = |text: &str| {
        if text.len() > limits.constant_bytes_max {
            return Err(place.error(format!("a constant has more than {} bytes", limits.constant_bytes_max)));
        }
        Ok(Constant::Str(Arc::from(text)))
    };
    Ok(match json {
        Json::Bool(value) => (Constant::Bool(*value), ValueType::Bool),
        Json::Int(value) => (Constant::Int(*value), ValueType::Int),
        // Without the sign of a zero, as everywhere.
        Json::Float(value) => (Constant::Float(*value + 0.0), ValueType::Float),
        Json::Str(text) => (bounded(text)?, ValueType::Str),
        Json::Null => return Err(place.error("NULL is not a constant")),
        Json::List(_) => return Err(place.error("a list is not a constant; a set is written as a `frozenset`")),
        Json::Object(_) => {
            let (tag, payload) = tagged(json, place, "a constant")?;
            match ValueType::from_name(tag) {
                Some(ValueType::Date) => (date_text(payload, place)?, ValueType::Date),
                Some(value_type @ ValueType::Code(system)) => {
                    let text = string(payload, place)?;
                    if !codes::is_well_formed(system, text) {
                        let form = codes::form(system);
                        return Err(place.error(format!("{} is not a {tag}, which has {form}", quoted(text))));
                    }
                    (bounded(text)?, value_type)
                }
                _ => return Err(place.error(format!("{} is not a kind of constant", quoted(tag)))),
            }
        }
    })
}

fn date_text(json: &Json, place: &Place<'_>) -> Read<Constant> {
    let text = string(json, place)?;
    let date = scalar::parse_date(text).map(Constant::Date);
    date.ok_or_else(|| {
        let message = "is not a date: dates are written YYYY-MM-DD, must exist, and lie in the years 0001 to 9999";
        place.error(format!("{} {message}", quoted(text)))
    })
}

/// A date, as days since 1970-01-01.
pub(super) fn date(json: &Json, place: &Place<'_>) -> Read<i32> {
    match date_text(untag(json, place, "date")?, place)? {
        Constant::Date(days) => Ok(days),
        _ => Err(place.error("wants a date")),
    }
}

/// A constant that can stand in a column of that type.
pub(super) fn constant_of(json: &Json, wanted: ValueType, place: &Place<'_>, limits: &Limits) -> Read<Constant> {
    let (constant, found) = constant(json, place, limits)?;
    let fits = match (found, wanted) {
        (ValueType::Str, ValueType::MultiCode(_)) => true,
        (found, wanted) => found == wanted,
    };
    if fits {
        Ok(constant)
    } else {
        Err(place.error(format!("wants a value of type {wanted}, but has one of type {found}")))
    }
}

/// A type, written `{"type": "int"}`.
pub(super) fn value_type(json: &Json, place: &Place<'_>) -> Read<ValueType> {
    let name = string(untag(json, place, "type")?, place)?;
    ValueType::from_name(name).ok_or_else(|| {
        let near = suggestion(name, ValueType::NAMES.iter().map(|(known, _)| *known));
        place.error(format!("{} is not a type of values{near}", quoted(name)))
    })
}
