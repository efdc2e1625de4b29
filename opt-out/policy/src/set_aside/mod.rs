//! Emergency set-asides: a signed record that lifts opt-outs for named projects, for a time, with the agreement of every
//! body that the policy names.
//!
//! A record is JSON. What is signed is not its text but its content in one fixed form ([`Record::signed_bytes`]), for
//! each body with that body's name; so spacing and order do not matter, and nothing that matters can change.

mod error;
mod keys;
mod record;
mod verify;

pub use error::SetAsideError;
pub use keys::{SigningKeyFile, parse_public_key, public_key_fingerprint, public_key_text};
pub use record::{BodySignature, RECORD_BYTES_MAX, Record};
pub use verify::VerifiedSetAside;

#[cfg(test)]
mod tests;
