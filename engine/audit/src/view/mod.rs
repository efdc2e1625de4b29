//! The two views of a ledger: all of it for the operator, and what may be published.

mod operator;
mod public;
mod public_count;
mod table;

pub use operator::OperatorView;
pub use public::PublicView;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use serde::Serialize;

use crate::error::AuditError;
use crate::record::{Digest, Name, RecordError, Rule, Standing};

/// A view as indented JSON, with a line end.
fn indented<T: Serialize>(view: &T) -> Result<String, AuditError> {
    let mut text = serde_json::to_string_pretty(view).map_err(|_| RecordError::NoCanonicalForm)?;
    text.push('\n');
    Ok(text)
}

/// Words in one line, or a dash for none.
fn listed<T: Display>(words: impl IntoIterator<Item = T>) -> String {
    let words: Vec<_> = words.into_iter().map(|word| word.to_string()).collect();
    if words.is_empty() { "–".to_owned() } else { words.join(", ") }
}

/// A name and the digest of what it stands for.
fn named(name: Option<&Name>, sha256: Option<Digest>) -> String {
    match (name, sha256) {
        (Some(name), Some(sha256)) => format!("{name}, {sha256}"),
        _ => listed(name.map(Name::to_string).into_iter().chain(sha256.map(String::from))),
    }
}

/// The rules by how they stood: `applied: Type 1 opt-out; lifted by permission: …`.
fn rules_by_standing(rules: &BTreeMap<Rule, Standing>) -> String {
    let standings =
        [Standing::Applied, Standing::LiftedByPermission, Standing::LiftedBySetAside, Standing::NotInPolicy];
    let parts: Vec<_> = standings
        .into_iter()
        .filter_map(|standing| {
            let names: BTreeSet<_> =
                rules.iter().filter(|(_, held)| **held == standing).map(|(rule, _)| *rule).collect();
            let names = names.into_iter().map(Rule::name);
            (names.len() > 0).then(|| format!("{}: {}", standing.name(), listed(names)))
        })
        .collect();
    if parts.is_empty() { "–".to_owned() } else { parts.join("; ") }
}
