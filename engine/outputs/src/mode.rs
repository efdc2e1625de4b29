//! Who may read the files of an answer.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::str::FromStr;

/// Permissions of a file: its owner may read and write it, nobody runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode(u32);

/// A mode that no answer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "give three octal digits, from 600 (its owner alone) over 640 (its group may read it) to 666: the owner must be able to \
     read and write the file, and nobody runs it"
)]
pub struct InvalidFileMode;

impl FileMode {
    /// Its owner may read and write it, and nobody else.
    pub const OWNER: FileMode = FileMode(0o600);
    /// Everybody may read and write it.
    pub(crate) const EVERYBODY: FileMode = FileMode(0o666);

    /// As the operating system writes it.
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    /// That of a file that is there.
    pub(crate) fn of(permissions: &Permissions) -> Self {
        FileMode(permissions.mode() & 0o777)
    }
}

impl From<FileMode> for Permissions {
    fn from(mode: FileMode) -> Self {
        Permissions::from_mode(mode.0)
    }
}

impl FromStr for FileMode {
    type Err = InvalidFileMode;

    fn from_str(text: &str) -> Result<Self, InvalidFileMode> {
        let digits = text.strip_prefix('0').filter(|digits| digits.len() == 3).unwrap_or(text);
        // `from_str_radix` takes a sign as well.
        let is_octal = digits.len() == 3 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        let mode = u32::from_str_radix(digits, 8).ok().filter(|_| is_octal).ok_or(InvalidFileMode)?;
        let (least, most) = (Self::OWNER.0, Self::EVERYBODY.0);
        (mode & least == least && mode & !most == 0).then_some(FileMode(mode)).ok_or(InvalidFileMode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_and_leave_the_file_to_its_owner() {
        for (text, expected) in [
            ("600", Some(0o600)),
            ("0600", Some(0o600)),
            ("640", Some(0o640)),
            ("644", Some(0o644)),
            ("0664", Some(0o664)),
            ("666", Some(0o666)),
            ("400", None),
            ("060", None),
            ("006", None),
            ("755", None),
            ("700", None),
            ("1644", None),
            ("4600", None),
            ("00600", None),
            ("60", None),
            ("6000", None),
            ("680", None),
            ("+60", None),
            ("-600", None),
            ("0o600", None),
            ("u=rw", None),
            ("", None),
            (" 600", None),
        ] {
            assert_eq!(text.parse().ok(), expected.map(FileMode), "{text}");
        }
    }
}
