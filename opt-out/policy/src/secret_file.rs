//! Files that hold a secret of 32 bytes, for their owner's eyes only.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use crate::files::{FileFault, open_regular, write_new};

const SECRET_FILE_BYTES_MAX: u64 = 1_024;

/// 32 bytes that are wiped from memory when dropped.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// What a secret is for: the first line of its file, and how messages call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// With which a body signs set-asides
    SigningKey,
    /// With which the counts of registers are sealed
    CountsKey,
}

impl SecretKind {
    fn heading(self) -> &'static str {
        match self {
            SecretKind::SigningKey => "peristyle private signing key 1",
            SecretKind::CountsKey => "peristyle counts key 1",
        }
    }
}

impl std::fmt::Display for SecretKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SecretKind::SigningKey => "private signing key",
            SecretKind::CountsKey => "key of the counts",
        })
    }
}

/// A secret's file that cannot be used. No variant holds the secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the names, and the messages say the rest")]
pub enum SecretFileError {
    /// Missing, or not ours to read
    #[error("the {secret} `{}` cannot be read ({kind})", path.display())]
    Unreadable { secret: SecretKind, path: PathBuf, kind: FileFault },
    /// Others can read it
    #[error(
        "the {secret} `{}` can be read or changed by others than its owner: `chmod 600` it, and replace it if others may have read it",
        path.display()
    )]
    Exposed { secret: SecretKind, path: PathBuf },
    /// Something else
    #[error("`{}` does not hold a {secret} as this engine writes it", path.display())]
    NotOne { secret: SecretKind, path: PathBuf },
    /// It is there already
    #[error("`{}` exists already, and a {secret} is never overwritten: give another path", path.display())]
    Exists { secret: SecretKind, path: PathBuf },
    /// It cannot be written
    #[error("the {secret} `{}` cannot be written ({kind})", path.display())]
    Unwritable { secret: SecretKind, path: PathBuf, kind: FileFault },
    /// The system gives no random bytes
    #[error("the system gives no random bytes, so no {secret} can be made")]
    NoRandomness { secret: SecretKind },
}

/// Makes a secret and writes it to a new file.
pub(crate) fn create(secret: SecretKind, path: &Path) -> Result<Secret, SecretFileError> {
    let mut bytes = Secret::default();
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| SecretFileError::NoRandomness { secret })?;
    let encoded = Zeroizing::new(BASE64.encode(bytes.as_slice()));
    let text = Zeroizing::new(format!("{}\n{}\n", secret.heading(), encoded.as_str()));
    write_new(path, text.as_bytes()).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => SecretFileError::Exists { secret, path: path.to_owned() },
        kind => SecretFileError::Unwritable { secret, path: path.to_owned(), kind: kind.into() },
    })?;
    Ok(bytes)
}

/// Reads the secret at `path`, unless others can read it too.
pub(crate) fn open(secret: SecretKind, path: &Path) -> Result<Secret, SecretFileError> {
    let unreadable =
        |error: io::Error| SecretFileError::Unreadable { secret, path: path.to_owned(), kind: error.into() };
    let file = open_regular(path).map_err(unreadable)?;
    if exposed(&file).map_err(unreadable)? {
        return Err(SecretFileError::Exposed { secret, path: path.to_owned() });
    }
    // All of the capacity that is needed at once: a buffer that grows leaves copies behind that nobody wipes.
    let mut text = Zeroizing::new(Vec::with_capacity(SECRET_FILE_BYTES_MAX as usize + 1));
    file.take(SECRET_FILE_BYTES_MAX).read_to_end(&mut text).map_err(unreadable)?;
    parse(secret, &text).ok_or_else(|| SecretFileError::NotOne { secret, path: path.to_owned() })
}

fn parse(secret: SecretKind, text: &[u8]) -> Option<Secret> {
    let encoded = std::str::from_utf8(text).ok()?.strip_prefix(secret.heading())?.strip_prefix('\n')?;
    let mut decoded = Zeroizing::new([0; 48]);
    let length = BASE64.decode_slice(encoded.trim_end_matches('\n'), decoded.as_mut_slice()).ok()?;
    let mut bytes = Secret::default();
    bytes.copy_from_slice(decoded.get(..length).filter(|decoded| decoded.len() == 32)?);
    Some(bytes)
}

/// Whether others than its owner can read or write it.
fn exposed(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const KIND: SecretKind = SecretKind::CountsKey;

    #[test]
    fn a_secret_is_kept_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = create(KIND, &path).unwrap();
        assert_eq!(open(KIND, &path).unwrap(), made);
        assert_eq!(create(KIND, &path).unwrap_err(), SecretFileError::Exists { secret: KIND, path: path.clone() });
        let other = SecretKind::SigningKey;
        assert_eq!(open(other, &path).unwrap_err(), SecretFileError::NotOne { secret: other, path });
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let heading = KIND.heading();
        for (name, content) in [
            ("empty", String::new()),
            ("no heading", BASE64.encode([7; 32])),
            ("short", format!("{heading}\n{}\n", BASE64.encode([7; 31]))),
            ("long", format!("{heading}\n{}\n", BASE64.encode([7; 33]))),
            ("not base64", format!("{heading}\n{}\n", "!".repeat(44))),
            ("huge", format!("{heading}\n{}", "A".repeat(5_000))),
        ] {
            let path = folder.path().join(name);
            write_new(&path, content.as_bytes()).unwrap();
            assert_eq!(open(KIND, &path).unwrap_err(), SecretFileError::NotOne { secret: KIND, path }, "{name}");
        }
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(KIND, &path).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(open(KIND, &path).unwrap_err(), SecretFileError::Exposed { secret: KIND, path: path.clone() });
        }
    }
}
