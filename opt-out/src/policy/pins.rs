//! Registers are pinned: what was read at the beginning must still be what is there at the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::RegisterError;
use crate::problem::{ReadProblem, StoreProblem};
use crate::source::{FileStore, Identity};

/// Files and folders as they were when a register was read, and where they are looked at again.
#[derive(Clone, Debug, Default)]
pub(super) struct Pins {
    pinned: BTreeMap<PathBuf, (Arc<dyn FileStore>, Identity)>,
}

impl Pins {
    /// Pins files, and the folders that they lie in where the register is a whole folder. Before they are read.
    pub(super) fn of<'a>(
        store: &Arc<dyn FileStore>,
        paths: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Self, RegisterError> {
        let mut pinned = BTreeMap::new();
        for path in paths {
            let identity = store
                .identity(path)
                .map_err(|error| RegisterError::Unpinned { path: path.to_owned(), kind: error.into() })?;
            pinned.insert(path.to_owned(), (Arc::clone(store), identity));
        }
        Ok(Self { pinned })
    }

    /// Also what another register was read from.
    pub(super) fn join(&mut self, other: Pins) {
        self.pinned.extend(other.pinned);
    }

    /// What is pinned.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.pinned.keys().map(PathBuf::as_path)
    }

    /// What a pinned file was.
    pub(super) fn identity(&self, path: &Path) -> Option<&Identity> {
        self.pinned.get(path).map(|(_, identity)| identity)
    }

    /// Fails where a file is not what it was.
    pub(super) fn check(&self) -> Result<(), RegisterError> {
        for (path, (store, was)) in &self.pinned {
            match store.identity(path) {
                Ok(now) if now == *was => {}
                // A store that does not answer has not said that anything changed.
                Err(error) if ReadProblem::from(&error) == ReadProblem::Store(StoreProblem::Unreachable) => {
                    return Err(RegisterError::Unpinned { path: path.clone(), kind: error.into() });
                }
                _ => return Err(RegisterError::Changed { path: path.clone() }),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::fs;

    use super::*;
    use crate::source::LocalFiles;

    fn pins(paths: &[&Path]) -> Result<Pins, RegisterError> {
        Pins::of(&(Arc::new(LocalFiles) as Arc<dyn FileStore>), paths.iter().copied())
    }

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
            let pins = pins(&[file.as_path(), folder.path()]).unwrap();
            assert_eq!(pins.check(), Ok(()));
            // The clock of a file system may stand still for some milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(20));
            change(&file);
            assert!(matches!(pins.check(), Err(RegisterError::Changed { .. })));
        }
    }

    #[test]
    fn what_is_not_there_cannot_be_pinned() {
        assert!(matches!(pins(&[Path::new("/nowhere")]), Err(RegisterError::Unpinned { .. })));
    }
}
