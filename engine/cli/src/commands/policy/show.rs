//! `policy show`: what a policy, or the record of a set-aside, says.

use std::io::Read;
use std::path::Path;

use peristyle_policy::files::open_regular;
use peristyle_policy::patients::{LetterCase, TextComparison};
use peristyle_policy::policy::{AppliesTo, DisclosureControlTerms, JudgedBy, LinkTerms, RowRule, SetAsideTerms, Terms};
use peristyle_policy::register::{AsOf, Register, RegisterLocation, Taking};
use peristyle_policy::set_aside::{Record, public_key_fingerprint};
use peristyle_policy::{Name, Policy, Rule};

use crate::args::PolicyShow;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::text_table::columns;
use crate::ui;

/// Shows a file of either kind.
pub(super) fn run(command: &PolicyShow) -> Result<ExitStatus, Failure> {
    let text = if is_json(&command.file) {
        format!("{}\n", Record::load(&command.file)?)
    } else {
        let policy = Policy::load(&command.file)?;
        format!("{}{}", rules(&policy), terms(&policy))
    };
    ui::show(&text)?;
    Ok(ExitStatus::Success)
}

/// A record is JSON, a policy is not. What cannot be read is left to the reader of policies to complain of.
fn is_json(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = open_regular(path).and_then(|file| file.take(256).read_to_end(&mut start));
    read.is_ok() && start.trim_ascii_start().starts_with(b"{")
}

/// Name, digest and rules of a policy.
pub(in crate::commands) fn rules(policy: &Policy) -> String {
    let rows: Vec<Vec<String>> = Rule::ALL
        .into_iter()
        .map(|rule| match stated(policy, rule) {
            Err(because) => vec![rule.to_string(), "no".to_owned(), "–".to_owned(), format!("because {because}")],
            Ok((applies_to, lifted_by)) => vec![rule.to_string(), applies_to, lifted_by, String::new()],
        })
        .collect();
    let head = format!("policy {}, {}\n", policy.name, policy.digest());
    format!("{head}{}", columns(&["rule", "applied to", "lifted by", ""], &rows))
}

/// To whom a rule is applied and what lifts it, or why it is not applied.
fn stated(policy: &Policy, rule: Rule) -> Result<(String, String), &str> {
    let all = &AppliesTo::AllProjects;
    let (applies_to, lifted_by) = match rule {
        Rule::TypeOne => policy.type_one.stated().map(|terms| (&terms.applies_to, &terms.lifted_by)),
        Rule::National => policy.national.stated().map(|terms| (&terms.applies_to, &terms.lifted_by)),
        Rule::PracticeActivation => policy.practice_activation.stated().map(|terms| (all, &terms.lifted_by)),
    }?;
    let applies_to = match applies_to {
        AppliesTo::AllProjects => "all projects".to_owned(),
        AppliesTo::Projects(projects) => listed(projects),
    };
    Ok((applies_to, if lifted_by.is_empty() { "nothing".to_owned() } else { listed(lifted_by) }))
}

/// Registers, tables, counts, disclosure control and set-asides.
fn terms(policy: &Policy) -> String {
    let mut text = format!("\npatients are known by: {}\n", policy.patient_key.key());
    if !policy.text_keys.is_exact() {
        let TextComparison { trim, case } = policy.text_keys;
        let spaces = if trim { "without regard to outer white space" } else { "with outer white space refused" };
        let letters = if case == LetterCase::Ignored { ", capitals as small letters" } else { "" };
        text.push_str(&format!("texts that are keys are compared {spaces}{letters}\n"));
    }
    let registers: Vec<Vec<String>> = policy.registers().map(register).collect();
    if !registers.is_empty() {
        let headings = [
            "register",
            "from",
            "lists",
            "#at least",
            "#may fall",
            "#may rise",
            "#must be found",
            "#at most old",
            "dated by",
        ];
        text.push_str(&format!("\n{}", columns(&headings, &registers)));
    }
    if !policy.links.is_empty() {
        let rows: Vec<Vec<String>> = policy.links.iter().map(link).collect();
        text.push_str(&format!(
            "\n{}",
            columns(&["link", "#at least", "#may fall", "#must be found", "#at most old", "dated by"], &rows)
        ));
    }
    if let Terms::Applied(activation) = &policy.practice_activation
        && !activation.tables.is_empty()
    {
        let rows: Vec<Vec<String>> =
            activation.tables.iter().map(|(table, rule)| vec![table.clone(), row_rule(rule)]).collect();
        text.push_str(&format!("\n{}", columns(&["table", "rows that are read"], &rows)));
    }
    if let Some(counts) = &policy.counts {
        let (file, days) = (counts.file.path.display(), counts.reference_days);
        text.push_str(&format!("\ncounts of the last {days} days: {file}\n"));
    }
    text.push_str(&disclosure_control(policy.disclosure_control));
    match &policy.set_aside {
        Some(terms) => text.push_str(&set_aside(terms)),
        None => text.push_str("emergency set-asides: none is accepted\n"),
    }
    text
}

