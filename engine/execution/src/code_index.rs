//! All code lists of a column in one pass: each row once, and each entry of a dictionary when a row first has it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef};
use datafusion::common::{Result, internal_err};
use hashbrown::HashMap;
use peristyle_model::graph::Constant;

use crate::program::TableIx;
use crate::vector::{StrColumn, Vector};

/// Dictionaries of which entries have been looked up: batches of a row group share one.
const KNOWN_DICTIONARIES_MAX: usize = 8;

/// Code lists that are looked up together in a column of a table.
#[derive(Debug)]
pub(crate) struct CodeIndex {
    pub(crate) table: TableIx,
    pub(crate) column: usize,
    pub(crate) lists_len: usize,
    /// For each code that is in a list its place in `lists`
    lists_of_code: HashMap<Box<str>, u32>,
    lists: Vec<Vec<u32>>,
    known: Mutex<VecDeque<(ArrayRef, Arc<EntryLists>)>>,
}

/// For each entry of a dictionary which lists hold it, once a row has asked: of a long dictionary few entries are met.
#[derive(Debug)]
struct EntryLists(Vec<AtomicU32>);

impl EntryLists {
    const UNKNOWN: u32 = 0;
    const IN_NONE: u32 = 1;
    /// Of an entry whose lists are the first
    const FIRST: u32 = 2;
}

impl CodeIndex {
    pub(crate) fn new(table: TableIx, column: usize, lists: &[Arc<[Constant]>]) -> Self {
        let mut index = CodeIndex {
            table,
            column,
            lists_len: lists.len(),
            lists_of_code: HashMap::new(),
            lists: Vec::new(),
            known: Mutex::default(),
        };
        for (list, members) in lists.iter().enumerate() {
            for member in members.iter() {
                if let Constant::Str(code) = member {
                    let place = *index.lists_of_code.entry(code.as_ref().into()).or_insert_with(|| {
                        index.lists.push(Vec::new());
                        index.lists.len() as u32 - 1
                    });
                    index.lists[place as usize].push(list as u32);
                }
            }
        }
        index
    }

    /// What is known of the entries of a dictionary.
    fn entry_lists(&self, dictionary: &ArrayRef) -> Arc<EntryLists> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, lists)) = known.iter().find(|(seen, _)| Arc::ptr_eq(seen, dictionary)) {
            return lists.clone();
        }
        let unknown = || AtomicU32::new(EntryLists::UNKNOWN);
        let lists = Arc::new(EntryLists(std::iter::repeat_with(unknown).take(dictionary.len()).collect()));
        // Holding the array keeps its address from being used for another one.
        known.push_front((dictionary.clone(), lists.clone()));
        known.truncate(KNOWN_DICTIONARIES_MAX);
        lists
    }

    /// The lists that hold an entry.
    fn lists_of(&self, entries: &EntryLists, column: &StrColumn<'_>, key: usize) -> &[u32] {
        let Some(entry) = entries.0.get(key) else { return &[] };
        // What is looked up twice, by two threads, comes out the same.
        let mut lists = entry.load(Ordering::Relaxed);
        if lists == EntryLists::UNKNOWN {
            let place = self.lists_of_code.get(column.entries.value(key));
            lists = place.map_or(EntryLists::IN_NONE, |place| place + EntryLists::FIRST);
            entry.store(lists, Ordering::Relaxed);
        }
        let place = lists.checked_sub(EntryLists::FIRST);
        place.map_or(&[], |place| &self.lists[place as usize])
    }

    /// Finds the matches in a block's column.
    pub(crate) fn find(&self, column: &Vector) -> Result<CodeMatches> {
        let Vector::Str(array) = column else {
            return internal_err!("a code column does not hold strings");
        };
        let column = StrColumn::new(array)?;
        let entries = self.entry_lists(array.values());
        let mut rows = vec![Vec::new(); self.lists_len];
        for (row, key) in column.keys.values().iter().enumerate() {
            if column.keys.is_valid(row) {
                for list in self.lists_of(&entries, &column, *key as usize) {
                    rows[*list as usize].push(row as u32);
                }
            }
        }
        Ok(CodeMatches { table: self.table, rows })
    }
}

/// For each code list the rows of a block that it matches.
#[derive(Debug)]
pub(crate) struct CodeMatches {
    table: TableIx,
    rows: Vec<Vec<u32>>,
}

impl CodeMatches {
    /// The table whose rows they are.
    pub(crate) fn table(&self) -> TableIx {
        self.table
    }

    /// The rows that a list matches, ascending.
    pub(crate) fn rows(&self, list: usize) -> &[u32] {
        &self.rows[list]
    }
}
