//! Where an extract lies: a folder of this machine, or a prefix of a bucket; and how its files are laid out.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use object_store::path::Path as Key;

use super::connect;
use super::discover::SourceDirectory;
use super::layout::TableLayout;
use super::objects::ObjectFiles;
use super::store::{FileStore, LocalFiles};
use crate::error::SourceError;

/// An extract that has not been opened: a location, and how the files of tables are laid out in it.
#[derive(Clone, Debug)]
pub struct Extract {
    location: ExtractLocation,
    layouts: BTreeMap<Arc<str>, TableLayout>,
    /// Once it was opened: what a store has is listed once for the registers and the tables of a run
    store: Arc<Mutex<Option<Arc<dyn FileStore>>>>,
}

impl PartialEq for Extract {
    fn eq(&self, other: &Self) -> bool {
        self.location == other.location && self.layouts == other.layouts
    }
}

impl Eq for Extract {}

/// Where an extract lies.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ExtractLocation {
    Folder(PathBuf),
    Bucket(Bucket),
}

/// A prefix of a bucket, or of what a store has instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) scheme: Scheme,
    pub(super) name: String,
    pub(super) prefix: Key,
}

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    S3,
    Azure,
    Google,
}

impl Scheme {
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Azure => "az",
            Self::Google => "gs",
        }
    }

    /// What the store calls what the name in the URL is of.
    fn holds(self) -> &'static str {
        if self == Self::Azure { "container" } else { "bucket" }
    }
}

/// A location that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum LocationError {
    #[error("is empty: give a path, or a URL that begins with `s3://`, `az://`, `gs://` or `file://`")]
    Empty,
    #[error(
        "begins with a scheme that is not known: give a path, or a URL with `s3://`, `az://`, `gs://` or `file://`"
    )]
    Scheme,
    #[error(
        "has something before an `@`, where URLs have names of users and passwords: leave it out; credentials come from the \
         environment alone"
    )]
    User,
    #[error(
        "has a `?`, `#` or `%`, which no location here has a use for: give the bucket and the folder as they are named"
    )]
    Query,
    #[error("names no {0}, or one with other characters than letters, digits, `.`, `-` and `_`")]
    Name(&'static str),
    #[error("has an empty part, or a `.` or `..` among its parts")]
    Parts,
    #[error(
        "is a `file://` URL without an absolute path of this machine: write `file:///srv/extract`, or the path alone"
    )]
    File,
}

impl Extract {
    /// An extract at a location as a source file has it: a path, from `base` where it is relative, or a URL.
    ///
    /// # Errors
    /// A location that cannot be one. Nothing is looked at but its text.
    pub fn at(location: &str, base: &Path) -> Result<Self, LocationError> {
        let location = match location.split_once("://") {
            None if location.is_empty() => return Err(LocationError::Empty),
            None => ExtractLocation::Folder(base.join(location)),
            Some((scheme, rest)) => match scheme {
                "s3" => bucket(Scheme::S3, rest)?,
                "az" => bucket(Scheme::Azure, rest)?,
                "gs" => bucket(Scheme::Google, rest)?,
                "file" => ExtractLocation::Folder(folder(rest)?),
                _ if rest.contains('@') => return Err(LocationError::User),
                _ => return Err(LocationError::Scheme),
            },
        };
        Ok(Self { location, layouts: BTreeMap::new(), store: Arc::default() })
    }

    /// The same with another layout of a table's files, by the name that the table has in the extract.
    #[must_use]
    pub fn with_layout(mut self, table: Arc<str>, layout: TableLayout) -> Self {
        self.layouts.insert(table, layout);
        self
    }

    /// The tables whose files are laid out otherwise than by default.
    pub fn layouts(&self) -> impl Iterator<Item = (&Arc<str>, &TableLayout)> {
        self.layouts.iter()
    }

    /// As paths of its files begin.
    pub(crate) fn root(&self) -> PathBuf {
        match &self.location {
            ExtractLocation::Folder(folder) => folder.clone(),
            ExtractLocation::Bucket(Bucket { scheme, name, prefix }) => {
                let root = PathBuf::from(format!("{}://{name}", scheme.key()));
                if prefix.as_ref().is_empty() { root } else { root.join(prefix.as_ref()) }
            }
        }
    }

