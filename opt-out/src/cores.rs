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
    cores: usize,
    state: Mutex<State>,
    /// For those who wait for a core, and for those who wait until nobody else does
    freed: Condvar,
    freed_for_ahead: Condvar,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: usize,
}

/// A core that is held, until this is dropped.
#[derive(Debug)]
pub struct Core(Arc<Cores>);

impl Cores {
    /// So many cores, at least one.
    pub fn new(cores: usize) -> Arc<Self> {
        let cores = cores.max(1);
        let state = Mutex::new(State { free: cores, waiting: 0 });
        Arc::new(Self { cores, state, freed: Condvar::new(), freed_for_ahead: Condvar::new() })
    }

    /// Those of an enclave's session; of any other, more than anyone could hold.
    pub fn of(context: &TaskContext) -> Arc<Self> {
        context.session_config().get_extension::<Self>().unwrap_or_else(|| Self::new(usize::MAX))
    }

    /// Waits for a core. Nobody who holds one may wait for anything that another core has to do.
    pub fn hold(self: &Arc<Self>) -> Core {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting += 1;
        while state.free == 0 {
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
        state.free -= 1;
        if state.free > state.waiting {
            // Freed meanwhile, when this still seemed to want it.
            self.freed_for_ahead.notify_one();
        }
        Core(Arc::clone(self))
    }

    /// The same for work that is short and that all other work waits for: of several cores none is taken for it, as to wait
    /// for one would keep the others idle.
    pub fn hold_briefly(self: &Arc<Self>) -> Option<Core> {
        (self.cores == 1).then(|| self.hold())
    }

    /// The same for work ahead of what is wanted now: waits until nobody else does.
    pub(crate) fn hold_ahead(self: &Arc<Self>) -> Core {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.free <= state.waiting {
            state = self.freed_for_ahead.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.free -= 1;
        Core(Arc::clone(self))
    }

    /// Whether anyone waits for a core who comes before work ahead.
    pub(crate) fn are_wanted(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).waiting > 0
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.free += 1;
        let is_wanted = state.waiting > 0;
        drop(state);
        if is_wanted { self.0.freed.notify_one() } else { self.0.freed_for_ahead.notify_one() }
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
            for thread in 0..6 {
                let (cores, computing, most) = (&cores, &computing, &most);
                scope.spawn(move || {
                    for _ in 0..50 {
                        let held = if thread % 2 == 0 { cores.hold() } else { cores.hold_ahead() };
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
