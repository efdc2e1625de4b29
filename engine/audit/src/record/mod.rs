//! What a run leaves behind: who asked, under which policy, over which files, what was removed, what came out.
//!
//! Every field is a digest, a count, a name, a moment, an enumeration, or bounded text that a policy or a set-aside
//! states. There is no field that a value of a patient's record would fit in.

mod counts;
mod moment;
mod run;
mod set_aside;
mod source;
mod words;

pub use counts::{Acceptance, CountedBefore, CountsAccepted, CountsWritten};
pub use moment::Moment;
pub use run::{
    Activity, ClockAccepted, Outcome, OutputWritten, RegisterUsed, Removed, Repair, Rule, RunFinish, RunStart,
    Standing, TableCounts,
};
pub use set_aside::{Agreement, SetAside};
pub use source::{FileSnapshot, SourceSnapshot};
pub use words::{Code, Digest, DigestOfParts, FileName, FreeText, Name};

/// Why something cannot stand in a record. The text at fault is not repeated: it may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A name of letters, digits and a little punctuation was needed.
    #[error(
        "{what} is not a name that the audit ledger can hold: use 1 to {} ASCII letters, digits, spaces and `_-./:+@`, \
         and begin with a letter",
        words::NAME_BYTES_MAX
    )]
    NotAName {
        /// What the name is of
        what: &'static str,
    },
    /// A code of an outcome was needed.
    #[error(
        "an outcome's code is not of 1 to {} lower-case letters, digits and `_`: this is a fault of the engine, report it",
        words::CODE_BYTES_MAX
    )]
    NotACode,
    /// A text is too long, or empty.
    #[error("{what} has {characters} characters: the audit ledger holds 1 to {most}; shorten it")]
    TextLength {
        /// What the text is of
        what: &'static str,
        /// Its length once it is escaped
        characters: usize,
        /// The longest that is held
        most: usize,
    },
    /// 64 lower-case hexadecimal digits were needed.
    #[error("{what} is not a SHA-256 digest: give 64 lower-case hexadecimal digits")]
    NotADigest {
        /// What the digest is of
        what: &'static str,
    },
    /// A moment such as `2026-01-31T09:30:00Z` was needed.
    #[error("{what} is not a moment in UTC: write it as 2026-01-31T09:30:00Z, in the years 1970 to 9999")]
    NotAMoment {
        /// What the moment is of
        what: &'static str,
    },
    /// A record holds something that has no canonical form.
    #[error("a record cannot be written in its canonical form: this is a fault of the engine, report it")]
    NoCanonicalForm,
}
