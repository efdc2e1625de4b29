//! From the file's bytes to a policy.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::Policy;
use super::document::PolicyDocument;
use super::error::{PolicyError, PolicyFault};
use super::examine::Examination;
use crate::files::open_regular;

/// The longest policy file, in bytes.
pub const POLICY_BYTES_MAX: usize = 262_144;

/// The one field that is read before the file is taken for a policy.
#[derive(Deserialize)]
struct Version {
    peristyle_policy: Option<toml::Value>,
}

impl Policy {
    /// Reads the policy at `path`. Relative paths in it are from its folder.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let fault = |fault| PolicyError { path: path.to_owned(), line: None, fault };
        let unreadable = |error: std::io::Error| fault(PolicyFault::Unreadable { kind: error.into() });
        let mut bytes = Vec::new();
        let file = open_regular(path).map_err(unreadable)?;
        file.take(POLICY_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        Self::parse(&bytes, path)
    }

    /// Reads a policy from bytes, as if they were the file at `path`.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, PolicyError> {
        let fault = |line, fault| PolicyError { path: path.to_owned(), line, fault };
        if bytes.len() > POLICY_BYTES_MAX {
            return Err(fault(None, PolicyFault::TooLong));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| fault(None, PolicyFault::NotText))?;
        let line_of = |error: &toml::de::Error| error.span().map(|span| line_at(text, span.start));

        // First whether it is a policy at all: of another file, which may hold records, no text is repeated.
        if !text.lines().any(|line| line.trim_start().starts_with("peristyle_policy")) {
            return Err(fault(None, PolicyFault::NotAPolicy));
        }
        let version: Version = toml::from_str(text)
            .map_err(|error| fault(line_of(&error), PolicyFault::Syntax { problem: error.message().to_owned() }))?;
        match version.peristyle_policy {
            None => return Err(fault(None, PolicyFault::NotAPolicy)),
            Some(version) if version.as_integer() != Some(1) => return Err(fault(None, PolicyFault::Version)),
            Some(_) => {}
        }
        let document: PolicyDocument = toml::from_str(text)
            .map_err(|error| fault(line_of(&error), PolicyFault::Field { problem: in_words(error.message()) }))?;
        Examination { text, path }.policy(document)
    }
}

/// serde's message, without Rust's names of types.
fn in_words(message: &str) -> String {
    let names = [("expected u64", "0 or more"), ("expected u16", "0 or more"), ("expected u8", "from 0 to 255")];
    let named = names.into_iter().find_map(|(name, words)| Some((message.strip_suffix(name)?, words)));
    named.map_or_else(|| message.to_owned(), |(start, words)| format!("{start}expected a whole number, {words}"))
}

/// The line, from 1, in which the byte at `offset` is.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}
