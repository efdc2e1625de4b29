//! Opening files in whose place somebody may have put something else, and waiting for locks: neither ever hangs.
//!
//! Opening a pipe waits until somebody writes to it, and a lock that another process holds may be held for ever. So files
//! are opened without waiting and must be regular ones, and a lock is waited for [`LOCK_WAIT_MAX`] at most.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::io::Errno;

/// The longest that a lock is waited for. Whoever holds one has milliseconds of work: who waits longer waits for a process
/// that hangs.
pub const LOCK_WAIT_MAX: Duration = Duration::from_secs(30);
const LOCK_POLL: Duration = Duration::from_millis(2);

/// What is there is a folder, a pipe, a socket or a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a regular file")]
struct NotAFile;

/// Why a file cannot be read or written, in words that quote nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFault {
    /// It is a folder, a pipe, a socket or a device
    NotAFile,
    /// The operating system refused
    System(io::ErrorKind),
}

impl FileFault {
    /// What an error of [`open_regular`], or of reading, comes to.
    pub fn of(error: &io::Error) -> Self {
        let is_no_file = error.get_ref().is_some_and(|inner| inner.is::<NotAFile>());
        if is_no_file { FileFault::NotAFile } else { FileFault::System(error.kind()) }
    }
}

impl From<io::Error> for FileFault {
    fn from(error: io::Error) -> Self {
        Self::of(&error)
    }
}

impl From<io::ErrorKind> for FileFault {
    fn from(kind: io::ErrorKind) -> Self {
        FileFault::System(kind)
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileFault::NotAFile => NotAFile.fmt(f),
            FileFault::System(kind) => kind.fmt(f),
        }
    }
}

/// Opens a regular file for reading, without waiting.
///
/// # Errors
/// Those of the operating system. What is no regular file is one of kind [`io::ErrorKind::InvalidInput`].
pub fn open_regular(path: &Path) -> io::Result<File> {
    open_regular_with(OpenOptions::new().read(true), path)
}

/// Opens, or creates, a regular file as `options` say, without waiting.
///
/// # Errors
/// As [`open_regular`].
pub fn open_regular_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    open_with_flags(options, OFlags::empty(), path)
}

/// As [`open_regular_with`], but the last part of the path may not be a symbolic link.
pub(crate) fn open_regular_itself(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    open_with_flags(options, OFlags::NOFOLLOW, path)
}

fn open_with_flags(options: &mut OpenOptions, flags: OFlags, path: &Path) -> io::Result<File> {
    // The standard library has files closed when another program is run.
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = options.custom_flags(flags.bits().cast_signed()).open(path).map_err(|error| {
        match Errno::from_io_error(&error) {
            // Of a socket, of a pipe that nobody reads, and of a device that nothing stands behind.
            Some(Errno::NXIO | Errno::NODEV) => not_a_file(),
            _ => error,
        }
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_a_file()) }
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, NotAFile)
}

/// Why a lock is not ours.
#[derive(Debug)]
pub enum LockFault {
    /// Another process has held it all the while
    Busy {
        /// How long was waited, in seconds
        waited_s: u64,
    },
    /// The operating system refused
    System(io::Error),
}

/// Tries to lock until it works, at most `wait_max` long.
///
/// # Errors
/// [`LockFault::Busy`] after that time.
pub fn lock_within(
    wait_max: Duration,
    mut try_lock: impl FnMut() -> Result<(), TryLockError>,
) -> Result<(), LockFault> {
    let began = Instant::now();
    loop {
        match try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(reason)) if reason.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(reason)) => return Err(LockFault::System(reason)),
            Err(TryLockError::WouldBlock) if began.elapsed() < wait_max => thread::sleep(LOCK_POLL),
            Err(TryLockError::WouldBlock) => return Err(LockFault::Busy { waited_s: wait_max.as_secs() }),
        }
    }
}

/// Writes a file that was not there, for its owner's eyes, and has it reach the disk.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Puts a new file in the place of the old one, so that whoever looks finds either of them, whole. Its content has reached
/// the disk when this returns; its name may not have, so that a crash may bring the old file back.
///
/// # Errors
/// Those of the operating system. The old file is then still there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = beside(path, ".new");
    // One that a crash left. It is removed and not written over, so that no link that somebody put there is followed.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write_new(&new, bytes)?;
    fs::rename(&new, path)
}

