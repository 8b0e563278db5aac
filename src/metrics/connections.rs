//! Connections: how many there are, may be, and were not let in.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

use super::figures::signed;

/// Is told of connections. Clones count together.
#[derive(Clone, Debug)]
pub struct Connections {
    open: Gauge,
    most: Gauge,
    refused: Counter,
}

/// A connection, until it is dropped.
#[derive(Debug)]
pub struct Open(Gauge);

impl Connections {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let connections = Self { open: Gauge::default(), most: Gauge::default(), refused: Counter::default() };
        registry.register("tplus_connections", "Open connections", connections.open.clone());
        registry.register("tplus_connections_limit", "The most there may be", connections.most.clone());
        let help = "Connections that were hung up on, as there were too many";
        registry.register("tplus_connections_refused", help, connections.refused.clone());
        connections
    }

    /// So many there may be.
    pub fn allow(&self, most: usize) {
        self.most.set(signed(most as u64));
    }

    /// One more.
    pub fn open(&self) -> Open {
        self.open.inc();
        Open(self.open.clone())
    }

    /// One was hung up on.
    pub fn refuse(&self) {
        self.refused.inc();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
