//! The console: CSV, one table after the other, as ehrQL shows them.

use std::io::{self, Write};
use std::sync::Arc;

use crate::error::OutputError;

/// Where the console's bytes go: standard output, or what a test reads.
pub(crate) type ConsoleSink = Box<dyn Write + Send>;

/// Writes what stands above the first table: its name, if there are several.
pub(crate) fn begin(console: &mut ConsoleSink, names: &[&str]) -> Result<(), OutputError> {
    match names {
        [first, _, ..] => writeln!(console, "{first}").map_err(failed),
        _ => Ok(()),
    }
}

/// The console after its first table, and the tables that had to wait for it to end.
pub(crate) struct Console {
    sink: ConsoleSink,
    waiting: Vec<(Arc<str>, Vec<u8>)>,
}

impl Console {
    pub(crate) fn new(sink: ConsoleSink) -> Self {
        Console { sink, waiting: Vec::new() }
    }

    /// Keeps a table's text.
    pub(crate) fn wait(&mut self, name: Arc<str>, text: Vec<u8>) {
        self.waiting.push((name, text));
    }

    /// Shows the tables that wait.
    pub(crate) fn end(self) -> Result<(), OutputError> {
        let Console { mut sink, waiting } = self;
        let mut write = || {
            for (name, text) in &waiting {
                write!(sink, "\n\n{name}\n")?;
                sink.write_all(text)?;
            }
            sink.flush()
        };
        write().map_err(failed)
    }
}

/// An error of the console. That its reader has left is no fault of the run.
pub(crate) fn failed(reason: io::Error) -> OutputError {
    match reason.kind() {
        io::ErrorKind::BrokenPipe => OutputError::ConsoleClosed,
        _ => OutputError::Console { reason },
    }
}
