//! `source …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What is to be done with a source.
#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// Look at an extract before a study runs: what is there, what is missing, what definitions can ask for
    Check(SourceCheck),
}

/// `source check`
#[derive(Debug, Args)]
pub(crate) struct SourceCheck {
    /// The file that says where an extract, its policy and its audit ledger are
    #[arg(value_name = "SOURCE.toml")]
    pub(crate) source: PathBuf,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}
