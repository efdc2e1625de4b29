//! `explain`

use std::path::{Path, PathBuf};

use peristyle_model::Definition;
use peristyle_opt_out::{Enclave, VerifiedPolicy};

use crate::args::Explain;
use crate::exit::ExitStatus;
use crate::explanation::{self, View};
use crate::failure::Failure;
use crate::settings::Settings;
use crate::source::Source;
use crate::{definition, governed, tables, ui};

/// Shows how the definition would be run: over the tables that are given, or over empty ones of the same columns.
pub(crate) fn run(command: &Explain, settings: &Settings) -> Result<ExitStatus, Failure> {
    let text = match Source::named(&command.source)? {
        Some(Source::DummyTables(folder)) => over_dummy_tables(command, Some(folder), settings)?,
        Some(Source::UnderPolicy(place)) => governed::explain(command, &place, settings)?,
        None => over_dummy_tables(command, None, settings)?,
    };
    ui::show(&text)?;
    Ok(ExitStatus::Success)
}

fn over_dummy_tables(command: &Explain, folder: Option<PathBuf>, settings: &Settings) -> Result<String, Failure> {
    let definition = definition::load(&command.definition.definition, &command.definition.parameters, settings)?;
    let empty = tempfile::tempdir().map_err(|error| {
        Failure::new(ExitStatus::Files, "cannot make a temporary folder for empty tables").cause(error)
    })?;
    let folder = match folder {
        Some(folder) => folder,
        None => empty_tables(&definition, empty.path())?,
    };
    let enclave = Enclave::open_tables(&folder, VerifiedPolicy::dummy_tables(), settings.enclave())?;
    let view = View::Whole { analyze: command.analyze };
    settings.runtime()?.block_on(explanation::of(&definition, &enclave, view, settings))
}

fn empty_tables(definition: &Definition, folder: &Path) -> Result<PathBuf, Failure> {
    for table in definition.graph.tables() {
        tables::write(folder, table, &[]).map_err(|problem| Failure::new(ExitStatus::Files, problem))?;
    }
    Ok(folder.to_owned())
}
