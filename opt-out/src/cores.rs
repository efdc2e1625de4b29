//! How many cores a run uses: whoever computes holds one, and lets go of it while waiting.
//!
//! Decoding, evaluation and writing each have threads of their own, so that none waits for another's file or channel.
//! Without this, a run on one thread would use as many cores as it has kinds of work. What DataFusion's own operators do
//! (sorts, joins) runs on as many threads, beside it.
//!
//! A core goes from hand to hand: whoever lets go of one says who has it next, and on which processor.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::execution::TaskContext;

use crate::processors::{Processor, Processors, ThreadId};

/// The cores of a run.
#[derive(Debug)]
pub struct Cores {
    cores: usize,
    state: Mutex<State>,
}

/// While anyone waits, none is free.
#[derive(Debug)]
struct State {
    free: usize,
    processors: Processors,
    waiting: VecDeque<Waiting>,
    waiting_ahead: VecDeque<Waiting>,
}

/// A thread that waits for a core.
#[derive(Debug)]
struct Waiting {
    thread: ThreadId,
    give: Sender<Option<Processor>>,
}

/// A core that is held by a thread, until this is dropped.
#[derive(Debug)]
pub struct Core {
    cores: Arc<Cores>,
    /// None where threads are not bound
    processor: Option<Processor>,
    of_this_thread: PhantomData<MutexGuard<'static, ()>>,
}

impl Cores {
    /// So many cores, at least one.
    pub fn new(cores: usize) -> Arc<Self> {
        let cores = cores.max(1);
        let state = State {
            free: cores,
            processors: Processors::of(cores),
            waiting: VecDeque::new(),
            waiting_ahead: VecDeque::new(),
        };
        Arc::new(Self { cores, state: Mutex::new(state) })
    }

    /// Those of an enclave's session; of any other, more than anyone could hold.
    pub fn of(context: &TaskContext) -> Arc<Self> {
        context.session_config().get_extension::<Self>().unwrap_or_else(|| Self::new(usize::MAX))
    }

    /// Waits for a core. Nobody who holds one may wait for anything that another core has to do.
    pub fn hold(self: &Arc<Self>) -> Core {
        self.hold_from(|state| &mut state.waiting)
    }

    /// The same for work that is short and that all other work waits for: of several cores none is taken for it, as to wait
    /// for one would keep the others idle.
    pub fn hold_briefly(self: &Arc<Self>) -> Option<Core> {
        (self.cores == 1).then(|| self.hold())
    }

    /// The same for work ahead of what is wanted now: waits until nobody else does.
    pub(crate) fn hold_ahead(self: &Arc<Self>) -> Core {
        self.hold_from(|state| &mut state.waiting_ahead)
    }

    /// Whether anyone waits for a core who comes before work ahead.
    pub(crate) fn are_wanted(&self) -> bool {
        !self.state().waiting.is_empty()
    }

    fn hold_from(self: &Arc<Self>, queue: impl FnOnce(&mut State) -> &mut VecDeque<Waiting>) -> Core {
        let mut state = self.state();
        let processor = if state.free > 0 {
            state.free -= 1;
            let processor = state.processors.take();
            drop(state);
            if let Some(processor) = &processor {
                processor.bind(ThreadId::of_this());
            }
            processor
        } else {
            let (give, given) = channel();
            queue(&mut state).push_back(Waiting { thread: ThreadId::of_this(), give });
            drop(state);
            // Nobody leaves the queue without a core: `Core` gives to all of them, and `self` outlives the wait.
            given.recv().unwrap_or_default()
        };
        Core { cores: Arc::clone(self), processor, of_this_thread: PhantomData }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let processor = self.processor.take();
        let was_bound = processor.is_some();
        let mut state = self.cores.state();
        match state.waiting.pop_front().or_else(|| state.waiting_ahead.pop_front()) {
            Some(next) => {
                drop(state);
                if let Some(processor) = &processor {
                    processor.bind(next.thread);
                }
                // It waits until this comes.
                let _ = next.give.send(processor);
            }
            None => {
                state.free += 1;
                state.processors.put_back(processor);
            }
        }
        if was_bound {
            Processors::unbind();
        }
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
