//! `policy …`

mod changes;
mod check;
mod counts;
pub(super) mod registers;
mod set_aside;
pub(super) mod show;

use crate::args::PolicyCommand;
use crate::exit::ExitStatus;
use crate::failure::Failure;

/// Works on a policy, its registers, or a set-aside from it.
pub(crate) fn run(command: &PolicyCommand) -> Result<ExitStatus, Failure> {
    match command {
        PolicyCommand::Check(command) => check::run(command),
        PolicyCommand::Show(command) => show::run(command),
        PolicyCommand::Begin(command) => counts::run(command, None),
        PolicyCommand::Accept(command) => counts::run(&command.counts, Some(&command.said)),
        PolicyCommand::Keygen(command) => set_aside::keygen(command),
        PolicyCommand::Sign(command) => set_aside::sign(command),
        PolicyCommand::Verify(command) => set_aside::verify(command),
    }
}
