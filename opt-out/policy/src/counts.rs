//! What registers counted in recent runs: a small sealed file, by which a register that has lost (or gained) too much is
//! told from one that merely changed.
//!
//! - A count is compared to the greatest and the least of the last `reference_days` days, not to the last run's alone: a
//!   register that loses a little with every run would else be trusted until it is empty.
//! - The file is written after a verification that succeeded, and only then: whole, or not at all.
//! - It is sealed with HMAC-SHA256 under a key that only the engine's account can read. Altered, truncated or of another
//!   policy: refused. A file of an earlier day put back in its place has a valid seal, but an earlier
//!   [`CountsFile::sequence`], which the ledger knows: [`CountsFile::require_sequence`].
//! - The same file keeps the [`head`](ledger::LedgerSeal) of each audit ledger that runs are recorded in.
//! - No file is not "the first run": it is refused. A person begins it ([`CountsFile::begin`]), and a person accepts a
//!   change beyond the limits ([`CountsFile::accept`]); both are for the ledger.

pub mod ledger;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use self::ledger::LedgerHead;
use crate::day::Day;
use crate::digest::{Canonical, Digest};
use crate::files::{
    FileFault, LOCK_WAIT_MAX, LockFault, beside, lock_within, open_regular, open_regular_itself, replace,
    sync_folder_of,
};
use crate::name::Name;
use crate::policy::{CountsTerms, Policy};
use crate::register::{Register, RegisterId};
use crate::secret_file::{self, Secret, SecretFileError, SecretKind};

/// The longest file of counts, in bytes: a year of days for each register.
const COUNTS_BYTES_MAX: u64 = 1_048_576;

/// Counts that cannot be trusted, or a register that they speak against. The run stops.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the names, and the messages say the rest")]
pub enum CountsError {
    /// The policy keeps no counts, as it applies no rule
    #[error("policy `{policy}` has no [counts] section, so no counts can be kept")]
    NoneKept { policy: Name },
    /// No file
    #[error(
        "there are no counts of recent runs at `{}`: if there never were, begin them with `peristyle policy begin`; \
         if there were, find out who removed them",
        path.display()
    )]
    Absent { path: PathBuf },
    /// The file cannot be read
    #[error("the counts of recent runs at `{}` cannot be read ({kind})", path.display())]
    Unreadable { path: PathBuf, kind: FileFault },
    /// The seal does not hold
    #[error(
        "the counts of recent runs at `{}` were altered or cut short: find out how, restore them from a backup, \
         or remove them and begin anew with `peristyle policy begin`",
        path.display()
    )]
    Altered { path: PathBuf },
    /// Of another policy
    #[error("the counts at `{}` are of policy `{named}`, not of `{policy}`: give each policy a file of its own", path.display())]
    OtherPolicy { path: PathBuf, named: Name, policy: Name },
    /// An earlier file was put back
    #[error(
        "the counts at `{}` are older than the ledger knows ({sequence} of {known}): an earlier file was put back in \
         their place; restore the last one",
        path.display()
    )]
    RolledBack { path: PathBuf, sequence: u64, known: u64 },
    /// The clock stands before a day that was counted
    #[error(
        "the clock says {today}, and the counts of recent runs are of days up to {latest}: set the clock right. If it was \
         ahead when they were counted, a person accepts today's counts with `peristyle policy accept`"
    )]
    ClockBehind { today: Day, latest: Day },
    /// Another process holds the lock
    #[error(
        "the lock of the counts, `{}`, has been held by another process for {waited_s} s: find the process that holds it \
         (`lsof` on the file), let it end or end it, and run again",
        path.display()
    )]
    Busy { path: PathBuf, waited_s: u64 },
    /// The lock's file is of another account, or others can open it, so that they could hold it
    #[error(
        "the lock of the counts, `{}`, is {whose}, which could hold up every run by it: remove it while no run is under \
         way; the next run makes it anew",
        path.display()
    )]
    LockOfOthers { path: PathBuf, whose: &'static str },
    /// The lock's file cannot be made, opened or locked
    #[error("the lock of the counts, `{}`, cannot be taken ({kind})", path.display())]
    Unlockable { path: PathBuf, kind: FileFault },
    /// The key of the seal
    #[error(transparent)]
    Key(#[from] SecretFileError),
    /// The file cannot be written
    #[error("the counts of this run cannot be written to `{}` ({kind}): nothing is released without them", path.display())]
    Unwritable { path: PathBuf, kind: FileFault },
    /// A register that the counts do not know
    #[error("register `{register}` was never counted: begin its counts with `peristyle policy begin`")]
    NotBegun { register: RegisterId },
    /// Too few
    #[error("register `{register}` lists {count}; the policy's `least_count` is {least}: have it delivered again")]
    TooFew { register: RegisterId, count: u64, least: u64 },
    /// Lost too much
    #[error(
        "register `{register}` lists {count}, and listed {reference} not long ago: a fall of more than the policy's \
         {percent}%. Have it delivered again; if it is right, accept it with `peristyle policy accept`"
    )]
    Fell { register: RegisterId, count: u64, reference: u64, percent: u8 },
    /// Gained too much
    #[error(
        "register `{register}` lists {count}, and listed {reference} not long ago: a rise of more than the policy's \
         {percent}%. Have it delivered again; if it is right, accept it with `peristyle policy accept`"
    )]
    Rose { register: RegisterId, count: u64, reference: u64, percent: u16 },
}

