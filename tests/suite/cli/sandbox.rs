//! A folder of its own for each test, and commands run in it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::files::{Format, Layout, write_tables};
use crate::spec;

/// What a command did.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) line: String,
    /// None if a signal ended it
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// What a researcher may learn by stderr: all but the ledger's head, which each run has its own of, whatever it read.
    pub(crate) fn told(&self) -> String {
        let is_head = |line: &&str| line.contains(" head=") || line.contains("\"head\":");
        self.stderr.lines().filter(|line| !is_head(line)).map(|line| format!("{line}\n")).collect()
    }
}

/// The binary that `cargo test` has built beside this one.
pub(crate) fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("this test is a file");
    let profile = own.ancestors().nth(2).expect("target/PROFILE/deps/suite");
    let binary = profile.join("peristyle");
    assert!(
        binary.is_file(),
        "{} is not there: run `cargo test --release --workspace`, or build it with `cargo build --release -p peristyle`",
        binary.display()
    );
    binary
}

pub(crate) struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Sandbox { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names in a folder, in order; of hidden ones too.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Writes the document of a definition in the language of the spec files to `NAME`, and its tables below `tables/`.
    pub(crate) fn study(&self, name: &str, text: &str) {
        let (document, tables) = spec::study(text, "ehrql.tables.core");
        self.write(name, document.to_string());
        fs::create_dir_all(self.path("tables")).expect("a folder");
        let layout = Layout { format: Format::Csv, ..Layout::default() };
        write_tables(&tables, &layout, &self.path("tables"));
    }

    pub(crate) fn document(&self, name: &str) -> Json {
        serde_json::from_str(&self.read(name)).expect("JSON")
    }

    /// Runs `peristyle` with these arguments, split at spaces, in the sandbox.
    pub(crate) fn run(&self, line: &str) -> Run {
        self.run_with(line, &[])
    }

    pub(crate) fn run_with(&self, line: &str, environment: &[(&str, &str)]) -> Run {
        let mut command = Command::new(binary());
        command.args(line.split_whitespace()).current_dir(self.folder.path());
        for name in ["PERISTYLE_LOG", "EHRQL_PERMISSIONS", "RUST_BACKTRACE", "PYTHONHASHSEED"] {
            command.env_remove(name);
        }
        command.env("NO_COLOR", "1").env("COLUMNS", "100").envs(environment.iter().copied());
        let output = command.output().expect("the binary runs");
        let settings: String = environment.iter().map(|(name, value)| format!("{name}='{value}' ")).collect();
        Run {
            line: format!("{settings}peristyle {line}").trim_end().to_owned(),
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// A run with what differs from time to time taken out.
    pub(crate) fn transcript(&self, run: &Run) -> String {
        let own = self.folder.path().to_string_lossy().into_owned();
        let tidy = |text: &str| {
            let lines = text.replace(&own, "[FOLDER]");
            lines.lines().map(|line| format!("    {}\n", tidy_line(line))).collect::<String>().replace("    \n", "\n")
        };
        let mut transcript = format!("$ {}\n", run.line);
        match run.status {
            Some(status) => transcript.push_str(&format!("exit {status}\n")),
            None => transcript.push_str("ended by a signal\n"),
        }
        for (name, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
            if !text.is_empty() {
                transcript.push_str(&format!("{name}:\n{}", tidy(text)));
            }
        }
        without_digests(&transcript)
    }
}

/// What stays of a text whatever digests are of.
pub(crate) fn without_digests(text: &str) -> String {
    text.split_inclusive(is_end_of_word).map(without_digest).collect()
}

fn is_end_of_word(character: char) -> bool {
    !character.is_ascii_alphanumeric()
}

fn without_digest(word: &str) -> String {
    let (digits, end) = word.split_at(word.trim_end_matches(is_end_of_word).len());
    let is_digest = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest { format!("[SHA-256]{end}") } else { word.to_owned() }
}

/// Without times, durations and sizes.
fn tidy_line(line: &str) -> String {
    let mut words: Vec<String> = vec![];
    for word in line.split(' ') {
        let is_time = word.len() > 20 && word.starts_with("20") && word.ends_with('Z') && word.contains('T');
        let measured =
            ["wall_ms=", "bytes=", "sha256=", "blocks=", "bytes_read=", "decode_ms=", "evaluate_ms=", "peak_mib="]
                .iter()
                .find(|name| word.starts_with(**name));
        words.push(match (is_time, measured) {
            (true, _) => "[TIME]".to_owned(),
            (_, Some(name)) => format!("{name}[N]"),
            _ => word.to_owned(),
        });
    }
    words.join(" ").trim_end().to_owned()
}

/// Runs each line and puts the transcripts one after another.
pub(crate) fn transcripts(sandbox: &Sandbox, lines: &[&str]) -> String {
    lines.iter().map(|line| sandbox.transcript(&sandbox.run(line)) + "\n").collect()
}
