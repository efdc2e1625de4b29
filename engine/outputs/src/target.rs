//! Where an answer goes: the console, one file, or one file a table in a directory.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::error::OutputError;

/// A file format, told by the end of the file's name. Definition format, section 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputFormat {
    /// Arrow IPC file, zstd
    Arrow,
    /// Text as Python's `csv` module writes it
    Csv,
    /// The same, compressed with gzip
    CsvGz,
    /// Parquet, zstd
    Parquet,
}

impl OutputFormat {
    /// Every format.
    pub const ALL: [OutputFormat; 4] =
        [OutputFormat::Arrow, OutputFormat::Csv, OutputFormat::CsvGz, OutputFormat::Parquet];

    /// The end of the names of its files, without the dot before it.
    pub fn extension(self) -> &'static str {
        match self {
            OutputFormat::Arrow => "arrow",
            OutputFormat::Csv => "csv",
            OutputFormat::CsvGz => "csv.gz",
            OutputFormat::Parquet => "parquet",
        }
    }

    fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.extension() == extension)
    }

    /// The extensions of all formats, each between `before` and `after`, for a message.
    pub(crate) fn list(before: &str, after: &str) -> String {
        Self::ALL.map(|format| format!("{before}{}{after}", format.extension())).join(", ")
    }
}

/// Where an answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputTarget {
    /// CSV on standard output
    Console,
    /// One table in one file
    File {
        /// The file
        path: PathBuf,
        /// Its format
        format: OutputFormat,
    },
    /// One file a table
    Directory {
        /// The directory that the files go to
        path: PathBuf,
        /// Their format
        format: OutputFormat,
    },
}

impl OutputTarget {
    /// Reads an `--output` argument; none is the console.
    ///
    /// `NAME.arrow`, `.csv`, `.csv.gz` and `.parquet` are single files; `DIR/:arrow` or `DIR:arrow` is a directory.
    ///
    /// # Errors
    /// [`OutputError::NoFormat`] and [`OutputError::UnknownFormat`], which list what may be given.
    pub fn parse(given: Option<&str>) -> Result<Self, OutputError> {
        let Some(given) = given else { return Ok(OutputTarget::Console) };
        let no_format = || OutputError::NoFormat { given: given.trim_end_matches('/').to_owned() };
        let path = Path::new(given);
        let name = path.file_name().and_then(OsStr::to_str).ok_or_else(no_format)?;
        if let Some((directory, extension)) = name.rsplit_once(':') {
            let format = OutputFormat::from_extension(extension).ok_or_else(|| OutputError::UnknownFormat {
                given: given.to_owned(),
                format: format!(":{extension}"),
            })?;
            let parent = path.parent().unwrap_or(Path::new(""));
            let path = if directory.is_empty() { parent.to_owned() } else { parent.join(directory) };
            return Ok(OutputTarget::Directory { path, format });
        }
        let extension = file_extension(name).ok_or_else(no_format)?;
        match OutputFormat::from_extension(extension) {
            // A trailing slash says directory, whatever the name says.
            Some(_) if given.ends_with('/') => Err(no_format()),
            Some(format) => Ok(OutputTarget::File { path: path.to_owned(), format }),
            None => Err(OutputError::UnknownFormat { given: given.to_owned(), format: format!(".{extension}") }),
        }
    }

    /// Whether measures go to one file each, rather than to one for all.
    pub fn is_directory(&self) -> bool {
        matches!(self, OutputTarget::Directory { .. })
    }

    /// The files that the tables go to, in their order, and the format. `None` for the console.
    pub(crate) fn files(&self, names: &[&str]) -> Result<Option<(Vec<PathBuf>, OutputFormat)>, OutputError> {
        match self {
            OutputTarget::Console => Ok(None),
            OutputTarget::File { path, format } if names.len() == 1 => Ok(Some((vec![path.clone()], *format))),
            OutputTarget::File { path, format } => Err(OutputError::ManyTablesOneFile {
                tables: names.len(),
                path: path.clone(),
                instead: directory_instead(path, *format),
            }),
            OutputTarget::Directory { path, format } => {
                let file = |name: &&str| path.join(format!("{}.{}", percent_quoted(name), format.extension()));
                let files: Vec<PathBuf> = names.iter().map(file).collect();
                let repeated = files.iter().enumerate().find(|(index, file)| files[..*index].contains(file));
                match repeated {
                    Some((_, file)) => Err(OutputError::SameFile { path: file.clone() }),
                    None => Ok(Some((files, *format))),
                }
            }
        }
    }
}

/// What follows the dot that begins a format's name: `csv` of `a.b.csv`, `csv.gz` of `a.csv.gz`. `None` where there is
/// no dot, or nothing before or after it.
fn file_extension(name: &str) -> Option<&str> {
    let (stem, last) = name.rsplit_once('.')?;
    let extension = match stem.rsplit_once('.') {
        Some((stem, before)) if last == "gz" && !stem.is_empty() => &name[name.len() - before.len() - 3..],
        _ => last,
    };
    (!stem.is_empty() && !last.is_empty()).then_some(extension)
}

