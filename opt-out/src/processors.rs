//! Threads bound to processors, where a run uses all of them.
//!
//! A scheduler that wakes a thread looks for an idle processor. On virtual machines it may not find one: a processor that
//! has been idle for a moment looks like one that the host has taken away, and the thread is put behind another that is
//! busy, for some milliseconds. A run whose threads wait for each other thousands of times loses a tenth of its time to it
//! (docs/performance.md). Where a run uses all processors, there is nothing to look for: who holds a core is bound to its
//! processor. Where it uses some of them, which ones is left to the scheduler.

/// A thread of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadId(#[cfg(target_os = "linux")] rustix::thread::Pid);

/// A processor, for whoever holds a core.
#[derive(Debug)]
pub(crate) struct Processor(usize);

/// Those that no thread is bound to; of a run that binds none, none.
#[derive(Debug, Default)]
pub(crate) struct Processors(Vec<Processor>);

impl Processors {
    /// One for the thread that takes it: the one that it runs on, if that is to be had.
    pub(crate) fn take(&mut self) -> Option<Processor> {
        let here = current();
        match self.0.iter().position(|processor| Some(processor.0) == here) {
            Some(at) => Some(self.0.swap_remove(at)),
            None => self.0.pop(),
        }
    }

    pub(crate) fn put_back(&mut self, processor: Option<Processor>) {
        self.0.extend(processor);
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::OnceLock;

    use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

    use super::{Processor, Processors, ThreadId};

    /// All that this process may use, as it was when this was first asked: threads of ours are bound later.
    fn allowed() -> Option<&'static CpuSet> {
        static ALLOWED: OnceLock<Option<CpuSet>> = OnceLock::new();
        ALLOWED.get_or_init(|| sched_getaffinity(None).ok()).as_ref()
    }

    pub(super) fn current() -> Option<usize> {
        Some(sched_getcpu())
    }

    impl ThreadId {
        pub(crate) fn of_this() -> Self {
            Self(gettid())
        }
    }

    impl Processor {
        /// Has a thread run here. Where the system refuses, it runs where it did: that is slower, and nothing else.
        pub(crate) fn bind(&self, thread: ThreadId) {
            let mut only = CpuSet::new();
            only.set(self.0);
            let _ = sched_setaffinity(Some(thread.0), &only);
        }
    }

    impl Processors {
        /// For a run that uses so many.
        pub(crate) fn of(cores: usize) -> Self {
            match allowed() {
                Some(allowed) if cores > 1 && allowed.count() as usize == cores => {
                    Self((0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).map(Processor).collect())
                }
                _ => Self::default(),
            }
        }

        /// Lets this thread run anywhere again.
        pub(crate) fn unbind() {
            if let Some(allowed) = allowed() {
                let _ = sched_setaffinity(None, allowed);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::{Processor, Processors, ThreadId};

    pub(super) fn current() -> Option<usize> {
        None
    }

    impl ThreadId {
        pub(crate) fn of_this() -> Self {
            Self()
        }
    }

    impl Processor {
        pub(crate) fn bind(&self, _: ThreadId) {}
    }

    impl Processors {
        pub(crate) fn of(_: usize) -> Self {
            Self::default()
        }

        pub(crate) fn unbind() {}
    }
}

#[cfg(not(target_os = "linux"))]
use elsewhere::current;
#[cfg(target_os = "linux")]
use linux::current;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rustix::thread::{sched_getaffinity, sched_getcpu};

    use crate::cores::Cores;

    fn allowed() -> Vec<usize> {
        let allowed = sched_getaffinity(None).unwrap();
        (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect()
    }

    /// In a thread of its own, so that no other test is bound.
    fn apart<T: Send>(test: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(test).join().unwrap())
    }

    #[test]
    fn who_holds_one_of_all_cores_is_bound_until_it_lets_go() {
        apart(|| {
            let all = allowed();
            let cores = Cores::new(all.len());
            let core = cores.hold();
            let held = allowed();
            assert_eq!(held.len(), 1);
            assert_eq!(held, [sched_getcpu()]);
            drop(core);
            assert_eq!(allowed(), all);
        });
    }

    #[test]
    fn a_core_goes_from_hand_to_hand_with_its_processor() {
        apart(|| {
            let all = allowed();
            let cores = Cores::new(all.len());
            let mine: Vec<_> = (0..all.len()).map(|_| cores.hold()).collect();
            std::thread::scope(|scope| {
                let waits = scope.spawn(|| {
                    let core = cores.hold();
                    let held = allowed();
                    drop(core);
                    (held, allowed())
                });
                while !cores.are_wanted() {
                    std::thread::yield_now();
                }
                drop(mine);
                let (held, after) = waits.join().unwrap();
                assert_eq!((held.len(), after), (1, all));
            });
        });
    }

    #[test]
    fn who_holds_one_of_some_cores_is_not_bound() {
        apart(|| {
            let all = allowed();
            let _core = Cores::new(all.len() + 1).hold();
            assert_eq!(allowed(), all);
        });
    }
}
