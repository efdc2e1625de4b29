//! A policy's registers as they are today, how they count against recent runs, and whether the ledger takes runs. Nothing
//! is written.

use peristyle_audit::{Ledger, LedgerEnd, LedgerKey, Moment};
use peristyle_opt_out::{ConnectedExtract, VerifiedRegister, read_link, read_registers};
use peristyle_policy::counts::CountsFile;
use peristyle_policy::counts::ledger::CountsFiles;
use peristyle_policy::register::{Register, RegisterId};
use peristyle_policy::{Day, Policy};

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::governed::words;
use crate::source_file::SourceFile;

/// All registers of a policy.
pub(in crate::commands) struct CheckedRegisters<'p> {
    pub(in crate::commands) registers: Vec<CheckedRegister<'p>>,
    /// The counts of recent runs; none where the policy keeps none
    pub(in crate::commands) counts: Option<OpenedCounts>,
    /// The end of the audit ledger, as the next run would find it
    pub(in crate::commands) ledger: Result<LedgerEnd, Failure>,
}

/// What was found of a register.
pub(in crate::commands) struct CheckedRegister<'p> {
    pub(in crate::commands) register: &'p Register,
    pub(in crate::commands) read: Result<VerifiedRegister, Failure>,
    /// Whether its count holds against those of recent runs, where it could be read
    counted: Option<Result<(), Failure>>,
}

type OpenedCounts = Result<CountsFile, Failure>;

/// Reads every register, those that links of the extracts lead through among them.
pub(in crate::commands) fn check_registers<'p>(
    place: &SourceFile,
    policy: &'p Policy,
    links: &'p [Register],
    extracts: &[ConnectedExtract],
    today: Day,
) -> CheckedRegisters<'p> {
    let files = CountsFiles::of(policy);
    let key = LedgerKey::of(files.clone(), &place.ledger);
    let ledger = Ledger::look(&place.ledger, key, Moment::now).map_err(Failure::from);
    let counts = files.map(|_| open_counts(policy, ledger.as_ref().ok()));
    let check = |register| check(register, policy, place, extracts, counts.as_ref(), today);
    let registers = policy.registers().chain(links).map(check).collect();
    CheckedRegisters { registers, counts, ledger }
}

/// The counts of recent runs, held against the ledger, where it can be read, and against the clock.
fn open_counts(policy: &Policy, ledger: Option<&LedgerEnd>) -> OpenedCounts {
    let name = words::name("the policy's name", policy.name.as_str())?;
    let counts = CountsFile::open(policy)?;
    counts.require_sequence(ledger.map_or(0, |ledger| ledger.known_counts(&name)))?;
    counts.require_clock(Day::today())?;
    Ok(counts)
}

fn check<'p>(
    register: &'p Register,
    policy: &Policy,
    place: &SourceFile,
    extracts: &[ConnectedExtract],
    counts: Option<&OpenedCounts>,
    today: Day,
) -> CheckedRegister<'p> {
    let read = read_one(register, policy, place, extracts, today);
    let counted = match (&read, counts) {
        (Ok(read), Some(Ok(counts))) => Some(counts.check(register, read.members, today).map_err(Failure::from)),
        _ => None,
    };
    CheckedRegister { register, read, counted }
}

/// Reads one register, of a rule or of a link.
pub(super) fn read_one(
    register: &Register,
    policy: &Policy,
    place: &SourceFile,
    extracts: &[ConnectedExtract],
    today: Day,
) -> Result<VerifiedRegister, Failure> {
    let read = match &register.id {
        RegisterId::Link(_) => read_link(policy, &register.id, extracts, today)?,
        _ => {
            read_registers(policy, &[register], &place.extract, today)?.into_iter().find(|read| read.id == register.id)
        }
    };
    read.ok_or_else(|| Failure::new(ExitStatus::Failure, "a register was not read"))
}

impl CheckedRegister<'_> {
    /// In one word.
    pub(in crate::commands) fn word(&self) -> &'static str {
        match (&self.read, &self.counted) {
            (Ok(_), Some(Ok(()))) => "accepted",
            (Ok(_), None) => "read",
            _ => "REFUSED",
        }
    }
}

impl CheckedRegisters<'_> {
    /// Why a run would be refused, in the order in which it would find out.
    pub(in crate::commands) fn refusals(&self) -> Vec<&Failure> {
        let read = self.registers.iter().filter_map(|checked| checked.read.as_ref().err());
        let counts = self.counts.as_ref().and_then(|counts| counts.as_ref().err());
        let counted = self.registers.iter().filter_map(|checked| checked.counted.as_ref()?.as_ref().err());
        self.ledger.as_ref().err().into_iter().chain(counts).chain(read).chain(counted).collect()
    }
}
