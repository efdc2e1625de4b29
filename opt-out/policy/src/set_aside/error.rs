//! Why a set-aside is not accepted.

use std::path::PathBuf;

use crate::day::Day;
use crate::files::FileFault;
use crate::name::{Name, listed};
use crate::rule::Rule;

/// A set-aside that is not accepted. The run stops: whoever gave it believes that opt-outs are lifted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the names, and the messages say the rest")]
pub enum SetAsideError {
    /// The record's file
    #[error("set-aside `{}` cannot be read ({kind}): give the path of a record that may be read", path.display())]
    Unreadable { path: PathBuf, kind: FileFault },
    /// Longer than [`super::RECORD_BYTES_MAX`]
    #[error("the set-aside is longer than {} bytes, so it is no record", super::RECORD_BYTES_MAX)]
    TooLong,
    /// Something else
    #[error("the file is not the record of a set-aside: it is not a JSON object with `peristyle_set_aside`")]
    NoRecord,
    /// A field that is unknown, missing or of the wrong type
    #[error("the record of the set-aside is malformed (line {line}, column {column}): {problem}")]
    NotARecord { line: usize, column: usize, problem: String },
    /// A record that makes no sense
    #[error("set-aside `{id}` makes no sense: {problem}")]
    Senseless { id: Name, problem: &'static str },
    /// A rule that cannot be set aside
    #[error("set-aside `{id}` names {rule}, which no emergency sets aside: only opt-outs can be")]
    NotThisRule { id: Name, rule: Rule },
    /// The policy has no `[set_aside]`
    #[error("policy `{policy}` accepts no set-aside: it has no [set_aside] section")]
    NoneAccepted { policy: Name },
    /// For another policy
    #[error("set-aside `{id}` is for policy `{named}`, and this one is `{policy}`: a record holds for one place")]
    OtherPolicy { id: Name, named: Name, policy: Name },
    /// Withdrawn by the policy
    #[error("set-aside `{id}` was withdrawn (`withdrawn` in [set_aside] of the policy)")]
    Withdrawn { id: Name },
    /// Longer than the policy allows
    #[error("set-aside `{id}` lasts {days} days; the policy allows {longest_days}: have a shorter one agreed")]
    LastsTooLong { id: Name, days: i64, longest_days: u16 },
    /// A body that the policy does not name
    #[error(
        "set-aside `{id}` is signed for `{body}`, which the policy does not name as a body that agrees to set-asides"
    )]
    UnknownBody { id: Name, body: Name },
    /// Signed with a key that is not the body's
    #[error("set-aside `{id}` is signed for `{body}` with a key that is not among the policy's keys of that body")]
    WrongKey { id: Name, body: Name },
    /// The signature is not of this content
    #[error("set-aside `{id}` was altered after `{body}` signed it, or the signature was: have it signed again")]
    Altered { id: Name, body: Name },
    /// A body has not agreed
    #[error(
        "set-aside `{id}` lacks the agreement of {}: all bodies of the policy, and all that the record names, must have signed",
        listed(missing)
    )]
    MissingBodies { id: Name, missing: Vec<Name> },
    /// Too early
    #[error("set-aside `{id}` holds from {from}; today is {today}")]
    NotYetValid { id: Name, from: Day, today: Day },
    /// Too late
    #[error("set-aside `{id}` held until {until}; today is {today}: have a new one agreed if it is still needed")]
    Expired { id: Name, until: Day, today: Day },
    /// For other projects
    #[error("set-aside `{id}` is not for project `{project}`, but for {}", listed(projects))]
    OtherProject { id: Name, project: Name, projects: Vec<Name> },
    /// For other rules
    #[error("set-aside `{id}` does not lift {rule}")]
    OtherRule { id: Name, rule: Rule },
    /// Signed for a body that already signed
    #[error("set-aside `{id}` is already signed for `{body}`")]
    SignedAlready { id: Name, body: Name },
    /// Signed for a body that the record does not list
    #[error("set-aside `{id}` does not list `{body}` among the bodies that agree: write it there before anybody signs")]
    NotAmongBodies { id: Name, body: Name },
}
