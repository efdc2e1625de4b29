//! The arena: entries of the document that nodes share, and the order to read them in.

use std::collections::HashMap;

use super::place::Place;
use super::record::Read;
use crate::json::Json;
use crate::text::quoted;

/// Keys are 32-bit numbers in ehrQL.
const KEY_DIGITS_MAX: usize = 10;

/// The document's root and the entries beside it.
#[derive(Debug)]
pub(super) struct Arena<'d> {
    pub(super) root: &'d Json,
    entries: Vec<(&'d str, &'d Json)>,
    indices: HashMap<&'d str, usize>,
}

impl<'d> Arena<'d> {
    pub(super) fn of_document(document: &'d Json) -> Read<Self> {
        let Json::Object(members) = document else {
            let message = format!("wants an object with the key `value`, but has {}", document.describe());
            return Err(Place::DOCUMENT.error(message));
        };
        let mut root = None;
        let mut entries = Vec::with_capacity(members.len());
        for (key, json) in members {
            if **key == *"value" {
                root = Some(json);
            } else if is_entry_key(key) {
                entries.push((&**key, json));
            } else {
                let message = format!("has a key {}: next to `value`, keys are numbers of nodes", quoted(key));
                return Err(Place::DOCUMENT.error(message));
            }
        }
        let lacks = "lacks the key `value`: is this what `ehrql serialize-definition` printed?";
        let root = root.ok_or_else(|| Place::DOCUMENT.error(lacks))?;
        let indices = entries.iter().enumerate().map(|(index, (key, _))| (*key, index)).collect();
        Ok(Arena { root, entries, indices })
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn entry(&self, index: usize) -> (&'d str, &'d Json) {
        self.entries[index]
    }

    pub(super) fn index(&self, key: &str) -> Option<usize> {
        self.indices.get(key).copied()
    }

    /// The entries that a value refers to, directly, in order of appearance. Dangling references are left to the
    /// reader, which knows their place.
    pub(super) fn references(&self, json: &'d Json) -> Vec<usize> {
        let mut found = Vec::new();
        let mut open = vec![json];
        while let Some(json) = open.pop() {
            match json {
                Json::List(items) => open.extend(items.iter().rev()),
                Json::Object(members) => match &**members {
                    [(tag, Json::Str(key))] if **tag == *"ref" => found.extend(self.index(key)),
                    members => open.extend(members.iter().rev().map(|(_, value)| value)),
                },
                _ => {}
            }
        }
        found
    }

    /// All entries, each after those that it refers to. Walks with a stack of its own, so that a long chain of
    /// references cannot exhaust the thread's.
    pub(super) fn in_order(&self) -> Read<Vec<usize>> {
        let mut order = Vec::with_capacity(self.len());
        let mut state = vec![Visit::Unseen; self.len()];
        for start in 0..self.len() {
            if state[start] != Visit::Unseen {
                continue;
            }
            state[start] = Visit::Open;
            let mut path = vec![(start, self.references(self.entries[start].1).into_iter())];
            while let Some((index, references)) = path.last_mut() {
                match references.next() {
                    None => {
                        state[*index] = Visit::Done;
                        order.push(*index);
                        path.pop();
                    }
                    Some(next) if state[next] == Visit::Done => {}
                    Some(next) if state[next] == Visit::Open => {
                        let cycle = path.iter().map(|(index, _)| *index).skip_while(|index| *index != next);
                        return Err(self.cycle(&cycle.collect::<Vec<_>>()));
                    }
                    Some(next) => {
                        state[next] = Visit::Open;
                        path.push((next, self.references(self.entries[next].1).into_iter()));
                    }
                }
            }
        }
        Ok(order)
    }

    fn cycle(&self, cycle: &[usize]) -> crate::error::DefinitionError {
        const SHOWN_MAX: usize = 6;
        let key = |index: &usize| self.entries[*index].0;
        let mut path: Vec<&str> = cycle.iter().take(SHOWN_MAX).map(key).collect();
        if cycle.len() > SHOWN_MAX {
            path.push("…");
        }
        path.push(key(&cycle[0]));
        let message =
            format!("refers to itself ({}): a node can stand only on nodes that do not stand on it", path.join(" → "));
        Place::entry(key(&cycle[0])).error(message)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Unseen,
    Open,
    Done,
}

fn is_entry_key(key: &str) -> bool {
    let digits = key.bytes().all(|byte| byte.is_ascii_digit());
    digits && (1..=KEY_DIGITS_MAX).contains(&key.len()) && (key == "0" || !key.starts_with('0'))
}
