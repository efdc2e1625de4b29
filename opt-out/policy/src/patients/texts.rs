//! Keys that are texts: which are taken, and how two are compared. A key that cannot match is an error, not an absence:
//! an opt-out under `B2 ` would hide nobody.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use unicode_normalization::is_nfc;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// How texts that are keys are compared, of registers, links and tables alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextComparison {
    /// Whether white space before and after a key does not count
    pub trim: bool,
    /// Whether capitals and small letters are the same
    pub case: LetterCase,
}

/// Whether capitals and small letters are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterCase {
    /// They are not
    #[default]
    Exact,
    /// They are
    Ignored,
}

/// Why a text is no key. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextKeyProblem {
    /// White space before or after it
    #[error(
        "has white space before or after it: a key like that matches no other; take it off, or let the policy say \
         `trim = true` in [text_keys]"
    )]
    OuterSpace,
    /// A character that is not seen
    #[error(
        "has a character that is not seen (a control, a zero-width or other format character, a byte-order mark): a key \
         like that matches no other; take it out"
    )]
    Unseen,
    /// Characters in another form than the composed one
    #[error(
        "is not in Unicode's composed form (NFC), so that it differs from a key that looks the same: write it in that form"
    )]
    NotComposed,
}

impl TextComparison {
    /// The text by which a key is compared to others.
    ///
    /// # Errors
    /// A text that could be taken for another one by eye, and matches none.
    pub fn compared<'t>(&self, key: &'t str) -> Result<Cow<'t, str>, TextKeyProblem> {
        let trimmed = if self.trim { key.trim() } else { key };
        // Of most keys there is nothing to ask.
        if !trimmed.bytes().all(|byte| byte.is_ascii_graphic()) {
            check(trimmed)?;
        }
        Ok(match self.case {
            LetterCase::Exact => Cow::Borrowed(trimmed),
            LetterCase::Ignored => lowered(trimmed),
        })
    }

    /// Whether keys are compared as they are.
    pub fn is_exact(&self) -> bool {
        *self == Self::default()
    }
}

/// A text without regard to its case, letter by letter: what stands beside a letter plays no part.
pub fn lowered(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        Cow::Owned(text.chars().flat_map(char::to_lowercase).collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn check(key: &str) -> Result<(), TextKeyProblem> {
    let is_unseen = |character: char| {
        let category = character.general_category();
        let filler = matches!(character, '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}');
        let selector = matches!(character, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}');
        filler
            || selector
            || matches!(
                category,
                GeneralCategory::Control
                    | GeneralCategory::Format
                    | GeneralCategory::LineSeparator
                    | GeneralCategory::ParagraphSeparator
            )
    };
    // A tab or a line end at the edge is white space to a reader.
    if key.starts_with(char::is_whitespace) || key.ends_with(char::is_whitespace) {
        Err(TextKeyProblem::OuterSpace)
    } else if key.chars().any(is_unseen) {
        Err(TextKeyProblem::Unseen)
    } else if !is_nfc(key) {
        Err(TextKeyProblem::NotComposed)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const EXACT: TextComparison = TextComparison { trim: false, case: LetterCase::Exact };
    const LAX: TextComparison = TextComparison { trim: true, case: LetterCase::Ignored };

    #[test]
    fn keys_that_cannot_match_are_refused() {
        use TextKeyProblem::{NotComposed, OuterSpace, Unseen};
        for (key, exact, lax) in [
            ("B2", Ok("B2"), Ok("b2")),
            ("b 2", Ok("b 2"), Ok("b 2")),
            ("É2", Ok("É2"), Ok("é2")),
            ("B2        ", Err(OuterSpace), Ok("b2")),
            (" B2", Err(OuterSpace), Ok("b2")),
            ("B2\u{a0}", Err(OuterSpace), Ok("b2")),
            ("B2\t", Err(OuterSpace), Ok("b2")),
            ("B2\r", Err(OuterSpace), Ok("b2")),
            ("\u{3000}B2", Err(OuterSpace), Ok("b2")),
            ("B2\u{200b}", Err(Unseen), Err(Unseen)),
            ("\u{feff}B2", Err(Unseen), Err(Unseen)),
            ("B\u{ad}2", Err(Unseen), Err(Unseen)),
            ("B2\0", Err(Unseen), Err(Unseen)),
            ("B2\u{1b}", Err(Unseen), Err(Unseen)),
            ("\u{202e}B2", Err(Unseen), Err(Unseen)),
            ("B2\u{fe0f}", Err(Unseen), Err(Unseen)),
            ("e\u{301}2", Err(NotComposed), Err(NotComposed)),
            ("\u{212b}2", Err(NotComposed), Err(NotComposed)),
        ] {
            assert_eq!(EXACT.compared(key).as_deref(), exact.as_ref().map(|key| *key), "{key:?}");
            assert_eq!(LAX.compared(key).as_deref(), lax.as_ref().map(|key| *key), "{key:?}");
        }
    }

    proptest! {
        /// What has been compared once is compared the same again, so that both sides may be.
        #[test]
        fn comparing_is_settled_at_once(key in "\\PC{0,8}", trim: bool, ignored: bool) {
            let case = if ignored { LetterCase::Ignored } else { LetterCase::Exact };
            let comparison = TextComparison { trim, case };
            if let Ok(compared) = comparison.compared(&key)
                && let Ok(again) = comparison.compared(&compared)
            {
                prop_assert_eq!(again.as_ref(), compared.as_ref());
            }
        }
    }
}
