//! Where the services find the engine.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::engine::Engine;

/// Holds the engine between its recovery and its end, so that the port can be open longer than that.
#[derive(Debug)]
pub struct EngineSlot(ArcSwap<State>);

enum State {
    Empty(NotReady),
    Holds(Arc<Engine>),
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
        Self(ArcSwap::from_pointee(State::Empty(NotReady::Starting)))
    }

    /// The engine.
    ///
    /// # Errors
    /// Before it was recovered, and once it is being closed.
    pub fn engine(&self) -> Result<Arc<Engine>, NotReady> {
        match &**self.0.load() {
            State::Holds(engine) => Ok(Arc::clone(engine)),
            State::Empty(why) => Err(*why),
        }
    }

    /// From now on calls reach this engine.
    pub fn fill(&self, engine: Arc<Engine>) {
        self.0.store(Arc::new(State::Holds(engine)));
    }

    /// From now on calls reach nothing; those that hold the engine already go on.
    pub fn stop(&self) {
        self.0.store(Arc::new(State::Empty(NotReady::Stopping)));
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
