//! Registers that cannot be trusted. Any of these refuses the run.

use std::path::PathBuf;
use std::sync::Arc;

use peristyle_policy::Name;
use peristyle_policy::counts::CountsError;
use peristyle_policy::patients::PatientKeyError;
use peristyle_policy::practices::PracticesError;
use peristyle_policy::register::{FreshnessError, RegisterId};

use crate::error::SourceError;
use crate::problem::ReadProblem;

/// A register that is missing, unreadable, malformed, stale, of a doubtful size, or not what it was: the run is refused.
/// No variant holds a key or a value of a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the names, and the messages say the rest")]
pub enum RegisterError {
    /// Missing, unreadable, or not of the shape that the policy states
    #[error("register `{register}` cannot be used: {source}")]
    Unusable { register: RegisterId, source: SourceError },
    /// Left out by the program itself: without it nothing is answered
    #[error("register `{register}` was not read, which is a fault of Peristyle: nothing was answered; report it")]
    NotRead { register: RegisterId },
    /// Keys that cannot be taken
    #[error("register `{register}`: {source}")]
    Key { register: RegisterId, source: PatientKeyError },
    /// Practices that make no sense
    #[error("register `{register}`: {source}")]
    Practices { register: RegisterId, source: PracticesError },
    /// One column for two things
    #[error(
        "register `{register}`: the policy reads column `{column}` as two things of different types: name two columns"
    )]
    ColumnTwice { register: RegisterId, column: String },
    /// Hardly anybody whom it lists is in the extract
    #[error(
        "register `{register}`: of its keys {found_percent}% are those of patients of the extract, and the policy wants \
         {least_percent}% (`least_found_percent`): its column, its file or its pseudonyms may be others than the extract's; \
         have it delivered again, or change the policy"
    )]
    FewFound { register: RegisterId, found_percent: u8, least_percent: u8 },
    /// Nothing to find its keys in
    #[error(
        "register `{register}`: the policy wants its keys to be those of patients of the extract (`least_found_percent`), \
         and nothing says which patients that has: give the extract a table `patients`, or the connector `everybody`"
    )]
    NoPatientTable { register: RegisterId },
    /// Keys that are patients' in other letters
    #[error(
        "register `{register}`: some of its keys differ from those of patients in capitals alone, so that they would hide \
         nobody: have it delivered as the extract has them, or let the policy say `case = \"ignored\"` in [text_keys]"
    )]
    OtherCase { register: RegisterId },
    /// The patient table cannot be read: the fault is the extract's
    #[error(transparent)]
    PatientTable { source: SourceError },
    /// A link that the policy does not speak of
    #[error(
        "the run reads rows that are known by another key, through the link `{link}` of connector `{connector}` (its table \
         `{table}`), and the policy does not say how far that is trusted: add [link.{link}] to it, with `least_count`, \
         `greatest_fall_percent`, `max_age_days` and `as_of`, and begin its counts with `peristyle policy begin`"
    )]
    LinkWithoutTerms { link: Name, connector: Arc<str>, table: String },
    /// Two links of one name, of which one policy cannot speak
    #[error(
        "the run needs the link `{link}` of connector `{connector}` and that of connector `{other}`: give one of them \
         another name, as the policy speaks of each by its name"
    )]
    LinkTwice { link: Name, connector: Arc<str>, other: Arc<str> },
    /// Too old, from the future, or without a date
    #[error(transparent)]
    Freshness(#[from] FreshnessError),
    /// Too few, fallen or risen too much, or without counts to compare to
    #[error(transparent)]
    Counts(#[from] CountsError),
    /// No digest beside it
    #[error(
        "register `{register}`: `{file}` has no digest beside it, so that nobody can tell whether it is whole: have whoever \
         makes the register write one (`sha256sum {name} > {name}.sha256`)",
        file = file.display(), name = file_name(file)
    )]
    Unsealed { register: RegisterId, file: PathBuf },
    /// A digest that cannot be read
    #[error(
        "register `{register}`: `{}` does not hold a SHA-256 digest, or cannot be read ({kind}): write it with \
         `sha256sum FILE > FILE.sha256`", file.display()
    )]
    BadSeal { register: RegisterId, file: PathBuf, kind: ReadProblem },
    /// Not what its digest says
    #[error(
        "register `{register}`: `{}` is not the file that its digest was made of: it was altered or cut short; have it \
         delivered again", file.display()
    )]
    SealBroken { register: RegisterId, file: PathBuf },
    /// The file changed while the run was under way
    #[error(
        "`{}`, which holds a register, was changed, replaced or removed while the run was under way: run again, once the \
         register is no longer being written", path.display()
    )]
    Changed { path: PathBuf },
    /// The set of files changed
    #[error("a register's file `{}` cannot be looked at ({kind})", path.display())]
    Unpinned { path: PathBuf, kind: ReadProblem },
}

fn file_name(file: &std::path::Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
