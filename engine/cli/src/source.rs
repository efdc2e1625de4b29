//! Where the tables come from: an enclave, opened under a policy.

use std::path::PathBuf;

use peristyle_opt_out::{Enclave, VerifiedPolicy};

use crate::args::SourceArguments;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::settings::Settings;

/// A source that was named but not opened yet.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// Tables of people who do not exist: everything is let through, and claims count as permissions
    DummyTables(PathBuf),
}

impl Source {
    /// The source that the command line names.
    pub(crate) fn named(arguments: &SourceArguments) -> Result<Self, Failure> {
        match &arguments.dummy_tables {
            Some(folder) => Ok(Source::DummyTables(folder.clone())),
            None => Err(Failure::new(ExitStatus::Arguments, "no tables were given to run the definition over").help(
                "give a folder of tables with --dummy-tables DIR; `peristyle synth` makes one, and `peristyle demo` \
                 shows how it goes",
            )),
        }
    }

    /// Opens it.
    pub(crate) fn open(&self, settings: &Settings) -> Result<Enclave, Failure> {
        match self {
            Source::DummyTables(folder) => {
                Ok(Enclave::open_dummy_tables(folder, VerifiedPolicy::dummy_tables(), settings.enclave())?)
            }
        }
    }
}
