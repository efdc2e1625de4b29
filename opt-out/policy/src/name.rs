//! Names that policies, projects, bodies and permissions go by.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest name, in characters.
pub const NAME_CHARACTERS_MAX: usize = 100;

/// A name: 1 to 100 ASCII letters, digits, `-`, `_` or `.`, beginning with a letter or digit.
///
/// So narrow that two names that look the same are the same, and that none can carry anything into a terminal, a path
/// or a ledger. Case counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// A text that is not a name. The text itself is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a name: a name has 1 to 100 letters, digits, `-`, `_` or `.`, and begins with a letter or digit")]
pub struct NotAName;

impl Name {
    /// Checks that `text` is a name.
    pub fn parse(text: &str) -> Result<Self, NotAName> {
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let goes_on = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if begins && goes_on && text.len() <= NAME_CHARACTERS_MAX { Ok(Self(text.into())) } else { Err(NotAName) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = NotAName;
    fn try_from(text: String) -> Result<Self, NotAName> {
        Self::parse(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0.as_ref().to_owned()
    }
}

/// Names as people read them: `a`, `b` and `c`, each in backquotes.
pub(crate) fn listed<T: fmt::Display>(names: &[T]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_narrow() {
        for good in ["a", "9", "SA-2026.001", "include_t1oo", &"x".repeat(100)] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "-a", "_a", "a b", "a/b", "é", "a\n", "a\u{1b}[1m", &"x".repeat(101)] {
            assert_eq!(Name::parse(bad), Err(NotAName), "{bad:?}");
        }
    }

    #[test]
    fn lists_are_read_aloud() {
        assert_eq!(listed::<&str>(&[]), "none");
        assert_eq!(listed(&["a"]), "`a`");
        assert_eq!(listed(&["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
