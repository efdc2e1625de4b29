//! What can be wrong with a policy file, where, and what to do.

use std::path::PathBuf;

use crate::files::FileFault;

/// A policy that cannot be used. The run stops: there is no policy to fall back to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy `{}`{}: {fault}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct PolicyError {
    /// The file
    pub path: PathBuf,
    /// The line at fault, from 1, where there is one
    pub line: Option<usize>,
    /// What is wrong
    pub fault: PolicyFault,
}

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the names, and the messages say the rest")]
pub enum PolicyFault {
    /// Missing, or not ours to read
    #[error("cannot be read ({kind}): give the path of a policy file that may be read")]
    Unreadable { kind: FileFault },
    /// Longer than [`super::POLICY_BYTES_MAX`]
    #[error("is longer than {} bytes, so it is no policy", super::POLICY_BYTES_MAX)]
    TooLong,
    /// Not UTF-8
    #[error("is not text in UTF-8")]
    NotText,
    /// Not TOML
    #[error("is not TOML: {problem}")]
    Syntax { problem: String },
    /// No `peristyle_policy`
    #[error("is not a policy: it does not begin with `peristyle_policy = 1`")]
    NotAPolicy,
    /// Another version
    #[error("is of another version of the format: `peristyle_policy` must be 1 for this engine")]
    Version,
    /// An unknown field, a missing one, one of the wrong type
    #[error("{problem}")]
    Field { problem: String },
    /// A field that another makes necessary
    #[error("`{field}` is missing in [{section}]: {why}")]
    Missing { section: String, field: &'static str, why: &'static str },
    /// A field that another makes pointless, so that somebody expects what will not happen
    #[error("`{field}` has no place in [{section}]: {why}; remove it")]
    Surplus { section: String, field: &'static str, why: &'static str },
    /// A number out of bounds
    #[error("`{field}` in [{section}] must be from {least} to {greatest}")]
    OutOfBounds { section: String, field: &'static str, least: u64, greatest: u64 },
    /// A text that must say something
    #[error("`{field}` in [{section}] must be a text of 1 to {longest} characters on one line")]
    Text { section: String, field: &'static str, longest: usize },
    /// A register's file of unknown ending
    #[error("`file` in [{section}] must end in .parquet, .arrow, .csv or .csv.gz")]
    Format { section: String },
    /// A link that no connector could have
    #[error(
        "the name of a [link] must have 1 to 100 letters, digits, `-`, `_` or `.`: give it that of the connector's link"
    )]
    LinkName,
    /// CSV files have no metadata
    #[error("`as_of` in [{section}] looks for metadata, which CSV files do not have: use a column, or file_modified")]
    NoMetadata { section: String },
    /// A table's name that would lead elsewhere
    #[error("`table` in [{section}] must be the name of a table, without `/`, `\\` or `..`")]
    TableName { section: String },
    /// Not exactly one of several fields
    #[error("[{section}] must have exactly one of {fields}")]
    ExactlyOne { section: String, fields: &'static str },
    /// One permission, two rules: most likely copied
    #[error("the permission `{permission}` lifts two rules, {first} and {second}: give each rule its own")]
    LiftsTwo { permission: String, first: String, second: String },
    /// Fewer than two bodies
    #[error("`bodies` in [set_aside] must list two or more different bodies: none may set opt-outs aside alone")]
    TooFewBodies,
    /// A body that could never sign
    #[error("body `{body}` of [set_aside] has no signer: give its public key in [[set_aside.signers]]")]
    NoSigner { body: String },
    /// A signer of no body
    #[error("signer of body `{body}`, which is not in `bodies` of [set_aside]")]
    UnknownBody { body: String },
    /// Not an Ed25519 public key
    #[error("`public_key` of a signer of `{body}` is not an Ed25519 public key as `peristyle policy keygen` prints it")]
    PublicKey { body: String },
    /// One key could sign for two bodies
    #[error("the public key of a signer of `{body}` is listed twice: each signer has a key of their own")]
    KeyTwice { body: String },
}
