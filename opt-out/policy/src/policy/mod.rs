//! The policy of a place: which rules are applied, by which registers, and who may lift them.
//!
//! A policy is one TOML file: `policies/three-rules.toml` shows every field, `document.rs` lists them. Nothing in it has a
//! default that could be forgotten: what is not stated is refused.

mod document;
mod error;
mod examine;
mod link;
mod load;
mod registers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ed25519_dalek::VerifyingKey;

pub use error::{PolicyError, PolicyFault};
pub use link::{LinkTable, LinkTerms};
pub use load::POLICY_BYTES_MAX;

use crate::digest::{Canonical, Digest};
use crate::name::Name;
use crate::patients::{KeyType, LetterCase, TextComparison};
use crate::register::Register;
use crate::rule::Rule;

/// A policy that makes sense. That its registers do is for whoever reads them to find out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How outputs, ledgers and set-asides name it
    pub name: Name,
    /// What patients are known by in the extract and in the registers
    pub patient_key: KeyType,
    /// Type 1 opt-outs
    pub type_one: Terms<OptOutTerms>,
    /// National Data Opt-outs
    pub national: Terms<OptOutTerms>,
    /// Practice activation
    pub practice_activation: Terms<ActivationTerms>,
    /// How far tables are trusted that say whose rows those of another key are, by the link's name
    pub links: BTreeMap<Name, LinkTerms>,
    /// How texts that are keys are compared, of registers, links and tables alike
    pub text_keys: TextComparison,
    /// Where the counts of recent runs are kept; there wherever a rule is applied or a link is followed
    pub counts: Option<CountsTerms>,
    /// How small numbers of measures are kept from sight
    pub disclosure_control: DisclosureControlTerms,
    /// What an emergency set-aside must have; without, none is accepted
    pub set_aside: Option<SetAsideTerms>,
}

/// Whether a rule is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terms<T> {
    /// It is not
    NotApplied {
        /// Why: for the ledger, and for those who ask
        because: String,
    },
    /// It is, on these terms
    Applied(T),
}

/// On which terms opt-outs are applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOutTerms {
    /// Permissions each of which lifts the rule
    pub lifted_by: BTreeSet<Name>,
    /// To whose runs it is applied
    pub applies_to: AppliesTo,
    /// Who opted out
    pub register: Register,
}

/// To whose runs a rule is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppliesTo {
    /// By default: to all
    AllProjects,
    /// Not by default: to these alone
    Projects(BTreeSet<Name>),
}

/// On which terms practice activation is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivationTerms {
    /// Permissions each of which lifts the rule
    pub lifted_by: BTreeSet<Name>,
    /// Which practices take part
    pub practices: Register,
    /// What practices are known by
    pub practice_key: PracticeKeyType,
    /// Who was registered where
    pub registrations: Register,
    /// Which rows are read of tables about which the catalogue says nothing; see [`Policy::row_rule`]
    pub tables: BTreeMap<String, RowRule>,
}

/// What practices are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PracticeKeyType {
    /// A 64-bit integer
    Int,
    /// A text
    Text,
}

/// Which rows of a table are read of a patient who counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowRule {
    /// All: the table holds no GP activity
    AllRows,
    /// Those with a date, until the patient's cut-off
    UntilCutOff {
        /// The column of the date
        date_column: String,
    },
    /// Those of activated practices: the table holds registrations
    AtActivatedPractices {
        /// The column of the practice's key
        practice_column: String,
    },
}

/// What the catalogue says of a table and practice activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogueStatement<'a> {
    /// It holds no GP activity
    NotApplied,
    /// Rows are judged by this date column
    ByColumn(&'a str),
    /// Nothing
    Unstated,
}

/// A table whose rows cannot be judged by practice activation. Nothing is opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowRuleError {
    /// Neither the catalogue nor the policy says how
    #[error(
        "neither the catalogue nor the policy says how practice activation applies to `{table}`: \
         state it in the policy under [practice_activation.tables.\"{table}\"]"
    )]
    Unstated {
        /// The table
        table: String,
    },
    /// They disagree
    #[error(
        "the catalogue judges rows of `{table}` by `{column}`, and the policy otherwise: \
         remove [practice_activation.tables.\"{table}\"] from the policy"
    )]
    Disagree {
        /// The table
        table: String,
        /// The catalogue's column
        column: String,
    },
}

