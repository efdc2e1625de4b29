//! `generate-dataset`

use peristyle_outputs::{OutputTarget, WrittenTable};

use crate::args::GenerateDataset;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::source::Source;
use crate::{definition, permissions, run};

/// Whatever can be refused without opening a table is refused first.
pub(crate) fn run(command: &GenerateDataset, settings: &Settings) -> Result<ExitStatus, Failure> {
    let source = Source::named(&command.source)?;
    let target = OutputTarget::parse(command.output.as_deref())?;
    let definition = definition::load(&command.definition.definition, &command.definition.parameters, settings)?;
    let dataset = definition::dataset(&definition)?;
    permissions::check_dataset(&definition, dataset)?;
    let written = settings.runtime()?.block_on(async {
        let enclave = source.open(settings)?;
        run::generate_dataset(&definition, dataset, &enclave, settings, target).await
    })?;
    log_written(&written);
    Ok(ExitStatus::Success)
}

/// Says where the answer is.
pub(super) fn log_written(written: &[WrittenTable]) {
    for table in written {
        if let Some(path) = &table.path {
            tracing::info!(table = %table.name, path = %path.display(), rows = table.rows, bytes = table.bytes, "written");
        }
    }
}
