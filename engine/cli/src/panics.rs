//! Panics say where they happened and nothing else: their message could hold a value.

use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::logging::LogFormat;
use crate::ui;

static HAPPENED: AtomicBool = AtomicBool::new(false);

/// Replaces the message that Rust would print.
pub(crate) fn catch(format: LogFormat) {
    panic::set_hook(Box::new(move |info| {
        HAPPENED.store(true, Ordering::SeqCst);
        let place = info.location().map_or_else(
            || "an unknown place".to_owned(),
            |location| format!("{}:{}", location.file(), location.line()),
        );
        let failure = Failure::new(ExitStatus::Panic, format!("internal error at {place}; this is a bug"));
        ui::report(format, &failure);
    }));
}

/// Whether any thread has panicked, caught or not. An answer must not be trusted then.
pub(crate) fn happened() -> bool {
    HAPPENED.load(Ordering::SeqCst)
}
