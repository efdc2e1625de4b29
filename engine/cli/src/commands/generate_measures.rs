//! `generate-measures`

use peristyle_model::Definition;
use peristyle_outputs::{DisclosureControl, OutputTarget};

use super::generate_dataset::log_written;
use crate::args::GenerateMeasures;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::source::Source;
use crate::{definition, permissions, run};

/// Whatever can be refused without opening a table is refused first.
pub(crate) fn run(command: &GenerateMeasures, settings: &Settings) -> Result<ExitStatus, Failure> {
    let source = Source::named(&command.source)?;
    let target = OutputTarget::parse(command.output.as_deref())?;
    let definition = definition::load(&command.definition.definition, &command.definition.parameters, settings)?;
    let measures = definition::measures(&definition)?;
    permissions::check_measures(&definition, measures)?;
    let disclosure_control = disclosure_control(command, &definition, &source);
    let written = settings.runtime()?.block_on(async {
        let enclave = source.open(settings)?;
        run::generate_measures(&definition, measures, &enclave, settings, target, disclosure_control).await
    })?;
    log_written(&written);
    Ok(ExitStatus::Success)
}

/// What the command line says, else what the definition says, else on. Only dummy tables may go without; the `match`
/// makes whoever adds a source decide about it.
fn disclosure_control(command: &GenerateMeasures, definition: &Definition, source: &Source) -> DisclosureControl {
    let wanted = match (command.disclosure_control, definition.disclosure_control) {
        (Some(switch), _) => switch.into(),
        (None, Some(false)) => DisclosureControl::Off,
        (None, Some(true) | None) => DisclosureControl::On,
    };
    match source {
        Source::DummyTables(_) => wanted,
    }
}
