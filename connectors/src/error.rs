//! What can be wrong with a connector, where, and what to do.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::folder::{FILE_BYTES_MAX, VIEWS_MAX};

/// A connector that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Neither a built-in connector nor a folder
    #[error("there is no connector `{name}`: give a folder that holds a manifest.toml, or one of {builtin}")]
    Unknown {
        /// What was asked for
        name: String,
        /// Those that come with Peristyle
        builtin: String,
    },
    /// All that is wrong with its files, one a line
    #[error("{}", lines(problems))]
    Problems {
        /// What is wrong, by file and line
        problems: Vec<Problem>,
    },
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// Something that is wrong with a file of a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file
    pub file: Arc<str>,
    /// The line at fault, from 1, where there is one
    pub line: Option<usize>,
    /// What is wrong
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { file, line, fault } = self;
        match line {
            Some(line) => write!(f, "{file}:{line}: {fault}"),
            None => write!(f, "{file}: {fault}"),
        }
    }
}

/// What is wrong with a file of a connector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the names, and the messages say the rest")]
pub enum Fault {
    /// Missing, or not ours to read
    #[error(
        "cannot be read ({kind}): a connector is a folder of a manifest.toml and a folder views, which may be read"
    )]
    Unreadable { kind: io::ErrorKind },
    /// Longer than any file of a connector
    #[error("is longer than {FILE_BYTES_MAX} bytes, so it is no file of a connector")]
    TooLong,
    /// Not UTF-8
    #[error("is not text in UTF-8")]
    NotText,
    /// More views than any catalogue has tables
    #[error("holds more than {VIEWS_MAX} files: one is wanted for each table")]
    TooManyViews,
    /// Not TOML
    #[error("is not TOML: {problem}")]
    Syntax { problem: String },
    /// No `peristyle_connector`
    #[error("is not a manifest: it does not begin with `peristyle_connector = 1`")]
    NotAManifest,
    /// Another version
    #[error("is of another version of the format: `peristyle_connector` must be 1 for this engine")]
    Version,
    /// An unknown field, a missing one, one of the wrong type
    #[error("{problem}")]
    Field { problem: String },
    /// Not fit for a folder, a source file and a log
    #[error("`name` must have 1 to 60 lower-case letters, digits and `-`, and begin with a letter")]
    Name,
    /// A name that leads elsewhere
    #[error("`name` is `{name}`, but the folder is `{folder}`: give both the same name")]
    OtherFolder { name: String, folder: String },
    /// Nothing promised
    #[error("`modules` names no module: a connector implements at least one of {known}")]
    NoModules { known: String },
    /// A module that no definition could import
    #[error("the catalogue has no module `{module}`: modules are {known}")]
    UnknownModule { module: String, known: String },
    /// Most likely another one was meant
    #[error("module `{module}` is listed twice: remove one")]
    ModuleTwice { module: String },
    /// A name that no file has
    #[error(
        "`{name}` cannot be the name of a raw {what}: it must have 1 to 200 characters, without `/`, `\\`, `..` and \
             control characters"
    )]
    RawName { what: &'static str, name: String },
    /// Whose rows they are
    #[error(
        "[raw.{table}] must have exactly one of `patient_key = \"COLUMN\"`, `linked = {{ … }}` and \
             `reference = true`: say whose rows they are"
    )]
    WhoseRows { table: String },
    /// The key twice
    #[error("`{column}` of [raw.{table}] is the patient's key, and is not named among the columns: remove it there")]
    KeyAmongColumns { table: String, column: String },
    /// An order that rows cannot have
    #[error("`sorted_by_patient` has no place in [raw.{table}], which has no `patient_key`: remove it")]
    SortedWithoutPatients { table: String },
    /// There is no default
    #[error("[raw.{table}] does not say how practice activation applies: state `activation` as {ACTIVATIONS}")]
    NoActivation { table: String },
    /// A rule for rows of nobody
    #[error("`activation` has no place in [raw.{table}]: a reference table holds nobody's activity; remove it")]
    ActivationOfReference { table: String },
    /// Neither of the four
    #[error("`activation` of [raw.{table}] must be {ACTIVATIONS}")]
    Activation { table: String },
    /// A column that the guard could not read
    #[error("`activation` of [raw.{table}] is by `{column}`, which is not among its columns: name it there")]
    ActivationColumn { table: String, column: String },
    /// A column that says no day, or no practice
    #[error("`activation` of [raw.{table}] is by `{column}`, which must be {wanted} for that")]
    ActivationColumnType { table: String, column: String, wanted: &'static str },
    /// Rows that could not be judged by others
    #[error(
        "`activation` of [raw.{table}] is joined to `{to}`, which {why}: name tables of patients that state `date` or \
             `practice`"
    )]
    JoinedTo { table: String, to: String, why: &'static str },
    /// No such class
    #[error(
        "`{column}` of [raw.{table}] has the class `{class}`, which there is not: classes are code, date, number, \
             category and link_key. Names, addresses, NHS numbers, free text and documents have none, so they cannot be named"
    )]
    Class { table: String, column: String, class: String },
    /// The key named as a column
    #[error(
        "`{column}` of [raw.{table}] has the class patient_key, which columns do not state: write `patient_key = \
             \"{column}\"` in [raw.{table}] instead"
    )]
    ClassOfKey { table: String, column: String },
    /// No such type
    #[error(
        "`{column}` of [raw.{table}] has the type `{found}`, which there is not: types are bool, int, float, str, date \
             and bytes16"
    )]
    Type { table: String, column: String, found: String },
    /// A class whose values are of another kind
    #[error("`{column}` of [raw.{table}] cannot be a {class} of type {found}: a {class} is {fit}")]
    ClassType { table: String, column: String, class: &'static str, found: String, fit: &'static str },
    /// A name that speaks of a person's identifier
    #[error(
        "`{column}` of [raw.{table}] is named like something that identifies a person (`{identifier}`), and a {class} may be \
             shown: remove it, or, where its values identify nobody, say why in `reviewed = \"WHY\"` of the column"
    )]
    Identifier { table: String, column: String, class: &'static str, identifier: &'static str },
    /// Nothing that a reader could weigh
    #[error(
        "`reviewed` of `{column}` of [raw.{table}] must be one line of 1 to 200 characters: say why the column's values \
             identify nobody"
    )]
    Reviewed { table: String, column: String },
    /// A value that the column cannot have
    #[error("`null_values` of `{column}` of [raw.{table}]: {why}")]
    NullValue { table: String, column: String, why: &'static str },
    /// A register that no policy could name
    #[error("`{register}` of [registers] is `{table}`: it must be the name of a raw table, without `/`, `\\` or `..`")]
    Register { register: &'static str, table: String },
    /// A link through nothing
    #[error("[link.{link}] goes through `{table}`, which {why}: name a raw table that has `patient_key`")]
    LinkTable { link: String, table: String, why: &'static str },
    /// A name that no policy could have
    #[error("[link.{link}] has a name that policies cannot have: give it 1 to 100 letters, digits, `-`, `_` or `.`")]
    LinkName { link: String },
    /// Everybody in a table that does not know them
    #[error(
        "`everybody` is `{table}`, which must be a raw table that has `patient_key`: name the one that has every patient"
    )]
    Everybody { table: String },
    /// A link by nothing
    #[error("[link.{link}] goes by `{column}` of [raw.{table}], which must be among its columns, of class link_key")]
    LinkColumn { link: String, table: String, column: String },
    /// Linked by a link that there is not
    #[error("[raw.{table}] is linked by `{link}`, but there is no [link.{link}]: write it, or correct the name")]
    UnknownLink { table: String, link: String },
    /// Linked by a column that cannot hold the key
    #[error(
        "[raw.{table}] is linked by its column `{column}`, which must be among its columns, of class link_key and of \
             the type that the link's column has"
    )]
    LinkedColumn { table: String, column: String },
    /// A link that leads nowhere
    #[error("[link.{link}] is used by no raw table: remove it, or say which table is `linked` by it")]
    UnusedLink { link: String },
    /// A reason for what nobody misses
    #[error("[missing.\"{table}\"] is of a table that `modules` does not promise: remove it, or correct the name")]
    MissingUnknown { table: String },
    /// A reason for what there is
    #[error("[missing.\"{table}\"] stands against the view views/{table}.sql: keep one")]
    MissingWithView { table: String },
    /// No reason
    #[error("`because` of [missing.\"{table}\"] must be a text of 1 to 500 characters: researchers are told it")]
    MissingBecause { table: String },
    /// A table that is neither there nor missing
    #[error(
        "nothing gives `{table}`, which `modules` promises: write views/{table}.sql, or say why not in \
             [missing.\"{table}\"]"
    )]
    NoView { table: String },
    /// A view of what no definition could import
    #[error("is a view of `{table}`, which the catalogue does not know: name the file MODULE.TABLE.sql")]
    ViewOfNoTable { table: String },
    /// A view of a module that is not promised
    #[error(
        "is a view of a table of `{module}`, which `modules` does not name: add the module there, or remove the view"
    )]
    ViewOfOtherModule { module: String },
    /// A file that would never be read
    #[error("is no view: files here are named MODULE.TABLE.sql; remove it")]
    NotAView,
    /// Nothing in it
    #[error("is empty: a view is one SELECT")]
    EmptyView,
    /// A policy that nobody could begin with
    #[error("{problem}")]
    Policy { problem: String },
    /// A policy for other keys
    #[error("has the patient_key `{found}`, but the manifest has `{wanted}`: give both the same")]
    PolicyKey { found: &'static str, wanted: &'static str },
    /// A view that `opt-out` refuses
    #[error("{reason}")]
    View { reason: String },
}

/// The ways of stating activation, as messages list them.
const ACTIVATIONS: &str =
    "\"not applied\", { date = \"COLUMN\" }, { practice = \"COLUMN\" } or { joined_to = \"TABLE\" }";
