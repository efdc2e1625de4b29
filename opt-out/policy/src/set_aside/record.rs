//! The record of a set-aside: what was agreed, and by whom it is signed.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::error::SetAsideError;
use super::keys::{SigningKeyFile, public_key_text};
use crate::day::Day;
use crate::digest::{Canonical, Digest};
use crate::files::open_regular;
use crate::name::{Name, listed};
use crate::rule::Rule;

/// The longest record, in bytes.
pub const RECORD_BYTES_MAX: usize = 65_536;
/// How long a reason is, in characters.
const REASON_CHARACTERS: std::ops::RangeInclusive<usize> = 10..=2_000;
/// The most projects of one record.
const PROJECTS_MAX: usize = 200;

/// A set-aside as it is written. It lifts nothing until it is verified ([`super::VerifiedSetAside::verify`]).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of this format: 1
    pub peristyle_set_aside: u8,
    /// By which ledgers name it
    pub id: Name,
    /// The policy that it is for
    pub policy: Name,
    /// The projects that it is for
    pub projects: BTreeSet<Name>,
    /// The rules that it lifts
    pub rules: BTreeSet<Rule>,
    /// Why, for those who read the ledger
    pub reason: String,
    /// The bodies that agree
    pub bodies: BTreeSet<Name>,
    /// The first day on which it holds
    pub from: Day,
    /// The last day on which it holds
    pub until: Day,
    /// Of each body, its signature
    #[serde(default)]
    pub signatures: Vec<BodySignature>,
}

/// The one field that is read before a file is taken for a record.
#[derive(Deserialize)]
struct Version {
    peristyle_set_aside: Option<serde::de::IgnoredAny>,
}

/// The signature of a body.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BodySignature {
    /// The body
    pub body: Name,
    /// The signer's public key, base64
    pub public_key: String,
    /// The Ed25519 signature, base64
    pub signature: String,
}

