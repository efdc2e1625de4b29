//! A connector's files as texts, whether they are embedded or lie on a disk.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use include_dir::{Dir, include_dir};

use crate::error::{Fault, Problem};

/// The longest file of a connector, in bytes.
pub(crate) const FILE_BYTES_MAX: usize = 1_048_576;
/// The most views of a connector.
pub(crate) const VIEWS_MAX: usize = 1_000;

static TPP: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/tpp");
static EMIS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/emis");
static EMISV2: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/emisv2");

/// The connectors that come with Peristyle.
pub(crate) static BUILTIN: [(&str, &Dir<'_>); 3] = [("emis", &EMIS), ("emisv2", &EMISV2), ("tpp", &TPP)];

const MANIFEST: &str = "manifest.toml";
const VIEWS: &str = "views";
const POLICY: &str = "policy.example.toml";

/// A connector's files.
pub(crate) struct Folder {
    /// Where it is, for messages
    pub(crate) path: String,
    /// Its own name, where it has one
    pub(crate) name: Option<String>,
    pub(crate) manifest: String,
    /// By the names of their files
    pub(crate) views: BTreeMap<String, String>,
    /// The example of a policy, where there is one
    pub(crate) policy: Option<String>,
    /// What could not be read, but for the manifest
    pub(crate) problems: Vec<Problem>,
}

impl Folder {
    /// A connector that comes with Peristyle.
    pub(crate) fn embedded(name: &str, dir: &Dir<'_>) -> Result<Self, Vec<Problem>> {
        let path = format!("connectors/{name}");
        let text = |file: &str| dir.get_file(file).and_then(|file| file.contents_utf8());
        let unreadable = || vec![problem(&path, MANIFEST, Fault::Unreadable { kind: io::ErrorKind::NotFound })];
        let manifest = text(MANIFEST).ok_or_else(unreadable)?.to_owned();
        let views = dir.get_dir(VIEWS).into_iter().flat_map(Dir::files).filter_map(|file| {
            let name = file.path().file_name()?.to_str()?;
            Some((name.to_owned(), file.contents_utf8()?.to_owned()))
        });
        let (views, policy) = (views.collect(), text(POLICY).map(str::to_owned));
        Ok(Folder { name: Some(name.to_owned()), manifest, views, policy, problems: Vec::new(), path })
    }

    /// A connector in an operator's folder.
    pub(crate) fn read(dir: &Path) -> Result<Self, Vec<Problem>> {
        let path = dir.display().to_string();
        let path = if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path };
        let manifest = text_of(&dir.join(MANIFEST)).map_err(|fault| vec![problem(&path, MANIFEST, fault)])?;
        let name = dir.canonicalize().ok().and_then(|dir| Some(dir.file_name()?.to_str()?.to_owned()));
        let mut folder = Folder { path, name, manifest, views: BTreeMap::new(), policy: None, problems: Vec::new() };
        match text_of(&dir.join(POLICY)) {
            Ok(policy) => folder.policy = Some(policy),
            Err(Fault::Unreadable { kind: io::ErrorKind::NotFound }) => {}
            Err(fault) => folder.problems.push(problem(&folder.path, POLICY, fault)),
        }
        folder.read_views(&dir.join(VIEWS));
        Ok(folder)
    }

    fn read_views(&mut self, dir: &Path) {
        let unreadable = |error: io::Error| Fault::Unreadable { kind: error.kind() };
        let names = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(unreadable);
        match names {
            Err(fault) => self.problems.push(problem(&self.path, VIEWS, fault)),
            Ok(files) if files.len() > VIEWS_MAX => {
                self.problems.push(problem(&self.path, VIEWS, Fault::TooManyViews));
            }
            Ok(files) => {
                for file in files {
                    let name = file.file_name().to_string_lossy().into_owned();
                    // What editors and file managers leave behind.
                    if name.starts_with('.') {
                        continue;
                    }
                    let text = if name.ends_with(".sql") { text_of(&file.path()) } else { Err(Fault::NotAView) };
                    match text {
                        Ok(text) => _ = self.views.insert(name, text),
                        Err(fault) => self.problems.push(problem(&self.path, &format!("{VIEWS}/{name}"), fault)),
                    }
                }
            }
        }
    }

    /// A file's path, for messages.
    pub(crate) fn file(&self, name: &str) -> Arc<str> {
        format!("{}/{name}", self.path).into()
    }

    pub(crate) fn manifest_file(&self) -> Arc<str> {
        self.file(MANIFEST)
    }

    pub(crate) fn view_file(&self, name: &str) -> Arc<str> {
        self.file(&format!("{VIEWS}/{name}"))
    }

    pub(crate) fn policy_file(&self) -> Arc<str> {
        self.file(POLICY)
    }
}

fn problem(folder: &str, file: &str, fault: Fault) -> Problem {
    Problem { file: format!("{folder}/{file}").into(), line: None, fault }
}

fn text_of(path: &Path) -> Result<String, Fault> {
    let unreadable = |error: io::Error| Fault::Unreadable { kind: error.kind() };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Fault::TooLong);
    }
    String::from_utf8(bytes).map_err(|_| Fault::NotText)
}

/// The example of a policy that a connector comes with, if it does: of one that comes with Peristyle, or of a folder.
pub fn policy_example(name_or_folder: &str) -> Option<Cow<'static, str>> {
    match BUILTIN.iter().find(|(known, _)| *known == name_or_folder) {
        Some((_, dir)) => dir.get_file(POLICY)?.contents_utf8().map(Cow::Borrowed),
        None => text_of(&Path::new(name_or_folder).join(POLICY)).ok().map(Cow::Owned),
    }
}
