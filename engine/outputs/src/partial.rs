//! A file that is seen only when it is whole.
//!
//! ```text
//!   written without a name ──► synced ──► named, hidden ──► synced ──► renamed over its place
//!   mode 0600 where the system has no files without names: hidden from the beginning
//! ```
//!
//! Until it is in its place it is locked, and nobody but its owner may read it. A process that is killed lets go of its
//! locks; so a hidden file without one is a dead run's, and whoever writes to the directory next removes it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;

use crate::error::OutputError;
use crate::mode::FileMode;

/// How hidden names begin.
const PREFIX: &str = ".peristyle-partial-";

/// Opens no other file than the one that has the name, and waits for nothing should it be none any more.
const AS_IT_IS: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits() as i32;

/// How often a hidden file is made anew because another run took it for a dead run's before it was locked.
const ATTEMPTS_MAX: u32 = 100;

/// A file that is being written. Dropping it removes it.
pub(crate) struct PartialFile {
    /// The lock ends when this and all its clones are closed
    file: File,
    /// `None` while it has no name
    hidden: Option<HiddenName>,
    place: PathBuf,
    mode: FileMode,
}

/// A whole file beside its place. Dropping it removes it.
pub(crate) struct NamedFile {
    /// Keeps the lock until the file is in its place
    _file: File,
    hidden: HiddenName,
    place: PathBuf,
}

/// A name beside a place. Dropping it removes the file that has it.
struct HiddenName(PathBuf);

impl PartialFile {
    /// Opens a file for writing, to be put in `place`, in a directory that is there. Then its permissions will be those of
    /// `mode`; without, those of any file that a program makes there.
    pub(crate) fn create(place: PathBuf, mode: Option<FileMode>) -> Result<(Self, File), OutputError> {
        let directory = directory_of(&place);
        let open = || {
            let (file, hidden) = create_in(directory, FileMode::OWNER)?;
            let mode = match mode {
                Some(mode) => is_private(&file).then_some(mode).ok_or_else(keeps_no_permissions)?,
                None => mode_of_new_files(directory)?,
            };
            Ok((file.try_clone()?, file, hidden, mode))
        };
        let (clone, file, hidden, mode) = open().map_err(|reason| failed("create a file in", directory, reason))?;
        Ok((PartialFile { file, hidden, place, mode }, clone))
    }

    /// Names the file, beside its place, and gives it the permissions that it is to have, on the disk.
    pub(crate) fn name(self) -> Result<NamedFile, OutputError> {
        let PartialFile { file, hidden, place, mode } = self;
        let name = || {
            // Only where it changes something: there are file systems that refuse it.
            if mode_of(&file)? != mode {
                file.set_permissions(mode.into())?;
            }
            let hidden = hidden.map_or_else(|| name_unnamed(&file, directory_of(&place)), Ok)?;
            file.sync_all()?;
            Ok(hidden)
        };
        let hidden = name().map_err(|reason| failed("put in place", &place, reason))?;
        Ok(NamedFile { _file: file, hidden, place })
    }

    /// Where the file will be.
    pub(crate) fn place(&self) -> &Path {
        &self.place
    }
}

impl NamedFile {
    /// Renames the file to its place, at once and whole.
    pub(crate) fn put_in_place(self) -> Result<(), OutputError> {
        fs::rename(&self.hidden.0, &self.place).map_err(|reason| failed("put in place", &self.place, reason))
    }
}

impl Drop for HiddenName {
    fn drop(&mut self) {
        // After it was renamed there is none.
        let _ = fs::remove_file(&self.0);
    }
}

/// A locked file, without a name where the system has such files.
fn create_in(directory: &Path, mode: FileMode) -> io::Result<(File, Option<HiddenName>)> {
    match create_unnamed(directory, mode) {
        Some(file) => Ok((file, None)),
        None => create_hidden(directory, mode).map(|(file, hidden)| (file, Some(hidden))),
    }
}

/// `None` where it cannot be made, or not be named later. What is wrong with the directory a file with a name will tell.
#[cfg(target_os = "linux")]
fn create_unnamed(directory: &Path, mode: FileMode) -> Option<File> {
    use rustix::fs::{Mode, open};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(open(directory, flags, Mode::from_raw_mode(mode.bits())).ok()?);
    fs::symlink_metadata(path_of_unnamed(&file)).ok()?;
    lock(&file).then_some(file)
}