impl Record {
    /// Reads the record at `path`.
    pub fn load(path: &Path) -> Result<Self, SetAsideError> {
        let unreadable =
            |error: std::io::Error| SetAsideError::Unreadable { path: path.to_owned(), kind: error.into() };
        let mut bytes = Vec::new();
        let file = open_regular(path).map_err(unreadable)?;
        file.take(RECORD_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        Self::parse(&bytes)
    }

    /// Reads a record, and checks that it makes sense; not whether its signatures hold.
    pub fn parse(bytes: &[u8]) -> Result<Self, SetAsideError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(SetAsideError::TooLong);
        }
        // First whether it is a record at all: of another file, which may hold patients' records, no text is repeated.
        // (serde takes a list for an object, field by field: hence the brace.)
        let object = bytes.trim_ascii_start().starts_with(b"{");
        let version: Option<Version> = serde_json::from_slice(bytes).ok().filter(|_| object);
        if version.is_none_or(|version| version.peristyle_set_aside.is_none()) {
            return Err(SetAsideError::NoRecord);
        }
        let record: Record = serde_json::from_slice(bytes).map_err(|error| SetAsideError::NotARecord {
            line: error.line(),
            column: error.column(),
            problem: problem(&error),
        })?;
        record.examine()?;
        Ok(record)
    }

    /// The record as JSON, one field a line, with a line feed at the end.
    pub fn to_json(&self) -> String {
        // Texts, numbers and lists of them: nothing that JSON could refuse.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    fn examine(&self) -> Result<(), SetAsideError> {
        let id = self.id.clone();
        let reason = self.reason.trim().chars().count();
        let senseless = |problem| Err(SetAsideError::Senseless { id: id.clone(), problem });
        if let Some(&rule) = self.rules.iter().find(|rule| !rule.can_be_set_aside()) {
            return Err(SetAsideError::NotThisRule { id, rule });
        }
        match () {
            _ if self.peristyle_set_aside != 1 => senseless("`peristyle_set_aside` must be 1 for this engine"),
            _ if self.projects.is_empty() => senseless("it names no project"),
            _ if self.projects.len() > PROJECTS_MAX => senseless("it names more than 200 projects"),
            _ if self.rules.is_empty() => senseless("it names no rule"),
            _ if self.bodies.is_empty() => senseless("it names no body that agrees"),
            _ if !REASON_CHARACTERS.contains(&reason) || self.reason.chars().any(char::is_control) => {
                senseless("`reason` must be a text of 10 to 2,000 characters on one line")
            }
            _ if self.until < self.from => senseless("it ends before it begins"),
            _ => self.examine_signatures(),
        }
    }

    fn examine_signatures(&self) -> Result<(), SetAsideError> {
        let mut signed = BTreeSet::new();
        for signature in &self.signatures {
            let (id, body) = (self.id.clone(), signature.body.clone());
            if !self.bodies.contains(&body) {
                return Err(SetAsideError::NotAmongBodies { id, body });
            }
            if !signed.insert(&signature.body) {
                return Err(SetAsideError::SignedAlready { id, body });
            }
        }
        Ok(())
    }

    fn canonical(&self, kind: &str) -> Canonical {
        let Self { peristyle_set_aside, id, policy, projects, rules, reason, bodies, from, until, signatures: _ } =
            self;
        let mut canonical = Canonical::new(kind);
        canonical.int(i64::from(*peristyle_set_aside));
        canonical.text(id.as_str());
        canonical.text(policy.as_str());
        canonical.texts(projects.iter().map(Name::as_str));
        canonical.texts(rules.iter().map(|rule| rule.key()));
        canonical.text(reason);
        canonical.texts(bodies.iter().map(Name::as_str));
        canonical.int(i64::from(from.epoch_days()));
        canonical.int(i64::from(until.epoch_days()));
        canonical
    }

    /// The bytes that `body` signs: all that the record says but its signatures, and that it is this body that agrees.
    pub fn signed_bytes(&self, body: &Name) -> Vec<u8> {
        let mut canonical = self.canonical("peristyle set-aside 1");
        canonical.text(body.as_str());
        canonical.as_bytes().to_vec()
    }

    /// SHA-256 over what was agreed, for ledgers.
    pub fn digest(&self) -> Digest {
        self.canonical("peristyle set-aside digest 1").digest()
    }

    /// Adds the signature of `body`.
    pub fn sign(&mut self, body: &Name, key: &SigningKeyFile) -> Result<(), SetAsideError> {
        self.examine()?;
        let (id, body) = (self.id.clone(), body.clone());
        if !self.bodies.contains(&body) {
            return Err(SetAsideError::NotAmongBodies { id, body });
        }
        if self.signatures.iter().any(|signature| signature.body == body) {
            return Err(SetAsideError::SignedAlready { id, body });
        }
        let signature = BASE64.encode(key.sign(&self.signed_bytes(&body)));
        self.signatures.push(BodySignature { body, public_key: public_key_text(&key.public_key()), signature });
        Ok(())
    }
}

/// serde's message without the place, which is told apart.
fn problem(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(message.as_str(), |(problem, _)| problem).to_owned()
}

/// For people: `peristyle policy show`.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &BTreeSet<Name>| listed(&names.iter().collect::<Vec<_>>());
        let rules: Vec<String> = self.rules.iter().map(Rule::to_string).collect();
        writeln!(f, "set-aside  {}", self.id)?;
        writeln!(f, "policy     {}", self.policy)?;
        writeln!(f, "lifts      {}", rules.join(" and "))?;
        writeln!(f, "for        {}", list(&self.projects))?;
        writeln!(f, "from       {} until {}, both days included", self.from, self.until)?;
        writeln!(f, "because    {}", self.reason)?;
        writeln!(f, "agreed by  {}", list(&self.bodies))?;
        let signed: Vec<&Name> = self.signatures.iter().map(|signature| &signature.body).collect();
        writeln!(f, "signed by  {}", listed(&signed))?;
        write!(f, "digest     {}", self.digest())
    }
}
