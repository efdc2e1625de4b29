//! Buffers for reads, used again and again: a fresh one costs as much to be zeroed as the read itself.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// Most buffers that wait to be used again.
const WAITING_MAX: usize = 8;

static WAITING: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A buffer of which the first bytes have been read into; nobody sees the others, which an earlier read has left.
struct Filled {
    buffer: Vec<u8>,
    length: usize,
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING_MAX {
            waiting.push(std::mem::take(&mut self.buffer));
        }
    }
}

/// Bytes that `read` has filled, all `length` of them. Those of at most `kept` bytes are kept for the next read.
pub(super) fn filled<E>(length: usize, kept: usize, read: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Bytes, E> {
    if length > kept {
        let mut bytes = vec![0; length];
        read(&mut bytes)?;
        return Ok(bytes.into());
    }
    let waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut buffer = waiting.unwrap_or_default();
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    let mut filled = Filled { buffer, length };
    read(filled.buffer.get_mut(..length).unwrap_or_default())?;
    Ok(Bytes::from_owner(filled))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_are_those_of_their_own_read() {
        let read = |byte: u8, length: usize| {
            filled(length, 64, |bytes: &mut [u8]| {
                bytes.fill(byte);
                Ok::<(), ()>(())
            })
            .unwrap()
        };
        let first = read(1, 64);
        let part = first.slice(8..16);
        drop(first);
        // A part of the first is held: its buffer is not used again.
        let second = read(2, 10);
        assert_eq!((&*part, &*second), (&[1; 8][..], &[2; 10][..]));
        drop((part, second));
        assert_eq!(&*read(3, 20), &[3; 20]);
        assert_eq!(&*read(4, 100), &[4; 100]);
        assert!(filled(5, 64, |_| Err::<(), u8>(7)).is_err());
    }
}
