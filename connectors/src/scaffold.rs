//! The beginning of a new connector: files that pass the check, to be changed into what a source is like.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::examine::is_name;
use crate::manifest::builtin;

/// The files, with `{name}` for the connector's name.
const FILES: [(&str, &str); 4] = [
    ("manifest.toml", include_str!("../scaffold/manifest.toml")),
    ("views/ehrql.tables.core.patients.sql", include_str!("../scaffold/patients.sql")),
    ("policy.example.toml", include_str!("../scaffold/policy.example.toml")),
    ("vectors.jsonl", include_str!("../scaffold/vectors.jsonl")),
];

/// Why a connector could not be begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the names, and the messages say the rest")]
pub enum ScaffoldError {
    /// Not fit for a folder, a source file and a log
    #[error(
        "`{name}` cannot name a connector: use 1 to 60 lower-case letters, digits and `-`, and begin with a letter"
    )]
    Name { name: String },
    /// It would never be found by its name
    #[error("`{name}` comes with Peristyle: give yours another name")]
    Builtin { name: String },
    /// Work of somebody's
    #[error("`{}` is there already: choose another name or folder, since nothing is written over", path.display())]
    Exists { path: PathBuf },
    /// Not ours to write
    #[error("cannot write `{}` ({kind}): choose a folder that may be written to", path.display())]
    Unwritable { path: PathBuf, kind: io::ErrorKind },
}

/// Begins a connector: makes the folder `name` in `parent` with a manifest, a view, an example of a policy and a vector.
/// Gives the files that were written.
pub fn scaffold(name: &str, parent: &Path) -> Result<Vec<PathBuf>, ScaffoldError> {
    if !is_name(name) {
        return Err(ScaffoldError::Name { name: name.to_owned() });
    }
    if builtin().any(|known| known == name) {
        return Err(ScaffoldError::Builtin { name: name.to_owned() });
    }
    let folder = parent.join(name);
    let failed = |path: &Path, error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => ScaffoldError::Exists { path: path.to_owned() },
        kind => ScaffoldError::Unwritable { path: path.to_owned(), kind },
    };
    fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
    fs::create_dir(&folder).map_err(|error| failed(&folder, error))?;
    let views = folder.join("views");
    fs::create_dir(&views).map_err(|error| failed(&views, error))?;
    let mut written = Vec::new();
    for (file, template) in FILES {
        let path = folder.join(file);
        let opened = OpenOptions::new().write(true).create_new(true).open(&path);
        opened
            .and_then(|mut file| file.write_all(template.replace("{name}", name).as_bytes()))
            .map_err(|error| failed(&path, error))?;
        written.push(path);
    }
    Ok(written)
}
