//! `policy begin` and `policy accept`: a person answers for what registers count.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use peristyle_audit::{Acceptance, AuditError, CountsAccepted, Finding, FreeText, Ledger, LedgerKey, Moment};
use peristyle_opt_out::{VerifiedRegister, link_registers};
use peristyle_policy::counts::ledger::CountsFiles;
use peristyle_policy::counts::{CountsError, CountsFile};
use peristyle_policy::register::{Register, RegisterId};
use peristyle_policy::{Day, Policy};

use super::changes::Changes;
use super::registers::read_one;
use crate::args::{CountSaid, Counts};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::governed::{load_policy, words};
use crate::source_file::SourceFile;
use crate::text_table::columns;
use crate::ui;

/// Counts of registers are begun, or changes of them accepted where it is `said` how many they list now.
///
/// Reads the registers, records who answers for them, and writes their counts, in this order: what is not recorded is not
/// done.
pub(super) fn run(command: &Counts, said: Option<&[CountSaid]>) -> Result<ExitStatus, Failure> {
    let acceptance = if said.is_some() { Acceptance::Accepted } else { Acceptance::Begun };
    let place = SourceFile::load(&command.source)?;
    let policy = load_policy(&place)?;
    let extracts = place.extracts()?;
    let links = link_registers(&policy, &extracts);
    let mut registers = chosen(command, &policy, &links)?;
    if acceptance == Acceptance::Begun
        && let Some(counts) = known(&policy)?
    {
        registers.retain(|register| !counts.knows(&register.id));
        if registers.is_empty() && !is_unknown_to_counts(&place, &policy) {
            ui::show("nothing to begin: these registers are counted already, and what is known of them stays\n")?;
            return Ok(ExitStatus::Success);
        }
    }
    let by =
        FreeText::new("--by", &command.by).map_err(|error| Failure::new(ExitStatus::Arguments, error.to_string()))?;
    let today = Day::today();
    let read = registers.iter().map(|register| read_one(register, &policy, &place, &extracts, today));
    let read = read.collect::<Result<Vec<VerifiedRegister>, Failure>>()?;
    let count = |register: &Register| read.iter().find(|read| read.id == register.id).map(|read| read.members);
    let counted: Vec<(&Register, u64)> =
        registers.iter().filter_map(|register| Some((*register, count(register)?))).collect();
    let changes = match said {
        Some(said) => Changes::said(&policy, &counted, said, today)?,
        None => Changes::none(),
    };
    make_folder(&policy)?;

    let ledger = open_ledger(&place, &policy, acceptance)?;
    let name = words::name("the policy's name", policy.name.as_str())?;
    let known = ledger.end()?.known_counts(&name);
    let accepted = ledger.accept_counts(CountsAccepted {
        acceptance,
        accepted: Moment::now(),
        by,
        policy: name,
        policy_sha256: words::digest(policy.digest()),
        registers: read.iter().map(words::register).collect::<Result<_, _>>()?,
        was: changes.for_the_ledger()?,
    })?;
    let head = match acceptance {
        Acceptance::Begun => {
            CountsFile::begin(&policy, &counted, today, known)?;
            ledger.keep_head()?
        }
        Acceptance::Accepted => {
            CountsFile::accept(&policy, &counted, today)?;
            accepted
        }
    };
    let rows = match acceptance {
        Acceptance::Begun => {
            let row = |(register, count): &(&Register, u64)| vec![register.id.to_string(), ui::count(*count)];
            columns(&["register", "#counts"], &counted.iter().map(row).collect::<Vec<_>>())
        }
        Acceptance::Accepted => changes.table(),
    };
    let what = acceptance.name();
    ui::show(&format!("counts of policy `{}` {what}\n{rows}head: {head}\n", policy.name))?;
    Ok(ExitStatus::Success)
}

/// The ledger, and for whoever begins the counts the key that its lines have MACs under from then on.
fn open_ledger(place: &SourceFile, policy: &Policy, acceptance: Acceptance) -> Result<Ledger, Failure> {
    let key = || LedgerKey::of(CountsFiles::of(policy), &place.ledger);
    if acceptance == Acceptance::Accepted {
        return Ok(Ledger::open(&place.ledger, key())?);
    }
    let first = key();
    if first.is_missing() {
        // Refused where lines have MACs: of a key that is gone, and a new one could check none of them.
        drop(Ledger::open(&place.ledger, first)?);
        CountsFile::make_key(policy)?;
    }
    Ok(Ledger::open_to_begin(&place.ledger, key())?)
}

/// Whether the counts are there and do not know the ledger: those that did were lost.
fn is_unknown_to_counts(place: &SourceFile, policy: &Policy) -> bool {
    let key = LedgerKey::of(CountsFiles::of(policy), &place.ledger);
    let looked = Ledger::look(&place.ledger, key, Moment::now);
    matches!(looked, Err(AuditError::Unsound { finding: Finding::UnknownToCounts, .. }))
}

/// The registers that are named, or all of the policy.
fn chosen<'p>(command: &Counts, policy: &'p Policy, links: &'p [Register]) -> Result<Vec<&'p Register>, Failure> {
    let known: Vec<&Register> = policy.registers().chain(links).collect();
    if known.is_empty() {
        let message =
            format!("policy `{}` applies no rule and follows no link, so it has no registers to count", policy.name);
        return Err(Failure::new(ExitStatus::Arguments, message));
    }
    if command.registers.is_empty() {
        return Ok(known);
    }
    let find = |id: &RegisterId| {
        known.iter().copied().find(|register| register.id == *id).ok_or_else(|| {
            Failure::new(ExitStatus::Arguments, format!("policy `{}` has no register `{id}`", policy.name))
        })
    };
    command.registers.iter().map(find).collect()
}

/// The counts that there are; none where there are none.
fn known(policy: &Policy) -> Result<Option<CountsFile>, Failure> {
    match CountsFile::open(policy) {
        Ok(counts) => Ok(Some(counts)),
        Err(CountsError::Absent { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The folders of the counts and of their key, for the engine's account alone.
fn make_folder(policy: &Policy) -> Result<(), Failure> {
    let Some(terms) = &policy.counts else { return Ok(()) };
    for file in [&terms.file.path, &terms.key_file.path] {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
            Failure::new(ExitStatus::Files, format!("cannot make the folder `{}`", folder.display())).cause(error)
        })?;
    }
    Ok(())
}
