//! From blocking code to a store's asynchronous client: threads of its own, which wait for the network and nothing else.

use std::error::Error;
use std::future::Future;
use std::io;
use std::sync::mpsc::sync_channel;

use object_store::client::HttpError;
use tokio::runtime::{Builder, Runtime};

use super::objects::Failed;
use crate::problem::StoreProblem;

/// Threads that wait for answers and decrypt them.
const THREADS: usize = 2;

/// Sends requests and waits for their answers.
#[derive(Debug)]
pub(super) struct Courier(Option<Runtime>);

impl Courier {
    pub(super) fn start() -> io::Result<Self> {
        let runtime =
            Builder::new_multi_thread().worker_threads(THREADS).thread_name("peristyle-store").enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// Waits for an answer, whatever thread it is asked on. The client asks again where that can help; its errors do not
    /// leave this file, as their texts hold what a server wrote.
    pub(super) fn fetch<T: Send + 'static>(
        &self,
        request: impl Future<Output = Result<T, impl Into<Failed> + Send + 'static>> + Send + 'static,
    ) -> io::Result<T> {
        let runtime = self.0.as_ref().ok_or(StoreProblem::Unreachable)?;
        let (sender, answer) = sync_channel(1);
        runtime.spawn(async move {
            // Nobody waits any more where this fails.
            let _ = sender.send(request.await.map_err(|failed| problem_of(&failed.into())));
        });
        match answer.recv() {
            Ok(answer) => answer.map_err(io::Error::from),
            Err(_) => Err(StoreProblem::Garbled.into()),
        }
    }
}

impl Drop for Courier {
    /// Where asynchronous code runs, a runtime must not wait for its threads.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn problem_of(failed: &Failed) -> StoreProblem {
    use object_store::Error as Found;
    let error = match failed {
        Failed::Problem(problem) => return *problem,
        Failed::Store(error) => error,
    };
    match error {
        Found::NotFound { .. } => StoreProblem::Missing,
        Found::Precondition { .. } | Found::NotModified { .. } => StoreProblem::Changed,
        Found::PermissionDenied { .. } | Found::Unauthenticated { .. } => StoreProblem::Refused,
        error => match status_of(error) {
            Some(401 | 403) => StoreProblem::Refused,
            Some(404) => StoreProblem::Missing,
            Some(status) => StoreProblem::Failed(status),
            None if is_of_network(error) => StoreProblem::Unreachable,
            None => StoreProblem::Garbled,
        },
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| (*cause).source())
}

/// The HTTP status, where a server answered. The client keeps it in a type that is its own, so it is read from the text.
fn status_of(error: &object_store::Error) -> Option<u16> {
    chain(error).find_map(|cause| {
        let text = cause.to_string();
        let (_, rest) = text.split_once("status code: ")?;
        rest.get(..3)?.parse().ok()
    })
}

fn is_of_network(error: &object_store::Error) -> bool {
    chain(error).any(|cause| cause.is::<HttpError>() || cause.is::<io::Error>())
}