/// The counts of recent runs, with a seal that holds.
#[derive(Debug)]
pub struct CountsFile {
    terms: CountsTerms,
    content: Content,
}

/// The file without its seal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    peristyle_counts: u8,
    policy: Name,
    /// One more with every time the file is written
    sequence: u64,
    /// By register, in order of day
    registers: BTreeMap<RegisterId, Vec<DayCounts>>,
    /// By a ledger's path from the folder of this file, its last line
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    ledgers: BTreeMap<String, LedgerHead>,
}

/// The form that is written. Form 1, which knows no ledgers, is still read.
const FORM: u8 = 2;

/// What the runs of a day counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct DayCounts {
    day: Day,
    least: u64,
    greatest: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    content: Content,
    seal: String,
}

/// What becomes of counts that are there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Merge {
    Add,
    OnlyNew,
    Replace,
}

impl CountsFile {
    /// Begins the counts: makes the file, and its key if that is missing too, or adds registers that it does not know;
    /// what it knows stays. For a person who has seen that the registers are right.
    ///
    /// A new file goes on from `known`, how often the ledger knows the counts to have been written: so a file of before
    /// stays older than the new one.
    pub fn begin(policy: &Policy, counted: &[(&Register, u64)], today: Day, known: u64) -> Result<Self, CountsError> {
        counted.iter().try_for_each(|(register, count)| check_least(register, *count))?;
        let terms = terms(policy)?;
        Self::make_key(policy)?;
        let _lock = lock(&terms.file.path)?;
        let file = match Self::open(policy) {
            Err(CountsError::Absent { .. }) => {
                let policy = policy.name.clone();
                let content = Content {
                    peristyle_counts: FORM,
                    policy,
                    sequence: known,
                    registers: BTreeMap::new(),
                    ledgers: BTreeMap::new(),
                };
                Self { terms: terms.clone(), content }
            }
            opened => opened?,
        };
        file.written(counted, today, Merge::OnlyNew)
    }

    /// Makes the key of the counts, unless there is one.
    ///
    /// # Errors
    /// If it cannot be written, or the policy keeps no counts.
    pub fn make_key(policy: &Policy) -> Result<(), CountsError> {
        let path = &terms(policy)?.key_file.path;
        if path.symlink_metadata().is_err() {
            drop(secret_file::create(SecretKind::CountsKey, path)?);
        }
        Ok(())
    }

    /// Opens the counts that the policy names.
    pub fn open(policy: &Policy) -> Result<Self, CountsError> {
        let terms = terms(policy)?.clone();
        let path = &terms.file.path;
        let bytes = read(path)?;
        let key = secret_file::open(SecretKind::CountsKey, &terms.key_file.path)?;
        let content = Content::unseal(&bytes, path, &key)?;
        if content.policy != policy.name {
            let (named, policy) = (content.policy, policy.name.clone());
            return Err(CountsError::OtherPolicy { path: path.clone(), named, policy });
        }
        Ok(Self { terms, content })
    }

    /// How often the file was written.
    pub fn sequence(&self) -> u64 {
        self.content.sequence
    }

    /// Whether a register was counted before.
    pub fn knows(&self, register: &RegisterId) -> bool {
        self.content.registers.get(register).is_some_and(|days| !days.is_empty())
    }

    /// Fails where the ledger knows of a later file than this.
    pub fn require_sequence(&self, known: u64) -> Result<(), CountsError> {
        if self.content.sequence >= known {
            return Ok(());
        }
        Err(CountsError::RolledBack { path: self.terms.file.path.clone(), sequence: self.content.sequence, known })
    }

    /// Fails where the clock stands before a day that was counted: no age of a register can be told by it.
    pub fn require_clock(&self, today: Day) -> Result<(), CountsError> {
        let latest = self.content.registers.values().flatten().map(|known| known.day).max();
        match latest {
            Some(latest) if today < latest => Err(CountsError::ClockBehind { today, latest }),
            _ => Ok(()),
        }
    }

