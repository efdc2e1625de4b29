//! Being interrupted: a run ends in order, so that nothing of it is left behind.
//!
//! The first signal (SIGINT, SIGTERM, SIGHUP, SIGQUIT) makes the run's future be dropped, and with it the hidden files of its answer and the folder of
//! spilled rows. A second one ends the process at once.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use tokio::sync::watch;

use crate::exit::ExitStatus;
use crate::failure::Failure;

/// The signal that asked the process to end, once one did.
type Told = watch::Receiver<Option<u8>>;

/// Signals come to the process, so they are watched once, whatever the number of runs.
static TOLD: OnceLock<Told> = OnceLock::new();

/// Has a file that would grow beyond the limit on files be an error of whoever writes it, not the end of the process: half a
/// line in the ledger could not be cut off again.
pub(crate) fn outlive_file_limits() -> Result<(), Failure> {
    let failed = |error| Failure::new(ExitStatus::Failure, "cannot watch for signals").cause(error);
    // Nobody looks at the flag: that somebody handles the signal is enough.
    flag::register(SIGXFSZ, Arc::default()).map(drop).map_err(failed)
}

/// Tells a run that the process is asked to end.
pub(crate) struct Interruption {
    told: Told,
}

impl Interruption {
    /// Watches from now on, until the process ends.
    pub(crate) fn watch() -> Result<Self, Failure> {
        if let Some(told) = TOLD.get() {
            return Ok(Self { told: told.clone() });
        }
        let (tells, told) = watch::channel(None);
        let failed = |error| Failure::new(ExitStatus::Failure, "cannot watch for signals").cause(error);
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT]).map_err(failed)?;
        thread::spawn(move || {
            for signal in signals.forever() {
                if tells.borrow().is_some() {
                    // Asked for again, since the run did not end fast enough. What these signals do by default is end it.
                    let _ = emulate_default_handler(signal);
                }
                tells.send_replace(Some(u8::try_from(signal).unwrap_or_default()));
            }
        });
        Ok(Self { told: TOLD.get_or_init(|| told).clone() })
    }

    /// Fails if a signal came.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.told.borrow().map_or(Ok(()), |signal| Err(interrupted(signal)))
    }

    /// Lets `run` go on until it ends, or until a signal comes.
    pub(crate) async fn ends<T>(&self, run: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let mut told = self.told.clone();
        let came = async {
            match told.wait_for(Option::is_some).await.map(|signal| *signal) {
                Ok(Some(signal)) => interrupted(signal),
                // Nobody watches: then no signal is told, either.
                Ok(None) | Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            failure = came => Err(failure),
            ended = run => ended,
        }
    }
}

fn interrupted(signal: u8) -> Failure {
    Failure::new(ExitStatus::Interrupted(signal), format!("interrupted by signal {signal}; nothing was written"))
}
