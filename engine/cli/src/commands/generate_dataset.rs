//! `generate-dataset`

use crate::args::GenerateDataset;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::study::{self, Asked, Study};

/// Runs a dataset definition.
pub(crate) fn run(command: &GenerateDataset, settings: &Settings) -> Result<ExitStatus, Failure> {
    let GenerateDataset { definition, source, output } = command;
    study::run(&Study { asked: Asked::Dataset, definition, source, output }, settings)
}
