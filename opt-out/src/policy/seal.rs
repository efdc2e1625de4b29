//! Seals: a digest beside a register's file.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use datafusion::physical_plan::metrics::Count;
use peristyle_policy::register::Register;
use sha2::{Digest as _, Sha256};

use super::ScanPermit;
use super::error::RegisterError;
use crate::problem::ReadProblem;
use crate::source::{FileStore, Sequential};

/// Longest file of a digest.
const SEAL_BYTES_MAX: u64 = 4096;

/// Holds a file against the digest beside it. Text must have one: cut off at the end of a line, it looks like a shorter
/// list; the other formats end in a way that shows.
pub(super) fn check_seal(
    register: &Register,
    path: &Path,
    is_text: bool,
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
            let unsealed = || RegisterError::Unsealed { register: id(), file: path.to_owned() };
            return if is_text { Err(unsealed()) } else { Ok(()) };
        }
        Err(error) => return Err(bad(error.into())),
    };
    let invalid = || bad(io::ErrorKind::InvalidData.into());
    let length = usize::try_from(seal.size().min(SEAL_BYTES_MAX)).map_err(|_| invalid())?;
    let stated = seal.read_at(0, length).map_err(|error| bad(error.into()))?;
    let stated = std::str::from_utf8(&stated).ok().and_then(|text| text.split_whitespace().next());
    let stated = stated.and_then(peristyle_policy::Digest::parse).ok_or_else(invalid)?;
    let unreadable = |error: io::Error| RegisterError::Unpinned { path: path.to_owned(), kind: error.into() };
    let mut bytes = Sequential::new(store.open(permit, path).map_err(unreadable)?, Count::new());
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match bytes.read(&mut piece).map_err(unreadable)? {
            0 => break,
            length => hasher.update(piece.get(..length).unwrap_or_default()),
        }
    }
    let found: [u8; 32] = hasher.finalize().into();
    if found == *stated.as_bytes() {
        Ok(())
    } else {
        Err(RegisterError::SealBroken { register: id(), file: path.to_owned() })
    }
}
