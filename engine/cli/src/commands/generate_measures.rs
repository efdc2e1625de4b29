//! `generate-measures`

use crate::args::GenerateMeasures;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::study::{self, Asked, Study};

/// Runs a measures definition.
pub(crate) fn run(command: &GenerateMeasures, settings: &Settings) -> Result<ExitStatus, Failure> {
    let GenerateMeasures { definition, source, output, disclosure_control } = command;
    let asked = Asked::Measures { disclosure_control: *disclosure_control };
    study::run(&Study { asked, definition, source, output }, settings)
}
