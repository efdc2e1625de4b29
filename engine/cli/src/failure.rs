//! Why a command failed, in the words that its user sees.

use std::error::Error;

use datafusion::error::DataFusionError;
use peristyle_audit::AuditError;
use peristyle_execution::ExecutionError;
use peristyle_model::DefinitionError;
use peristyle_opt_out::{ReadProblem, RegisterError, SourceError, StudyProblem};
use peristyle_outputs::OutputError;
use peristyle_policy::counts::CountsError;
use peristyle_policy::register::FreshnessError;
use peristyle_policy::set_aside::SetAsideError;
use peristyle_policy::{PolicyError, SecretFileError};
use peristyle_synth::SynthError;

use crate::exit::ExitStatus;

/// Why a command failed. Holds no value of a patient's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// How the process ends
    pub(crate) status: ExitStatus,
    /// What a ledger calls it
    pub(crate) code: &'static str,
    /// What is wrong; may have several lines
    pub(crate) message: String,
    /// What led to it, the nearest first
    pub(crate) causes: Vec<String>,
    /// What to do
    pub(crate) help: Option<String>,
}

impl Failure {
    pub(crate) fn new(status: ExitStatus, message: impl Into<String>) -> Self {
        Failure { status, code: status.cause(), message: message.into(), causes: Vec::new(), help: None }
    }

    /// With what a ledger calls it, where its status says too little.
    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// With what to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With what led to it. Only for errors whose texts hold nothing of a record: those of the operating system.
    pub(crate) fn cause(mut self, cause: impl ToString) -> Self {
        self.causes.push(cause.to_string());
        self
    }
}

/// An error and what led to it.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| (*cause).source())
}

impl From<DefinitionError> for Failure {
    fn from(error: DefinitionError) -> Self {
        Failure::new(ExitStatus::Definition, format!("in the definition: {error}"))
    }
}

impl From<&SourceError> for Failure {
    fn from(error: &SourceError) -> Self {
        let status = match error {
            SourceError::MemoryLimit { .. } => ExitStatus::Memory,
            SourceError::Policy { .. } => ExitStatus::Policy,
            SourceError::Unreadable { kind: ReadProblem::Study(StudyProblem::NoFolder), .. } => ExitStatus::Arguments,
            SourceError::Unreadable { kind: ReadProblem::Study(_), .. } => ExitStatus::Definition,
            _ => ExitStatus::Files,
        };
        Failure::new(status, error.to_string())
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Failure::from(&error)
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        Failure::new(ExitStatus::Policy, error.to_string())
    }
}

impl From<CountsError> for Failure {
    fn from(error: CountsError) -> Self {
        let code = match &error {
            CountsError::Busy { .. } | CountsError::LockOfOthers { .. } | CountsError::Unlockable { .. } => {
                return Failure::new(ExitStatus::Audit, error.to_string()).code("counts_locked");
            }
            CountsError::ClockBehind { .. } => "clock_behind",
            CountsError::Absent { .. } | CountsError::NotBegun { .. } => "counts_not_begun",
            CountsError::TooFew { .. } | CountsError::Fell { .. } => "register_shrunk",
            CountsError::Rose { .. } => "register_grown",
            CountsError::RolledBack { .. } => "counts_rolled_back",
            CountsError::Altered { .. } => "counts_altered",
            _ => "counts",
        };
        Failure::new(ExitStatus::Register, error.to_string()).code(code)
    }
}

impl From<RegisterError> for Failure {
    fn from(error: RegisterError) -> Self {
        let code = match error {
            RegisterError::Counts(counts) => return Failure::from(counts),
            RegisterError::PatientTable { source } => return Failure::from(source),
            RegisterError::FewFound { .. } | RegisterError::OtherCase { .. } | RegisterError::NoPatientTable { .. } => {
                "register_not_found"
            }
            RegisterError::Freshness(FreshnessError::Stale { .. }) => "register_stale",
            RegisterError::Freshness(_) => "register_undated",
            RegisterError::Changed { .. } => "register_changed",
            RegisterError::Unsealed { .. } | RegisterError::BadSeal { .. } | RegisterError::SealBroken { .. } => {
                "register_seal"
            }
            RegisterError::LinkWithoutTerms { .. } | RegisterError::LinkTwice { .. } => "link_unstated",
            _ => "register_unusable",
        };
        Failure::new(ExitStatus::Register, error.to_string()).code(code)
    }
}

