//! Keys of those who sign: how they are written, made and kept.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use crate::digest::Digest;
use crate::secret_file::{self, SecretFileError, SecretKind};

/// A private key, from its file. It is wiped from memory when dropped.
pub struct SigningKeyFile {
    key: SigningKey,
}

impl SigningKeyFile {
    /// Makes a key and writes it to a new file that only its owner can read.
    pub fn create(path: &Path) -> Result<Self, SecretFileError> {
        let secret = secret_file::create(SecretKind::SigningKey, path)?;
        Ok(Self { key: SigningKey::from_bytes(&secret) })
    }

    /// Reads the key at `path`, unless others can read it too.
    pub fn open(path: &Path) -> Result<Self, SecretFileError> {
        let secret = secret_file::open(SecretKind::SigningKey, path)?;
        Ok(Self { key: SigningKey::from_bytes(&secret) })
    }

    /// The key that goes into policies.
    pub fn public_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).to_bytes()
    }
}

impl std::fmt::Debug for SigningKeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let public_key = public_key_text(&self.public_key());
        f.debug_struct("SigningKeyFile").field("public_key", &public_key).finish_non_exhaustive()
    }
}

/// A public key as policies and records write it: base64.
pub fn public_key_text(key: &VerifyingKey) -> String {
    BASE64.encode(key.as_bytes())
}

/// Reads a public key. Keys of small order, which would verify signatures that nobody made, are none.
pub fn parse_public_key(text: &str) -> Option<VerifyingKey> {
    let bytes: [u8; 32] = BASE64.decode(text).ok()?.try_into().ok()?;
    VerifyingKey::from_bytes(&bytes).ok().filter(|key| !key.is_weak())
}

/// What two people read to each other to compare a key: the first 16 hexadecimal digits of its SHA-256, in fours.
pub fn public_key_fingerprint(key: &VerifyingKey) -> String {
    let digits = Digest::of(key.as_bytes()).to_string();
    let fours = digits.as_bytes().chunks(4).take(4);
    fours.map(String::from_utf8_lossy).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn what_is_printed_of_a_key_is_public() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        let made = SigningKeyFile::create(&path).unwrap();
        let public = made.public_key();
        assert_eq!(SigningKeyFile::open(&path).unwrap().public_key(), public);
        assert_eq!(parse_public_key(&public_key_text(&public)), Some(public));
        let fingerprint = public_key_fingerprint(&public);
        assert_eq!((fingerprint.len(), fingerprint.matches('-').count()), (19, 3));
        let secret = std::fs::read_to_string(&path).unwrap();
        assert!(!format!("{made:?}").contains(secret.lines().nth(1).unwrap()));
    }

    #[test]
    fn weak_and_malformed_public_keys_are_none() {
        let mut identity = [0; 32];
        identity[0] = 1;
        for text in ["", "AAAA", &BASE64.encode(identity), &BASE64.encode([0; 32]), &BASE64.encode([7; 33])] {
            assert_eq!(parse_public_key(text), None, "{text}");
        }
    }
}
