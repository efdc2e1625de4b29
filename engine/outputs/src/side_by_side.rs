//! Pieces of work of which none waits for another, on several threads.

use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does every piece of work, on at most so many threads, this one among them; what came of each, in their order.
pub(crate) fn each<T: Send, R: Send>(threads: usize, pieces: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let count = pieces.len();
    let waiting = Mutex::new(pieces.into_iter().enumerate());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let all = || std::iter::from_fn(next).map(|(at, piece)| (at, work(piece))).collect::<Vec<_>>();
    let mut done = thread::scope(|scope| {
        // Where there cannot be another thread, there is this one.
        let another = |_| thread::Builder::new().spawn_scoped(scope, all).ok();
        let others: Vec<_> = (1..threads.min(count)).filter_map(another).collect();
        let mut done = all();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panicked) => std::panic::resume_unwind(panicked),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_piece_is_done_once_and_told_in_order() {
        for threads in [0, 1, 2, 7] {
            for count in [0, 1, 2, 100] {
                let calls = AtomicUsize::new(0);
                let found = each(threads, (0..count).collect(), |piece| {
                    calls.fetch_add(1, Ordering::SeqCst);
                    thread::yield_now();
                    piece * 2
                });
                assert_eq!(found, (0..count).map(|piece| piece * 2).collect::<Vec<_>>(), "{threads} threads");
                assert_eq!(calls.into_inner(), count, "{threads} threads");
            }
        }
    }
}