#[cfg(not(target_os = "linux"))]
fn create_unnamed(_directory: &Path, _mode: FileMode) -> Option<File> {
    None
}

/// Names a file that has no name.
#[cfg(target_os = "linux")]
fn name_unnamed(file: &File, directory: &Path) -> io::Result<HiddenName> {
    use rustix::fs::{AtFlags, CWD, linkat};
    let path = fresh_path(directory);
    linkat(CWD, path_of_unnamed(file), CWD, &path, AtFlags::SYMLINK_FOLLOW)?;
    Ok(HiddenName(path))
}

#[cfg(not(target_os = "linux"))]
fn name_unnamed(_file: &File, _directory: &Path) -> io::Result<HiddenName> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
fn path_of_unnamed(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// A hidden name that no other file has: two runs of the same nanosecond differ in process, or in count.
fn fresh_path(directory: &Path) -> PathBuf {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    directory.join(format!("{PREFIX}{}-{}-{since}", process::id(), MADE.fetch_add(1, Ordering::Relaxed)))
}

fn create_hidden(directory: &Path, mode: FileMode) -> io::Result<(File, HiddenName)> {
    for _ in 0..ATTEMPTS_MAX {
        let path = fresh_path(directory);
        let file = OpenOptions::new().write(true).create_new(true).mode(mode.bits()).open(&path)?;
        let hidden = HiddenName(path);
        // Between the two, another run may have taken it for a dead run's.
        if lock(&file) && fs::symlink_metadata(&hidden.0).is_ok() {
            return Ok((file, hidden));
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

/// Locks a file that was just made; false if another run has it. A file system without locks keeps nobody from writing:
/// there, leftovers are not recognised either.
fn lock(file: &File) -> bool {
    !matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock))
}

/// The permissions of a file that a program makes in a directory and says nothing of them: by the process' umask, or the
/// directory's own defaults.
fn mode_of_new_files(directory: &Path) -> io::Result<FileMode> {
    let (file, _hidden) = create_in(directory, FileMode::EVERYBODY)?;
    mode_of(&file)
}

fn mode_of(file: &File) -> io::Result<FileMode> {
    Ok(FileMode::of(&file.metadata()?.permissions()))
}

/// Whether a file that was made for its owner alone is that, whatever the process' umask.
fn is_private(file: &File) -> bool {
    let is_owners = || mode_of(file).is_ok_and(|mode| mode == FileMode::OWNER);
    is_owners() || (file.set_permissions(FileMode::OWNER.into()).is_ok() && is_owners())
}

fn keeps_no_permissions() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "its file system does not keep the permissions of files")
}

fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The directories of `places`, each once.
fn directories_of<'a>(places: impl Iterator<Item = &'a Path>) -> Vec<&'a Path> {
    let mut directories: Vec<&Path> = places.map(directory_of).collect();
    directories.sort();
    directories.dedup();
    directories
}

/// Makes the directories of `places`, and removes from them what dead runs left.
pub(crate) fn prepare_directories<'a>(places: impl Iterator<Item = &'a Path>) -> Result<(), OutputError> {
    for directory in directories_of(places) {
        fs::create_dir_all(directory).map_err(|reason| failed("create directory", directory, reason))?;
        remove_leftovers(directory);
    }
    Ok(())
}

/// Removes hidden files of dead runs. Those of runs that live, or that are not ours to touch, stay.
fn remove_leftovers(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        if is_hidden
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && let Ok(file) = OpenOptions::new().write(true).custom_flags(AS_IT_IS).open(entry.path())
            && file.try_lock().is_ok()
        {
            // If it cannot be removed, whoever comes next will try.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Makes renames in the directories of `places` outlast a power cut.
pub(crate) fn sync_directories<'a>(places: impl Iterator<Item = &'a Path>) -> Result<(), OutputError> {
    for directory in directories_of(places) {
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        match synced {
            // Some network file systems cannot sync a directory, and promise order without it.
            Err(reason) if !matches!(reason.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
                return Err(failed("sync directory", directory, reason));
            }
            _ => {}
        }
    }
    Ok(())
}

/// An error of the operating system, with what was tried.
pub(crate) fn failed(doing: &'static str, path: &Path, reason: io::Error) -> OutputError {
    OutputError::File { doing, path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests;
