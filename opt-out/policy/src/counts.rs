//! What registers counted in late runs: a small sealed file, by which a register that has lost (or gained) too much is
//! told from one that merely changed.
//!
//! - A count is compared to the greatest and the least of the last `reference_days` days, not to the last run's alone: a
//!   register that loses a little with every run would else be trusted until it is empty.
//! - The file is written after a verification that succeeded, and only then: whole, or not at all.
//! - It is sealed with HMAC-SHA256 under a key that only the engine's account can read. Altered, truncated or of another
//!   policy: refused. A file of an earlier day put back in its place has a valid seal, but an earlier
//!   [`CountsFile::sequence`], which the ledger knows: [`CountsFile::require_sequence`].
//! - No file is not "the first run": it is refused. A person begins it ([`CountsFile::begin`]), and a person accepts a
//!   change beyond the limits ([`CountsFile::accept`]); both are for the ledger.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::day::Day;
use crate::digest::{Canonical, Digest};
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
        "there are no counts of late runs at `{}`: if there never were, begin them with `peristyle policy begin`; \
         if there were, find out who removed them",
        path.display()
    )]
    Absent { path: PathBuf },
    /// The file cannot be read
    #[error("the counts of late runs at `{}` cannot be read ({kind})", path.display())]
    Unreadable { path: PathBuf, kind: io::ErrorKind },
    /// The seal does not hold
    #[error(
        "the counts of late runs at `{}` were altered or cut short: find out how, restore them from a backup, \
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
    /// The key of the seal
    #[error(transparent)]
    Key(#[from] SecretFileError),
    /// The file cannot be written
    #[error("the counts of this run cannot be written to `{}` ({kind}): nothing is released without them", path.display())]
    Unwritable { path: PathBuf, kind: io::ErrorKind },
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

/// The counts of late runs, with a seal that holds.
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
}

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
        if !terms.key_file.path.exists() {
            drop(secret_file::create(SecretKind::CountsKey, &terms.key_file.path)?);
        }
        let _lock = lock(&terms.file.path)?;
        let file = match Self::open(policy) {
            Err(CountsError::Absent { .. }) => {
                let policy = policy.name.clone();
                let content = Content { peristyle_counts: 1, policy, sequence: known, registers: BTreeMap::new() };
                Self { terms: terms.clone(), content }
            }
            opened => opened?,
        };
        file.written(counted, today, Merge::OnlyNew)
    }

    /// Opens the counts that the policy names.
    pub fn open(policy: &Policy) -> Result<Self, CountsError> {
        let terms = terms(policy)?.clone();
        let path = &terms.file.path;
        let unreadable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => CountsError::Absent { path: path.clone() },
            kind => CountsError::Unreadable { path: path.clone(), kind },
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(COUNTS_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
        let key = secret_file::open(SecretKind::CountsKey, &terms.key_file.path)?;
        let altered = || CountsError::Altered { path: path.clone() };
        let Sealed { content, seal } = serde_json::from_slice(&bytes).map_err(|_| altered())?;
        let seal = Digest::parse(&seal).ok_or_else(altered)?;
        let sealing = content.sealing(&key).ok_or_else(altered)?;
        // In constant time, as `hmac` compares.
        sealing.verify_slice(seal.as_bytes()).map_err(|_| altered())?;
        if content.peristyle_counts != 1 {
            return Err(altered());
        }
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

    /// Whether a register with so many entries may be trusted today.
    pub fn check(&self, register: &Register, count: u64, today: Day) -> Result<(), CountsError> {
        check_least(register, count)?;
        let (register, limits) = (register.id.clone(), register.limits);
        let days = self.content.registers.get(&register).map_or(&[][..], Vec::as_slice);
        // Days that have not come yet count as well: a clock that was put back must not widen the limits.
        let late = |known: &&DayCounts| today.days_since(known.day) <= i32::from(self.terms.reference_days);
        // However long ago the last run was, it is something to compare to.
        let compared = || days.iter().filter(late).chain(days.last());
        let greatest = compared().map(|known| known.greatest).max();
        let least = compared().map(|known| known.least).min();
        let (Some(greatest), Some(least)) = (greatest, least) else { return Err(CountsError::NotBegun { register }) };
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

    /// Forgets what was counted of these registers and goes on from here. For a person who has seen that they are right.
    pub fn accept(policy: &Policy, counted: &[(&Register, u64)], today: Day) -> Result<Self, CountsError> {
        counted.iter().try_for_each(|(register, count)| check_least(register, *count))?;
        let _lock = lock(&terms(policy)?.file.path)?;
        Self::open(policy)?.written(counted, today, Merge::Replace)
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
        let unwritable = |kind| CountsError::Unwritable { path: path.clone(), kind };
        let seal = self.content.sealing(&key).ok_or_else(|| unwritable(io::ErrorKind::InvalidData))?;
        let seal: [u8; 32] = seal.finalize().into_bytes().into();
        let sealed = Sealed { content: self.content.clone(), seal: Digest::from_bytes(seal).to_string() };
        let json = serde_json::to_vec_pretty(&sealed).map_err(|_| unwritable(io::ErrorKind::InvalidData))?;
        replace(path, &json).map_err(|error| unwritable(error.kind()))?;
        Ok(self)
    }
}

impl Content {
    fn sealing(&self, key: &Secret) -> Option<Hmac<Sha256>> {
        let Self { peristyle_counts, policy, sequence, registers } = self;
        let mut canonical = Canonical::new("peristyle counts 1");
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
        let mut sealing = Hmac::<Sha256>::new_from_slice(key.as_slice()).ok()?;
        sealing.update(canonical.as_bytes());
        Some(sealing)
    }
}

fn terms(policy: &Policy) -> Result<&CountsTerms, CountsError> {
    policy.counts.as_ref().ok_or_else(|| CountsError::NoneKept { policy: policy.name.clone() })
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
    let unwritable = |error: io::Error| CountsError::Unwritable { path: path.to_owned(), kind: error.kind() };
    let beside = beside(path, ".lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(beside).map_err(unwritable)?;
    file.lock().map_err(unwritable)?;
    Ok(file)
}

/// Puts a new file in the place of the old one, so that whoever looks finds either of them, whole.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = beside(path, ".new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    secret_file::write_new(&new, bytes)?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
