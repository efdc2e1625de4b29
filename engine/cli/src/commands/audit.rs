//! `audit …`

use peristyle_audit::{History, Ledger, Moment, OperatorView, PublicView, Selection, verify};

use crate::args::{AuditCommand, AuditRepair, AuditShow, AuditVerify};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::governed::words;
use crate::ui;

/// Works on a ledger.
pub(crate) fn run(command: &AuditCommand) -> Result<ExitStatus, Failure> {
    match command {
        AuditCommand::Verify(command) => verified(command),
        AuditCommand::Show(command) => show(command),
        AuditCommand::Repair(command) => repair(command),
    }
}

fn verified(command: &AuditVerify) -> Result<ExitStatus, Failure> {
    let verification = verify(&command.ledger, command.head)?;
    ui::show(&verification.to_string())?;
    Ok(if verification.is_sound() { ExitStatus::Success } else { ExitStatus::Audit })
}

/// What is not sound has no public view, and an operator's one that says so.
fn show(command: &AuditShow) -> Result<ExitStatus, Failure> {
    let project = command.project.as_ref().map(|project| words::name("the project's name", project.as_str()));
    let selection = Selection { from: command.from, until: command.until, project: project.transpose()? };
    let history = History::read(&command.ledger, &selection)?;
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
    let repaired = Ledger::repair(&command.ledger, Moment::now())?;
    let (bytes, moved_to) = (repaired.torn_bytes, repaired.moved_to.display());
    ui::show(&format!("moved a half-written line of {bytes} bytes to `{moved_to}`\nhead: {}\n", repaired.head))?;
    Ok(ExitStatus::Success)
}
