//! The shapes that values of a document have: tagged values, records, lists, dicts.

use super::place::Place;
use crate::error::DefinitionError;
use crate::json::Json;
use crate::text::{quoted, suggestion};

pub(super) type Read<T> = Result<T, DefinitionError>;

/// An object of one key: the tag and what it holds.
pub(super) fn tagged<'j>(json: &'j Json, place: &Place<'_>, wanted: &str) -> Read<(&'j str, &'j Json)> {
    match json {
        Json::Object(members) if members.len() == 1 => Ok((&members[0].0, &members[0].1)),
        other => {
            Err(place.error(format!("wants {wanted}, written as an object with one key, but has {}", other.describe())))
        }
    }
}

/// What an object of the one key `tag` holds.
pub(super) fn untag<'j>(json: &'j Json, place: &Place<'_>, tag: &str) -> Read<&'j Json> {
    match json {
        Json::Object(members) if members.len() == 1 && *members[0].0 == *tag => Ok(&members[0].1),
        other => Err(place.error(format!("wants an object {}, but has {}", quoted(tag), other.describe()))),
    }
}

/// The fields of a record: these, each once, no other.
pub(super) fn fields<'j, const N: usize>(
    json: &'j Json,
    place: &Place<'_>,
    names: [&'static str; N],
) -> Read<[&'j Json; N]> {
    let Json::Object(members) = json else {
        let listed = names.join(", ");
        return Err(place.error(format!("wants an object with the fields {listed}, but has {}", json.describe())));
    };
    if let Some((unknown, _)) = members.iter().find(|(key, _)| !names.contains(&&**key)) {
        let (unknown, near) = (quoted(unknown), suggestion(unknown, names));
        return Err(place.error(format!("has a field {unknown} that is not known here{near}")));
    }
    let mut found = [&Json::Null; N];
    for (slot, name) in found.iter_mut().zip(names) {
        let member = members.iter().find(|(key, _)| **key == *name);
        *slot = &member.ok_or_else(|| place.error(format!("lacks the field {}", quoted(name))))?.1;
    }
    Ok(found)
}

pub(super) fn list<'j>(json: &'j Json, place: &Place<'_>) -> Read<&'j [Json]> {
    match json {
        Json::List(items) => Ok(items),
        other => Err(place.error(format!("wants a list, but has {}", other.describe()))),
    }
}

/// A `tuple`; a plain list will do.
pub(super) fn tuple<'j>(json: &'j Json, place: &Place<'_>) -> Read<&'j [Json]> {
    match json {
        Json::List(items) => Ok(items),
        other => list(untag(other, place, "tuple")?, place),
    }
}

/// The pairs of a `dict`, in order.
pub(super) fn dict<'j>(json: &'j Json, place: &Place<'_>) -> Read<Vec<(&'j Json, &'j Json)>> {
    let pairs = list(untag(json, place, "dict")?, place)?;
    let pair = |(index, pair): (usize, &'j Json)| match pair {
        Json::List(items) if items.len() == 2 => Ok((&items[0], &items[1])),
        other => Err(place.item(index).error(format!("wants a pair of key and value, but has {}", other.describe()))),
    };
    pairs.iter().enumerate().map(pair).collect()
}

pub(super) fn string<'j>(json: &'j Json, place: &Place<'_>) -> Read<&'j str> {
    match json {
        Json::Str(text) => Ok(text),
        other => Err(place.error(format!("wants a string, but has {}", other.describe()))),
    }
}

pub(super) fn boolean(json: &Json, place: &Place<'_>) -> Read<bool> {
    match json {
        Json::Bool(value) => Ok(*value),
        other => Err(place.error(format!("wants true or false, but has {}", other.describe()))),
    }
}

pub(super) fn int(json: &Json, place: &Place<'_>) -> Read<i64> {
    match json {
        Json::Int(value) => Ok(*value),
        other => Err(place.error(format!("wants a whole number, but has {}", other.describe()))),
    }
}

/// `None` for null.
pub(super) fn optional<'j, T>(json: &'j Json, read: impl FnOnce(&'j Json) -> Read<T>) -> Read<Option<T>> {
    match json {
        Json::Null => Ok(None),
        value => read(value).map(Some),
    }
}

/// A name that an output column or file gets: what ehrQL accepts, and not longer than a file name may be.
pub(super) fn output_name<'j>(json: &'j Json, place: &Place<'_>, bytes_max: usize) -> Read<&'j str> {
    let name = string(json, place)?;
    let mut bytes = name.bytes();
    let starts_well = bytes.next().is_some_and(|first| first.is_ascii_alphabetic());
    if !starts_well || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        let message =
            "is not a name: it must start with a letter A to Z, and hold only such letters, digits and underscores";
        return Err(place.error(format!("{} {message}", quoted(name))));
    }
    if name.len() > bytes_max {
        return Err(place.error(format!("the name {} is longer than {bytes_max} letters", quoted(name))));
    }
    Ok(name)
}