/// `a/b/:csv` for `a/b.csv`.
fn directory_instead(path: &Path, format: OutputFormat) -> String {
    let text = path.to_string_lossy();
    let stem = text.strip_suffix(&format!(".{}", format.extension())).unwrap_or(&text);
    format!("{stem}/:{}", format.extension())
}

/// A table's name as a part of a file's name: everything but ASCII letters, digits and `_.-~` as `%XX`, as in a URL.
fn percent_quoted(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(quoted, "%{byte:02X}");
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn shown(given: Option<&str>, tables: &[&str]) -> String {
        match OutputTarget::parse(given).and_then(|target| target.files(tables)) {
            Ok(None) => "console".to_owned(),
            Ok(Some((files, format))) => {
                let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
                format!("{format:?} {}", files.join(" "))
            }
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn outputs_are_told_by_their_names() {
        let cases: &[(Option<&str>, &[&str], &str)] = &[
            (None, &["dataset"], "console"),
            (Some("out.arrow"), &["dataset"], "Arrow out.arrow"),
            (Some("a/b.c/out.csv"), &["dataset"], "Csv a/b.c/out.csv"),
            (Some("out.v2.csv.gz"), &["dataset"], "CsvGz out.v2.csv.gz"),
            (Some("out.parquet"), &["dataset"], "Parquet out.parquet"),
            (Some("some/dir:csv"), &["dataset", "e"], "Csv some/dir/dataset.csv some/dir/e.csv"),
            (Some("some/dir/:csv.gz"), &["dataset"], "CsvGz some/dir/dataset.csv.gz"),
            (Some("some/dir/:arrow/"), &["dataset"], "Arrow some/dir/dataset.arrow"),
            (Some(":parquet"), &["dataset"], "Parquet dataset.parquet"),
            (Some("d/:csv"), &["bad/ table /né~"], "Csv d/bad%2F%20table%20%2Fn%C3%A9~.csv"),
        ];
        for (given, tables, expected) in cases {
            assert_eq!(shown(*given, tables), *expected, "{given:?}");
        }
    }

    #[test]
    fn refusals_say_what_to_do() {
        let one: &[&str] = &["dataset"];
        let cases = [
            (Some("results"), one),
            (Some(".csv"), one),
            (Some("out.csv/"), one),
            (Some(""), one),
            (Some("out.xlsx"), one),
            (Some("out.CSV"), one),
            (Some("out.tar.gz"), one),
            (Some("dir/:feather"), one),
            (Some("a/out.csv.gz"), &["dataset", "events"]),
            (Some("dir/:csv"), &["a", "a"]),
        ];
        let shown: Vec<_> =
            cases.iter().map(|(given, tables)| format!("{} -> {}", given.unwrap(), shown(*given, tables))).collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        results -> error: output `results` does not say its format: for one file, end the name in `.arrow`, `.csv`, `.csv.gz`, `.parquet`; for one file a table, name a directory and a format, as in `DIR/:arrow`
        .csv -> error: output `.csv` does not say its format: for one file, end the name in `.arrow`, `.csv`, `.csv.gz`, `.parquet`; for one file a table, name a directory and a format, as in `DIR/:arrow`
        out.csv/ -> error: output `out.csv` does not say its format: for one file, end the name in `.arrow`, `.csv`, `.csv.gz`, `.parquet`; for one file a table, name a directory and a format, as in `DIR/:arrow`
         -> error: output `` does not say its format: for one file, end the name in `.arrow`, `.csv`, `.csv.gz`, `.parquet`; for one file a table, name a directory and a format, as in `DIR/:arrow`
        out.xlsx -> error: output `out.xlsx`: `.xlsx` is not a format that can be written; use one of `.arrow`, `.csv`, `.csv.gz`, `.parquet`
        out.CSV -> error: output `out.CSV`: `.CSV` is not a format that can be written; use one of `.arrow`, `.csv`, `.csv.gz`, `.parquet`
        out.tar.gz -> error: output `out.tar.gz`: `.tar.gz` is not a format that can be written; use one of `.arrow`, `.csv`, `.csv.gz`, `.parquet`
        dir/:feather -> error: output `dir/:feather`: `:feather` is not a format that can be written; use one of `:arrow`, `:csv`, `:csv.gz`, `:parquet`
        a/out.csv.gz -> error: there are 2 tables to write, and output `a/out.csv.gz` holds only one: use `a/out/:csv.gz`, which writes one file a table
        dir/:csv -> error: two tables would both be written as `dir/a.csv`: rename one of them in the definition
        ");
    }
}
