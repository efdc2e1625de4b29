//! Words for messages: quotes of untrusted text, near names.

/// Longest quote, in characters.
const QUOTE_CHARS_MAX: usize = 60;

/// Untrusted text in back quotes: cut short, without a character that would move a terminal's cursor or turn its text.
pub(crate) fn quoted(text: &str) -> String {
    let mut quote = String::from("`");
    for (count, character) in text.chars().enumerate() {
        if count == QUOTE_CHARS_MAX {
            quote.push('…');
            break;
        }
        push_visible(&mut quote, character);
    }
    quote.push('`');
    quote
}

/// Untrusted text of several lines: nothing but its line breaks controls a terminal.
pub fn printable(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => visible.push('\n'),
            '\t' => visible.push_str("    "),
            '\r' => {}
            '\\' => visible.push('\\'),
            other => push_visible(&mut visible, other),
        }
    }
    visible
}

fn push_visible(out: &mut String, character: char) {
    match character {
        // Escaping these would only make them harder to read.
        '\'' | '"' => out.push(character),
        other => out.extend(other.escape_debug()),
    }
}

/// The known name that is most like `name`, if any is like enough to be meant.
pub(crate) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // Untrusted and perhaps long; the comparison takes the product of the lengths.
    if name.len() > 100 {
        return None;
    }
    let similarity = |known: &str| strsim::jaro_winkler(&name.to_ascii_lowercase(), &known.to_ascii_lowercase());
    let best = known.into_iter().map(|known| (similarity(known), known)).max_by(|lhs, rhs| lhs.0.total_cmp(&rhs.0))?;
    (best.0 > 0.85).then_some(best.1)
}

/// `. Did you mean …?` with the known name that is most like `name`; nothing, where none is like enough to be meant.
pub fn suggestion<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    nearest(name, known).map_or_else(String::new, |known| format!(". Did you mean {}?", quoted(known)))
}

/// ` Did you mean …?`, or the first known names.
pub(crate) fn suggestion_or_list<'n>(name: &str, known: impl Iterator<Item = &'n str> + Clone) -> String {
    const LISTED_MAX: usize = 12;
    let near = suggestion(name, known.clone());
    if !near.is_empty() || known.clone().next().is_none() {
        return near;
    }
    let more = if known.clone().count() > LISTED_MAX { ", …" } else { "" };
    let listed: Vec<String> = known.take(LISTED_MAX).map(quoted).collect();
    format!(". It has {}{more}", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_short_and_tame() {
        let cases = [
            ("age", "`age`"),
            ("it's", "`it's`"),
            ("a\u{1b}[31mb\r\n", "`a\\u{1b}[31mb\\r\\n`"),
            ("right\u{202e}left", "`right\\u{202e}left`"),
        ];
        for (text, expected) in cases {
            assert_eq!(quoted(text), expected);
        }
        assert_eq!(quoted(&"x".repeat(1000)).chars().count(), QUOTE_CHARS_MAX + 3);
        assert_eq!(printable("a\n\tb\u{7}\\n"), "a\n    b\\u{7}\\n");
    }

    #[test]
    fn near_names_are_found() {
        let known = ["clinical_events", "medications", "patients"];
        assert_eq!(nearest("clinical_event", known), Some("clinical_events"));
        assert_eq!(nearest("Patients", known), Some("patients"));
        assert_eq!(nearest("xyz", known), None);
    }
}