fn disclosure_control(terms: DisclosureControlTerms) -> String {
    let judged_by = match terms.judged_by {
        JudgedBy::People => "people: what 7 patients or fewer add is not shown, whatever it comes to",
        JudgedBy::Sums => {
            "sums, as in ehrQL: 7 or less is suppressed, more is rounded to 5, however few patients it is of"
        }
    };
    let locked = if terms.locked { "needs a permission" } else { "is free" };
    format!("measures are judged by {judged_by}\nswitching disclosure control off: {locked}\n")
}

fn register(register: &Register) -> Vec<String> {
    let location = match &register.location {
        RegisterLocation::Table(table) => format!("table {table}"),
        RegisterLocation::File { written, .. } => written.clone(),
    };
    let percent = |percent: u16| format!("{percent}%");
    let limits = register.limits;
    vec![
        register.id.to_string(),
        location,
        register.lists.key().to_owned(),
        ui::count(limits.least),
        percent(limits.greatest_fall_percent.into()),
        limits.greatest_rise_percent.map_or_else(|| "–".to_owned(), percent),
        limits.least_found_percent.map_or_else(|| "–".to_owned(), |found| percent(found.into())),
        format!("{} days", register.max_age_days),
        dated_by(&register.as_of),
    ]
}

fn link((name, terms): (&Name, &LinkTerms)) -> Vec<String> {
    vec![
        name.to_string(),
        ui::count(terms.limits.least),
        format!("{}%", terms.limits.greatest_fall_percent),
        terms.limits.least_found_percent.map_or_else(|| "–".to_owned(), |found| format!("{found}%")),
        format!("{} days", terms.max_age_days),
        dated_by(&terms.as_of),
    ]
}

fn dated_by(as_of: &AsOf) -> String {
    match as_of {
        AsOf::Column { column, taking: Taking::Oldest } => format!("the oldest {column}"),
        AsOf::Column { column, taking: Taking::Newest } => format!("the newest {column}"),
        AsOf::Metadata(name) => format!("{name} in its metadata"),
        AsOf::FileModified => "when it was written".to_owned(),
    }
}

fn row_rule(rule: &RowRule) -> String {
    match rule {
        RowRule::AllRows => "all".to_owned(),
        RowRule::UntilCutOff { date_column } => format!("until the patient's cut-off, by {date_column}"),
        RowRule::AtActivatedPractices { practice_column } => format!("of activated practices, by {practice_column}"),
    }
}

fn set_aside(terms: &SetAsideTerms) -> String {
    let mut text = format!("emergency set-asides: of at most {} days, signed by all of\n", terms.longest_days);
    let rows: Vec<Vec<String>> = terms
        .bodies
        .iter()
        .map(|(body, keys)| {
            vec![body.to_string(), keys.iter().map(public_key_fingerprint).collect::<Vec<_>>().join(", ")]
        })
        .collect();
    text.push_str(&columns(&["body", "fingerprints of its keys"], &rows));
    if !terms.withdrawn.is_empty() {
        text.push_str(&format!("withdrawn: {}\n", listed(&terms.withdrawn)));
    }
    text
}

fn listed<'n>(names: impl IntoIterator<Item = &'n Name>) -> String {
    let names: Vec<&str> = names.into_iter().map(Name::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
