//! What was found, in the words of both ways to look: through a connector, and at user-facing tables.

use std::collections::BTreeMap;

use peristyle_opt_out::{FoundTable, SourceError};

/// Most users of a table that a message names.
const USERS_MAX: usize = 3;

/// What was found.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) tables: Vec<TableFinding>,
    pub(super) user_facing: Vec<UserFacing>,
    /// Files and folders that no table is in
    pub(super) unread: Vec<String>,
    /// What a study could stumble over
    pub(super) errors: Vec<String>,
    /// What no study can stumble over, and somebody may want to know
    pub(super) warnings: Vec<String>,
}

/// A table of the extract.
pub(super) struct TableFinding {
    pub(super) name: String,
    pub(super) state: TableState,
}

/// What is there of it.
pub(super) enum TableState {
    Found(Box<FoundTable>),
    /// Not there, and reads as empty
    Absent,
    /// Not there, or not to be read
    Broken(SourceError),
}

/// A table that definitions name.
pub(super) struct UserFacing {
    pub(super) table: String,
    pub(super) answer: Answer,
}

/// What a definition that names it is answered.
pub(super) enum Answer {
    Served,
    /// All but what needs these columns
    Partly(Vec<String>),
    Refused(String),
    /// The connector says that the source has it not
    NotGiven(String),
}

impl Answer {
    /// In one word.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Answer::Served => "served",
            Answer::Partly(_) => "partly",
            Answer::Refused(_) => "refused",
            Answer::NotGiven(_) => "not given",
        }
    }
}

/// Who needs something: columns by user-facing table; without columns where all of it is meant.
pub(super) type Users = BTreeMap<String, Vec<String>>;

/// A message with who would meet it.
pub(super) fn with_users(problem: &str, users: &Users) -> String {
    let user = |(table, columns): (&String, &Vec<String>)| match columns.as_slice() {
        [] => format!("`{table}`"),
        columns => format!("`{table}` ({})", columns.join(", ")),
    };
    let named: Vec<String> = users.iter().take(USERS_MAX).map(user).collect();
    match users.len().checked_sub(USERS_MAX) {
        _ if users.is_empty() => problem.to_owned(),
        None | Some(0) => format!("{problem}; needed for {}", named.join(", ")),
        Some(more) => format!("{problem}; needed for {} and {more} more", named.join(", ")),
    }
}
