//! Whether a rule is in force for a run. "The policy lifts it" and "its register was not read" are different types: a
//! register that is missing can never become "nobody is hidden".

use std::fmt;

use crate::day::Day;
use crate::name::Name;

/// A rule of a run: in force, with what enforces it, or lifted, with why.
///
/// It starts as `Applied<()>`, which [`applied_rules`](crate::applied_rules) decides, and becomes one with a register's
/// content only by [`enforced_by`](Self::enforced_by), which must have that content or fail. There is no default, and
/// nobody outside this crate can write down that a rule is lifted:
///
/// ```compile_fail
/// let rule: peristyle_policy::Applied<()> = Default::default();
/// ```
/// ```compile_fail
/// let rule = peristyle_policy::Applied::<()>::Lifted(peristyle_policy::Lifted { reasons: Vec::new() });
/// ```
/// ```compile_fail
/// let register: Option<u8> = None;
/// let rule: peristyle_policy::Applied<u8> = register.into();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied<T> {
    /// It hides whom it hides, by this
    InForce(T),
    /// It hides nobody
    Lifted(Lifted),
}

/// Why a rule is lifted: one reason at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifted {
    reasons: Vec<LiftReason>,
}

/// Why a rule is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiftReason {
    /// The policy does not apply it to anybody
    NotInPolicy {
        /// As the policy says
        because: String,
    },
    /// The policy does not apply it by default, and does not name the project
    NotByDefault,
    /// The project has this permission
    Permission(Name),
    /// An emergency set-aside
    SetAside {
        /// Which
        id: Name,
        /// Its last day
        until: Day,
    },
    /// The records are made up, so that they are nobody's
    MadeUpRecords,
    /// Records that an operator looks at, or a register that is read, where everybody must be seen
    WholeTable,
    /// Rows are known by another key than the patient's, and the rule has been asked about the patients of each
    AskedOfPatients,
}

impl Lifted {
    /// For these reasons; `None` where there is none.
    pub(crate) fn by(reasons: Vec<LiftReason>) -> Option<Self> {
        (!reasons.is_empty()).then_some(Self { reasons })
    }

    /// Over records that are made up.
    pub fn over_made_up_records() -> Self {
        Self { reasons: vec![LiftReason::MadeUpRecords] }
    }

    /// For whoever reads a whole table: a register, or an operator who looks at an extract.
    pub fn for_a_whole_table() -> Self {
        Self { reasons: vec![LiftReason::WholeTable] }
    }

    /// For rows of another key, whose patients the rule has been asked about.
    pub fn asked_of_patients() -> Self {
        Self { reasons: vec![LiftReason::AskedOfPatients] }
    }

    /// All of the reasons.
    pub fn reasons(&self) -> &[LiftReason] {
        &self.reasons
    }
}

impl<T> Applied<T> {
    /// What enforces the rule, where it is in force.
    pub fn in_force(&self) -> Option<&T> {
        match self {
            Applied::InForce(enforced_by) => Some(enforced_by),
            Applied::Lifted(_) => None,
        }
    }

    /// The same rule, enforced by something made of what enforces it now.
    pub fn map<U>(&self, made: impl FnOnce(&T) -> U) -> Applied<U> {
        match self {
            Applied::InForce(enforced_by) => Applied::InForce(made(enforced_by)),
            Applied::Lifted(lifted) => Applied::Lifted(lifted.clone()),
        }
    }
}

impl Applied<()> {
    /// The rule with what enforces it, which is asked for where the rule is in force.
    ///
    /// # Errors
    /// Those of `read`: a rule in force is never without what enforces it.
    pub fn enforced_by<T, E>(&self, read: impl FnOnce() -> Result<T, E>) -> Result<Applied<T>, E> {
        match self {
            Applied::InForce(()) => read().map(Applied::InForce),
            Applied::Lifted(lifted) => Ok(Applied::Lifted(lifted.clone())),
        }
    }
}

impl fmt::Display for LiftReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LiftReason::NotInPolicy { because } => write!(f, "the policy does not apply it: {because}"),
            LiftReason::NotByDefault => f.write_str("the policy does not apply it to this project"),
            LiftReason::Permission(permission) => write!(f, "permission {permission}"),
            LiftReason::SetAside { id, until } => write!(f, "emergency set-aside {id} until {until}"),
            LiftReason::MadeUpRecords => f.write_str("the records are made up"),
            LiftReason::WholeTable => f.write_str("the whole table is read"),
            LiftReason::AskedOfPatients => f.write_str("it was asked about the patients of each key"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_in_force_is_never_without_what_enforces_it() {
        let lifted = Applied::<()>::Lifted(Lifted::over_made_up_records());
        assert_eq!(Applied::InForce(()).enforced_by(|| Ok::<_, &str>(7)), Ok(Applied::InForce(7)));
        assert_eq!(Applied::InForce(()).enforced_by(|| Err::<u8, _>("not read")), Err("not read"));
        let kept = lifted.enforced_by(|| Err::<u8, _>("not read"));
        assert_eq!(kept, Ok(Applied::Lifted(Lifted::over_made_up_records())));
        assert_eq!(Lifted::by(Vec::new()), None);
    }
}
