//! The command line.

mod audit;
mod connector;
mod policy;
mod source;
mod study;
mod synth;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

pub(crate) use self::audit::{AuditCommand, AuditRepair, AuditShow, AuditVerify, LedgerPlace};
pub(crate) use self::connector::{ConnectorCommand, ConnectorNew};
pub(crate) use self::policy::{
    CountSaid, Counts, PolicyCheck, PolicyCommand, PolicyKeygen, PolicyShow, PolicySign, PolicyVerify,
};
pub(crate) use self::source::{SourceCheck, SourceCommand};
use self::study::project;
pub(crate) use self::study::{
    DefinitionArguments, Explain, GenerateDataset, GenerateMeasures, OutputArguments, SourceArguments, Switch,
};
pub(crate) use self::synth::Synth;

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
    /// Check a connector, begin one, or list those that come with Peristyle
    #[command(subcommand)]
    Connector(ConnectorCommand),
    /// Check an extract before a study runs
    #[command(subcommand)]
    Source(SourceCommand),
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
        match self {
            Command::GenerateDataset(_) | Command::GenerateMeasures(_) => false,
            // Its record's head is in the log alone.
            Command::Explain(command) => command.source.source.is_none(),
            _ => true,
        }
    }

    /// Whether the command reads real records. What it says then must not differ by what is hidden, nor tell how long
    /// anything took.
    pub(crate) fn is_under_policy(&self) -> bool {
        match self {
            Command::GenerateDataset(command) => command.source.source.is_some(),
            Command::GenerateMeasures(command) => command.source.source.is_some(),
            Command::Explain(command) => command.source.source.is_some(),
            Command::Policy(_) | Command::Audit(_) | Command::Connector(_) | Command::Source(_) => false,
            Command::Conformance(_) | Command::Demo(_) | Command::Synth(_) => false,
        }
    }
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
            "peristyle generate-measures a.json --dummy-tables d --output o.csv --output-mode 640",
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
            "peristyle connector check ./asthma-clinic",
            "peristyle connector new asthma-clinic --out d",
            "peristyle connector list",
            "peristyle source check s.toml --json",
            "peristyle audit show ledger.jsonl --public --json --project p",
            "peristyle audit repair ledger.jsonl",
            "peristyle demo --log-format json --ehrql /opt/ehrql --root r",
            "peristyle synth --patients 10 --events-per-patient 2.5 --out d --definition a.json --definition b.py",
            "peristyle synth --patients 1 --events-per-patient 0 --out d --tables patients,apcs --unordered --format csv",
            "peristyle synth --patients 9 --events-per-patient 9 --out d --registers --last-date 2026-11-24",
            "peristyle synth --patients 9 --events-per-patient 9 --out d --layout emisv2 --definition a.json --percent-coded .1",
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
            "peristyle explain a.json --source s.toml --project p --analyze",
            "peristyle explain a.json --analyze",
            "peristyle generate-dataset a.json --dummy-tables d --output-mode 640",
            "peristyle generate-dataset a.json --dummy-tables d --output o.csv --output-mode 777",
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
