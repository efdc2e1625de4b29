//! Which of the author's names an error lies under.
//!
//! Whoever wrote ehrQL knows variables and measures, not arena entries. The document is searched for the first name
//! that leads to the entry at fault; whatever is malformed on the way leads nowhere.

use super::arena::Arena;
use crate::error::DefinitionError;
use crate::json::Json;
use crate::text::quoted;

/// Puts the variable, event table or measure that needs the entry at fault in front of the place.
pub(super) fn attribute(mut error: DefinitionError, arena: &Arena<'_>) -> DefinitionError {
    // The dataset's own entry says its names itself.
    let entry = error.entry.as_deref().and_then(|key| arena.index(key));
    if let Some(entry) = entry.filter(|_| !error.place.starts_with("dataset"))
        && let Some(owner) = owner(entry, arena)
    {
        error.place = format!("{owner}, {}", error.place);
    }
    error
}

fn owner(entry: usize, arena: &Arena<'_>) -> Option<String> {
    // What an earlier name leads to need not be searched again: the entry was not there.
    let mut seen = vec![false; arena.len()];
    for (owner, json) in named_outputs(arena) {
        let mut open = arena.references(json);
        while let Some(index) = open.pop() {
            if index == entry {
                return Some(owner);
            }
            if !std::mem::replace(&mut seen[index], true) {
                open.extend(arena.references(arena.entry(index).1));
            }
        }
    }
    None
}

/// All names of the document's outputs, with what is behind each.
fn named_outputs<'d>(arena: &Arena<'d>) -> Vec<(String, &'d Json)> {
    let mut found = Vec::new();
    let module = arena.root.get("ModuleDetails");
    let dataset = module.map_or(Some(arena.root), |module| module.get("dataset"));
    let dataset = dataset.map(|dataset| match dataset.get("ref") {
        Some(Json::Str(key)) => arena.index(key).map_or(dataset, |index| arena.entry(index).1),
        _ => dataset,
    });
    if let Some(dataset) = dataset.and_then(|dataset| dataset.get("Dataset")) {
        found.extend(dataset.get("population").map(|json| ("population".to_owned(), json)));
        for (what, field) in [("variable", "variables"), ("event table", "events")] {
            let pairs = dataset.get(field).and_then(|json| json.get("dict"));
            for pair in items(pairs) {
                if let Json::List(pair) = pair
                    && let [Json::Str(name), json] = &**pair
                {
                    found.push((format!("{what} {}", quoted(name)), json));
                }
            }
        }
    }
    let measures = module.map_or(Some(arena.root), |module| module.get("measures"));
    let measures = measures.and_then(|json| json.get("MeasureCollection"));
    for measure in items(measures.and_then(|json| json.get("measures"))) {
        let measure = measure.get("Measure");
        if let Some(measure) = measure
            && let Some(Json::Str(name)) = measure.get("name")
        {
            found.push((format!("measure {}", quoted(name)), measure));
        }
    }
    found
}

fn items(json: Option<&Json>) -> &[Json] {
    json.and_then(Json::as_list).unwrap_or_default()
}