/// How small numbers of measures are kept from sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisclosureControlTerms {
    /// Whether only a permission can switch it off
    pub locked: bool,
    /// What decides whether a number is small
    pub judged_by: JudgedBy,
}

/// What decides whether a measure's number is small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgedBy {
    /// The patients that it counts, and how much of it one of them can be
    People,
    /// The number itself: ehrQL's rule
    Sums,
}

/// Where and how the counts of recent runs are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountsTerms {
    /// The file, as the policy writes it, and from the policy's folder
    pub file: WrittenPath,
    /// The file of the key that seals it
    pub key_file: WrittenPath,
    /// How many days back a count is compared
    pub reference_days: u16,
}

/// A path as the policy writes it, and as it is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenPath {
    /// As written
    pub written: String,
    /// From the policy's folder
    pub path: PathBuf,
}

/// What an emergency set-aside must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAsideTerms {
    /// The longest it may last, in days, the first and the last counted
    pub longest_days: u16,
    /// The bodies that must all have signed, with the keys of each
    pub bodies: BTreeMap<Name, Vec<VerifyingKey>>,
    /// Identifiers of set-asides that were withdrawn
    pub withdrawn: BTreeSet<Name>,
}

impl Policy {
    /// SHA-256 over all that the policy says: the same however the file is spaced, ordered or commented, and wherever it
    /// lies.
    pub fn digest(&self) -> Digest {
        let Self {
            name,
            patient_key,
            type_one,
            national,
            practice_activation,
            links,
            text_keys: TextComparison { trim, case },
            counts,
            disclosure_control: DisclosureControlTerms { locked, judged_by },
            set_aside,
        } = self;
        let mut canonical = Canonical::new("peristyle policy 1");
        canonical.text(name.as_str());
        canonical.text(patient_key.key());
        type_one.encode(&mut canonical, OptOutTerms::encode);
        national.encode(&mut canonical, OptOutTerms::encode);
        practice_activation.encode(&mut canonical, ActivationTerms::encode);
        canonical.count(links.len());
        for (name, terms) in links {
            canonical.text(name.as_str());
            terms.encode(&mut canonical);
        }
        canonical.flag(*trim);
        canonical.flag(*case == LetterCase::Ignored);
        canonical.flag(counts.is_some());
        if let Some(CountsTerms { file, key_file, reference_days }) = counts {
            canonical.text(&file.written);
            canonical.text(&key_file.written);
            canonical.int(i64::from(*reference_days));
        }
        canonical.flag(*locked);
        canonical.flag(*judged_by == JudgedBy::People);
        canonical.flag(set_aside.is_some());
        if let Some(SetAsideTerms { longest_days, bodies, withdrawn }) = set_aside {
            canonical.int(i64::from(*longest_days));
            canonical.count(bodies.len());
            for (body, keys) in bodies {
                canonical.text(body.as_str());
                canonical.count(keys.len());
                keys.iter().for_each(|key| canonical.text(&crate::set_aside::public_key_text(key)));
            }
            canonical.texts(withdrawn.iter().map(Name::as_str));
        }
        canonical.digest()
    }

    /// The registers by which a rule is decided, in the order of [`crate::register::RegisterId`]; none where the policy
    /// does not apply the rule.
    pub fn registers_of(&self, rule: Rule) -> Vec<&Register> {
        match rule {
            Rule::TypeOne => self.type_one.applied().map(|terms| &terms.register).into_iter().collect(),
            Rule::National => self.national.applied().map(|terms| &terms.register).into_iter().collect(),
            Rule::PracticeActivation => self
                .practice_activation
                .applied()
                .into_iter()
                .flat_map(|terms| [&terms.practices, &terms.registrations])
                .collect(),
        }
    }

    /// The permissions that lift one of its rules.
    pub fn permissions(&self) -> impl Iterator<Item = &Name> {
        let type_one = self.type_one.applied().map(|terms| &terms.lifted_by);
        let national = self.national.applied().map(|terms| &terms.lifted_by);
        let activation = self.practice_activation.applied().map(|terms| &terms.lifted_by);
        [type_one, national, activation].into_iter().flatten().flatten()
    }

