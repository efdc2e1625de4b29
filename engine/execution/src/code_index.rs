//! All code lists of a column in one pass: each entry of a dictionary is looked up once, each row once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef};
use datafusion::common::{Result, internal_err};
use peristyle_model::graph::Constant;

use crate::program::TableIx;
use crate::vector::{StrColumn, Vector};

/// Dictionaries whose entries have been looked up already: batches of a row group share one.
const KNOWN_DICTIONARIES_MAX: usize = 8;

/// Code lists that are looked up together in a column of a table.
#[derive(Debug)]
pub(crate) struct CodeIndex {
    pub(crate) table: TableIx,
    pub(crate) column: usize,
    pub(crate) lists_len: usize,
    lists_of_code: HashMap<Box<str>, Vec<u32>>,
    known: Mutex<VecDeque<(ArrayRef, Arc<EntryLists>)>>,
}

/// For each entry of a dictionary the lists that hold it.
#[derive(Debug, Default)]
struct EntryLists {
    lists: Vec<u32>,
    /// Where each entry's lists begin, and the end of the last
    begins: Vec<u32>,
}

impl EntryLists {
    fn of(&self, entry: usize) -> &[u32] {
        match (self.begins.get(entry), self.begins.get(entry + 1)) {
            (Some(begin), Some(end)) => &self.lists[*begin as usize..*end as usize],
            _ => &[],
        }
    }
}

impl CodeIndex {
    pub(crate) fn new(table: TableIx, column: usize, lists: &[Arc<[Constant]>]) -> Self {
        let mut lists_of_code: HashMap<Box<str>, Vec<u32>> = HashMap::new();
        for (list, members) in lists.iter().enumerate() {
            for member in members.iter() {
                if let Constant::Str(code) = member {
                    lists_of_code.entry(code.as_ref().into()).or_default().push(list as u32);
                }
            }
        }
        CodeIndex { table, column, lists_len: lists.len(), lists_of_code, known: Mutex::default() }
    }

    /// The lists of each entry of a dictionary, looked up unless it has been seen before.
    fn entry_lists(&self, dictionary: &ArrayRef, column: &StrColumn<'_>) -> Arc<EntryLists> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, lists)) = known.iter().find(|(seen, _)| Arc::ptr_eq(seen, dictionary)) {
            return lists.clone();
        }
        drop(known);
        let mut lists = EntryLists { lists: Vec::new(), begins: vec![0] };
        for entry in column.entries {
            let of_code = entry.and_then(|code| self.lists_of_code.get(code));
            lists.lists.extend(of_code.into_iter().flatten());
            lists.begins.push(lists.lists.len() as u32);
        }
        let lists = Arc::new(lists);
        known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Holding the array keeps its address from being used for another one.
        known.push_front((dictionary.clone(), lists.clone()));
        known.truncate(KNOWN_DICTIONARIES_MAX);
        lists
    }

    /// Finds the matches in a block's column.
    pub(crate) fn find(&self, column: &Vector) -> Result<CodeMatches> {
        let Vector::Str(array) = column else {
            return internal_err!("a code column does not hold strings");
        };
        let column = StrColumn::new(array)?;
        let lists = self.entry_lists(array.values(), &column);
        let mut rows = vec![Vec::new(); self.lists_len];
        for (row, key) in column.keys.values().iter().enumerate() {
            let matched = lists.of(*key as usize);
            if !matched.is_empty() && column.keys.is_valid(row) {
                for list in matched {
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
