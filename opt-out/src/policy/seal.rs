//! Seals: a digest beside a register's file.

use std::io;
use std::path::{Path, PathBuf};

use peristyle_policy::register::Register;

use super::ScanPermit;
use super::error::RegisterError;
use crate::problem::ReadProblem;
use crate::source::{FileStore, sha256_from};

/// Longest file of a digest.
const SEAL_BYTES_MAX: u64 = 4096;

/// Holds a file against the digest beside it, which every register's file must have: text that was cut off at the end of
/// a line looks like a shorter list, and of the other formats one bit more or less can be another patient.
pub(super) fn check_seal(
    register: &Register,
    path: &Path,
    store: &dyn FileStore,
    permit: &ScanPermit,
) -> Result<(), RegisterError> {
    let id = || register.id.clone();
    let mut beside = path.as_os_str().to_owned();
    beside.push(".sha256");
    let beside = PathBuf::from(beside);
    let bad = |kind: ReadProblem| RegisterError::BadSeal { register: id(), file: beside.clone(), kind };
    let seal = match store.open(permit, &beside) {
        Ok(seal) => seal,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(RegisterError::Unsealed { register: id(), file: path.to_owned() });
        }
        Err(error) => return Err(bad(error.into())),
    };
    let invalid = || bad(io::ErrorKind::InvalidData.into());
    let length = usize::try_from(seal.size().min(SEAL_BYTES_MAX)).map_err(|_| invalid())?;
    let stated = seal.read_at(0, length).map_err(|error| bad(error.into()))?;
    let stated = std::str::from_utf8(&stated).ok().and_then(|text| text.split_whitespace().next());
    let stated = stated.and_then(peristyle_policy::Digest::parse).ok_or_else(invalid)?;
    let unreadable = |error: io::Error| RegisterError::Unpinned { path: path.to_owned(), kind: error.into() };
    let found = store.open(permit, path).and_then(|file| sha256_from(&file, 0)).map_err(unreadable)?;
    if found == *stated.as_bytes() {
        Ok(())
    } else {
        Err(RegisterError::SealBroken { register: id(), file: path.to_owned() })
    }
}
