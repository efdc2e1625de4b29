//! One file a command.

mod audit;
mod connector;
mod demo;
mod explain;
mod generate_dataset;
mod generate_measures;
mod policy;
mod source;
mod synth;

use crate::args::{Arguments, Command};
use crate::conformance;
use crate::exit::ExitStatus;
use crate::failure::Failure;

/// Runs the command that was given.
pub(crate) fn run(arguments: Arguments) -> Result<ExitStatus, Failure> {
    let settings = &arguments.settings;
    match &arguments.command {
        Command::GenerateDataset(command) => generate_dataset::run(command, settings),
        Command::GenerateMeasures(command) => generate_measures::run(command, settings),
        Command::Explain(command) => explain::run(command, settings),
        Command::Policy(command) => policy::run(command),
        Command::Audit(command) => audit::run(command),
        Command::Connector(command) => connector::run(command),
        Command::Source(command) => source::run(command),
        Command::Conformance(command) => conformance::run(command, settings),
        Command::Demo(command) => demo::run(command, settings),
        Command::Synth(command) => synth::run(command, settings),
    }
}
