//! Whether the fields of a policy make sense together.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;

use super::document::{
    ActivationDocument, CountsDocument, DisclosureControlDocument, LinkDocument, OptOutDocument, PolicyDocument,
    RowRuleDocument, SetAsideDocument,
};
use super::error::{PolicyError, PolicyFault};
use super::load::line_at;
use super::{
    ActivationTerms, AppliesTo, CountsTerms, DisclosureControlTerms, LinkTerms, OptOutTerms, Policy, PracticeKeyType,
    RowRule, SetAsideTerms, Terms, WrittenPath,
};
use crate::name::Name;
use crate::patients::{KeyType, TextComparison};
use crate::register::{CountLimits, RegisterId, RegisterLocation};
use crate::rule::Rule;
use crate::set_aside::parse_public_key;

/// The longest text in a policy, in characters.
const TEXT_CHARACTERS_MAX: usize = 1_000;
/// The longest span of days that a policy can state.
pub(super) const DAYS_MAX: u16 = 366;
const WHEN_APPLIED: &str = "the rule is applied";
const WHEN_NOT_APPLIED: &str = "the rule is not applied";

/// A policy file under examination.
pub(super) struct Examination<'a> {
    pub(super) text: &'a str,
    pub(super) path: &'a Path,
}

/// Permissions that lift rules, and which.
type Lifts = BTreeMap<Name, Rule>;

