//! What systemd is told, where it asks: that the server is ready, that it is alive, and that it stops.
//!
//! It asks by `NOTIFY_SOCKET` and `WATCHDOG_USEC` in the environment (`Type=notify`, `WatchdogSec=`); without them nothing is said.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use sd_notify::NotifyState;

use super::Task;
use crate::engine::Engine;

/// The engine is being recovered, which can take long.
pub(super) fn starting() {
    tell(&[NotifyState::Status("recovering")]);
}

/// Calls are answered from now on. The task that comes back says that they still are, until it goes away.
pub(super) fn ready(listen: SocketAddr, engine: &Arc<Engine>) -> Option<Task> {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("serving gRPC on {listen}"))]);
    // Twice as often as it is waited for.
    let interval = sd_notify::watchdog_enabled()?.checked_div(2)?.max(Duration::from_millis(1));
    Some(Task(tokio::spawn(stay_alive(interval, Arc::clone(engine)))))
}

/// The ports close, calls in flight are answered.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("draining")]);
}

/// Alive is who still gets its turn on the runtime and on a thread beside it, and every lock of the engine. The disk is no part of
/// that: no restart mends a slow one, and one that fails ends the process anyway.
async fn stay_alive(interval: Duration, engine: Arc<Engine>) {
    let mut interval = tokio::time::interval(interval);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let engine = Arc::clone(&engine);
        // Telling may block too, when systemd does not listen.
        let told = tokio::task::spawn_blocking(move || {
            drop(engine.stats());
            tell(&[NotifyState::Watchdog]);
        });
        if let Err(panic) = told.await {
            tracing::error!(%panic, "the engine cannot be looked at; the watchdog is not told");
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}