    /// What recent runs counted of a register; none of one that was never counted.
    pub fn reference(&self, register: &RegisterId, today: Day) -> Option<Reference> {
        let days = self.content.registers.get(register).map_or(&[][..], Vec::as_slice);
        // Days that have not come yet count as well: a clock that was put back must not widen the limits.
        let recent = |known: &&DayCounts| today.days_since(known.day) <= i32::from(self.terms.reference_days);
        // However long ago the last run was, it is something to compare to.
        let compared = || days.iter().filter(recent).chain(days.last());
        let greatest = compared().map(|known| known.greatest).max()?;
        let least = compared().map(|known| known.least).min()?;
        Some(Reference { least, greatest })
    }

    /// Whether a register with so many entries may be trusted today.
    pub fn check(&self, register: &Register, count: u64, today: Day) -> Result<(), CountsError> {
        check_least(register, count)?;
        let (register, limits) = (register.id.clone(), register.limits);
        let Some(Reference { least, greatest }) = self.reference(&register, today) else {
            return Err(CountsError::NotBegun { register });
        };
        let percent = limits.greatest_fall_percent;
        if u128::from(count) * 100 < u128::from(greatest) * (100 - u128::from(percent.min(100))) {
            return Err(CountsError::Fell { register, count, reference: greatest, percent });
        }
        match limits.greatest_rise_percent {
            Some(percent) if u128::from(count) * 100 > u128::from(least) * (100 + u128::from(percent)) => {
                Err(CountsError::Rose { register, count, reference: least, percent })
            }
            _ => Ok(()),
        }
    }

    /// Writes what a verified run counted. The file is read anew, so that runs at the same time all leave their mark.
    pub fn record(policy: &Policy, counted: &[(&Register, u64)], today: Day) -> Result<Self, CountsError> {
        let _lock = lock(&terms(policy)?.file.path)?;
        Self::open(policy)?.written(counted, today, Merge::Add)
    }

    /// Forgets what was counted of these registers, and of those that the policy no longer has, and goes on from here. For
    /// a person who has seen that they are right.
    pub fn accept(policy: &Policy, counted: &[(&Register, u64)], today: Day) -> Result<Self, CountsError> {
        counted.iter().try_for_each(|(register, count)| check_least(register, *count))?;
        let _lock = lock(&terms(policy)?.file.path)?;
        let mut file = Self::open(policy)?;
        file.content.registers.retain(|register, _| named(policy, register));
        file.written(counted, today, Merge::Replace)
    }

    fn written(mut self, counted: &[(&Register, u64)], today: Day, merge: Merge) -> Result<Self, CountsError> {
        for (register, count) in counted {
            let days = self.content.registers.entry(register.id.clone()).or_default();
            match merge {
                Merge::OnlyNew if !days.is_empty() => continue,
                Merge::Replace => days.clear(),
                Merge::Add | Merge::OnlyNew => {}
            }
            add(days, today, *count, self.terms.reference_days);
        }
        self.content.sequence += 1;
        let path = &self.terms.file.path;
        let key = secret_file::open(SecretKind::CountsKey, &self.terms.key_file.path)?;
        self.content.write(path, &key)?;
        sync_folder_of(path).map_err(|error| CountsError::Unwritable { path: path.clone(), kind: error.into() })?;
        Ok(self)
    }
}

/// What recent runs counted of a register, which limits are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The least count: rises are from it
    pub least: u64,
    /// The greatest count: falls are from it
    pub greatest: u64,
}

