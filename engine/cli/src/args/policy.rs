//! `policy …`

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use peristyle_policy::Name;
use peristyle_policy::register::RegisterId;

use super::project;

/// What is to be done with a policy, or with a set-aside from it.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Read the policy, its registers and their counts, and say what a run would refuse
    Check(PolicyCheck),
    /// Show what a policy, or the record of a set-aside, says
    Show(PolicyShow),
    /// Begin to keep counts of registers, once a person has seen that they are right
    Begin(Counts),
    /// Accept registers that changed by more than the policy allows, once a person has seen that they are right
    Accept(Accept),
    /// Make a key for a body that signs set-asides
    Keygen(PolicyKeygen),
    /// Sign the record of a set-aside for a body
    Sign(PolicySign),
    /// Say whether a set-aside would be accepted today
    Verify(PolicyVerify),
}

/// `policy check`
#[derive(Debug, Args)]
pub(crate) struct PolicyCheck {
    /// The file that says where an extract, its policy and its audit ledger are
    #[arg(value_name = "SOURCE.toml")]
    pub(crate) source: PathBuf,
}

/// `policy show`
#[derive(Debug, Args)]
pub(crate) struct PolicyShow {
    /// A policy, or the record of a set-aside
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// `policy begin` and `policy accept`
#[derive(Debug, Args)]
pub(crate) struct Counts {
    /// The file that says where an extract, its policy and its audit ledger are
    #[arg(value_name = "SOURCE.toml")]
    pub(crate) source: PathBuf,
    /// Only this register, as messages name it, such as type_one.register or link.NAME; may be repeated [default: all]
    #[arg(long = "register", value_name = "ID", value_parser = RegisterId::parse)]
    pub(crate) registers: Vec<RegisterId>,
    /// Who has seen that the registers are right: for the audit ledger
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
}

/// `policy accept`
#[derive(Debug, Args)]
pub(crate) struct Accept {
    #[command(flatten)]
    pub(crate) counts: Counts,
    /// How many it lists now, as whoever answers for it has it from its source: REGISTER=N for each register, or N for the one
    /// that --register names. Nothing is accepted that lists another number
    #[arg(long = "count", value_name = "[REGISTER=]N")]
    pub(crate) said: Vec<CountSaid>,
}

/// How many a register is said to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CountSaid {
    /// Which; the only one, where none is named
    pub(crate) register: Option<RegisterId>,
    pub(crate) count: u64,
}

impl FromStr for CountSaid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (register, count) = match text.rsplit_once('=') {
            Some((register, count)) => (Some(RegisterId::parse(register).map_err(|error| error.to_string())?), count),
            None => (None, text),
        };
        let count = count.replace(',', "").parse().map_err(|_| "give a whole number, or REGISTER=N".to_owned())?;
        Ok(Self { register, count })
    }
}

/// `policy keygen`
#[derive(Debug, Args)]
pub(crate) struct PolicyKeygen {
    /// The file to write the private key to; it must not be there yet
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// `policy sign`
#[derive(Debug, Args)]
pub(crate) struct PolicySign {
    /// The record; the signature is added to it
    #[arg(value_name = "RECORD.json")]
    pub(crate) record: PathBuf,
    /// The body that agrees
    #[arg(long, value_name = "NAME", value_parser = Name::parse)]
    pub(crate) body: Name,
    /// The file of the body's private key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
}

/// `policy verify`
#[derive(Debug, Args)]
pub(crate) struct PolicyVerify {
    /// The record
    #[arg(value_name = "RECORD.json")]
    pub(crate) record: PathBuf,
    /// The file that says where an extract, its policy and its audit ledger are
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) source: PathBuf,
    /// The project that would use it
    #[arg(long, value_name = "NAME", value_parser = project)]
    pub(crate) project: Name,
}
