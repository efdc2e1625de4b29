//! From a policy to a verified one: every register that the run needs is read, held against its limits, and pinned.

use std::collections::BTreeSet;
use std::sync::Arc;

use peristyle_policy::counts::CountsFile;
use peristyle_policy::policy::Policy;
use peristyle_policy::register::{Register, RegisterId};
use peristyle_policy::{AppliedRules, Day, Digest};

use super::VerifiedPolicy;
use super::error::RegisterError;
use super::found::check_found;
use super::link_tables::{needed, read_links};
use super::registers::{EnforcedRules, ReadRegisters, Reading};
use crate::connector::ConnectedExtract;
use crate::source::Extract;

/// What a policy is verified for: one run.
#[derive(Clone, Copy, Debug)]
pub struct PolicyRun<'a> {
    /// The policy
    pub policy: &'a Policy,
    /// The rules of it that the run is under
    pub rules: &'a AppliedRules,
    /// The extract, for registers that are among its tables
    pub tables: &'a Extract,
    /// The extracts, where tables are views over suppliers' raw ones
    pub extracts: &'a [ConnectedExtract],
    /// The user-facing tables that the run asks for, as `ehrql.tables.core.patients`: by them it is known which links are
    /// followed
    pub asked: &'a BTreeSet<Arc<str>>,
    /// The day of the run
    pub today: Day,
    /// How often the counts were written as far as the ledger knows; 0 where it knows nothing
    pub known_counts: u64,
    /// On how many threads registers are read, at most; 0 is 1
    pub threads: usize,
}

/// What becomes of what registers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counting {
    /// Held against recent runs, and written
    Recorded,
    /// Nothing
    LeftAlone,
}

/// A register that was read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRegister {
    /// Which
    pub id: RegisterId,
    /// Of which day it is
    pub as_of: Day,
    /// Its rows
    pub rows: u64,
    /// What the policy's limits are about: patients or practices listed, or rows of registrations
    pub members: u64,
    /// SHA-256 of what it says: of the keys it lists, or of who counts and until when
    pub digest: Digest,
}

impl VerifiedPolicy {
    /// Reads the registers of the rules that the run is under, holds them against the policy's limits and against the
    /// counts of recent runs, adds to those counts, and pins the registers' files. Blocks.
    ///
    /// # Errors
    /// Any doubt about a register. Nothing has been opened but registers.
    pub fn verify(run: &PolicyRun<'_>) -> Result<Self, RegisterError> {
        Self::read(run, Counting::Recorded)
    }

    /// The same for whoever asks what a run would find: counts are neither compared nor written. Blocks.
    ///
    /// # Errors
    /// As [`VerifiedPolicy::verify`], but for those of counts.
    pub fn try_out(run: &PolicyRun<'_>) -> Result<Self, RegisterError> {
        Self::read(run, Counting::LeftAlone)
    }

    fn read(run: &PolicyRun<'_>, counting: Counting) -> Result<Self, RegisterError> {
        let needed = needed(run.policy, run.extracts, run.asked)?;
        let mut registers = run.rules.registers(run.policy);
        let PolicyRun { policy, tables, today, threads, .. } = *run;
        let reading = Reading { policy, tables, today, threads, tells_rows: false };
        let read = ReadRegisters::read(&reading, &registers)?;
        let EnforcedRules { enforcement, mut verified, mut pins } = read.enforcement(run.policy, run.rules)?;
        let links = read_links(run, &needed, &enforcement, &mut verified, &mut pins)?;
        registers.extend(needed.iter().map(|link| &link.register));
        let mut counts_sequence = None;
        if !registers.is_empty() {
            let counted = counted(&registers, &verified);
            if counting == Counting::Recorded {
                let counts = CountsFile::open(run.policy)?;
                counts.require_sequence(run.known_counts)?;
                // Asked now: another run may have counted on a day that has begun since this one did.
                counts.require_clock(run.today.max(Day::today()))?;
                counted.iter().try_for_each(|(register, count)| counts.check(register, *count, run.today))?;
            }
            check_found(run, &enforcement, &mut pins)?;
            if counting == Counting::Recorded {
                counts_sequence = Some(CountsFile::record(run.policy, &counted, run.today)?.sequence());
            }
        }
        // What changed while it was read may be half of each.
        pins.check()?;
        Ok(Self {
            stamp: run.policy.name.as_str().into(),
            enforcement: Arc::new(enforcement),
            links,
            registers: verified,
            pins,
            counts_sequence,
        })
    }
}

/// Reads registers and checks their shape, date and least count, but not how they compare to recent runs: for whoever
/// begins or accepts counts. Blocks.
///
/// # Errors
/// As [`VerifiedPolicy::verify`].
pub fn read_registers(
    policy: &Policy,
    registers: &[&Register],
    tables: &Extract,
    today: Day,
) -> Result<Vec<VerifiedRegister>, RegisterError> {
    let read = ReadRegisters::read(&Reading { policy, tables, today, threads: 1, tells_rows: true }, registers)?;
    read.pins.check()?;
    Ok(read.verified)
}

/// What each register counts, for the file of counts.
fn counted<'p>(registers: &[&'p Register], verified: &[VerifiedRegister]) -> Vec<(&'p Register, u64)> {
    let members =
        |register: &Register| verified.iter().find(|known| known.id == register.id).map(|known| known.members);
    registers.iter().map(|register| (*register, members(register).unwrap_or(0))).collect()
}
