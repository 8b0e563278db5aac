//! Where the services find the engine.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::{engine::Engine, history::History};

/// Holds the engine between its recovery and its end, so that the port can be open longer than that.
#[derive(Debug)]
pub struct EngineSlot {
    state: ArcSwap<State>,
    /// Streams that never end by themselves have to.
    draining: watch::Sender<bool>,
}

enum State {
    Empty(NotReady),
    Holds(Serving),
}

/// An engine and its history.
#[derive(Clone)]
pub struct Serving {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The history of the same data.
    pub history: History,
}

/// Why there is no engine to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// Recovery has not finished.
    #[error("the engine is starting")]
    Starting,
    /// The process is about to end.
    #[error("the engine is stopping")]
    Stopping,
}

impl EngineSlot {
    /// A slot without an engine, which is starting.
    pub fn new() -> Self {
        Self { state: ArcSwap::from_pointee(State::Empty(NotReady::Starting)), draining: watch::Sender::new(false) }
    }

    /// The engine.
    ///
    /// # Errors
    /// Before it was recovered, and once it is being closed.
    pub fn engine(&self) -> Result<Arc<Engine>, NotReady> {
        match &**self.state.load() {
            State::Holds(serving) => Ok(Arc::clone(&serving.engine)),
            State::Empty(why) => Err(*why),
        }
    }

    /// The engine and its history.
    ///
    /// # Errors
    /// As [`EngineSlot::engine`].
    pub fn serving(&self) -> Result<Serving, NotReady> {
        match &**self.state.load() {
            State::Holds(serving) => Ok(serving.clone()),
            State::Empty(why) => Err(*why),
        }
    }

    /// From now on calls reach this engine and its history.
    pub fn fill(&self, engine: Arc<Engine>, history: History) {
        self.state.store(Arc::new(State::Holds(Serving { engine, history })));
    }

    /// From now on streams that never end by themselves end.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Tells when streams have to end.
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// From now on calls reach nothing; those that hold the engine already go on.
    pub fn stop(&self) {
        self.state.store(Arc::new(State::Empty(NotReady::Stopping)));
    }
}

impl Default for EngineSlot {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty(why) => write!(f, "{why:?}"),
            Self::Holds(_) => f.write_str("Ready"),
        }
    }
}
