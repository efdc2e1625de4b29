//! What a run asks, and with which rights. Everything is read before the run is recorded, and nothing is refused before.

use std::collections::BTreeSet;

use peristyle_audit::{Activity, Digest, LedgerKey, Moment, RunStart};
use peristyle_model::Definition;
use peristyle_policy::counts::ledger::CountsFiles;
use peristyle_policy::permissions::Permissions;
use peristyle_policy::set_aside::{Record, VerifiedSetAside};
use peristyle_policy::{AppliedRules, Day, Name, Policy, applied_rules};

use super::clearance::Clearance;
use super::words;
use crate::args::{DefinitionArguments, SourceArguments};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::source_file::SourceFile;
use crate::study::Question;
use crate::{definition, permissions};

/// What a run asks, as it was given. What could not be read is kept as the failure that it is.
pub(crate) struct Request {
    project: Name,
    today: Day,
    started: Moment,
    policy: Result<Policy, Failure>,
    definition_sha256: Option<Digest>,
    definition: Result<Definition, Failure>,
    permissions: Result<Permissions, Failure>,
    set_aside: Option<Result<VerifiedSetAside, Failure>>,
    /// Which rules hold, where policy and permissions could be read
    rules: Option<AppliedRules>,
}

impl Request {
    /// Reads what the command line names. Neither registers nor tables are opened, and no code of the study runs.
    ///
    /// # Errors
    /// No project.
    pub(crate) fn gather(
        asked: &DefinitionArguments,
        rights: &SourceArguments,
        place: &SourceFile,
    ) -> Result<Self, Failure> {
        let Some(project) = rights.project.clone() else {
            return Err(Failure::new(ExitStatus::Arguments, "under a policy, a run is made for a project")
                .help("name it with --project NAME"));
        };
        let today = Day::today();
        let policy = load_policy(place);
        let document = definition::document(&asked.definition, &asked.parameters);
        let definition_sha256 = document.as_ref().ok().map(|document| Digest::of(document));
        let permissions = permissions::given(rights.permissions.as_deref()).map(Option::unwrap_or_default);
        let permissions = permissions.and_then(|given| {
            policy.as_ref().map_or(Ok(()), |policy| permissions::require_known(&given, policy))?;
            words::permissions(&given)?;
            Ok(given)
        });
        let set_aside = policy.as_ref().ok().zip(rights.set_aside.as_deref());
        let set_aside = set_aside.map(|(policy, path)| {
            let verified = VerifiedSetAside::verify(&Record::load(path)?, policy, &project, today)?;
            // One that cannot be recorded is not used.
            words::set_aside(&verified)?;
            Ok(verified)
        });
        let rules = policy.as_ref().ok().zip(permissions.as_ref().ok()).map(|(policy, permissions)| {
            let set_aside = set_aside.as_ref().and_then(|verified: &Result<_, Failure>| verified.as_ref().ok());
            applied_rules(policy, permissions, set_aside, &project, today)
        });
        Ok(Self {
            definition: document.and_then(|document| definition::parse(&document)),
            started: Moment::now(),
            project,
            today,
            policy,
            definition_sha256,
            permissions,
            set_aside,
            rules,
        })
    }

    /// What the ledger records before anything is opened.
    pub(crate) fn start(&self, activity: Activity) -> Result<RunStart, Failure> {
        let policy = self.policy.as_ref().ok();
        let set_aside = self.set_aside.as_ref().and_then(|set_aside| set_aside.as_ref().ok());
        Ok(RunStart {
            activity,
            definition_sha256: self.definition_sha256,
            engine: words::engine()?,
            permissions: self.permissions.as_ref().map_or_else(|_| Ok(BTreeSet::new()), words::permissions)?,
            policy: policy.map(|policy| words::name("the policy's name", policy.name.as_str())).transpose()?,
            policy_sha256: policy.map(|policy| words::digest(policy.digest())),
            project: Some(words::name("the project's name", self.project.as_str())?),
            rules: self.rules.as_ref().map(words::rules).unwrap_or_default(),
            set_aside: set_aside.map(words::set_aside).transpose()?,
            started: self.started,
        })
    }

    /// The key of the ledger's lines: that of the policy's counts; where the policy cannot be read, that which the ledger
    /// notes, so that this is recorded too.
    pub(crate) fn ledger_key(&self, place: &SourceFile) -> Result<LedgerKey, Failure> {
        match &self.policy {
            Ok(policy) => Ok(LedgerKey::of(CountsFiles::of(policy), &place.ledger)),
            Err(_) => Ok(LedgerKey::noted(&place.ledger)?),
        }
    }

    /// The definition, once the policy is known to be one.
    ///
    /// # Errors
    /// A policy or a definition that cannot be used, in this order.
    pub(crate) fn definition(&self) -> Result<&Definition, Failure> {
        self.policy.as_ref().map_err(Failure::clone)?;
        self.definition.as_ref().map_err(Failure::clone)
    }

    /// Leave to ask all of `questions`.
    ///
    /// # Errors
    /// Permissions that are missing, or a set-aside that is not accepted.
    pub(crate) fn clear(&self, questions: &[Question<'_>]) -> Result<Clearance<'_>, Failure> {
        let policy = self.policy.as_ref().map_err(Failure::clone)?;
        let definition = self.definition.as_ref().map_err(Failure::clone)?;
        let permissions = self.permissions.as_ref().map_err(Failure::clone)?;
        for question in questions {
            permissions::check(&question.needs_under(definition, policy), permissions)?;
        }
        let set_aside = match &self.set_aside {
            Some(verified) => Some(verified.as_ref().map_err(Failure::clone)?),
            None => None,
        };
        let Some(rules) = &self.rules else {
            return Err(Failure::new(ExitStatus::Failure, "the rules of the run are not known"));
        };
        Ok(Clearance { policy, rules, set_aside, project: &self.project, today: self.today })
    }
}

/// The policy of a place, fit to be recorded.
pub(crate) fn load_policy(place: &SourceFile) -> Result<Policy, Failure> {
    let policy = Policy::load(&place.policy)?;
    let name = policy.name.as_str();
    if name == "dummy" || words::name("the policy's name", name).is_err() {
        let message = format!("policy `{}`: its name `{name}` cannot be recorded", place.policy.display());
        let help = "give it a name that begins with a letter and is not `dummy`, which outputs over dummy tables say";
        return Err(Failure::new(ExitStatus::Policy, message).help(help));
    }
    Ok(policy)
}
