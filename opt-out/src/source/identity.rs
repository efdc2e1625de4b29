//! What tells a file from what it may become: what is read at the beginning of a run must still be there at its end.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use object_store::ObjectMeta;

/// What a file system or a store says of a file. One that is written, replaced or renamed over has another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Of a file or a folder of this machine
    Local {
        device: u64,
        inode: u64,
        bytes: u64,
        modified: (i64, i64),
        /// Changed with every write, and nobody can put it back
        changed: (i64, i64),
    },
    /// Of an object
    Object {
        /// In seconds since 1970: some of a store's answers know no parts of them
        modified: i64,
        bytes: u64,
        e_tag: Option<String>,
        version: Option<String>,
    },
    /// Of what a store has below a prefix, by key
    Objects(Vec<(String, Identity)>),
}

impl Identity {
    pub(super) fn of_local(path: &Path) -> io::Result<Self> {
        Ok(Self::of_metadata(&fs::metadata(path)?))
    }

    pub(super) fn of_metadata(found: &Metadata) -> Self {
        Self::Local {
            device: found.dev(),
            inode: found.ino(),
            bytes: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    pub(super) fn of_object(found: &ObjectMeta) -> Self {
        Self::Object {
            modified: found.last_modified.timestamp(),
            bytes: found.size,
            e_tag: found.e_tag.clone(),
            version: found.version.clone(),
        }
    }

    /// When it was last written, in seconds since 1970; of several files, the first of them.
    pub(crate) fn modified_seconds(&self) -> Option<i64> {
        match self {
            Self::Local { modified, .. } => Some(modified.0),
            Self::Object { modified, .. } => Some(*modified),
            Self::Objects(objects) => objects.iter().map(|(_, object)| object.modified_seconds()).min()?,
        }
    }
}
