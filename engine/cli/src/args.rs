//! The command line.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use peristyle_outputs::DisclosureControl;
use peristyle_synth::FileFormat;

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::logging::LogFormat;
use crate::settings::Settings;
use crate::ui;

/// Answers ehrQL definitions over tables of GP records
#[derive(Debug, Parser)]
#[command(name = "peristyle", version, max_term_width = 100, after_help = ExitStatus::table())]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a dataset definition: one row per patient, and event tables
    GenerateDataset(GenerateDataset),
    /// Run a measures definition: counts and ratios per interval and group
    GenerateMeasures(GenerateMeasures),
    /// Show how a definition would be run, without reading a row
    Explain(Explain),
    /// Run recorded cases and compare the answers
    Conformance(Conformance),
    /// Make a synthetic population and run two definitions over it
    Demo(Demo),
    /// Make the tables of a synthetic population
    Synth(Synth),
}

impl Command {
    /// Whether the command itself tells its user how it goes, so that logs would only repeat it.
    pub(crate) fn talks(&self) -> bool {
        matches!(self, Command::Demo(_) | Command::Conformance(_) | Command::Synth(_) | Command::Explain(_))
    }
}

/// A definition and what its code is told.
#[derive(Debug, Args)]
pub(crate) struct DefinitionArguments {
    /// The definition: a `.json` document, a `.py` file (serialised by `ehrql`), or `-` for a document on stdin
    #[arg(value_name = "DEF")]
    pub(crate) definition: PathBuf,
    /// Passed to the definition's Python code, after `--`
    #[arg(last = true, value_name = "PARAMETERS")]
    pub(crate) parameters: Vec<OsString>,
}

/// Where the tables are.
#[derive(Debug, Args)]
pub(crate) struct SourceArguments {
    /// A folder of user-facing tables of people who do not exist: one file or folder of files per table, as .parquet,
    /// .arrow, .csv or .csv.gz. No policy applies
    #[arg(long, value_name = "DIR")]
    pub(crate) dummy_tables: Option<PathBuf>,
}

/// `generate-dataset`
#[derive(Debug, Args)]
pub(crate) struct GenerateDataset {
    #[command(flatten)]
    pub(crate) definition: DefinitionArguments,
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// A file ending in .arrow, .csv, .csv.gz or .parquet, or FOLDER/:ENDING for several tables [default: the console]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<String>,
}

/// `generate-measures`
#[derive(Debug, Args)]
pub(crate) struct GenerateMeasures {
    #[command(flatten)]
    pub(crate) definition: DefinitionArguments,
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// A file ending in .arrow, .csv, .csv.gz or .parquet, or FOLDER/:ENDING for a file per measure [default: the
    /// console]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<String>,
    /// Whether small counts are suppressed and others rounded; `off` for dummy tables only [default: what the
    /// definition says, else on]
    #[arg(long, value_enum, value_name = "ON|OFF")]
    pub(crate) disclosure_control: Option<Switch>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// Suppress and round
    On,
    /// Leave counts as they are
    Off,
}

impl From<Switch> for DisclosureControl {
    fn from(switch: Switch) -> Self {
        match switch {
            Switch::On => DisclosureControl::On,
            Switch::Off => DisclosureControl::Off,
        }
    }
}

/// `explain`
#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) definition: DefinitionArguments,
    #[command(flatten)]
    pub(crate) source: SourceArguments,
}

/// `conformance`
#[derive(Debug, Args)]
pub(crate) struct Conformance {
    /// Files of cases, one JSON object a line
    #[arg(required = true, value_name = "FILE.jsonl[.gz]")]
    pub(crate) files: Vec<PathBuf>,
    /// Run only the cases whose id contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
}

/// `demo`
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where tables and answers go; files of an earlier demo are replaced
    #[arg(long, default_value = "peristyle-demo", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// How many patients to make up
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pub(crate) patients: u64,
}

/// `synth`
#[derive(Debug, Args)]
pub(crate) struct Synth {
    /// How many patients
    #[arg(long, value_name = "N")]
    pub(crate) patients: u64,
    /// Clinical events per patient, on average
    #[arg(long, value_name = "K")]
    pub(crate) events_per_patient: f64,
    /// The folder to write to; it must be empty, or not there yet
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Another seed makes another population
    #[arg(long, default_value_t = 0, value_name = "S")]
    pub(crate) seed: u64,
    /// The format of the files
    #[arg(long, value_enum, default_value = "parquet", value_name = "FORMAT")]
    pub(crate) format: SynthFormat,
    /// Shuffle the rows, rather than order them by patient
    #[arg(long)]
    pub(crate) unordered: bool,
    /// Make only these tables
    #[arg(long, value_name = "TABLE", value_delimiter = ',')]
    pub(crate) tables: Vec<String>,
    /// A definition whose code lists some patients shall have; may be repeated
    #[arg(long = "definition", value_name = "DEF")]
    pub(crate) definitions: Vec<PathBuf>,
}

/// The formats that tables can be made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SynthFormat {
    Parquet,
    Csv,
}

impl From<SynthFormat> for FileFormat {
    fn from(format: SynthFormat) -> Self {
        match format {
            SynthFormat::Parquet => FileFormat::Parquet,
            SynthFormat::Csv => FileFormat::Csv,
        }
    }
}

/// Says what is wrong with the command line, or gives the help that was asked for.
pub(crate) fn refuse(refusal: &clap::Error) -> ExitCode {
    let wants_json = || {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        arguments.iter().any(|argument| argument == "--log-format=json")
            || arguments.windows(2).any(|pair| pair[0] == "--log-format" && pair[1] == "json")
    };
    match refusal.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that went away has seen enough.
            let _ = refusal.print();
            ExitStatus::Success.into()
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = write!(std::io::stderr(), "{refusal}");
            ExitStatus::Arguments.into()
        }
        _ if wants_json() => {
            crate::logging::start(LogFormat::Json, false);
            let message = refusal.to_string();
            let message = message.trim().trim_start_matches("error: ");
            ui::report(LogFormat::Json, &Failure::new(ExitStatus::Arguments, message));
            ExitStatus::Arguments.into()
        }
        _ => {
            let _ = refusal.print();
            ExitStatus::Arguments.into()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn forms_that_are_scripted_against_are_understood() {
        for line in [
            "peristyle generate-dataset a.json",
            "peristyle generate-dataset a.json --dummy-tables d --output o.arrow",
            "peristyle generate-dataset - --dummy-tables d --output o/:csv",
            "peristyle generate-dataset a.py --dummy-tables d -- --date 2020-01-01 x",
            "peristyle generate-measures a.json --dummy-tables d --disclosure-control off",
            "peristyle --threads 2 explain a.json --memory-limit 4GiB",
            "peristyle conformance a.jsonl b.jsonl.gz --only spec/",
            "peristyle demo --log-format json --ehrql /opt/ehrql --root r",
            "peristyle synth --patients 10 --events-per-patient 2.5 --out d --definition a.json --definition b.py",
            "peristyle synth --patients 1 --events-per-patient 0 --out d --tables patients,apcs --unordered --format csv",
        ] {
            if let Err(error) = Arguments::try_parse_from(line.split(' ')) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn what_follows_two_dashes_goes_to_the_definition() {
        let arguments = Arguments::try_parse_from(["peristyle", "explain", "a.py", "--", "--threads", "x"]).unwrap();
        let Command::Explain(explain) = arguments.command else { panic!("another command") };
        assert_eq!(explain.definition.parameters, ["--threads", "x"]);
        assert_eq!(arguments.settings.threads, None);
    }
}
