//! How the files of a table are laid out, where that is not the default: which they are, and how their text is written.

use std::fmt;

use super::store::is_hidden;
use crate::request::FileFormat;

/// How the files of a table are laid out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableLayout {
    /// Which files they are; none for the file or folder of the table's name
    pub files: Vec<FilePattern>,
    /// Their format, where their endings do not tell it
    pub format: Option<FileFormat>,
    /// How CSV is written
    pub csv: CsvOptions,
}

/// How CSV is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    /// What stands between cells: an ASCII character that is no quotation mark and no end of a line
    pub delimiter: u8,
    /// Whether a cell may stand in quotation marks; where it may not, they are characters like others
    pub is_quoted: bool,
    /// Texts that mean NULL, besides none at all
    pub null_texts: Vec<String>,
    /// The names of the columns, where the files have no header
    pub columns: Option<Vec<String>>,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { delimiter: b',', is_quoted: true, null_texts: Vec::new(), columns: None }
    }
}

/// Which files of an extract are a table's: parts between `/`, in which `*` stands for any characters but `/` and `?` for
/// one. A part `NAME=*` is a partition, whose value is that of the column `NAME` in all rows below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePattern {
    text: String,
}

/// A pattern that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PatternError {
    #[error("has an empty part: write it like `events/*.parquet`, from the extract's location")]
    Empty,
    #[error("has a part `.` or `..`: it must stay in the extract's location")]
    Outside,
    #[error("has `**`, which is not known here: write one part for each folder")]
    Deep,
}

impl FilePattern {
    /// Checks a pattern.
    ///
    /// # Errors
    /// One that is empty, leads out of the extract, or is of a kind that is not known.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        for part in text.split('/') {
            match part {
                "" => return Err(PatternError::Empty),
                "." | ".." => return Err(PatternError::Outside),
                part if part.contains("**") => return Err(PatternError::Deep),
                _ => {}
            }
        }
        Ok(Self { text: text.to_owned() })
    }

    /// Its parts, from the extract's location.
    pub(super) fn parts(&self) -> impl Iterator<Item = &str> {
        self.text.split('/')
    }
}

impl fmt::Display for FilePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a name is one that a part of a pattern stands for.
pub(super) fn matches(part: &str, name: &str) -> bool {
    if is_hidden(name) && !is_hidden(part) {
        return false;
    }
    let (part, name): (Vec<char>, Vec<char>) = (part.chars().collect(), name.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where the last `*` was, and how much of the name it stands for so far.
    let mut star: Option<(usize, usize)> = None;
    while read < name.len() {
        match part.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || Some(wanted) == name.get(read) => {
                at += 1;
                read += 1;
            }
            _ => match &mut star {
                Some((after, taken)) => {
                    *taken += 1;
                    (at, read) = (*after + 1, *taken);
                }
                None => return false,
            },
        }
    }
    part.get(at..).is_some_and(|rest| rest.iter().all(|left| *left == '*'))
}

/// The partition that a part of a path is: column and value; a value of `None` is NULL.
pub(super) fn partition(part: &str, name: &str) -> Option<(String, Option<String>)> {
    let (column, wildcard) = part.split_once('=')?;
    let value = name.strip_prefix(column)?.strip_prefix('=')?;
    if column.is_empty() || !wildcard.contains(['*', '?']) {
        return None;
    }
    let value = (value != "__HIVE_DEFAULT_PARTITION__" && !value.is_empty()).then(|| unescaped(value));
    Some((column.to_owned(), value))
}

/// Writers of partitions escape what a path may not have as `%3A`.
fn unescaped(value: &str) -> String {
    let (bytes, mut text, mut at) = (value.as_bytes(), Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| value.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                text.push(byte);
                at += 3;
            }
            None => {
                text.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn parts_stand_for_names() {
        for (part, name, wanted) in [
            ("events.parquet", "events.parquet", true),
            ("events.parquet", "events.csv", false),
            ("*.parquet", "part-0.parquet", true),
            ("*.parquet", "part-0.parquet.crc", false),
            ("*.parquet", ".part-0.parquet", false),
            ("*", "_SUCCESS", false),
            ("_*", "_events", true),
            ("part-*-of-*.csv", "part-1-of-2.csv", true),
            ("part-?.csv", "part-1.csv", true),
            ("part-?.csv", "part-10.csv", false),
            ("year=*", "year=2020", true),
            ("year=*", "month=2", false),
            ("*a*b", "xaxxb", true),
            ("*a*b", "xaxxbc", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(part, name), wanted, "{part} {name}");
        }
    }

    #[test]
    fn partitions_have_values() {
        let text = |text: &str| Some(text.to_owned());
        for (part, name, value) in [
            ("year=*", "year=2020", Some(text("2020"))),
            ("year=20??", "year=2020", Some(text("2020"))),
            ("day=*", "day=2020-01-01%2000%3A00", Some(text("2020-01-01 00:00"))),
            ("year=*", "year=__HIVE_DEFAULT_PARTITION__", Some(None)),
            ("year=2020", "year=2020", None),
            ("*.parquet", "a=b.parquet", None),
        ] {
            assert_eq!(partition(part, name).map(|(_, value)| value), value, "{part} {name}");
        }
    }

    #[test]
    fn patterns_stay_within_the_extract() {
        for (text, error) in [
            ("", PatternError::Empty),
            ("/data/*.csv", PatternError::Empty),
            ("events//x", PatternError::Empty),
            ("../x.csv", PatternError::Outside),
            ("events/**/x.csv", PatternError::Deep),
        ] {
            assert_eq!(FilePattern::parse(text).unwrap_err(), error, "{text}");
        }
        assert_eq!(FilePattern::parse("events/year=*/part-*.parquet").unwrap().parts().count(), 3);
    }
}
