//! What the author's own code says, shown as the author's: no line of it can be taken for one of the engine's.

use std::io::{BufRead, BufReader, Read};

use peristyle_model::{AuthorError, printable};

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::logging::LogFormat;
use crate::ui;

/// Begins every line that the author's code wrote.
const MARK: &str = "definition | ";
/// Longest line that is relayed as one, in bytes.
const LINE_BYTES_MAX: u64 = 4096;

/// The author's text, each line marked, its control characters escaped.
pub(crate) fn marked(text: &str) -> String {
    printable(text.trim_end()).lines().map(|line| format!("{MARK}{line}")).collect::<Vec<_>>().join("\n")
}

/// Passes on to stderr what the author's code writes, line by line, until it ends. A line that is too long is cut in
/// several, each of them marked; what cannot be read ends the relay.
pub(crate) fn relay(written: impl Read, format: LogFormat) {
    let mut written = BufReader::new(written);
    let mut line = Vec::new();
    while (&mut written).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line);
        match format {
            LogFormat::Json => tracing::warn!(said_by = "definition", "{}", printable(text.trim_end())),
            LogFormat::Text => ui::say(&format!("{MARK}{}\n", printable(text.trim_end()))),
        }
        line.clear();
    }
}

/// That the author's code failed, with what it says of it.
pub(crate) fn failed(error: &AuthorError) -> String {
    let asked = match ExitStatus::author(error.exit_code).code() {
        code if code == error.exit_code => String::new(),
        _ => format!(" with exit code {}", error.exit_code),
    };
    let message = marked(&error.message);
    if message.is_empty() {
        return format!("the definition's own code failed{asked}, and says nothing");
    }
    format!("the definition's own code failed{asked}, and says:\n{message}")
}

impl From<&AuthorError> for Failure {
    fn from(error: &AuthorError) -> Self {
        Failure::new(ExitStatus::author(error.exit_code), failed(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_marked_and_none_controls_a_terminal() {
        for (text, want) in [
            ("", ""),
            ("stop\n", "definition | stop"),
            ("a\n\nerror: b", "definition | a\ndefinition | \ndefinition | error: b"),
            ("a\r\x1b[2Kerror: b", "definition | a\\u{1b}[2Kerror: b"),
            ("a\u{2028}error: b\u{202e}\u{85}c", "definition | a\\u{2028}error: b\\u{202e}\\u{85}c"),
        ] {
            assert_eq!(marked(text), want);
        }
    }

    #[test]
    fn no_author_ends_as_the_engine_does() {
        let said = |exit_code, message: &str| Failure::from(&AuthorError { message: message.to_owned(), exit_code });
        for (asked, code, message) in [
            (0, 10, "the definition's own code failed with exit code 0, and says:\ndefinition | stop"),
            (1, 1, "the definition's own code failed, and says:\ndefinition | stop"),
            (10, 10, "the definition's own code failed, and says:\ndefinition | stop"),
            (12, 12, "the definition's own code failed, and says:\ndefinition | stop"),
            (13, 10, "the definition's own code failed with exit code 13, and says:\ndefinition | stop"),
            (143, 10, "the definition's own code failed with exit code 143, and says:\ndefinition | stop"),
            (255, 10, "the definition's own code failed with exit code 255, and says:\ndefinition | stop"),
        ] {
            let failure = said(asked, "stop\n");
            assert_eq!((failure.status.code(), failure.message.as_str()), (code, message));
            assert_eq!(failure.code, "author");
        }
        assert_eq!(said(3, " \n").message, "the definition's own code failed, and says nothing");
    }
}
