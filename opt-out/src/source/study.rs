//! The folder of a study: files that a definition names are opened beneath it and nowhere else.
//!
//! ```text
//! path as written ─► relative to the folder, by its text alone ─► opened beneath it, no link followed ─► a regular file
//!                    (nothing outside is looked at)                (openat2; else one folder at a time)   of the study alone
//! ```

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::identity::Identity;
use super::store::{Entry, FileStore, LocalFile, StoredFile};
use crate::policy::ScanPermit;
use crate::problem::StudyProblem;

/// Where the files of a study are, and what it must not read.
#[derive(Clone, Debug, Default)]
pub struct StudyFiles {
    /// The folder; without one, a definition that names a file is refused
    pub root: Option<PathBuf>,
    /// Files, and folders with all that is in them, that no definition may read, by whatever name and whichever link it
    /// reaches them: policy, registers, ledger, counts, answers
    pub kept: Vec<PathBuf>,
}

/// The folder of a study, open.
#[derive(Debug)]
pub(crate) struct StudyFolder {
    directory: OwnedFd,
    /// The folder's own path, absolute, by its text, and as the system knows it
    names: [PathBuf; 2],
    kept: Vec<PathBuf>,
    /// Device and inode of each file that is kept
    kept_files: OnceLock<BTreeSet<(u64, u64)>>,
}

const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

impl StudyFolder {
    /// Opens the folder of a study. Files of `also_kept` are kept from it, too.
    pub(crate) fn open(files: &StudyFiles, also_kept: Vec<PathBuf>) -> io::Result<Self> {
        let root = files.root.as_ref().ok_or(StudyProblem::NoFolder)?;
        let absolute = normal(&std::path::absolute(root)?);
        let canonical = fs::canonicalize(root)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&canonical, flags, Mode::empty())?;
        let kept = files.kept.iter().cloned().chain(also_kept).collect();
        Ok(Self { directory, names: [absolute, canonical], kept, kept_files: OnceLock::new() })
    }

    /// Where a path leads, from the folder on. By its text alone: what lies outside is not looked at.
    fn beneath(&self, written: &Path) -> Result<PathBuf, StudyProblem> {
        let found = self.names.iter().find_map(|root| {
            let path = normal(&root.join(written));
            path.strip_prefix(root).ok().map(Path::to_path_buf)
        });
        found.filter(|path| !path.as_os_str().is_empty()).ok_or(StudyProblem::Outside)
    }

    /// Opens a file beneath the folder, following no link.
    fn open_beneath(&self, path: &Path) -> io::Result<File> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{ResolveFlags, openat2};
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match openat2(&self.directory, path, READ, Mode::empty(), resolve) {
                // Kernels before 5.6 do not have it, and some sandboxes do not let it through.
                Err(Errno::NOSYS | Errno::PERM) => {}
                opened => return opened.map(File::from).map_err(problem_of),
            }
        }
        self.open_step_by_step(path)
    }

    /// The same where the system cannot do it at once: one folder after another, none of them through a link.
    fn open_step_by_step(&self, path: &Path) -> io::Result<File> {
        let names: Vec<&std::ffi::OsStr> = path.iter().collect();
        let Some((file, folders)) = names.split_last() else { return Err(StudyProblem::Outside.into()) };
        let mut folder: Option<OwnedFd> = None;
        for name in folders {
            let from: BorrowedFd<'_> = folder.as_ref().map_or_else(|| self.directory.as_fd(), AsFd::as_fd);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let next = openat(from, *name, flags, Mode::empty()).map_err(|error| match error {
                // What a link in a folder's place is told as.
                Errno::NOTDIR if is_link(from, name) => StudyProblem::Link.into(),
                error => problem_of(error),
            })?;
            folder = Some(next);
        }
        let from = folder.as_ref().map_or_else(|| self.directory.as_fd(), AsFd::as_fd);
        openat(from, *file, READ, Mode::empty()).map(File::from).map_err(problem_of)
    }

    /// Whether a file is one that is kept from studies.
    fn is_kept(&self, identity: &Identity) -> bool {
        let Identity::Local { device, inode, .. } = identity else { return false };
        self.kept_files.get_or_init(|| files_of(&self.kept)).contains(&(*device, *inode))
    }
}

impl FileStore for StudyFolder {
    fn open(&self, _permit: &ScanPermit, path: &Path) -> io::Result<Arc<dyn StoredFile>> {
        let file = LocalFile::of(self.open_beneath(&self.beneath(path)?)?)?;
        if self.is_kept(file.identity()) {
            return Err(StudyProblem::Kept.into());
        }
        Ok(Arc::new(file))
    }

    /// A definition names files, and lists no folder.
    fn entries(&self, _folder: &Path) -> io::Result<Vec<Entry>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        Ok(LocalFile::of(self.open_beneath(&self.beneath(path)?)?)?.identity().clone())
    }
}

fn problem_of(error: Errno) -> io::Error {
    match error {
        Errno::LOOP => StudyProblem::Link.into(),
        Errno::XDEV => StudyProblem::Outside.into(),
        // Of a socket, and of a device that nothing stands behind.
        Errno::NXIO | Errno::NODEV => crate::problem::StoreProblem::NotAFile.into(),
        error => error.into(),
    }
}

fn is_link(folder: BorrowedFd<'_>, name: &std::ffi::OsStr) -> bool {
    let found = rustix::fs::statat(folder, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
    found.is_ok_and(|found| rustix::fs::FileType::from_raw_mode(found.st_mode).is_symlink())
}

/// A path without `.` and `..`, by its text.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            // Above the root there is nothing but the root.
            Component::ParentDir => _ = normal.pop(),
            other => normal.push(other),
        }
    }
    normal
}

/// Device and inode of files, and of all files in folders.
fn files_of(paths: &[PathBuf]) -> BTreeSet<(u64, u64)> {
    let identity = |found: &Metadata| (found.dev(), found.ino());
    let (mut files, mut folders) = (BTreeSet::new(), BTreeSet::new());
    let mut left: Vec<PathBuf> = paths.to_vec();
    while let Some(path) = left.pop() {
        // What is not there cannot be read, either.
        let Ok(found) = fs::metadata(&path) else { continue };
        if !found.is_dir() {
            files.insert(identity(&found));
        } else if folders.insert(identity(&found))
            && let Ok(entries) = fs::read_dir(&path)
        {
            left.extend(entries.flatten().map(|entry| entry.path()));
        }
    }
    files
}

#[cfg(test)]
mod tests;