    /// All registers that the policy names. What links lead through is for connectors to name.
    pub fn registers(&self) -> impl Iterator<Item = &Register> {
        Rule::ALL.into_iter().flat_map(|rule| self.registers_of(rule))
    }

    /// All registers that the policy names, to change what is asked of them: for whoever tries a policy on made-up rows.
    pub fn registers_mut(&mut self) -> impl Iterator<Item = &mut Register> {
        let Self { type_one, national, practice_activation, .. } = self;
        let lists = [type_one, national].into_iter().filter_map(|terms| match terms {
            Terms::Applied(terms) => Some(&mut terms.register),
            Terms::NotApplied { .. } => None,
        });
        let activation = match practice_activation {
            Terms::Applied(terms) => vec![&mut terms.practices, &mut terms.registrations],
            Terms::NotApplied { .. } => Vec::new(),
        };
        lists.chain(activation)
    }

    /// Which rows of `table` (as definitions import it: `tpp.appointments`) are read where practice activation is
    /// applied. The policy can say it of tables of which the catalogue says nothing, and be stricter than the catalogue;
    /// it cannot be laxer.
    pub fn row_rule(&self, table: &str, catalogue: CatalogueStatement<'_>) -> Result<RowRule, RowRuleError> {
        let stated = self.practice_activation.applied().and_then(|terms| terms.tables.get(table));
        match (catalogue, stated) {
            (CatalogueStatement::NotApplied, None) => Ok(RowRule::AllRows),
            (CatalogueStatement::NotApplied | CatalogueStatement::Unstated, Some(rule)) => Ok(rule.clone()),
            (CatalogueStatement::ByColumn(column), None) => Ok(RowRule::UntilCutOff { date_column: column.to_owned() }),
            (CatalogueStatement::ByColumn(column), Some(rule)) => match rule {
                RowRule::UntilCutOff { date_column } if date_column == column => Ok(rule.clone()),
                _ => Err(RowRuleError::Disagree { table: table.to_owned(), column: column.to_owned() }),
            },
            (CatalogueStatement::Unstated, None) => Err(RowRuleError::Unstated { table: table.to_owned() }),
        }
    }
}

impl JudgedBy {
    /// How a policy writes it.
    pub fn key(self) -> &'static str {
        match self {
            JudgedBy::People => "people",
            JudgedBy::Sums => "sums",
        }
    }
}

impl<T> Terms<T> {
    /// The terms, where the rule is applied; else why it is not.
    pub fn stated(&self) -> Result<&T, &str> {
        match self {
            Terms::NotApplied { because } => Err(because),
            Terms::Applied(terms) => Ok(terms),
        }
    }

    /// The terms, where the rule is applied.
    pub fn applied(&self) -> Option<&T> {
        self.stated().ok()
    }

    fn encode(&self, canonical: &mut Canonical, encode: impl Fn(&T, &mut Canonical)) {
        match self {
            Terms::NotApplied { because } => {
                canonical.choice(0);
                canonical.text(because);
            }
            Terms::Applied(terms) => {
                canonical.choice(1);
                encode(terms, canonical);
            }
        }
    }
}

impl OptOutTerms {
    fn encode(&self, canonical: &mut Canonical) {
        let Self { lifted_by, applies_to, register } = self;
        canonical.texts(lifted_by.iter().map(Name::as_str));
        match applies_to {
            AppliesTo::AllProjects => canonical.choice(0),
            AppliesTo::Projects(projects) => {
                canonical.choice(1);
                canonical.texts(projects.iter().map(Name::as_str));
            }
        }
        register.encode(canonical);
    }
}

impl ActivationTerms {
    fn encode(&self, canonical: &mut Canonical) {
        let Self { lifted_by, practices, practice_key, registrations, tables } = self;
        canonical.texts(lifted_by.iter().map(Name::as_str));
        practices.encode(canonical);
        canonical.flag(*practice_key == PracticeKeyType::Text);
        registrations.encode(canonical);
        canonical.count(tables.len());
        for (table, rule) in tables {
            canonical.text(table);
            match rule {
                RowRule::AllRows => canonical.choice(0),
                RowRule::UntilCutOff { date_column } => {
                    canonical.choice(1);
                    canonical.text(date_column);
                }
                RowRule::AtActivatedPractices { practice_column } => {
                    canonical.choice(2);
                    canonical.text(practice_column);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
