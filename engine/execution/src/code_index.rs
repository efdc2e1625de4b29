//! All code lists of a column in one pass: each entry of the dictionary is looked up once, each row once.

use std::collections::HashMap;

use arrow::array::Array;
use datafusion::common::{Result, internal_err};
use peristyle_model::graph::Constant;

use crate::program::{CodeIndex, TableIx};
use crate::vector::{StrColumn, Vector};

/// For each code list the rows of a block that it matches.
#[derive(Debug)]
pub(crate) struct CodeMatches {
    table: TableIx,
    rows: Vec<Vec<u32>>,
}

/// Lists that hold an entry of the dictionary.
#[derive(Clone, Copy, Default)]
struct Lists {
    start: u32,
    end: u32,
}

impl CodeMatches {
    /// Finds the matches of a table's column.
    pub(crate) fn find(index: &CodeIndex, column: &Vector) -> Result<Self> {
        let Vector::Str(array) = column else {
            return internal_err!("a code column does not hold strings");
        };
        let column = StrColumn::new(array)?;
        let mut lists_of_code: HashMap<&str, Vec<u32>> = HashMap::new();
        for (list, members) in index.lists.iter().enumerate() {
            for member in members.iter() {
                if let Constant::Str(code) = member {
                    lists_of_code.entry(code).or_default().push(list as u32);
                }
            }
        }
        let mut flat: Vec<u32> = Vec::new();
        let lists_of_entry: Vec<Lists> = (0..column.entries.len())
            .map(|entry| {
                let start = flat.len() as u32;
                flat.extend(lists_of_code.get(column.entries.value(entry)).into_iter().flatten());
                Lists { start, end: flat.len() as u32 }
            })
            .collect();
        let mut rows = vec![Vec::new(); index.lists.len()];
        let keys = column.keys.values();
        for row in 0..keys.len() {
            let lists = lists_of_entry.get(keys[row] as usize).copied().unwrap_or_default();
            if lists.start < lists.end && column.keys.is_valid(row) {
                for list in &flat[lists.start as usize..lists.end as usize] {
                    rows[*list as usize].push(row as u32);
                }
            }
        }
        Ok(CodeMatches { table: index.table, rows })
    }

    /// The table whose rows they are.
    pub(crate) fn table(&self) -> TableIx {
        self.table
    }

    /// The rows that a list matches, ascending.
    pub(crate) fn rows(&self, list: usize) -> Vec<u32> {
        self.rows[list].clone()
    }
}
