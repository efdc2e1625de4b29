//! `generate-dataset`, `generate-measures` and `explain`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use peristyle_outputs::{DisclosureControl, FileMode};
use peristyle_policy::Name;

/// A definition and what its code is told.
#[derive(Debug, Args)]
pub(crate) struct DefinitionArguments {
    /// The definition: a `.json` document, or `-` for one on stdin; over dummy tables also a `.py` file, serialised by `ehrql`
    #[arg(value_name = "DEF")]
    pub(crate) definition: PathBuf,
    /// Passed to the definition's Python code, after `--`
    #[arg(last = true, value_name = "PARAMETERS")]
    pub(crate) parameters: Vec<OsString>,
}

/// Where the tables are, and what the run may see of them.
#[derive(Debug, Args)]
pub(crate) struct SourceArguments {
    /// A folder of user-facing tables of people who do not exist: one file or folder of files per table, as .parquet,
    /// .arrow, .csv or .csv.gz. No policy applies
    #[arg(long, value_name = "DIR", conflicts_with = "source")]
    pub(crate) dummy_tables: Option<PathBuf>,
    /// A file that says where an extract, its policy and its audit ledger are. The policy applies
    #[arg(long, value_name = "FILE.toml", requires = "project")]
    pub(crate) source: Option<PathBuf>,
    /// The project that asks; needed under a policy
    #[arg(long, value_name = "NAME", value_parser = project, requires = "source", conflicts_with = "dummy_tables")]
    pub(crate) project: Option<Name>,
    /// The project's permissions, a JSON list of names [default: those in EHRQL_PERMISSIONS]
    #[arg(long, value_name = "JSON")]
    pub(crate) permissions: Option<String>,
    /// The signed record of an emergency set-aside
    #[arg(long, value_name = "FILE.json", requires = "source", conflicts_with = "dummy_tables")]
    pub(crate) set_aside: Option<PathBuf>,
}

/// Where the answer goes.
#[derive(Debug, Args)]
pub(crate) struct OutputArguments {
    /// A file ending in .arrow, .csv, .csv.gz or .parquet, or FOLDER/:ENDING for a file per table or measure [default: the
    /// console]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<String>,
    /// Permissions of the output's files, in octal: 600 for its owner alone, 640 for its group to read [default: 600 under a
    /// policy; over dummy tables those of any new file]
    #[arg(long, value_name = "MODE", requires = "output")]
    pub(crate) output_mode: Option<FileMode>,
}

/// A project's name, fit for the audit ledger.
pub(super) fn project(text: &str) -> Result<Name, String> {
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic());
    Name::parse(text).ok().filter(|_| begins).ok_or_else(|| {
        "a project's name has 1 to 100 letters, digits, `-`, `_` or `.`, and begins with a letter".to_owned()
    })
}

/// `generate-dataset`
#[derive(Debug, Args)]
pub(crate) struct GenerateDataset {
    #[command(flatten)]
    pub(crate) definition: DefinitionArguments,
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

/// `generate-measures`
#[derive(Debug, Args)]
pub(crate) struct GenerateMeasures {
    #[command(flatten)]
    pub(crate) definition: DefinitionArguments,
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    /// Whether small counts are suppressed and others rounded; where a policy locks it, `off` needs a permission
    /// [default: what the definition says, else on]
    #[arg(long, value_enum, value_name = "ON|OFF")]
    pub(crate) disclosure_control: Option<Switch>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// Suppress and round
    On,
    /// Leave counts as they are
    Off,
}

/// What a switch means by itself. What it means under a policy, the policy says.
impl From<Switch> for DisclosureControl {
    fn from(switch: Switch) -> Self {
        match switch {
            Switch::On => DisclosureControl::BySums,
            Switch::Off => DisclosureControl::Off,
        }
    }
}

/// `explain`
#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) definition: DefinitionArguments,
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// Run it over the dummy tables too, throw the answer away, and show what each operator and each step took. Not under a
    /// policy: hidden rows change that
    #[arg(long, requires = "dummy_tables", conflicts_with = "source")]
    pub(crate) analyze: bool,
}
