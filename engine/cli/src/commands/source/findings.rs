//! What was found, in the words of both ways to look: through a connector, and at user-facing tables.

use std::collections::BTreeMap;

use peristyle_opt_out::{FoundTable, SourceError};
use peristyle_policy::Policy;
use peristyle_policy::register::RegisterLocation;

use crate::source_file::SourceFile;

/// Most users of a table that a message names.
const USERS_MAX: usize = 3;
/// Changes of a character that make of one name another that was meant.
const ALIKE_MAX: usize = 2;

/// What was found.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) tables: Vec<TableFinding>,
    pub(super) user_facing: Vec<UserFacing>,
    /// What the source file says that the place does not have, as it says it
    pub(super) stated_absent: Vec<String>,
    /// Files and folders that no table is in
    pub(super) unread: Vec<String>,
    /// What a study could stumble over
    pub(super) errors: Vec<String>,
    /// What no study can stumble over, and somebody may want to know
    pub(super) warnings: Vec<String>,
}

impl Findings {
    /// Takes what was found in a linked extract: its own tables under its connector's name, and what it gives in place of
    /// what the supplier's says that it has not.
    pub(super) fn join(&mut self, linked: Findings, connector: &str) {
        let of = |text: String| format!("{connector}: {text}");
        self.tables.extend(linked.tables.into_iter().map(|table| TableFinding { name: of(table.name), ..table }));
        self.unread.extend(linked.unread.into_iter().map(of));
        self.errors.extend(linked.errors.into_iter().map(of));
        self.warnings.extend(linked.warnings.into_iter().map(of));
        for found in linked.user_facing {
            match self.user_facing.iter_mut().find(|known| known.table == found.table) {
                Some(known) if matches!(known.answer, Answer::NotGiven(_)) => known.answer = found.answer,
                Some(known) => {
                    if !matches!(found.answer, Answer::NotGiven(_)) {
                        let problem = "two of the source's connectors give it: let one of them say `[missing]`";
                        known.answer = Answer::Refused(problem.to_owned());
                    }
                }
                None => self.user_facing.push(found),
            }
        }
        self.user_facing.sort_by(|one, other| one.table.cmp(&other.table));
    }
}

/// A table of the extract.
pub(super) struct TableFinding {
    pub(super) name: String,
    pub(super) state: TableState,
}

/// What is there of it.
pub(super) enum TableState {
    /// There, and whether something is wrong with it
    Found(Box<FoundTable>, bool),
    /// Not there, and reads as empty
    Absent,
    /// Not there, and wanted
    Missing,
    /// Not to be read
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

/// Names of tables that registers of the policy are.
fn registers(policy: Option<&Policy>) -> Vec<&str> {
    let registers = policy.into_iter().flat_map(|policy| policy.registers());
    registers
        .filter_map(|register| match &register.location {
            RegisterLocation::Table(table) => Some(table.as_str()),
            RegisterLocation::File { .. } => None,
        })
        .collect()
}

/// What is in no table, but for registers, tables of links among them, and their digests.
pub(super) fn without_registers(mut unread: Vec<String>, policy: Option<&Policy>, links: &[&str]) -> Vec<String> {
    let mut registers = registers(policy);
    registers.extend(links);
    let is_register = |file: &str| {
        let stem = file.trim_end_matches('/').split_once('.').map_or(file.trim_end_matches('/'), |(stem, _)| stem);
        registers.contains(&stem)
    };
    unread.retain(|file| !is_register(file));
    unread
}

/// Parts of the source file that are of no table.
pub(super) fn unknown_layouts(place: &SourceFile, policy: Option<&Policy>, known: &[&str]) -> Vec<String> {
    let registers = registers(policy);
    let unknown = place
        .extract
        .layouts()
        .map(|(table, _)| table)
        .filter(|table| !known.contains(&&***table) && !registers.contains(&&***table));
    unknown.map(|table| format!("the source file's `[tables.{table}]` is of no table that anybody asks for")).collect()
}

/// A table that is not there, with what looks like it.
pub(super) fn missing(name: &str, unread: &[String]) -> String {
    let stem = |file: &str| {
        let file = file.trim_end_matches('/');
        file.split_once('.').map_or(file, |(stem, _)| stem).to_lowercase()
    };
    let name_of = name.to_lowercase();
    let is_like = |file: &&String| strsim::damerau_levenshtein(&stem(file), &name_of) <= ALIKE_MAX;
    match unread.iter().find(is_like) {
        Some(like) => format!("table `{name}` is not there; `{like}` is, which no table is called by: rename it"),
        None => format!("table `{name}` is not there"),
    }
}

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
