//! The `peristyle` command: a study's definition in, an answer out.
//!
//! ```text
//! main ─► args ─► commands/ ─► definition  the document, from JSON or through `ehrql`
//!                     │        permissions what it needs, before anything is opened
//!                     │        source      an enclave, opened under a policy
//!                     ▼        run         execution's plan, batch by batch, into peristyle_outputs
//!                 exit status, by ui       errors to stderr, results to stdout
//! ```
//!
//! Wording, colour and exit status are decided here and nowhere else. What is absent: nothing here opens a table.

use std::process::ExitCode;

use clap::Parser;

mod args;
mod author;
mod commands;
mod conformance;
mod definition;
mod exit;
mod explanation;
mod failure;
mod governed;
mod interruption;
mod logging;
mod panics;
mod permissions;
mod processor;
mod run;
mod settings;
mod source;
mod source_file;
mod study;
mod tables;
mod text_table;
mod ui;
mod writing;

use crate::args::Arguments;
use crate::exit::ExitStatus;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refusal) => return args::refuse(&refusal),
    };
    let log_format = arguments.settings.log_format;
    if let Err(failure) = processor::check().and_then(|()| interruption::outlive_file_limits()) {
        ui::report(log_format, &failure);
        return failure.status.into();
    }
    logging::start(log_format, arguments.command.talks(), arguments.command.is_under_policy());
    panics::catch(log_format);
    let status = match std::panic::catch_unwind(|| commands::run(arguments)) {
        Ok(Ok(status)) => status,
        Ok(Err(failure)) => {
            if !(panics::happened() && failure.status == ExitStatus::Failure) {
                ui::report(log_format, &failure);
            }
            if panics::happened() { ExitStatus::Panic } else { failure.status }
        }
        // The hook has said all there is to say.
        Err(_) => ExitStatus::Panic,
    };
    status.into()
}
