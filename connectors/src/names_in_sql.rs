//! The names in a query, found without parsing it: enough to see which views read a table, and never too few.

use std::collections::BTreeSet;

/// Every name in the query: quoted ones as they are, others in lower case, as DataFusion takes them. Keywords are among
/// them; texts and comments are not.
pub(crate) fn names_in(sql: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        rest = if let Some(comment) = rest.strip_prefix("--") {
            comment.find('\n').map_or("", |end| &comment[end..])
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.find("*/").map_or("", |end| &comment[end + 2..])
        } else if matches!(first, '\'' | '"' | '`') {
            let (text, after) = quoted(&rest[1..], first);
            if first != '\'' {
                names.insert(text);
            }
            after
        } else if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            names.insert(name.to_lowercase());
            after
        } else {
            &rest[first.len_utf8()..]
        };
    }
    names
}

/// What stands up to the closing mark, of which two stand for one, and what follows.
fn quoted(text: &str, mark: char) -> (String, &str) {
    let mut inside = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(mark) {
        inside.push_str(before);
        match after.strip_prefix(mark) {
            Some(after) => rest = after,
            None => return (inside, after),
        }
        inside.push(mark);
    }
    (inside + rest, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_texts_are_not() {
        for (sql, names) in [
            ("", &[][..]),
            ("SELECT \"A\" FROM t", &["A", "from", "select", "t"]),
            ("x.\"B b\"", &["B b", "x"]),
            ("\"a\"\"b\" `c`", &["a\"b", "c"]),
            ("'no' 'it''s no' yes", &["yes"]),
            ("-- no\nyes /* no\nno */ too", &["too", "yes"]),
            ("'--' yes", &["yes"]),
            ("\"--\" yes", &["--", "yes"]),
            ("1e5 a1", &["a1", "e5"]),
            ("Größe \"Größe\"", &["Größe", "größe"]),
            ("\"open", &["open"]),
            ("'open", &[]),
            ("/* open", &[]),
        ] {
            assert_eq!(names_in(sql).iter().map(String::as_str).collect::<Vec<_>>(), names, "{sql}");
        }
    }
}
