//! The rules that a policy can apply.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A rule about whose rows, or which rows, may be read. The order is that in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Patients who told their practice that their record may not leave it for purposes beyond their care
    TypeOne,
    /// Patients who opted out of such uses with the national service
    National,
    /// Practices that have not agreed, or no longer agree, to their records being used
    PracticeActivation,
}

impl Rule {
    /// All rules.
    pub const ALL: [Rule; 3] = [Rule::TypeOne, Rule::National, Rule::PracticeActivation];

    /// As policies and set-asides write it.
    pub fn key(self) -> &'static str {
        match self {
            Rule::TypeOne => "type_one",
            Rule::National => "national",
            Rule::PracticeActivation => "practice_activation",
        }
    }

    /// An emergency may set aside what a patient chose, under the directions that name those choices; it says nothing
    /// about practices (DESIGN §5).
    pub fn can_be_set_aside(self) -> bool {
        matches!(self, Rule::TypeOne | Rule::National)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::TypeOne => "Type 1 opt-outs",
            Rule::National => "National Data Opt-outs",
            Rule::PracticeActivation => "practice activation",
        })
    }
}
