//! A study: what is asked of which definition, over which source, into which files.

use std::collections::BTreeSet;
use std::sync::Arc;

use peristyle_audit::Activity;
use peristyle_model::catalogue::TableSchema;
use peristyle_model::{Dataset, Definition, Measure};
use peristyle_opt_out::{Enclave, VerifiedPolicy};
use peristyle_outputs::{DisclosureControl, OutputTarget, WrittenTable};
use peristyle_policy::Policy;
use peristyle_policy::permissions::{Feature, RequiredPermissions};
use peristyle_policy::policy::JudgedBy;

use crate::args::{DefinitionArguments, OutputArguments, SourceArguments, Switch};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::interruption::Interruption;
use crate::run::{self, Audience, Destination};
use crate::settings::Settings;
use crate::source::Source;
use crate::{definition, governed, permissions};

/// What the command line says of a study.
#[derive(Debug)]
pub(crate) struct Study<'a> {
    /// What is asked for
    pub(crate) asked: Asked,
    /// The definition
    pub(crate) definition: &'a DefinitionArguments,
    /// The source, and the run's rights
    pub(crate) source: &'a SourceArguments,
    /// Where the answer goes
    pub(crate) output: &'a OutputArguments,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    /// A dataset
    Dataset,
    /// Measures
    Measures {
        /// What the command line says of disclosure control
        disclosure_control: Option<Switch>,
    },
}

/// What is asked of a definition that has it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question<'d> {
    /// Its dataset
    Dataset(&'d Dataset),
    /// Its measures
    Measures(&'d [Measure], DisclosureControl),
}

impl Asked {
    /// What a ledger calls it.
    pub(crate) fn activity(self) -> Activity {
        match self {
            Asked::Dataset => Activity::GenerateDataset,
            Asked::Measures { .. } => Activity::GenerateMeasures,
        }
    }

    /// What is asked of `definition`, if it has it. Disclosure control is what the command line says, else what the
    /// definition says, else on, by ehrQL's rule.
    pub(crate) fn of(self, definition: &Definition) -> Result<Question<'_>, Failure> {
        match self {
            Asked::Dataset => Ok(Question::Dataset(definition::dataset(definition)?)),
            Asked::Measures { disclosure_control } => {
                let disclosure_control = match (disclosure_control, definition.disclosure_control) {
                    (Some(switch), _) => switch.into(),
                    (None, Some(false)) => DisclosureControl::Off,
                    (None, Some(true) | None) => DisclosureControl::BySums,
                };
                Ok(Question::Measures(definition::measures(definition)?, disclosure_control))
            }
        }
    }
}

impl Question<'_> {
    /// The same, where numbers that disclosure control keeps from sight are judged as a policy says.
    pub(crate) fn judged_by(self, judged_by: JudgedBy) -> Self {
        match (self, judged_by) {
            (Question::Measures(measures, DisclosureControl::BySums), JudgedBy::People) => {
                Question::Measures(measures, DisclosureControl::ByPeople)
            }
            (question, _) => question,
        }
    }

    /// The permissions that it needs.
    pub(crate) fn needs(&self, definition: &Definition) -> RequiredPermissions {
        match self {
            Question::Dataset(dataset) => permissions::dataset_needs(definition, dataset),
            Question::Measures(measures, _) => permissions::measures_needs(definition, measures),
        }
    }

    /// The tables that it reads, as connectors name them.
    pub(crate) fn tables(&self, definition: &Definition) -> BTreeSet<Arc<str>> {
        let name = |table: &TableSchema| Arc::from(format!("{}.{}", table.name.module, table.name.name));
        match self {
            Question::Dataset(dataset) => {
                permissions::tables(definition, permissions::dataset_roots(dataset)).map(name).collect()
            }
            Question::Measures(measures, _) => {
                permissions::tables(definition, permissions::measures_roots(measures)).map(name).collect()
            }
        }
    }

    /// Whether it reads a file that the definition names.
    pub(crate) fn reads_files(&self, definition: &Definition) -> bool {
        match self {
            Question::Dataset(dataset) => permissions::reads_files(definition, permissions::dataset_roots(dataset)),
            Question::Measures(measures, _) => {
                permissions::reads_files(definition, permissions::measures_roots(measures))
            }
        }
    }

    /// The names of the tables of its answer, where each has a file of its own.
    pub(crate) fn output_names(&self) -> Vec<&str> {
        match self {
            Question::Dataset(dataset) => {
                let events = dataset.events.iter().map(|events| &*events.name);
                std::iter::once(peristyle_outputs::dataset::DATASET).chain(events).collect()
            }
            Question::Measures(measures, _) => measures.iter().map(|measure| &*measure.name).collect(),
        }
    }

    /// The permissions that it needs under `policy`, which may lock disclosure control.
    pub(crate) fn needs_under(&self, definition: &Definition, policy: &Policy) -> RequiredPermissions {
        let mut needs = self.needs(definition);
        if policy.disclosure_control.locked && matches!(self, Question::Measures(_, DisclosureControl::Off)) {
            needs.feature(Feature::DisableDisclosureControl);
        }
        needs
    }
}

/// Runs a study. Whatever can be refused without opening a table is refused first.
pub(crate) fn run(study: &Study<'_>, settings: &Settings) -> Result<ExitStatus, Failure> {
    let source = Source::needed(study.source)?;
    let target = OutputTarget::parse(study.output.output.as_deref())?;
    let written = match source {
        Source::DummyTables(folder) => {
            let definition = definition::load(&study.definition.definition, &study.definition.parameters, settings)?;
            let question = study.asked.of(&definition)?;
            let needs = question.needs(&definition);
            match permissions::given(study.source.permissions.as_deref())? {
                Some(given) => permissions::check(&needs, &given)?,
                None => permissions::warn_of_unclaimed(&definition, &needs),
            }
            let interruption = Interruption::watch()?;
            let sealed = settings.runtime()?.block_on(interruption.ends(async {
                let policy = VerifiedPolicy::dummy_tables();
                let enclave = Enclave::open_tables(&folder, policy, settings.enclave())?;
                let (mode, metadata) = (study.output.output_mode, run::dummy_metadata());
                let destination = Destination { target, mode, metadata };
                run::answer(&definition, &question, &enclave, settings, destination, Audience::Anyone).await
            }))?;
            sealed.publish()?
        }
        Source::UnderPolicy(file) => governed::run(study, &file, target, settings)?,
    };
    say_where(&written, study);
    Ok(ExitStatus::Success)
}

/// Says where the answer is.
fn say_where(written: &[WrittenTable], study: &Study<'_>) {
    for table in written {
        let Some(path) = &table.path else { continue };
        let (name, path, rows) = (&table.name, path.display(), table.rows);
        if study.source.source.is_some() {
            tracing::info!(table = %name, path = %path, rows, "written");
        } else {
            tracing::info!(table = %name, path = %path, rows, bytes = table.bytes, "written");
        }
    }
}