impl From<SetAsideError> for Failure {
    fn from(error: SetAsideError) -> Self {
        Failure::new(ExitStatus::SetAside, error.to_string())
    }
}

impl From<SecretFileError> for Failure {
    fn from(error: SecretFileError) -> Self {
        Failure::new(ExitStatus::Files, error.to_string())
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Failure::new(ExitStatus::Audit, error.to_string())
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        let status = match &error {
            OutputError::NoFormat { .. }
            | OutputError::UnknownFormat { .. }
            | OutputError::ManyTablesOneFile { .. } => ExitStatus::Arguments,
            OutputError::SameFile { .. } => ExitStatus::Definition,
            OutputError::OutOfOrder { .. } | OutputError::Mismatch { .. } | OutputError::Encoding { .. } => {
                ExitStatus::Failure
            }
            _ => ExitStatus::Files,
        };
        Failure::new(status, error.to_string())
    }
}

impl From<ExecutionError> for Failure {
    fn from(error: ExecutionError) -> Self {
        match &error {
            ExecutionError::Source(source) => Failure::from(source),
            ExecutionError::Internal { source, .. } if is_out_of_memory(source) => {
                Failure::new(ExitStatus::Memory, "the tables could not be put in order within the memory limit")
                    .help("raise --memory-limit, or give tables that are ordered by patient")
            }
            // Its cause stays untold: the texts of libraries may quote rows.
            ExecutionError::Internal { .. } => Failure::new(ExitStatus::Failure, error.to_string())
                .help("please report it, with the command and the definition"),
            // Each is an answer to whether there is such a patient, and operators should see who keeps asking.
            ExecutionError::MeasureFault => {
                Failure::new(ExitStatus::Definition, error.to_string()).code("measure_not_computable")
            }
            _ => Failure::new(ExitStatus::Definition, error.to_string()),
        }
    }
}

fn is_out_of_memory(error: &DataFusionError) -> bool {
    chain(error).any(|cause| matches!(cause.downcast_ref(), Some(DataFusionError::ResourcesExhausted(_))))
}

impl From<DataFusionError> for Failure {
    /// An error of a plan's stream.
    fn from(error: DataFusionError) -> Self {
        Failure::from(ExecutionError::from_stream(error))
    }
}

impl From<SynthError> for Failure {
    fn from(error: SynthError) -> Self {
        let status = match &error {
            SynthError::Setting { .. } => ExitStatus::Arguments,
            SynthError::File { .. } | SynthError::Parquet { .. } => ExitStatus::Files,
            SynthError::Rows { .. } | SynthError::Thread { .. } => ExitStatus::Failure,
        };
        let failure = Failure::new(status, error.to_string());
        // Nothing that is synthesised is anyone's, so causes may be told.
        chain(&error).skip(1).fold(failure, |failure, cause| failure.cause(cause))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::sync::Arc;

    fn source_error() -> SourceError {
        SourceError::NoSource { table: Arc::from("patients") }
    }

    #[test]
    fn our_errors_are_found_inside_those_of_libraries() {
        let external = |error: Box<dyn Error + Send + Sync>| DataFusionError::External(error);
        let overflow = || ExecutionError::MeasureOverflow { measure: "m".to_owned(), part: "numerator" };
        let cases = [
            (external(Box::new(source_error())), ExitStatus::Files, "no directory of tables"),
            (external(Box::new(source_error())).context("quotes rows"), ExitStatus::Files, "no directory of tables"),
            (
                DataFusionError::Shared(Arc::new(external(Box::new(ExecutionError::Source(source_error()))))),
                ExitStatus::Files,
                "no directory of tables",
            ),
            (external(Box::new(overflow())), ExitStatus::Definition, "measure 'm'"),
            (external(Box::new(ExecutionError::MeasureFault)), ExitStatus::Definition, "does not say which"),
            (
                external(Box::new(SourceError::MemoryLimit { table: Arc::from("patients") })),
                ExitStatus::Memory,
                "`patients`",
            ),
            (DataFusionError::ResourcesExhausted("secret".into()), ExitStatus::Memory, "memory limit"),
            (DataFusionError::Execution("cannot cast 'secret'".into()), ExitStatus::Failure, "internal error"),
        ];
        for (error, status, text) in cases {
            let failure = Failure::from(error);
            assert_eq!(failure.status, status, "{failure:?}");
            assert!(failure.message.contains(text), "{failure:?}");
            assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
            assert!(!format!("{failure:?}").contains("quotes rows"), "{failure:?}");
        }
    }
}
