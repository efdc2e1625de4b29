//! The written form of clinical codes, per coding system.
//!
//! A code in a definition that cannot be a code of its system would silently match nothing: it is refused instead.
//! The forms are those that ehrQL accepts.

use crate::types::CodeSystem;

/// Whether `text` has the form of a code of that system.
pub(crate) fn is_well_formed(system: CodeSystem, text: &str) -> bool {
    let text = text.as_bytes();
    match system {
        CodeSystem::SnomedCt | CodeSystem::Dmd => {
            (6..=18).contains(&text.len()) && text[0] != b'0' && text.iter().all(u8::is_ascii_digit)
        }
        CodeSystem::Ctv3 => {
            let letters = text.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            text.len() == 5 && letters >= 2 && text[letters..].iter().all(|byte| *byte == b'.')
        }
        CodeSystem::Icd10 => match text {
            [b'A'..=b'Z', b'0'..=b'9', b'0'..=b'9', rest @ ..] => {
                let digits = rest.strip_prefix(b"X").unwrap_or(rest);
                rest.len() <= 2 && digits.iter().all(u8::is_ascii_digit)
            }
            _ => false,
        },
        CodeSystem::Opcs4 => match text {
            [letter @ b'A'..=b'Z', digits @ ..] => {
                *letter != b'I' && (2..=3).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
            }
            _ => false,
        },
        CodeSystem::Bnf => is_bnf(text),
    }
}

fn is_bnf(text: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_digit();
    let digit_or_letter = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    match text {
        [b'2', b'0'..=b'3', rest @ ..] => rest.len() == 9 && rest.iter().all(digit),
        [b'0' | b'1', rest @ ..] if rest.len() == 14 => {
            let (section, rest) = rest.split_at(6);
            let (chemical, product) = rest.split_at(2);
            section.iter().all(digit)
                && chemical.iter().all(digit_or_letter)
                && product.chunks(2).all(|pair| pair[0].is_ascii_uppercase() && digit_or_letter(&pair[1]))
        }
        _ => false,
    }
}

/// The form in words.
pub(crate) fn form(system: CodeSystem) -> &'static str {
    match system {
        CodeSystem::SnomedCt | CodeSystem::Dmd => "6 to 18 digits, the first not 0",
        CodeSystem::Ctv3 => "5 letters or digits, of which up to 3 at the end may be dots",
        CodeSystem::Icd10 => "a capital letter and 2 to 4 digits without a dot; the third digit may be an X",
        CodeSystem::Opcs4 => "a capital letter other than I and 2 or 3 digits, without a dot",
        CodeSystem::Bnf => "15 digits and capital letters, or 11 digits for an appliance",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        use CodeSystem::{Bnf, Ctv3, Dmd, Icd10, Opcs4, SnomedCt};
        let cases: [(CodeSystem, &[&str], &[&str]); 6] = [
            (
                SnomedCt,
                &["123456", "999999999999999999"],
                &["", "12345", "012345", "1234567890123456789", "12345a", "１２３４５６"],
            ),
            (Dmd, &["123002"], &["0123002"]),
            (Ctv3, &["abc00", "ABCD.", "abc..", "a1..."], &["", "a....", ".....", "abc0", "abc.0", "abc000", "ab-00"]),
            (
                Icd10,
                &["A01", "A012", "A0123", "A01X", "A01X2"],
                &["", "A0", "a01", "A01.2", "A01234", "A01XX", "A012X", "AA1"],
            ),
            (Opcs4, &["A01", "Z012"], &["", "A0", "I01", "A0123", "a01", "A01.2"]),
            (
                Bnf,
                &["0101010A0AAABAB", "1904010ABBBACAB", "20010000001", "23965909998"],
                &["", "0101010", "0101010A0AAABA", "2101010A0AAABAB", "24965909998", "0101010A00AABAB", "23é659099é"],
            ),
        ];
        for (system, good, bad) in cases {
            for code in good {
                assert!(is_well_formed(system, code), "{system:?} {code}");
            }
            for code in bad {
                assert!(!is_well_formed(system, code), "{system:?} {code}");
            }
        }
    }
}
