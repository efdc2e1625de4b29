//! `[tables.NAME]` of a source file: how a table's files are laid out, where that is not the default.

use std::ops::Range;

use peristyle_opt_out::{CsvOptions, FileFormat, FilePattern, TableLayout};
use serde::Deserialize;
use toml::Spanned;

/// A fault, and where it is.
type Fault = (Option<Range<usize>>, String);

/// One part.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableDocument {
    files: Option<Spanned<OneOrMany>>,
    format: Option<Spanned<String>>,
    delimiter: Option<Spanned<String>>,
    quotes: Option<Spanned<bool>>,
    null: Option<Spanned<OneOrMany>>,
    columns: Option<Spanned<Vec<String>>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string, or a list of strings")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

impl TableDocument {
    /// What it says.
    pub(super) fn layout(&self) -> Result<TableLayout, Fault> {
        let mut layout = TableLayout::default();
        if let Some(files) = &self.files {
            let fault = |problem: String| Err((Some(files.span()), problem));
            if files.get_ref().texts().is_empty() {
                return fault("`files` is empty: name a file, or a pattern such as `events/*.parquet`".to_owned());
            }
            for text in files.get_ref().texts() {
                match FilePattern::parse(text) {
                    Ok(pattern) => layout.files.push(pattern),
                    Err(error) => return fault(format!("`files` {error}")),
                }
            }
        }
        if let Some(format) = &self.format {
            let known = FileFormat::ALL.into_iter().find(|known| known.to_string() == *format.get_ref());
            let known = known.ok_or_else(|| {
                let all = FileFormat::ALL.map(|known| format!("\"{known}\"")).join(", ");
                (Some(format.span()), format!("`format` must be one of {all}"))
            })?;
            layout.format = Some(known);
        }
        layout.csv = self.csv(&layout)?;
        Ok(layout)
    }

    fn csv(&self, layout: &TableLayout) -> Result<CsvOptions, Fault> {
        let mut csv = CsvOptions::default();
        if let Some(delimiter) = &self.delimiter {
            csv.delimiter = match delimiter.get_ref().as_bytes() {
                [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0) => *byte,
                _ => {
                    let problem =
                        "`delimiter` must be one ASCII character, and neither a quotation mark nor an end of line";
                    return Err((Some(delimiter.span()), problem.to_owned()));
                }
            };
        }
        if let Some(quotes) = &self.quotes {
            csv.is_quoted = *quotes.get_ref();
        }
        if let Some(null) = &self.null {
            csv.null_texts = null.get_ref().texts().to_vec();
        }
        if let Some(columns) = &self.columns {
            let names = columns.get_ref();
            if names.is_empty() || names.iter().any(String::is_empty) {
                let problem = "`columns` must name every column of the files, which have no header then";
                return Err((Some(columns.span()), problem.to_owned()));
            }
            csv.columns = Some(names.clone());
        }
        let is_text = matches!(layout.format, None | Some(FileFormat::Csv | FileFormat::CsvGz));
        if csv != CsvOptions::default() && !is_text {
            let problem = "`delimiter`, `quotes`, `null` and `columns` are for CSV: leave them out".to_owned();
            return Err((self.format.as_ref().map(Spanned::span), problem));
        }
        Ok(csv)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn layouts_are_read() {
        let document: TableDocument = toml::from_str(
            "files = [\"a/*.txt\", \"b.txt\"]\nformat = \"csv\"\ndelimiter = \"\\t\"\nquotes = false\nnull = \"NULL\"\n\
             columns = [\"x\", \"y\"]\n",
        )
        .unwrap();
        let layout = document.layout().unwrap();
        assert_eq!(layout.files, ["a/*.txt", "b.txt"].map(|text| FilePattern::parse(text).unwrap()));
        assert_eq!(layout.format, Some(FileFormat::Csv));
        let columns = Some(vec!["x".to_owned(), "y".to_owned()]);
        let null_texts = vec!["NULL".to_owned()];
        assert_eq!(layout.csv, CsvOptions { delimiter: b'\t', is_quoted: false, null_texts, columns });
    }

    #[test]
    fn layouts_that_cannot_be_one() {
        for (text, told) in [
            ("files = []", "`files` is empty"),
            ("files = \"../x.csv\"", "`files` has a part `.` or `..`"),
            ("files = \"/x.csv\"", "`files` has an empty part"),
            ("format = \"xlsx\"", "`format` must be one of \"parquet\", \"arrow\", \"csv\", \"csv.gz\""),
            ("delimiter = \"||\"", "`delimiter` must be one ASCII character"),
            ("delimiter = \"\\\"\"", "`delimiter` must be one ASCII character"),
            ("columns = []", "`columns` must name every column"),
            ("format = \"parquet\"\nnull = \"NULL\"", "are for CSV: leave them out"),
        ] {
            let document: TableDocument = toml::from_str(text).unwrap();
            let (_, problem) = document.layout().unwrap_err();
            assert!(problem.contains(told), "{text}: {problem}");
        }
    }
}
