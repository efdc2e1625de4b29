//! From a name or a folder to a connector.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use peristyle_opt_out::Connector;
use serde::Deserialize;
use toml::Spanned;

use crate::document::ManifestDocument;
use crate::error::{Fault, LoadError, Problem};
use crate::examine::Examination;
use crate::folder::{BUILTIN, Folder};

/// What a connector's folder says.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Where the folder is, for messages
    pub folder: Arc<str>,
    /// What the Guard needs: raw tables, and views that it can answer for
    pub connector: Connector,
    /// Modules of the catalogue, all tables of which have a view or a reason
    pub modules: Vec<Arc<str>>,
    /// Tables of the extract that a policy may read as registers
    pub registers: BTreeMap<RegisterUse, Arc<str>>,
    /// Columns of which a person says that their values identify nobody, though name or shape says otherwise: by raw table,
    /// column, and why
    pub reviewed: BTreeMap<Arc<str>, BTreeMap<Arc<str>, String>>,
}

/// What a register is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "named as policies write them")]
pub enum RegisterUse {
    TypeOne,
    National,
    Practices,
    Registrations,
}

impl RegisterUse {
    /// As manifests write it.
    pub fn key(self) -> &'static str {
        match self {
            RegisterUse::TypeOne => "type_one",
            RegisterUse::National => "national",
            RegisterUse::Practices => "practices",
            RegisterUse::Registrations => "registrations",
        }
    }
}

/// The names of the connectors that come with Peristyle.
pub fn builtin() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().map(|(name, _)| *name)
}

/// Loads the connector that comes with Peristyle under this name, or the one in this folder. A name without `/` that is both
/// is the one that comes with Peristyle. Views are not planned yet: that is [`check`](crate::check)'s.
pub fn load(name_or_folder: &str) -> Result<Manifest, LoadError> {
    let embedded = BUILTIN.iter().find(|(name, _)| *name == name_or_folder);
    let folder = match embedded {
        Some((name, dir)) => Folder::embedded(name, dir),
        None if Path::new(name_or_folder).is_dir() => Folder::read(Path::new(name_or_folder)),
        None => {
            let builtin = builtin().collect::<Vec<_>>().join(", ");
            return Err(LoadError::Unknown { name: name_or_folder.to_owned(), builtin });
        }
    };
    folder.and_then(read).map_err(|problems| LoadError::Problems { problems })
}

/// The one field that is read before the file is taken for a manifest.
#[derive(Deserialize)]
struct Version {
    peristyle_connector: Option<Spanned<toml::Value>>,
}

fn read(mut folder: Folder) -> Result<Manifest, Vec<Problem>> {
    let mut problems = std::mem::take(&mut folder.problems);
    match parse(&folder.manifest) {
        Ok(document) => Examination::of(&folder, problems).manifest(document),
        Err((line, fault)) => {
            problems.insert(0, Problem { file: folder.manifest_file(), line, fault });
            Err(problems)
        }
    }
}

fn parse(text: &str) -> Result<ManifestDocument, (Option<usize>, Fault)> {
    let line_of = |error: &toml::de::Error| error.span().map(|span| line_at(text, span.start));
    // First whether it is a manifest at all: of another file, which may hold records, no text is repeated.
    if !text.lines().any(|line| line.trim_start().starts_with("peristyle_connector")) {
        return Err((None, Fault::NotAManifest));
    }
    let version: Version = toml::from_str(text)
        .map_err(|error| (line_of(&error), Fault::Syntax { problem: error.message().to_owned() }))?;
    match version.peristyle_connector {
        None => return Err((None, Fault::NotAManifest)),
        Some(version) if version.get_ref().as_integer() != Some(1) => {
            return Err((Some(line_at(text, version.span().start)), Fault::Version));
        }
        Some(_) => {}
    }
    toml::from_str(text).map_err(|error| (line_of(&error), Fault::Field { problem: in_words(error.message()) }))
}

/// serde's message, with what to do.
fn in_words(message: &str) -> String {
    if message.starts_with("unknown field") {
        return format!("{message}: correct it, or remove it");
    }
    if message.starts_with("missing field") {
        return format!("{message}: state it");
    }
    message.to_owned()
}

/// The line, from 1, in which the byte at `offset` is.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}
