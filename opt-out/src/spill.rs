//! A directory of one's own for spilled rows: nobody else may look into it, and it is gone afterwards.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::SourceError;

/// Directories in use, and those that a run left behind when it was killed.
const PREFIX: &str = "peristyle-spill-";
/// Directories that nobody has locked yet: never with rows in them.
const PREFIX_NEW: &str = "peristyle-new-spill-";

/// A private directory for one enclave's spilled rows. It is removed on drop.
///
/// Its owner holds a lock on it for as long as it lives; so a directory without a lock was left by a process that is
/// dead, and whoever starts next removes it.
#[derive(Debug)]
pub(crate) struct SpillDirectory {
    path: PathBuf,
    /// The lock ends when this is closed
    _lock: File,
}

impl SpillDirectory {
    /// Makes one within the given directory, or the system's for temporary files, and removes what dead processes left.
    pub(crate) fn create(parent: Option<&Path>) -> Result<Self, SourceError> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        remove_leftovers(&parent);
        Self::create_in(&parent).map_err(|error| SourceError::Spill { directory: parent, kind: error.kind() })
    }

    fn create_in(parent: &Path) -> io::Result<Self> {
        let name = unique_name();
        let (new, path) = (parent.join(format!("{PREFIX_NEW}{name}")), parent.join(format!("{PREFIX}{name}")));
        DirBuilder::new().mode(0o700).create(&new)?;
        let lock = File::open(&new)?;
        // A file system without locks keeps nobody from spilling; there, leftovers are not recognised either.
        let _ = lock.try_lock();
        fs::rename(&new, &path)?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SpillDirectory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(directory = %self.path.display(), kind = %error.kind(), "spilled rows could not be removed");
        }
    }
}

/// A name that no other enclave of this machine has: two at the same nanosecond differ in process or count.
fn unique_name() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed), since.as_nanos())
}

/// Removes directories of dead processes. Those of others who live, or that are not ours to touch, stay.
fn remove_leftovers(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_spill = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        // Not by `metadata`, which would follow a link out of here.
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_spill
            && is_directory
            && let Ok(directory) = File::open(entry.path())
            && directory.try_lock().is_ok()
        {
            match fs::remove_dir_all(entry.path()) {
                Ok(()) => tracing::debug!(directory = %entry.path().display(), "removed spilled rows of a dead run"),
                // Its own run was about to remove it, or another that starts was quicker: nothing to tell anyone.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(
                    directory = %entry.path().display(), kind = %error.kind(), "spilled rows of a dead run remain"
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_spill_directory_is_private_and_goes_away() {
        let parent = tempfile::tempdir().unwrap();
        let spill = SpillDirectory::create(Some(parent.path())).unwrap();
        let path = spill.path().to_path_buf();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(path.join("rows"), "x").unwrap();
        drop(spill);
        assert!(!path.exists());
    }

    #[test]
    fn leftovers_of_the_dead_are_removed_and_those_of_the_living_stay() {
        let parent = tempfile::tempdir().unwrap();
        let dead = parent.path().join(format!("{PREFIX}1-0-0"));
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("rows"), "x").unwrap();
        let other = parent.path().join("someone-elses");
        fs::create_dir(&other).unwrap();
        let living = SpillDirectory::create(Some(parent.path())).unwrap();
        assert!(!dead.exists());
        let second = SpillDirectory::create(Some(parent.path())).unwrap();
        assert!(living.path().exists() && second.path().exists() && other.exists());
    }

    #[test]
    fn a_parent_that_is_not_there_is_named() {
        let error = SpillDirectory::create(Some(Path::new("/nowhere/at/all"))).unwrap_err();
        insta::assert_snapshot!(error, @"the directory for spilled rows `/nowhere/at/all` cannot be used (entity not found): give another, writable one");
    }
}
