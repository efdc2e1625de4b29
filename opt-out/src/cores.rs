//! How many cores a run uses: whoever computes holds one, and lets go of it while waiting.
//!
//! Decoding, evaluation and writing each have threads of their own, so that none waits for another's file or channel.
//! Without this, a run on one thread would use as many cores as it has kinds of work. What DataFusion's own operators do
//! (sorts, joins) runs on as many threads, beside it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use datafusion::execution::TaskContext;

/// The cores of a run.
#[derive(Debug)]
pub struct Cores {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A core that is held, until this is dropped.
#[derive(Debug)]
pub struct Core(Arc<Cores>);

impl Cores {
    /// So many cores, at least one.
    pub fn new(cores: usize) -> Arc<Self> {
        Arc::new(Self { free: Mutex::new(cores.max(1)), freed: Condvar::new() })
    }

    /// Those of an enclave's session; of any other, one core more than anyone could hold.
    pub fn of(context: &TaskContext) -> Arc<Self> {
        context.session_config().get_extension::<Self>().unwrap_or_else(|| Self::new(usize::MAX))
    }

    /// Waits for a core. Nobody who holds one may wait for anything that another core has to do.
    pub fn hold(self: &Arc<Self>) -> Core {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Core(Arc::clone(self))
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_compute_than_there_are_cores() {
        let (cores, computing, most) = (Cores::new(2), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let held = cores.hold();
                        most.fetch_max(computing.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        computing.fetch_sub(1, Ordering::SeqCst);
                        drop(held);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 2);
    }
}
