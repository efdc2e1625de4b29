//! `audit …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use peristyle_audit::{Head, Moment};
use peristyle_policy::Name;

use super::project;

/// What is to be done with an audit ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Read all of a ledger, and find whatever was altered, removed, put in or moved
    Verify(AuditVerify),
    /// Show the runs of a ledger: all that is known of them, or what may be published
    Show(AuditShow),
    /// Move a half-written last line aside, or answer for a clock that was ahead, and record that
    Repair(AuditRepair),
}

/// `audit verify`
#[derive(Debug, Args)]
pub(crate) struct AuditVerify {
    /// The ledger
    #[arg(value_name = "LEDGER")]
    pub(crate) ledger: PathBuf,
    /// The head that an earlier check printed, noted where nobody who can write the ledger can write
    #[arg(long, value_name = "SEQ:HASH")]
    pub(crate) head: Option<Head>,
    #[command(flatten)]
    pub(crate) place: LedgerPlace,
}

/// Where the key of a ledger's lines is.
#[derive(Debug, Args)]
pub(crate) struct LedgerPlace {
    /// The source file of the place that the ledger is of: its policy says which counts keep the ledger's head, and which
    /// key its lines have MACs under [default: those that the ledger's anchor notes, which whoever writes it can change]
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) source: Option<PathBuf>,
}

/// `audit show`
#[derive(Debug, Args)]
pub(crate) struct AuditShow {
    /// The ledger
    #[arg(value_name = "LEDGER")]
    pub(crate) ledger: PathBuf,
    /// Only what may be published: counts of 7 or fewer are suppressed, all others rounded
    #[arg(long)]
    pub(crate) public: bool,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Only runs of this project
    #[arg(long, value_name = "NAME", value_parser = project)]
    pub(crate) project: Option<Name>,
    /// Only runs that started at this moment or later, such as 2026-01-31T09:30:00Z
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub(crate) from: Option<Moment>,
    /// Only runs that started before this moment
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub(crate) until: Option<Moment>,
    #[command(flatten)]
    pub(crate) place: LedgerPlace,
}

/// `audit repair`
#[derive(Debug, Args)]
pub(crate) struct AuditRepair {
    /// The ledger
    #[arg(value_name = "LEDGER")]
    pub(crate) ledger: PathBuf,
    /// The clock was ahead when the last record was written, and is right now: record that, so that runs go on
    #[arg(long, requires = "by")]
    pub(crate) clock_was_ahead: bool,
    /// Who answers for the clock: for the audit ledger
    #[arg(long, value_name = "NAME", requires = "clock_was_ahead")]
    pub(crate) by: Option<String>,
    #[command(flatten)]
    pub(crate) place: LedgerPlace,
}

fn moment(text: &str) -> Result<Moment, peristyle_audit::RecordError> {
    Moment::parse("it", text)
}
