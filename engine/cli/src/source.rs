//! Where the tables come from.

use std::path::PathBuf;

use crate::args::SourceArguments;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::source_file::SourceFile;

/// A source that was named but not opened yet.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// Tables of people who do not exist: everything is let through
    DummyTables(PathBuf),
    /// Records of people, under a policy
    UnderPolicy(Box<SourceFile>),
}

impl Source {
    /// The source that the command line names; `None` where it names none.
    pub(crate) fn named(arguments: &SourceArguments) -> Result<Option<Self>, Failure> {
        match (&arguments.dummy_tables, &arguments.source) {
            (Some(folder), _) => Ok(Some(Source::DummyTables(folder.clone()))),
            (None, Some(file)) => Ok(Some(Source::UnderPolicy(Box::new(SourceFile::load(file)?)))),
            (None, None) => Ok(None),
        }
    }

    /// The source of a command that reads rows.
    pub(crate) fn needed(arguments: &SourceArguments) -> Result<Self, Failure> {
        Self::named(arguments)?.ok_or_else(|| {
            Failure::new(ExitStatus::Arguments, "no tables were given to run the definition over").help(
                "give a source file with --source FILE.toml, or a folder of tables with --dummy-tables DIR; \
                 `peristyle synth` makes one, and `peristyle demo` shows how it goes",
            )
        })
    }
}