    /// Opens it: for a store, with the credentials of the environment. Blocks.
    ///
    /// # Errors
    /// A folder or a bucket that is not there or cannot be read; an environment without what the store needs.
    pub(crate) fn open(&self) -> Result<SourceDirectory, SourceError> {
        SourceDirectory::open(self.store()?, self.root(), self.layouts.clone())
    }

    fn store(&self) -> Result<Arc<dyn FileStore>, SourceError> {
        let ExtractLocation::Bucket(bucket) = &self.location else { return Ok(Arc::new(LocalFiles)) };
        let mut opened = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &*opened {
            return Ok(Arc::clone(store));
        }
        let unusable = |reason: String| SourceError::StoreUnusable { location: self.to_string(), reason };
        let client = connect::store(bucket).map_err(unusable)?;
        let files = ObjectFiles::new(client, self.root(), bucket.prefix.clone())
            .map_err(|error| SourceError::DirectoryUnreadable { directory: self.root(), kind: error.into() })?;
        Ok(Arc::clone(opened.insert(Arc::new(files))))
    }
}

impl fmt::Display for Extract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root().display().fmt(f)
    }
}

impl<P: AsRef<Path> + ?Sized> From<&P> for Extract {
    /// A folder, with every table's files where they are by default.
    fn from(folder: &P) -> Self {
        let location = ExtractLocation::Folder(folder.as_ref().to_path_buf());
        Self { location, layouts: BTreeMap::new(), store: Arc::default() }
    }
}

fn bucket(scheme: Scheme, rest: &str) -> Result<ExtractLocation, LocationError> {
    if rest.contains('@') {
        return Err(LocationError::User);
    }
    if rest.contains(['?', '#', '%']) {
        return Err(LocationError::Query);
    }
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_of_names = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
    if name.is_empty() || !name.chars().all(is_of_names) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(LocationError::Name(scheme.holds()));
    }
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    if !prefix.is_empty() && prefix.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(LocationError::Parts);
    }
    let prefix = Key::parse(prefix).map_err(|_| LocationError::Parts)?;
    Ok(ExtractLocation::Bucket(Bucket { scheme, name: name.to_owned(), prefix }))
}

fn folder(rest: &str) -> Result<PathBuf, LocationError> {
    if rest.contains(['?', '#', '%']) {
        return Err(LocationError::Query);
    }
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if path.starts_with('/') && path.len() > 1 { Ok(PathBuf::from(path)) } else { Err(LocationError::File) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn locations_are_paths_or_urls() {
        let base = Path::new("/srv/place");
        for (written, root) in [
            ("tables", "/srv/place/tables"),
            ("/data/tables", "/data/tables"),
            ("file:///data/tables", "/data/tables"),
            ("file://localhost/data", "/data"),
            ("s3://extracts", "s3://extracts"),
            ("s3://extracts/", "s3://extracts"),
            ("s3://extracts/2026/november/", "s3://extracts/2026/november"),
            ("az://container/tpp", "az://container/tpp"),
            ("gs://bucket.with-all_kinds/tpp", "gs://bucket.with-all_kinds/tpp"),
        ] {
            assert_eq!(Extract::at(written, base).unwrap().to_string(), root, "{written}");
        }
    }

    #[test]
    fn locations_that_cannot_be_one() {
        for (written, error) in [
            ("", LocationError::Empty),
            ("https://extracts.s3.amazonaws.com", LocationError::Scheme),
            ("abfss://container/x", LocationError::Scheme),
            ("https://user:password@host/x", LocationError::User),
            ("s3://key:secret@extracts/x", LocationError::User),
            ("az://key@container/x", LocationError::User),
            ("gs://bucket/a@b", LocationError::User),
            ("s3://extracts/x?versionId=1", LocationError::Query),
            ("az://container?sig=abc", LocationError::Query),
            ("s3://", LocationError::Name("bucket")),
            ("s3:///x", LocationError::Name("bucket")),
            ("s3://-x", LocationError::Name("bucket")),
            ("az://a b", LocationError::Name("container")),
            ("gs://bucket//x", LocationError::Parts),
            ("gs://bucket/x/../y", LocationError::Parts),
            ("file://host/data", LocationError::File),
            ("file://data", LocationError::File),
            ("file:///", LocationError::File),
            ("file:///data/my%20tables", LocationError::Query),
        ] {
            assert_eq!(Extract::at(written, Path::new("/")).unwrap_err(), error, "{written}");
        }
    }
}
