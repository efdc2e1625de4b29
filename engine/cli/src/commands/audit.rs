//! `audit …`

use std::fmt::Write as _;
use std::path::Path;

use peristyle_audit::{FreeText, History, Ledger, LedgerKey, Moment, OperatorView, PublicView, Selection, verify};
use peristyle_policy::counts::ledger::CountsFiles;

use crate::args::{AuditCommand, AuditRepair, AuditShow, AuditVerify, LedgerPlace};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::governed::{load_policy, words};
use crate::source_file::SourceFile;
use crate::ui;

/// Works on a ledger.
pub(crate) fn run(command: &AuditCommand) -> Result<ExitStatus, Failure> {
    match command {
        AuditCommand::Verify(command) => verified(command),
        AuditCommand::Show(command) => show(command),
        AuditCommand::Repair(command) => repair(command),
    }
}

/// The key of a ledger's lines: as the source file says, else as the ledger's anchor notes it.
fn key(ledger: &Path, place: &LedgerPlace) -> Result<LedgerKey, Failure> {
    let Some(source) = &place.source else { return Ok(LedgerKey::noted(ledger)?) };
    let place = SourceFile::load(source)?;
    Ok(LedgerKey::of_place(CountsFiles::of(&load_policy(&place)?), ledger, &place.ledger))
}

fn verified(command: &AuditVerify) -> Result<ExitStatus, Failure> {
    let verification = verify(&command.ledger, command.head, &key(&command.ledger, &command.place)?)?;
    ui::show(&verification.to_string())?;
    Ok(if verification.is_sound() { ExitStatus::Success } else { ExitStatus::Audit })
}

/// What is not sound has no public view, and an operator's one that says so.
fn show(command: &AuditShow) -> Result<ExitStatus, Failure> {
    let project = command.project.as_ref().map(|project| words::name("the project's name", project.as_str()));
    let selection = Selection { from: command.from, until: command.until, project: project.transpose()? };
    let history = History::read(&command.ledger, &selection, &key(&command.ledger, &command.place)?)?;
    let text = match (command.public, command.json) {
        (true, false) => PublicView::of(&history)?.to_string(),
        (true, true) => PublicView::of(&history)?.to_json()?,
        (false, false) => OperatorView::of(&history).to_string(),
        (false, true) => OperatorView::of(&history).to_json()?,
    };
    ui::show(&text)?;
    Ok(if history.findings().is_empty() { ExitStatus::Success } else { ExitStatus::Audit })
}

fn repair(command: &AuditRepair) -> Result<ExitStatus, Failure> {
    let by = command.by.as_ref().map(|by| FreeText::new("--by", by)).transpose();
    let by = by.map_err(|error| Failure::new(ExitStatus::Arguments, error.to_string()))?;
    let key = key(&command.ledger, &command.place)?;
    let repaired = Ledger::repair(&command.ledger, &key, Moment::now(), by)?;
    let mut text = String::new();
    if let Some(torn) = &repaired.torn {
        let _ = writeln!(text, "moved a half-written line of {} bytes to `{}`", torn.bytes, torn.moved_to.display());
    }
    if let Some(ahead) = repaired.ahead {
        let _ = writeln!(text, "recorded that the clock was ahead when it said {ahead}");
    }
    ui::show(&format!("{text}head: {}\n", repaired.head))?;
    Ok(ExitStatus::Success)
}
