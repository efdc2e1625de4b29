//! Why bytes could not be had, without what a library or a server says of it: their texts may hold keys, tokens or values.

use std::fmt;
use std::io;

/// Why a file or a folder cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadProblem {
    /// The operating system says so
    System(io::ErrorKind),
    /// The store says so, or is silent
    Store(StoreProblem),
    /// It is no file for a study
    Study(StudyProblem),
}

/// What became of a request to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreProblem {
    /// No such bucket, container or object
    Missing,
    /// The credentials are not accepted, or do not suffice
    Refused,
    /// No answer, as often as it was asked
    Unreachable,
    /// An answer that is an error, by its HTTP status
    Failed(u16),
    /// An answer that makes no sense
    Garbled,
    /// Not what it was at the beginning of the run
    Changed,
    /// More objects than are listed
    TooMany,
    /// No regular file
    NotAFile,
}

/// Why a file that a definition names is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StudyProblem {
    /// No folder of the study was given
    NoFolder,
    /// It lies outside the study's folder
    Outside,
    /// It is a link, or reached through one
    Link,
    /// It is one of the files that no definition may read
    Kept,
}

impl std::error::Error for StoreProblem {}

impl std::error::Error for StudyProblem {}

impl fmt::Display for StudyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoFolder => "no folder of the study's files was given: name it with `--root DIR`",
            Self::Outside => "it lies outside the folder of the study's files (`--root`): put the file there",
            Self::Link => {
                "it is a link, or reached through one: put the file itself into the study's folder (`--root`)"
            }
            Self::Kept => {
                "it is a file of the extract, the policy, a register, the ledger, the counts or an answer, which no \
                 definition may read"
            }
        })
    }
}

impl fmt::Display for StoreProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the store has no such bucket, container or object"),
            Self::Refused => f.write_str(
                "the store refuses the credentials that the environment gives: they are wrong, have run out, or may not \
                 read this",
            ),
            Self::Unreachable => f.write_str(
                "the store did not answer, though it was asked again: look at the network, and at the endpoint and the \
                 proxy that the environment gives",
            ),
            Self::Failed(status) => write!(f, "the store answered with HTTP status {status}, also when asked again"),
            Self::Garbled => f.write_str("the store's answer makes no sense"),
            Self::Changed => f.write_str(
                "it was changed, replaced or removed while the run was under way: run again, once it is no longer being \
                 written",
            ),
            Self::NotAFile => f.write_str("it is no regular file, but a folder, a pipe, a socket or a device"),
            Self::TooMany => f.write_str("more than a million objects are there: give a location with the extract alone"),
        }
    }
}

impl fmt::Display for ReadProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(kind) => kind.fmt(f),
            Self::Store(problem) => problem.fmt(f),
            Self::Study(problem) => problem.fmt(f),
        }
    }
}

impl From<StoreProblem> for io::Error {
    fn from(problem: StoreProblem) -> Self {
        let kind = match problem {
            StoreProblem::Missing => io::ErrorKind::NotFound,
            StoreProblem::Refused => io::ErrorKind::PermissionDenied,
            StoreProblem::NotAFile => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, problem)
    }
}

impl From<StudyProblem> for io::Error {
    fn from(problem: StudyProblem) -> Self {
        io::Error::new(io::ErrorKind::PermissionDenied, problem)
    }
}

impl From<io::ErrorKind> for ReadProblem {
    fn from(kind: io::ErrorKind) -> Self {
        Self::System(kind)
    }
}

impl From<&io::Error> for ReadProblem {
    fn from(error: &io::Error) -> Self {
        let inner = error.get_ref();
        let store = inner.and_then(|inner| inner.downcast_ref().copied()).map(Self::Store);
        let study = || inner.and_then(|inner| inner.downcast_ref().copied()).map(Self::Study);
        store.or_else(study).unwrap_or(Self::System(error.kind()))
    }
}

impl From<io::Error> for ReadProblem {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}