impl Examination<'_> {
    pub(super) fn fault(&self, span: Range<usize>, fault: PolicyFault) -> PolicyError {
        PolicyError { path: self.path.to_owned(), line: Some(line_at(self.text, span.start)), fault }
    }

    pub(super) fn policy(&self, document: PolicyDocument) -> Result<Policy, PolicyError> {
        let PolicyDocument {
            _version,
            name,
            patient_key,
            type_one,
            national,
            practice_activation,
            disclosure_control,
            link,
            text_keys,
            counts,
            set_aside,
        } = document;
        let mut lifts = Lifts::new();
        let type_one = self.opt_out(Rule::TypeOne, type_one, &mut lifts)?;
        let national = self.opt_out(Rule::National, national, &mut lifts)?;
        let span = practice_activation.span();
        let practice_activation = self.activation(practice_activation, &mut lifts)?;
        let registers =
            type_one.applied().is_some() || national.applied().is_some() || practice_activation.applied().is_some();
        if registers && counts.is_none() {
            let why = "a rule is applied, and its registers' counts are compared to those of recent runs";
            return Err(self.missing(span, "counts", "file", why));
        }
        if let Some(link) = link.values().next().filter(|_| counts.is_none()) {
            let why = "a link is followed, and what its table counts is compared to recent runs";
            return Err(self.missing(link.span(), "counts", "file", why));
        }
        let links: BTreeMap<Name, LinkTerms> =
            link.into_iter().map(|(name, terms)| self.link(&name, terms)).collect::<Result<_, _>>()?;
        let uses_texts = patient_key == KeyType::Text
            || !links.is_empty()
            || practice_activation.applied().is_some_and(|terms| terms.practice_key == PracticeKeyType::Text);
        let text_keys = match text_keys {
            None => TextComparison::default(),
            Some(stated) if !uses_texts => {
                let why = "neither patients nor practices are known by texts here, and no link is followed";
                return Err(self.surplus(stated.span(), "text_keys", "trim", why));
            }
            Some(stated) => TextComparison { trim: stated.get_ref().trim, case: stated.get_ref().case },
        };
        let counts = counts.map(|counts| self.counts(counts)).transpose()?;
        let set_aside = set_aside.map(|terms| self.set_aside(terms)).transpose()?;
        let disclosure_control = self.disclosure_control(disclosure_control)?;
        Ok(Policy {
            name,
            patient_key,
            type_one,
            national,
            practice_activation,
            links,
            text_keys,
            counts,
            disclosure_control,
            set_aside,
        })
    }

    fn link(&self, name: &str, document: Spanned<LinkDocument>) -> Result<(Name, LinkTerms), PolicyError> {
        let (section, span) = (format!("link.{name}"), document.span());
        let name = Name::parse(name).map_err(|_| self.fault(span, PolicyFault::LinkName))?;
        let LinkDocument { least_count, greatest_fall_percent, least_found_percent, max_age_days, as_of } =
            document.into_inner();
        let fall = self.bounded(&section, "greatest_fall_percent", greatest_fall_percent, 0, 100)?;
        let found = self.bounded(&section, "least_found_percent", least_found_percent, 0, 100)?;
        let terms = LinkTerms {
            limits: CountLimits {
                least: least_count,
                greatest_fall_percent: fall,
                greatest_rise_percent: None,
                least_found_percent: Some(found),
            },
            max_age_days: self.bounded(&section, "max_age_days", max_age_days, 0, DAYS_MAX)?,
            as_of: self.as_of(&section, as_of, &RegisterLocation::Table(String::new()))?,
        };
        Ok((name, terms))
    }

    fn opt_out(
        &self,
        rule: Rule,
        document: Spanned<OptOutDocument>,
        lifts: &mut Lifts,
    ) -> Result<Terms<OptOutTerms>, PolicyError> {
        let (section, span) = (rule.key(), document.span());
        let OptOutDocument { applied, because, lifted_by, by_default, projects, register } = document.into_inner();
        let surplus = |field, present: bool, why| {
            if present { Err(self.surplus(span.clone(), section, field, why)) } else { Ok(()) }
        };
        if !applied {
            surplus("lifted_by", lifted_by.is_some(), WHEN_NOT_APPLIED)?;
            surplus("by_default", by_default.is_some(), WHEN_NOT_APPLIED)?;
            surplus("projects", projects.is_some(), WHEN_NOT_APPLIED)?;
            surplus("register", register.is_some(), WHEN_NOT_APPLIED)?;
            return Ok(Terms::NotApplied { because: self.because(span, section, because)? });
        }
        surplus("because", because.is_some(), WHEN_APPLIED)?;
        let applies_to = if rule == Rule::National {
            let by_default =
                by_default.ok_or_else(|| self.missing(span.clone(), section, "by_default", WHEN_APPLIED))?;
            match (by_default.into_inner(), projects) {
                (true, None) => AppliesTo::AllProjects,
                (true, Some(projects)) => {
                    return Err(self.surplus(
                        projects.span(),
                        section,
                        "projects",
                        "the rule is applied to all projects by default",
                    ));
                }
                (false, Some(projects)) => AppliesTo::Projects(projects.into_inner().into_iter().collect()),
                (false, None) => {
                    let why =
                        "the rule is not applied by default, so state the projects that it is applied to ([] for none)";
                    return Err(self.missing(span, section, "projects", why));
                }
            }
        } else {
            surplus("by_default", by_default.is_some(), "Type 1 opt-outs are applied to all projects")?;
            surplus("projects", projects.is_some(), "Type 1 opt-outs are applied to all projects")?;
            AppliesTo::AllProjects
        };
        let lifted_by = self.lifted_by(rule, span.clone(), lifted_by, lifts)?;
        let register = register.ok_or_else(|| self.missing(span, section, "register", WHEN_APPLIED))?;
        let id = if rule == Rule::National { RegisterId::National } else { RegisterId::TypeOne };
        Ok(Terms::Applied(OptOutTerms { lifted_by, applies_to, register: self.register(id, register)? }))
    }

    fn activation(
        &self,
        document: Spanned<ActivationDocument>,
        lifts: &mut Lifts,
    ) -> Result<Terms<ActivationTerms>, PolicyError> {
        let (section, span) = (Rule::PracticeActivation.key(), document.span());
        let ActivationDocument { applied, because, lifted_by, practice_key, practices, registrations, tables } =
            document.into_inner();
        if !applied {
            let given = [
                ("lifted_by", lifted_by.is_some()),
                ("practice_key", practice_key.is_some()),
                ("practices", practices.is_some()),
                ("registrations", registrations.is_some()),
                ("tables", !tables.is_empty()),
            ];
            if let Some((field, _)) = given.into_iter().find(|(_, given)| *given) {
                return Err(self.surplus(span, section, field, WHEN_NOT_APPLIED));
            }
            return Ok(Terms::NotApplied { because: self.because(span, section, because)? });
        }
        if let Some(because) = because {
            return Err(self.surplus(because.span(), section, "because", WHEN_APPLIED));
        }
        let missing = |field| self.missing(span.clone(), section, field, WHEN_APPLIED);
        let lifted_by = self.lifted_by(Rule::PracticeActivation, span.clone(), lifted_by, lifts)?;
        let practice_key = practice_key.ok_or_else(|| missing("practice_key"))?;
        let practices = self.register(RegisterId::Practices, practices.ok_or_else(|| missing("practices"))?)?;
        let registrations =
            self.register(RegisterId::Registrations, registrations.ok_or_else(|| missing("registrations"))?)?;
        let tables = tables.into_iter().map(|(table, rule)| self.row_rule(table, rule)).collect::<Result<_, _>>()?;
        Ok(Terms::Applied(ActivationTerms { lifted_by, practices, practice_key, registrations, tables }))
    }

    fn row_rule(&self, table: String, document: Spanned<RowRuleDocument>) -> Result<(String, RowRule), PolicyError> {
        let span = document.span();
        let table = self.checked_text(span.clone(), "practice_activation.tables", "a table's name", table)?;
        let section = format!("practice_activation.tables.\"{table}\"");
        let rule = match document.into_inner() {
            RowRuleDocument { all_rows: Some(true), date_column: None, practice_column: None } => RowRule::AllRows,
            RowRuleDocument { all_rows: None, date_column: Some(column), practice_column: None } => {
                RowRule::UntilCutOff { date_column: self.checked_text(span, &section, "date_column", column)? }
            }
            RowRuleDocument { all_rows: None, date_column: None, practice_column: Some(column) } => {
                RowRule::AtActivatedPractices {
                    practice_column: self.checked_text(span, &section, "practice_column", column)?,
                }
            }
            _ => {
                let fields = "`all_rows = true`, `date_column` and `practice_column`";
                return Err(self.fault(span, PolicyFault::ExactlyOne { section, fields }));
            }
        };
        Ok((table, rule))
    }

    fn lifted_by(
        &self,
        rule: Rule,
        span: Range<usize>,
        permissions: Option<Vec<Spanned<Name>>>,
        lifts: &mut Lifts,
    ) -> Result<BTreeSet<Name>, PolicyError> {
        let permissions = permissions.ok_or_else(|| {
            self.missing(span, rule.key(), "lifted_by", "state the permissions that lift the rule ([] for none)")
        })?;
        for permission in &permissions {
            if let Some(first) = lifts.insert(permission.get_ref().clone(), rule).filter(|first| *first != rule) {
                let permission_name = permission.get_ref().to_string();
                let fault = PolicyFault::LiftsTwo {
                    permission: permission_name,
                    first: first.to_string(),
                    second: rule.to_string(),
                };
                return Err(self.fault(permission.span(), fault));
            }
        }
        Ok(permissions.into_iter().map(Spanned::into_inner).collect())
    }

    fn because(
        &self,
        span: Range<usize>,
        section: &str,
        because: Option<Spanned<String>>,
    ) -> Result<String, PolicyError> {
        let why = "the rule is not applied; say why, for the ledger";
        let because = because.ok_or_else(|| self.missing(span, section, "because", why))?;
        self.text(section, "because", because)
    }

    fn counts(&self, document: CountsDocument) -> Result<CountsTerms, PolicyError> {
        let CountsDocument { file, key_file, reference_days } = document;
        Ok(CountsTerms {
            file: self.written_path("counts", "file", file)?,
            key_file: self.written_path("counts", "key_file", key_file)?,
            reference_days: self.bounded("counts", "reference_days", reference_days, 1, DAYS_MAX)?,
        })
    }

    fn disclosure_control(
        &self,
        document: Spanned<DisclosureControlDocument>,
    ) -> Result<DisclosureControlTerms, PolicyError> {
        let span = document.span();
        let DisclosureControlDocument { locked, judged_by } = document.into_inner();
        let why = "state \"people\" (what 7 patients or fewer add to a number of a measure is not shown, whatever it \
                   comes to) or \"sums\" (ehrQL's rule: a number of 7 or less is suppressed and others are rounded to the \
                   nearest 5, however few patients it is of)";
        let judged_by = judged_by.ok_or_else(|| self.missing(span, "disclosure_control", "judged_by", why))?;
        Ok(DisclosureControlTerms { locked, judged_by })
    }

    fn set_aside(&self, document: Spanned<SetAsideDocument>) -> Result<SetAsideTerms, PolicyError> {
        let section = "set_aside";
        let SetAsideDocument { longest_days, bodies, signers, withdrawn } = document.into_inner();
        let longest_days = self.bounded(section, "longest_days", longest_days, 1, DAYS_MAX)?;
        let span = bodies.span();
        let mut keys: BTreeMap<Name, Vec<_>> =
            bodies.get_ref().iter().map(|body| (body.get_ref().clone(), Vec::new())).collect();
        if keys.len() < 2 || keys.len() != bodies.get_ref().len() {
            return Err(self.fault(span, PolicyFault::TooFewBodies));
        }
        let mut known = BTreeSet::new();
        for signer in signers {
            let (span, body) = (signer.get_ref().public_key.span(), signer.get_ref().body.to_string());
            let Some(of_body) = keys.get_mut(&signer.get_ref().body) else {
                return Err(self.fault(signer.span(), PolicyFault::UnknownBody { body }));
            };
            let Some(key) = parse_public_key(signer.get_ref().public_key.get_ref()) else {
                return Err(self.fault(span, PolicyFault::PublicKey { body }));
            };
            if !known.insert(key.to_bytes()) {
                return Err(self.fault(span, PolicyFault::KeyTwice { body }));
            }
            of_body.push(key);
        }
        if let Some((body, _)) = keys.iter().find(|(_, keys)| keys.is_empty()) {
            return Err(self.fault(span, PolicyFault::NoSigner { body: body.to_string() }));
        }
        keys.values_mut().for_each(|keys| keys.sort_by_key(|key| key.to_bytes()));
        Ok(SetAsideTerms { longest_days, bodies: keys, withdrawn: withdrawn.into_iter().collect() })
    }

    pub(super) fn missing(
        &self,
        span: Range<usize>,
        section: &str,
        field: &'static str,
        why: &'static str,
    ) -> PolicyError {
        self.fault(span, PolicyFault::Missing { section: section.to_owned(), field, why })
    }

    pub(super) fn surplus(
        &self,
        span: Range<usize>,
        section: &str,
        field: &'static str,
        why: &'static str,
    ) -> PolicyError {
        self.fault(span, PolicyFault::Surplus { section: section.to_owned(), field, why })
    }

    pub(super) fn text(
        &self,
        section: &str,
        field: &'static str,
        text: Spanned<String>,
    ) -> Result<String, PolicyError> {
        self.checked_text(text.span(), section, field, text.into_inner())
    }

    pub(super) fn checked_text(
        &self,
        span: Range<usize>,
        section: &str,
        field: &'static str,
        text: String,
    ) -> Result<String, PolicyError> {
        let fits = text.chars().count() <= TEXT_CHARACTERS_MAX
            && !text.trim().is_empty()
            && !text.chars().any(char::is_control);
        if fits {
            Ok(text)
        } else {
            Err(self
                .fault(span, PolicyFault::Text { section: section.to_owned(), field, longest: TEXT_CHARACTERS_MAX }))
        }
    }

    pub(super) fn written_path(
        &self,
        section: &str,
        field: &'static str,
        written: Spanned<String>,
    ) -> Result<WrittenPath, PolicyError> {
        let written = self.text(section, field, written)?;
        let folder = self.path.parent().unwrap_or(Path::new(""));
        Ok(WrittenPath { path: folder.join(&written), written })
    }

    pub(super) fn bounded<N: Copy + Ord + Into<u64>>(
        &self,
        section: &str,
        field: &'static str,
        number: Spanned<N>,
        least: N,
        greatest: N,
    ) -> Result<N, PolicyError> {
        if (least..=greatest).contains(number.get_ref()) {
            return Ok(*number.get_ref());
        }
        let (least, greatest) = (least.into(), greatest.into());
        Err(self.fault(number.span(), PolicyFault::OutOfBounds { section: section.to_owned(), field, least, greatest }))
    }
}
