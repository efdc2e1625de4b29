//! The one printer for what users see: errors and progress to stderr, results to stdout.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::logging::LogFormat;
use crate::run::Audience;

/// Says why the command failed, on stderr: as text, or as a line of JSON.
pub(crate) fn report(format: LogFormat, failure: &Failure) {
    match format {
        LogFormat::Json => tracing::error!(
            exit_status = failure.status.code(),
            causes = failure.causes.join("; "),
            help = failure.help.as_deref().unwrap_or_default(),
            "{}",
            failure.message
        ),
        LogFormat::Text => say(&text(failure, io::stderr().is_terminal())),
    }
}

fn text(failure: &Failure, colour: bool) -> String {
    let paint = |code: &str, word: &str| if colour { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() };
    let mut text = format!("{}: {}\n", paint("1;31", "error"), failure.message);
    for cause in &failure.causes {
        text.push_str(&format!("  caused by: {cause}\n"));
    }
    if let Some(help) = &failure.help {
        text.push_str(&format!("{}: {help}\n", paint("1;36", "help")));
    }
    text
}

/// Says what must not be overlooked, on stderr.
pub(crate) fn announce(format: LogFormat, text: &str) {
    match format {
        LogFormat::Json => tracing::warn!("{text}"),
        LogFormat::Text => say(&format!("{text}\n")),
    }
}

/// Writes to stderr. There is nobody to tell if that fails.
pub(crate) fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Writes a result to stdout.
pub(crate) fn show(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::new(ExitStatus::Files, "cannot write to standard output").cause(error))
}

/// Progress on a terminal; nothing where stderr is none.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Of a run that does not know its length. Researchers see none: it tells how long the run takes.
    pub(crate) fn spinner(what: &str, audience: Audience) -> Self {
        match audience {
            Audience::Anyone => Self::styled(ProgressBar::no_length(), "{spinner} {prefix} {msg} ({elapsed})", what),
            Audience::Researchers => Progress(ProgressBar::hidden()),
        }
    }

    /// Of so many steps.
    pub(crate) fn bar(steps: u64, what: &str) -> Self {
        Self::styled(ProgressBar::new(steps), "{prefix} {wide_bar} {pos}/{len} {msg} ({eta})", what)
    }

    fn styled(bar: ProgressBar, template: &str, what: &str) -> Self {
        // Indicatif draws nothing where stderr is not a terminal.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress(bar)
    }

    /// How many rows there are by now.
    pub(crate) fn rows(&self, rows: u64) {
        self.0.set_message(format!("{} rows", HumanCount(rows)));
    }

    /// How far it is.
    pub(crate) fn position(&self, position: u64, length: u64) {
        self.0.set_length(length);
        self.0.set_position(position);
    }

    /// Writes a result to stdout, without the progress in between.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        self.0.suspend(|| show(text))
    }

    /// One step more.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A number with commas.
pub(crate) fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// A time span for people: `85 ms`, `1.4 s`, `3 min 2 s`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match seconds {
        short if short < 1.0 => format!("{:.0} ms", short * 1000.0),
        some if some < 60.0 => format!("{some:.1} s"),
        _ => format!("{} min {} s", span.as_secs() / 60, span.as_secs() % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_read_well() {
        let failure = Failure::new(ExitStatus::Files, "cannot read `x.json`").cause("no such file").help("give one");
        let plain = "error: cannot read `x.json`\n  caused by: no such file\nhelp: give one\n";
        assert_eq!(text(&failure, false), plain);
        assert_eq!(text(&Failure::new(ExitStatus::Files, "a"), true), "\x1b[1;31merror\x1b[0m: a\n");
    }

    #[test]
    fn spans_are_short() {
        for (millis, want) in [(0, "0 ms"), (85, "85 ms"), (1_440, "1.4 s"), (182_999, "3 min 2 s")] {
            assert_eq!(span(Duration::from_millis(millis)), want);
        }
    }
}
