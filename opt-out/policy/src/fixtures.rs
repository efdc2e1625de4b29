//! What tests of several modules need: the example policies, and keys that anybody can make.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::LazyLock;

use base64::Engine as _;

use crate::day::Day;
use crate::name::Name;
use crate::policy::Policy;
use crate::set_aside::SigningKeyFile;

/// The example with the public keys of [`signing_key`] 1 and 2. It has none itself: somebody might keep them.
pub(crate) static THREE_RULES: LazyLock<String> = LazyLock::new(|| {
    include_str!("../policies/three-rules.toml")
        .replace("<what `peristyle policy keygen` printed at NHS England>", PUBLIC_KEYS[0])
        .replace("<what `peristyle policy keygen` printed at the committee>", PUBLIC_KEYS[1])
});
/// The public keys of [`signing_key`] 1, 2 and 3.
pub(crate) const PUBLIC_KEYS: [&str; 3] = [
    "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=",
    "gTl3Dqh9F19Wo1Rmw0x+zMuNipG07jeiXfYPW4/Js5Q=",
    "7UkoxijRwsbq6QM4kFmVYSlZJzpcY/k2NsFGFKyHN9E=",
];
pub(crate) const TYPE_ONE_ONLY: &str = include_str!("../policies/type-one-only.toml");

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

pub(crate) fn policy(text: &str) -> Policy {
    Policy::parse(text.as_bytes(), Path::new("policy.toml")).unwrap()
}

/// A policy whose counts are kept in `folder`.
pub(crate) fn policy_in(folder: &Path, text: &str) -> Policy {
    std::fs::create_dir_all(folder.join("state")).unwrap();
    Policy::parse(text.as_bytes(), &folder.join("policy.toml")).unwrap()
}

/// The private key whose bytes are all `byte`: 1 is of nhs-england, 2 of joint-gp-it-committee in the example policy.
pub(crate) fn signing_key(byte: u8) -> (tempfile::TempDir, SigningKeyFile) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signing.key");
    let encoded = base64::engine::general_purpose::STANDARD.encode([byte; 32]);
    let text = format!("peristyle private signing key 1\n{encoded}\n");
    crate::files::write_new(&path, text.as_bytes()).unwrap();
    let key = SigningKeyFile::open(&path).unwrap();
    (folder, key)
}
