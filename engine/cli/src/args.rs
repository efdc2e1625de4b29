//! The command line.

mod audit;
mod policy;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use peristyle_outputs::DisclosureControl;
use peristyle_policy::Name;
use peristyle_synth::FileFormat;

pub(crate) use self::audit::{AuditCommand, AuditRepair, AuditShow, AuditVerify};
pub(crate) use self::policy::{Counts, PolicyCheck, PolicyCommand, PolicyKeygen, PolicyShow, PolicySign, PolicyVerify};

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
    /// Check a policy and its registers, begin or accept their counts, and work with emergency set-asides
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Verify, show or repair an audit ledger
    #[command(subcommand)]
    Audit(AuditCommand),
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
        !matches!(self, Command::GenerateDataset(_) | Command::GenerateMeasures(_))
    }

    /// Whether the command reads real records. What it says then must not differ by what is hidden, nor tell how long
    /// anything took.
    pub(crate) fn is_under_policy(&self) -> bool {
        match self {
            Command::GenerateDataset(command) => command.source.source.is_some(),
            Command::GenerateMeasures(command) => command.source.source.is_some(),
            Command::Explain(command) => command.source.source.is_some(),
            Command::Policy(_) | Command::Audit(_) => false,
            Command::Conformance(_) | Command::Demo(_) | Command::Synth(_) => false,
        }
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

/// Where the tables are, and what the run may see of them.
#[derive(Debug, Args)]
pub(crate) struct SourceArguments {
    /// A folder of user-facing tables of people who do not exist: one file or folder of files per table, as .parquet,
    /// .arrow, .csv or .csv.gz. No policy applies
    #[arg(long, value_name = "DIR", conflicts_with = "source")]
    pub(crate) dummy_tables: Option<PathBuf>,
    /// A file that says where an extract, its policy and its audit ledger are. The policy applies
    #[arg(long, value_name = "FILE.toml", requires = "project")]
    pub(crate) source: Option<PathBuf>,
    /// The project that asks; needed under a policy
    #[arg(long, value_name = "NAME", value_parser = project, requires = "source", conflicts_with = "dummy_tables")]
    pub(crate) project: Option<Name>,
    /// The project's permissions, a JSON list of names [default: those in EHRQL_PERMISSIONS]
    #[arg(long, value_name = "JSON")]
    pub(crate) permissions: Option<String>,
    /// The signed record of an emergency set-aside
    #[arg(long, value_name = "FILE.json", requires = "source", conflicts_with = "dummy_tables")]
    pub(crate) set_aside: Option<PathBuf>,
}

/// A project's name, fit for the audit ledger.
pub(crate) fn project(text: &str) -> Result<Name, String> {
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic());
    Name::parse(text).ok().filter(|_| begins).ok_or_else(|| {
        "a project's name has 1 to 100 letters, digits, `-`, `_` or `.`, and begins with a letter".to_owned()
    })
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
    /// Whether small counts are suppressed and others rounded; where a policy locks it, `off` needs a permission
    /// [default: what the definition says, else on]
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
            crate::logging::start(LogFormat::Json, false, false);
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
            "peristyle generate-dataset a.json --source s.toml --project p --output o.arrow",
            "peristyle generate-measures a.json --source s.toml --project p --permissions [] --set-aside r.json",
            "peristyle explain a.json --source s.toml --project p",
            "peristyle policy check s.toml",
            "peristyle policy show policy.toml",
            "peristyle policy begin s.toml --by me",
            "peristyle policy accept s.toml --register type_one.register --by me",
            "peristyle policy keygen --out body.key",
            "peristyle policy sign r.json --body nhs-england --key body.key",
            "peristyle policy verify r.json --source s.toml --project p",
            "peristyle audit verify ledger.jsonl",
            "peristyle audit show ledger.jsonl --public --json --project p",
            "peristyle audit repair ledger.jsonl",
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
    fn forms_that_make_no_sense_are_refused() {
        for line in [
            "peristyle generate-dataset a.json --dummy-tables d --source s.toml --project p",
            "peristyle generate-dataset a.json --source s.toml",
            "peristyle generate-dataset a.json --source s.toml --project 9",
            "peristyle generate-dataset a.json --dummy-tables d --project p",
            "peristyle generate-dataset a.json --dummy-tables d --set-aside r.json",
            "peristyle policy begin s.toml",
            "peristyle policy accept s.toml --by me --register patients",
            "peristyle audit verify ledger.jsonl --head 1",
        ] {
            assert!(Arguments::try_parse_from(line.split(' ')).is_err(), "{line}");
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
