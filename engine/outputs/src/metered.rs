//! What was written: how many bytes, their digest, and why a write failed.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

/// Counts and digests what is written through it, and remembers why a write failed.
pub(crate) struct Metered<W> {
    inner: W,
    digest: Sha256,
    bytes: u64,
    failure: WriteFailure,
}

/// What the operating system said of a write that failed, kept for whoever lost it.
#[derive(Clone, Default)]
pub(crate) struct WriteFailure(Arc<Mutex<Option<io::Error>>>);

impl WriteFailure {
    /// What it said, if a write failed.
    pub(crate) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|reason| {
            let kind = reason.kind();
            // A write that was interrupted is tried again.
            if kind != io::ErrorKind::Interrupted {
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
            }
            kind.into()
        })
    }
}

impl<W: Write> Metered<W> {
    pub(crate) fn new(inner: W) -> Self {
        Metered { inner, digest: Sha256::new(), bytes: 0, failure: WriteFailure::default() }
    }

    /// Where it keeps why a write failed.
    pub(crate) fn failure(&self) -> WriteFailure {
        self.failure.clone()
    }

    /// What was written to, the number of bytes, and their SHA-256 digest in lower-case hex.
    pub(crate) fn into_parts(self) -> (W, u64, String) {
        let digest = self.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        (self.inner, self.bytes, digest)
    }
}

impl<W: Write> Write for Metered<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.failure.keep(self.inner.write(bytes))?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.failure.keep(self.inner.flush())
    }
}
