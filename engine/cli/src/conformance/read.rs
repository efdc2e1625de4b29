//! Files of cases: JSON lines, perhaps compressed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::de::DeserializeOwned;
use serde::de::IgnoredAny;

use crate::exit::ExitStatus;
use crate::failure::Failure;

/// A case that was not looked at yet.
pub(super) struct Line {
    /// The case's id; where it stands, if it has none
    pub(super) id: String,
    text: String,
}

/// The cases of a file.
pub(super) fn lines(path: &Path) -> Result<Vec<Line>, Failure> {
    let failed =
        |error| Failure::new(ExitStatus::Files, format!("cannot read the cases in `{}`", path.display())).cause(error);
    let file = File::open(path).map_err(failed)?;
    let is_compressed = path.extension().is_some_and(|ending| ending == "gz");
    let input: Box<dyn Read> = if is_compressed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut lines = Vec::new();
    for (number, text) in BufReader::new(input).lines().enumerate() {
        let text = text.map_err(failed)?;
        if text.trim().is_empty() {
            continue;
        }
        let mut line = Line { id: format!("{}:{}", path.display(), number + 1), text };
        if let Ok(id) = line.read::<String>("id") {
            line.id = id;
        }
        lines.push(line);
    }
    Ok(lines)
}

impl Line {
    #[cfg(test)]
    pub(super) fn new(text: &str) -> Self {
        Line { id: "test".to_owned(), text: text.to_owned() }
    }

    /// A member of the case.
    pub(super) fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T, String> {
        let text = self.text(name)?.ok_or_else(|| format!("the case has no `{name}`"))?;
        serde_json::from_str(text).map_err(|error| format!("the case's `{name}`: {error}"))
    }

    /// A member of the case that may be missing.
    pub(super) fn read_or_default<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, String> {
        if self.text(name)?.is_none() { Ok(T::default()) } else { self.read(name) }
    }

    /// A member of the case, as it is written: a definition's parser must see what the definition's author wrote.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, String> {
        let mut rest = expect(&self.text, '{')?;
        loop {
            if rest.trim_start().starts_with('}') {
                return Ok(None);
            }
            let (key, after) = value::<String>(rest)?;
            let key = key.1;
            let after = expect(after, ':')?;
            let ((text, _), after) = value::<IgnoredAny>(after)?;
            if key == name {
                return Ok(Some(text.trim()));
            }
            rest = expect(after, if after.trim_start().starts_with(',') { ',' } else { '}' })?;
            if after.trim_start().starts_with('}') {
                return Ok(None);
            }
        }
    }
}

/// The value at the start of a text, both as it is written and as it is read, and what follows.
fn value<T: DeserializeOwned>(text: &str) -> Result<((&str, T), &str), String> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    match values.next() {
        Some(Ok(value)) => {
            let (own, rest) = text.split_at(values.byte_offset());
            Ok(((own, value), rest))
        }
        Some(Err(error)) => Err(format!("the case is no JSON object: {error}")),
        None => Err("the case is no JSON object: it ends early".to_owned()),
    }
}

fn expect(text: &str, mark: char) -> Result<&str, String> {
    text.trim_start()
        .strip_prefix(mark)
        .ok_or_else(|| format!("the case is no JSON object: no `{mark}` where one must be"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn members_are_found_as_they_are_written() {
        let line = Line::new(r#" {"id":"a","x":{"b":1.50,"a":[1, "}"]} , "n":12,"t":true,"s":"\u00e9" , "last":null}"#);
        for (name, want) in [
            ("id", Some(r#""a""#)),
            ("x", Some(r#"{"b":1.50,"a":[1, "}"]}"#)),
            ("n", Some("12")),
            ("t", Some("true")),
            ("s", Some(r#""\u00e9""#)),
            ("last", Some("null")),
            ("missing", None),
        ] {
            assert_eq!(line.text(name).unwrap(), want, "{name}");
        }
        assert_eq!(line.read::<String>("s").unwrap(), "é");
        assert_eq!(line.read::<String>("none").unwrap_err(), "the case has no `none`");
    }

    #[test]
    fn what_is_no_object_is_said_so() {
        for text in ["", "[]", "{", r#"{"a""#, r#"{"a":"#, r#"{"a":1 "b":2}"#, r#"{a:1}"#] {
            assert!(Line::new(text).text("z").is_err(), "{text}");
        }
        assert_eq!(Line::new("{}").text("z").unwrap(), None);
    }
}
