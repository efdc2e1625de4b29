//! Registers are pinned: what was read at the beginning must still be what is there at the end.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::RegisterError;

/// What the file system says of a file. A file that is written, replaced or renamed over has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    /// Changed with every write, and nobody can put it back
    changed: (i64, i64),
}

impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
            bytes: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

/// Files and folders as they were when a register was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pins {
    pinned: BTreeMap<PathBuf, Identity>,
}

impl Pins {
    /// Pins files, and the folders that they lie in where the register is a whole folder. Before they are read.
    pub(super) fn of<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<Self, RegisterError> {
        let mut pinned = BTreeMap::new();
        for path in paths {
            let identity = Identity::of(path)
                .map_err(|error| RegisterError::Unpinned { path: path.to_owned(), kind: error.kind() })?;
            pinned.insert(path.to_owned(), identity);
        }
        Ok(Self { pinned })
    }

    /// Also what another register was read from.
    pub(super) fn join(&mut self, other: Pins) {
        self.pinned.extend(other.pinned);
    }

    /// Fails where a file is not what it was.
    pub(super) fn check(&self) -> Result<(), RegisterError> {
        let changed = |(path, was): &(&PathBuf, &Identity)| !Identity::of(path).is_ok_and(|now| now == **was);
        match self.pinned.iter().find(changed) {
            Some((path, _)) => Err(RegisterError::Changed { path: path.clone() }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn whatever_happens_to_a_file_is_noticed() {
        type Change = fn(&Path);
        let changes: [Change; 5] = [
            |file| fs::write(file, "another").unwrap(),
            |file| fs::write(file, "the sama").unwrap(),
            |file| fs::remove_file(file).unwrap(),
            |file| {
                fs::write(file.with_extension("new"), "the same").unwrap();
                fs::rename(file.with_extension("new"), file).unwrap();
            },
            |file| fs::write(file.with_file_name("one-more"), "").unwrap(),
        ];
        for change in changes {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("register");
            fs::write(&file, "the same").unwrap();
            let pins = Pins::of([file.as_path(), folder.path()]).unwrap();
            assert_eq!(pins.check(), Ok(()));
            // The clock of a file system may stand still for some milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(20));
            change(&file);
            assert!(matches!(pins.check(), Err(RegisterError::Changed { .. })));
        }
    }

    #[test]
    fn what_is_not_there_cannot_be_pinned() {
        assert!(matches!(Pins::of([Path::new("/nowhere")]), Err(RegisterError::Unpinned { .. })));
    }
}
