//! What goes for every command: threads, memory, blocks, logs.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use peristyle_execution::ExecutionOptions;
use peristyle_opt_out::{EnclaveOptions, StudyFiles};
use tokio::runtime::{Builder, Runtime};

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::logging::LogFormat;

/// What goes for every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Settings {
    /// Threads that work [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Memory for putting tables in order, such as 4GiB; beyond it, sorted rows go to temporary files [default: none]
    #[arg(long, global = true, value_name = "SIZE")]
    pub(crate) memory_limit: Option<ByteSize>,
    /// How logs and the final error are written to stderr
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    /// The `ehrql` command that serialises definitions in Python
    #[arg(long, global = true, default_value = "ehrql", value_name = "PATH")]
    pub(crate) ehrql: OsString,
    /// The folder that a definition's own files are in [default: the current one; under a policy, none]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Rows of all tables in a block (for tuning; answers do not depend on it)
    #[arg(long, global = true, value_name = "N")]
    pub(crate) block_rows: Option<NonZeroUsize>,
    /// Patients in a block (for tuning; answers do not depend on it)
    #[arg(long, global = true, value_name = "N")]
    pub(crate) block_patients: Option<NonZeroUsize>,
}

impl Settings {
    /// How many threads work.
    pub(crate) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(cores).get()
    }

    /// How a run is cut up.
    pub(crate) fn execution(&self) -> ExecutionOptions {
        let default = ExecutionOptions::default();
        ExecutionOptions {
            threads: self.threads(),
            block_rows_max: self.block_rows.map_or(default.block_rows_max, NonZeroUsize::get),
            block_patients_max: self.block_patients.map_or(default.block_patients_max, NonZeroUsize::get),
        }
    }

    /// The means of an enclave over made-up records. A definition's own files are in the current folder, unless the
    /// command line says otherwise.
    pub(crate) fn enclave(&self) -> EnclaveOptions {
        let root = self.root.clone().unwrap_or_else(|| PathBuf::from("."));
        self.enclave_with(StudyFiles { root: Some(root), kept: Vec::new() })
    }

    /// The means of an enclave under a policy. A definition's own files are in the folder that the command line names, if it
    /// names one; `kept` are not among them.
    pub(crate) fn enclave_under_policy(&self, kept: Vec<PathBuf>) -> EnclaveOptions {
        self.enclave_with(StudyFiles { root: self.root.clone(), kept })
    }

    fn enclave_with(&self, study: StudyFiles) -> EnclaveOptions {
        EnclaveOptions {
            threads: self.threads(),
            memory_limit_bytes: self.memory_limit.map(|limit| limit.0),
            study,
            ..EnclaveOptions::default()
        }
    }

    /// Threads to run on.
    pub(crate) fn runtime(&self) -> Result<Runtime, Failure> {
        let threads = self.threads();
        Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .map_err(|error| Failure::new(ExitStatus::Failure, format!("cannot start {threads} threads")).cause(error))
    }
}

/// A number of bytes, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) usize);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor: usize = match unit.trim() {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            _ => return Err("give a number and a unit, such as 512MiB, 4GiB or 4GB".to_owned()),
        };
        let number: usize =
            number.parse().map_err(|_| "give a whole number before the unit, such as 4GiB".to_owned())?;
        match number.checked_mul(factor) {
            None => Err("is more than this machine can count".to_owned()),
            Some(0) => Err("must be more than nothing".to_owned()),
            Some(bytes) => Ok(ByteSize(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, want) in [
            ("1", Some(1)),
            ("512MiB", Some(512 << 20)),
            ("4GiB", Some(4 << 30)),
            ("4 GB", Some(4_000_000_000)),
            ("", None),
            ("GiB", None),
            ("4G", None),
            ("-1GiB", None),
            ("1.5GiB", None),
            ("0", None),
            ("99999999999TiB", None),
        ] {
            assert_eq!(text.parse::<ByteSize>().ok(), want.map(ByteSize), "{text}");
        }
    }
}