/// Brings the names in a file's folder to the disk.
///
/// # Errors
/// Those of the operating system.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// The folder that a file lies in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A path beside a file: its own with an ending put on.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The way from the folder of one file to another file, with links in their folders followed: the same however the two
/// paths are written, and wherever what holds both of them is moved to. The files need not be there.
///
/// # Errors
/// The folder that cannot be found.
pub(crate) fn way_between(from: &Path, to: &Path) -> Result<PathBuf, FolderFault> {
    let folder = |path: &Path| {
        let folder = folder_of(path);
        fs::canonicalize(folder).map_err(|error| FolderFault { path: folder.to_owned(), kind: error.kind() })
    };
    let (target, base) = (folder(to)?, folder(from)?);
    let shared = target.components().zip(base.components()).take_while(|(to, from)| to == from).count();
    let up = base.components().skip(shared).map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(target.components().skip(shared)).collect();
    Ok(way.join(to.file_name().unwrap_or_default()))
}

/// A folder that cannot be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the folder `{}` cannot be found ({kind})", path.display())]
pub struct FolderFault {
    /// The folder
    pub path: PathBuf,
    /// What the operating system said
    pub kind: io::ErrorKind,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();
        fs::create_dir(path("folder")).unwrap();
        fs::write(path("file"), "x").unwrap();
        for (link, to) in [("to pipe", "pipe"), ("to file", "file"), ("to nothing", "nothing")] {
            symlink(path(to), path(link)).unwrap();
        }
        let not_found = FileFault::System(io::ErrorKind::NotFound);
        for (name, fault) in [
            ("pipe", Some(FileFault::NotAFile)),
            ("to pipe", Some(FileFault::NotAFile)),
            ("socket", Some(FileFault::NotAFile)),
            ("folder", Some(FileFault::NotAFile)),
            ("/dev/null", Some(FileFault::NotAFile)),
            ("nothing", Some(not_found)),
            ("to nothing", Some(not_found)),
            ("file", None),
            ("to file", None),
        ] {
            let began = Instant::now();
            assert_eq!(open_regular(&path(name)).err().map(FileFault::from), fault, "{name}");
            assert!(began.elapsed() < Duration::from_secs(5), "{name} was waited for");
            let written = open_regular_with(OpenOptions::new().append(true), &path(name)).err().map(FileFault::from);
            let is_folder = name == "folder";
            assert_eq!(written, if is_folder { Some(io::ErrorKind::IsADirectory.into()) } else { fault }, "{name}");
            let is_link = name.starts_with("to ");
            let itself = open_regular_itself(OpenOptions::new().read(true), &path(name));
            assert_eq!(itself.is_err(), fault.is_some() || is_link, "{name}");
        }
    }

    #[test]
    fn the_way_is_the_same_however_paths_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["place/state", "place/audit", "elsewhere/deep"] {
            fs::create_dir_all(path(name)).unwrap();
        }
        symlink(path("place"), path("link")).unwrap();
        for (from, to, way) in [
            ("place/state/counts.json", "place/audit/l.jsonl", "../audit/l.jsonl"),
            ("place/audit/../state/counts.json", "link/audit/l.jsonl", "../audit/l.jsonl"),
            ("place/counts.json", "place/l.jsonl", "l.jsonl"),
            ("place/state/counts.json", "elsewhere/deep/l.jsonl", "../../elsewhere/deep/l.jsonl"),
            ("place/counts.json", "place/audit/l.jsonl", "audit/l.jsonl"),
        ] {
            assert_eq!(way_between(&path(from), &path(to)), Ok(PathBuf::from(way)), "{to} from {from}");
        }
        let absent = FolderFault { path: path("absent"), kind: io::ErrorKind::NotFound };
        assert_eq!(way_between(&path("place/counts.json"), &path("absent/l.jsonl")), Err(absent));
    }

    #[test]
    fn a_lock_is_waited_for_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let [held, wanted] = [(), ()].map(|()| File::create(&path).unwrap());
        held.try_lock_shared().unwrap();
        let wait = |wait_max| lock_within(wait_max, || wanted.try_lock());
        assert!(matches!(wait(Duration::from_millis(20)), Err(LockFault::Busy { waited_s: 0 })));
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(50));
                held.unlock().unwrap();
            });
            wait(Duration::from_secs(60)).unwrap();
        });
    }
}
