//! Threads that decide on the orders of streams.

use std::{sync::Arc, thread};

use tokio::runtime::{Builder, Runtime};

/// Threads apart from those that read and answer. On one and the same runtime the task that reads a stream and the one that decides take
/// turns on one processor, since each is woken by the other, while the next processor has nothing to do.
#[derive(Clone, Debug)]
pub(super) struct Deciders(Arc<Threads>);

#[derive(Debug)]
struct Threads(Option<Runtime>);

impl Deciders {
    /// As many as half of the processors.
    pub(super) fn new() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from).div_ceil(2);
        let runtime =
            Builder::new_multi_thread().worker_threads(threads).thread_name("tplus-decide").enable_time().build();
        if let Err(error) = &runtime {
            tracing::warn!(%error, "streams have no threads of their own");
        }
        Self(Arc::new(Threads(runtime.ok())))
    }

    /// Runs a task there, or beside all others where there are no such threads.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match &self.0.0 {
            Some(runtime) => drop(runtime.spawn(task)),
            None => drop(tokio::spawn(task)),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Without waiting, which is not allowed in a task.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
