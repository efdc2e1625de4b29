//! The words of a record: names, codes, bounded text and digests. Each is checked when made and when read back.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::RecordError;

/// Longest name, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 200;
/// Longest code of an outcome, in bytes.
pub(super) const CODE_BYTES_MAX: usize = 64;
const FREE_TEXT_CHARACTERS_MAX: usize = 2_000;
const FILE_NAME_CHARACTERS_MAX: usize = 500;

/// A text type that is checked on the way in and on the way back.
macro_rules! checked_text {
    ($type:ident, $read:expr) => {
        impl $type {
            /// The text as it stands in the ledger.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$type> for String {
            fn from(text: $type) -> String {
                text.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = RecordError;

            /// Reads a text back from a ledger.
            fn try_from(text: String) -> Result<$type, RecordError> {
                let read: fn(&str) -> Result<$type, RecordError> = $read;
                read(&text)
            }
        }
    };
}

/// A name from a policy, a definition, a connector or the catalogue: a project, a permission, a table, an output.
///
/// It begins with a letter, so that no number, date or NHS number passes for one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// A name, or [`RecordError::NotAName`] that says `what` it was of: at most 200 bytes of ASCII letters, digits,
    /// spaces and `_-./:+@`, beginning with a letter and not ending with a space.
    pub fn new(what: &'static str, name: &str) -> Result<Name, RecordError> {
        let fits = name.len() <= NAME_BYTES_MAX
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && !name.ends_with(' ')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" _-./:+@".contains(&byte));
        if fits { Ok(Name(name.to_owned())) } else { Err(RecordError::NotAName { what }) }
    }
}

checked_text!(Name, |text| Name::new("a name in a record", text));

/// The code of a refusal or failure, such as `register_stale`: never a message, which could carry anything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(String);

impl Code {
    /// A code, or [`RecordError::NotACode`]: 1 to 64 of `a-z`, `0-9` and `_`, beginning with a letter.
    pub fn new(code: &str) -> Result<Code, RecordError> {
        let fits = code.len() <= CODE_BYTES_MAX
            && code.starts_with(|first: char| first.is_ascii_lowercase())
            && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if fits { Ok(Code(code.to_owned())) } else { Err(RecordError::NotACode) }
    }
}

checked_text!(Code, Code::new);

/// Text that a policy or a signed set-aside states, such as its reason: 1 to 2,000 characters.
///
/// Characters that would not be seen, or would change how others are seen (controls, line ends, marks of direction),
/// stand as `\u{…}`, and a backslash as `\\`, so that what is read is what was agreed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FreeText(String);

impl FreeText {
    /// The escaped text, or [`RecordError::TextLength`] that says `what` it was of.
    pub fn new(what: &'static str, text: &str) -> Result<FreeText, RecordError> {
        bounded(what, escaped(text.trim()), FREE_TEXT_CHARACTERS_MAX).map(FreeText)
    }
}

checked_text!(FreeText, |text| read_back(text, FREE_TEXT_CHARACTERS_MAX).map(FreeText));

/// The name of a file of the source, relative to the source: 1 to 500 characters, escaped as [`FreeText`] is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(String);

impl FileName {
    /// The escaped name, or [`RecordError::TextLength`].
    pub fn new(name: &str) -> Result<FileName, RecordError> {
        bounded("the name of a file", escaped(name), FILE_NAME_CHARACTERS_MAX).map(FileName)
    }
}

checked_text!(FileName, |text| read_back(text, FILE_NAME_CHARACTERS_MAX).map(FileName));

fn bounded(what: &'static str, text: String, most: usize) -> Result<String, RecordError> {
    let characters = text.chars().count();
    if characters == 0 || characters > most {
        Err(RecordError::TextLength { what, characters, most })
    } else {
        Ok(text)
    }
}

/// A text of a ledger is already escaped: it must hold nothing that escaping would have changed.
fn read_back(text: &str, most: usize) -> Result<String, RecordError> {
    if text.chars().any(is_unseen) {
        return Err(RecordError::TextLength { what: "an unescaped text in a record", characters: 0, most });
    }
    bounded("a text in a record", text.to_owned(), most)
}

fn escaped(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => seen.push_str("\\\\"),
            unseen if is_unseen(unseen) => seen.extend(unseen.escape_unicode()),
            plain => seen.push(plain),
        }
    }
    seen
}

/// Unicode's controls (Cc), the format characters (Cf) that hide or reorder text, and its line ends.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// What the first line of a ledger has before it.
    pub(crate) const ZERO: Digest = Digest([0; 32]);

    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// A digest of bytes that come in parts, such as an output's as it is written.
    pub fn begin() -> DigestOfParts {
        DigestOfParts(Sha256::new())
    }

    /// Reads 64 lower-case hexadecimal digits, or gives [`RecordError::NotADigest`] that says `what` they were of.
    pub fn parse(what: &'static str, digits: &str) -> Result<Digest, RecordError> {
        let fault = RecordError::NotADigest { what };
        let digits: &[u8; 64] = digits.as_bytes().try_into().map_err(|_| fault)?;
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = [pair[0], pair[1]].map(|digit| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            });
            *byte = high.ok_or(fault)? << 4 | low.ok_or(fault)?;
        }
        Ok(Digest(digest))
    }
}

/// A digest under way.
#[derive(Clone, Debug)]
pub struct DigestOfParts(Sha256);

impl DigestOfParts {
    /// Takes the next part in.
    pub fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    /// The digest of all parts.
    pub fn end(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl From<[u8; 32]> for Digest {
    fn from(digest: [u8; 32]) -> Digest {
        Digest(digest)
    }
}

impl From<Digest> for peristyle_policy::Digest {
    fn from(digest: Digest) -> peristyle_policy::Digest {
        peristyle_policy::Digest::from_bytes(digest.0)
    }
}

impl From<peristyle_policy::Digest> for Digest {
    fn from(digest: peristyle_policy::Digest) -> Digest {
        Digest(*digest.as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        let mut digits = String::with_capacity(64);
        // Writing to a String cannot fail.
        let _ = write!(digits, "{digest}");
        digits
    }
}

impl TryFrom<String> for Digest {
    type Error = RecordError;

    fn try_from(digits: String) -> Result<Digest, RecordError> {
        Digest::parse("a digest in a record", &digits)
    }
}
