//! Logs: to stderr, as text or as JSON lines.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// The variable that sets what is logged, in the syntax of `tracing_subscriber::EnvFilter`.
const FILTER_VARIABLE: &str = "PERISTYLE_LOG";

/// How logs, and the final error, are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// Standard error, on which writing never fails: a log that cannot be written must not end a run.
struct Unfailing;

impl Write for Unfailing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts logging. Commands that talk to people themselves log warnings only, unless JSON is asked for.
///
/// Under a policy, lines have no time: how long it takes to leave rows out depends on how many there are.
pub(crate) fn start(format: LogFormat, talks: bool, under_policy: bool) {
    let own = if talks && format == LogFormat::Text { "warn" } else { "info" };
    // DataFusion and its neighbours may log values: they stay silent but for what the user asks for by name.
    let default = format!(
        "off,peristyle={own},peristyle_execution={own},peristyle_opt_out={own},peristyle_outputs={own},\
         peristyle_model={own}"
    );
    let wanted = EnvFilter::try_from_env(FILTER_VARIABLE).ok();
    let is_wanted = wanted.is_some();
    let filter = wanted.unwrap_or_else(|| EnvFilter::new(default));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Unfailing).with_target(false);
    // What cannot be written is dropped: the library would say so on the same stderr, and panic if that fails.
    let logs = logs.log_internal_errors(false);
    // A second subscriber is only ever refused; the first one stays.
    let _ = match (format, under_policy) {
        (LogFormat::Text, false) => logs.with_ansi(io::stderr().is_terminal()).try_init(),
        (LogFormat::Text, true) => logs.with_ansi(io::stderr().is_terminal()).without_time().try_init(),
        (LogFormat::Json, false) => logs.json().flatten_event(true).with_current_span(false).try_init(),
        (LogFormat::Json, true) => logs.json().flatten_event(true).with_current_span(false).without_time().try_init(),
    };
    if under_policy && is_wanted {
        tracing::warn!(
            "{FILTER_VARIABLE} is set: what is logged may tell of hidden records, and is for operators alone"
        );
    }
}
