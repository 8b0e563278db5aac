//! Certificates and rules of access, looked at again while serving.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use super::tls::Tls;
use crate::access::Access;

/// How often files are looked at. Somebody who has replaced one waits for it.
const EVERY: Duration = Duration::from_secs(2);

/// Looks for the keys of the issuer of tokens, which may take its time to answer, for as long as it is not aborted.
pub(super) async fn keep_keys(access: Option<Arc<Access>>) {
    let Some(access) = access else { return };
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut wrong = None;
    loop {
        ticks.tick().await;
        let access = Arc::clone(&access);
        let refreshed = aside(move || access.refresh_keys().map(|()| false).map_err(|error| error.to_string())).await;
        tell("keys of the issuer of tokens", refreshed, &mut wrong);
    }
}

/// Takes what is new, for as long as it is not aborted. What is wrong is told once, and leaves what was there before.
pub(super) async fn keep_up(tls: Option<Arc<Tls>>, access: Option<Arc<Access>>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut tls_wrong, mut access_wrong) = (None, None);
    loop {
        ticks.tick().await;
        if let Some(tls) = tls.clone() {
            let refreshed = aside(move || tls.refresh().map_err(|error| error.to_string())).await;
            tell("certificates", refreshed, &mut tls_wrong);
        }
        if let Some(access) = access.clone() {
            let refreshed = aside(move || access.refresh().map_err(|error| error.to_string())).await;
            tell("rules of access", refreshed, &mut access_wrong);
        }
    }
}

/// Files, and issuers even more, may take their time.
async fn aside(refresh: impl FnOnce() -> Result<bool, String> + Send + 'static) -> Result<bool, String> {
    tokio::task::spawn_blocking(refresh).await.unwrap_or_else(|panic| Err(panic.to_string()))
}

fn tell(what: &str, refreshed: Result<bool, String>, wrong: &mut Option<String>) {
    match refreshed {
        Ok(new) => {
            if new || wrong.is_some() {
                tracing::info!("{what} are as the files say now");
            }
            *wrong = None;
        }
        Err(error) => {
            if wrong.as_ref() != Some(&error) {
                tracing::error!(error, "{what} stay as they were");
            }
            *wrong = Some(error);
        }
    }
}
