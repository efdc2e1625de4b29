//! `source check`: what a study would find, without one. For operators: it says counts and months, and no value of a row.

mod connected;
mod findings;
mod json;
mod show;
mod user_facing;

use peristyle_opt_out::link_registers;
use peristyle_policy::{Day, Policy};

use self::findings::Findings;
use super::policy::registers::{CheckedRegisters, check_registers};
use crate::args::{SourceCheck, SourceCommand};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::governed::load_policy;
use crate::source_file::SourceFile;
use crate::ui;

/// Runs the command that was given.
pub(super) fn run(command: &SourceCommand) -> Result<ExitStatus, Failure> {
    match command {
        SourceCommand::Check(command) => check(command),
    }
}

/// All that is known of a source.
struct Checked<'p> {
    place: &'p SourceFile,
    today: Day,
    policy: Result<&'p Policy, &'p Failure>,
    registers: Option<CheckedRegisters<'p>>,
    findings: Findings,
}

fn check(command: &SourceCheck) -> Result<ExitStatus, Failure> {
    let place = SourceFile::load(&command.source)?;
    let policy = load_policy(&place);
    let today = Day::today();
    let extracts = place.extracts()?;
    let links = policy.as_ref().map(|policy| link_registers(policy, &extracts)).unwrap_or_default();
    let registers = policy.as_ref().ok().map(|policy| check_registers(&place, policy, &links, &extracts, today));
    let mut findings = match place.manifest()? {
        Some(manifest) => connected::find(&place, &manifest, policy.as_ref().ok())?,
        None => user_facing::find(&place, policy.as_ref().ok())?,
    };
    for linked in place.of_linked() {
        if let Some(manifest) = linked.manifest()? {
            findings.join(connected::find(&linked, &manifest, policy.as_ref().ok())?, &manifest.connector.name);
        }
    }
    let checked = Checked { place: &place, today, policy: policy.as_ref(), registers, findings };
    let text = if command.json { json::of(&checked) } else { show::of(&checked) };
    ui::show(&text)?;
    Ok(checked.status())
}

impl Checked<'_> {
    /// How the command ends: by the first thing that a run would stumble over.
    fn status(&self) -> ExitStatus {
        if let Err(failure) = self.policy {
            return failure.status;
        }
        if !self.findings.errors.is_empty() {
            return ExitStatus::Files;
        }
        let refusals = self.registers.as_ref().map(CheckedRegisters::refusals).unwrap_or_default();
        refusals.first().map_or(ExitStatus::Success, |refusal| refusal.status)
    }

    /// What is wrong, the policy and its registers included.
    fn errors(&self) -> Vec<&str> {
        let policy = self.policy.err().map(|failure| failure.message.as_str());
        let refusals = self.registers.as_ref().map(CheckedRegisters::refusals).unwrap_or_default();
        let tables = self.findings.errors.iter().map(String::as_str);
        let mut errors: Vec<&str> = policy.into_iter().chain(tables).collect();
        for refusal in refusals {
            if !errors.contains(&refusal.message.as_str()) {
                errors.push(&refusal.message);
            }
        }
        errors
    }
}

/// A count that tells an operator how many, and nobody who.
fn rounded(count: u64) -> String {
    match count {
        0..=7 => "≤7".to_owned(),
        count => ui::count((count + 2) / 5 * 5),
    }
}
