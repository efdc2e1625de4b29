//! `connector …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What is to be done with a connector.
#[derive(Debug, Subcommand)]
pub(crate) enum ConnectorCommand {
    /// Read a connector, plan its views, and say all that is wrong, by file and line. Opens no extract
    Check(ConnectorCheck),
    /// Begin a connector: a folder that passes the check, to be changed into what a source is like
    New(ConnectorNew),
    /// List the connectors that come with Peristyle
    List,
}

/// `connector check`
#[derive(Debug, Args)]
pub(crate) struct ConnectorCheck {
    /// A connector that comes with Peristyle, or a connector's folder
    #[arg(value_name = "NAME|DIR")]
    pub(crate) connector: String,
}

/// `connector new`
#[derive(Debug, Args)]
pub(crate) struct ConnectorNew {
    /// The connector's name, which is that of its folder
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Where the folder is made
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub(crate) out: PathBuf,
}