/// The bytes of a file of counts.
fn read(path: &Path) -> Result<Vec<u8>, CountsError> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => CountsError::Absent { path: path.to_owned() },
        _ => CountsError::Unreadable { path: path.to_owned(), kind: error.into() },
    };
    let mut bytes = Vec::new();
    let file = open_regular(path).map_err(unreadable)?;
    file.take(COUNTS_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

impl Content {
    /// What the bytes of the file at `path` say, if the seal holds.
    fn unseal(bytes: &[u8], path: &Path, key: &Secret) -> Result<Self, CountsError> {
        let altered = || CountsError::Altered { path: path.to_owned() };
        let Sealed { content, seal } = serde_json::from_slice(bytes).map_err(|_| altered())?;
        let seal = Digest::parse(&seal).ok_or_else(altered)?;
        let sealing = content.sealing(key).ok_or_else(altered)?;
        // In constant time, as `hmac` compares.
        sealing.verify_slice(seal.as_bytes()).map_err(|_| altered())?;
        Ok(content)
    }

    /// Puts the sealed file in the place of what is there. The caller holds the lock, and brings the name to the disk.
    fn write(&mut self, path: &Path, key: &Secret) -> Result<(), CountsError> {
        self.peristyle_counts = FORM;
        let unwritable = |kind| CountsError::Unwritable { path: path.to_owned(), kind };
        let invalid = || unwritable(io::ErrorKind::InvalidData.into());
        let seal: [u8; 32] = self.sealing(key).ok_or_else(invalid)?.finalize().into_bytes().into();
        let sealed = Sealed { content: self.clone(), seal: Digest::from_bytes(seal).to_string() };
        let json = serde_json::to_vec_pretty(&sealed).map_err(|_| invalid())?;
        if json.len() as u64 > COUNTS_BYTES_MAX {
            return Err(unwritable(io::ErrorKind::FileTooLarge.into()));
        }
        replace(path, &json).map_err(|error| unwritable(error.into()))
    }

    /// The seal of the content in its form; `None` where there is no such form.
    fn sealing(&self, key: &Secret) -> Option<Hmac<Sha256>> {
        let Self { peristyle_counts, policy, sequence, registers, ledgers } = self;
        let mut canonical = match peristyle_counts {
            1 if ledgers.is_empty() => Canonical::new("peristyle counts 1"),
            2 => Canonical::new("peristyle counts 2"),
            _ => return None,
        };
        canonical.int(i64::from(*peristyle_counts));
        canonical.text(policy.as_str());
        canonical.text(&sequence.to_string());
        canonical.count(registers.len());
        for (register, days) in registers {
            canonical.text(&register.place());
            canonical.count(days.len());
            for DayCounts { day, least, greatest } in days {
                canonical.int(i64::from(day.epoch_days()));
                canonical.text(&least.to_string());
                canonical.text(&greatest.to_string());
            }
        }
        if *peristyle_counts == 2 {
            canonical.count(ledgers.len());
            for (ledger, LedgerHead { sequence, sha256 }) in ledgers {
                canonical.text(ledger);
                canonical.text(&sequence.to_string());
                canonical.text(&sha256.to_string());
            }
        }
        Some(hmac(key, &[canonical.as_bytes()]))
    }
}

/// HMAC-SHA256 over `parts`, one after another.
fn hmac(key: &Secret, parts: &[&[u8]]) -> Hmac<Sha256> {
    // A key that is shorter than a block of the hash is filled up with zeros.
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key.as_slice());
    let mut hmac = Hmac::<Sha256>::new((&*block).into());
    parts.iter().for_each(|part| hmac.update(part));
    hmac
}

fn terms(policy: &Policy) -> Result<&CountsTerms, CountsError> {
    policy.counts.as_ref().ok_or_else(|| CountsError::NoneKept { policy: policy.name.clone() })
}

/// Whether a policy has such a register. What links lead through is for connectors to name.
fn named(policy: &Policy, register: &RegisterId) -> bool {
    match register {
        RegisterId::Link(link) => policy.links.contains_key(link),
        _ => policy.registers().any(|known| known.id == *register),
    }
}

/// Whether a register lists as many as it must, whatever it listed before.
///
/// # Errors
/// [`CountsError::TooFew`]
pub fn check_least(register: &Register, count: u64) -> Result<(), CountsError> {
    let least = register.limits.least;
    if count < least { Err(CountsError::TooFew { register: register.id.clone(), count, least }) } else { Ok(()) }
}

/// Adds a count to its day, and forgets days that are compared no more.
fn add(days: &mut Vec<DayCounts>, today: Day, count: u64, reference_days: u16) {
    match days.iter_mut().find(|known| known.day == today) {
        Some(known) => {
            known.least = known.least.min(count);
            known.greatest = known.greatest.max(count);
        }
        None => days.push(DayCounts { day: today, least: count, greatest: count }),
    }
    days.sort_unstable_by_key(|known| known.day);
    days.retain(|known| today.days_since(known.day) <= i32::from(reference_days));
}

/// Waits until no other run writes the counts. The lock is gone with the file that is returned, or with the process.
fn lock(path: &Path) -> Result<File, CountsError> {
    lock_for(path, LOCK_WAIT_MAX)
}

/// Whoever can open the lock's file can hold it: so it is made for its owner alone, and is refused where it was not.
fn lock_for(path: &Path, wait_max: Duration) -> Result<File, CountsError> {
    let path = beside(path, ".lock");
    let unlockable = |error: io::Error| CountsError::Unlockable { path: path.clone(), kind: error.into() };
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = open_regular_itself(&mut options, &path).map_err(unlockable)?;
    let metadata = file.metadata().map_err(unlockable)?;
    let of_others = |whose| Err(CountsError::LockOfOthers { path: path.clone(), whose });
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return of_others("of another account");
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return of_others("open to other accounts");
    }
    match lock_within(wait_max, || file.try_lock()) {
        Ok(()) => Ok(file),
        Err(LockFault::Busy { waited_s }) => Err(CountsError::Busy { path: path.clone(), waited_s }),
        Err(LockFault::System(error)) => Err(unlockable(error)),
    }
}

#[cfg(test)]
mod tests;
