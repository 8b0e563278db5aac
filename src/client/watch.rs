//! What happens, as it happens, over a connection that may break.

use std::time::Duration;

use tonic::Streaming;

use super::{Client, Error, retry::Tries};
use crate::{
    proto::v1::{
        self, WatchEventsRequest, WatchEventsResponse, event_service_client::EventServiceClient,
        watch_events_request::Start,
    },
    reasons::reason,
};

/// The server says something every ten seconds; a connection that is silent for this long is dead.
const SILENCE: Duration = Duration::from_secs(30);

/// What to watch; the default is everything, from the beginning.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Only these merchants; empty: all, and changes of policy.
    pub merchant_ids: Vec<String>,
    /// Only entries of these kinds; empty: all.
    pub kinds: Vec<v1::EntryKind>,
    /// Behind this position, which was told before; none: from the beginning.
    pub after_position: Option<String>,
    /// Only what is recorded from now on; then `after_position` is not looked at.
    pub latest: bool,
}

/// What happens; see [`Client::watch`].
#[derive(Debug)]
pub struct Events {
    client: Client,
    request: WatchEventsRequest,
    stream: Option<Streaming<WatchEventsResponse>>,
    tries: Tries,
    wait: Option<Duration>,
}

impl Client {
    /// Watches what is recorded, from any position on. A connection that breaks is made anew where it broke off: nothing is
    /// missed and nothing told twice.
    ///
    /// ```no_run
    /// # async fn run(client: tplus::client::Client) -> Result<(), tplus::client::Error> {
    /// use tplus::{client::Watch, proto::v1::watch_events_response::Event};
    ///
    /// let mut events = client.watch(Watch { after_position: Some("17.0".into()), ..Watch::default() });
    /// loop {
    ///     let told = events.next().await?;
    ///     if let Some(Event::Entry(entry)) = told.event {
    ///         println!("{} {} {}", entry.merchant_id, entry.kind().as_str_name(), entry.amount);
    ///     }
    ///     // Keep told.position together with what you made of it, and go on behind it after a restart.
    /// }
    /// # }
    /// ```
    pub fn watch(&self, watch: Watch) -> Events {
        let start = match watch.after_position {
            _ if watch.latest => Start::Latest(true),
            position => Start::AfterPosition(position.unwrap_or_else(|| "0".into())),
        };
        let request = WatchEventsRequest {
            start: Some(start),
            merchant_ids: watch.merchant_ids,
            kinds: watch.kinds.into_iter().map(Into::into).collect(),
        };
        let tries = Tries::new(&self.shared.retry, self.deadline);
        Events { client: self.clone(), request, stream: None, tries, wait: None }
    }
}

impl Events {
    /// What happened next, or that nothing more has up to a position, which is told at the beginning and about every 10 seconds. Nothing is
    /// lost when this is dropped before it is done and called again.
    ///
    /// # Errors
    /// When the server refuses, or cannot be reached within the deadline and the tries since it said something last.
    pub async fn next(&mut self) -> Result<WatchEventsResponse, Error> {
        loop {
            if let Some(wait) = self.wait {
                tokio::time::sleep(wait).await;
                self.wait = None;
            }
            match self.step().await {
                Ok(told) => {
                    self.request.start = Some(Start::AfterPosition(told.position.clone()));
                    self.tries = Tries::new(&self.client.shared.retry, self.client.deadline);
                    return Ok(told);
                }
                Err(error) => {
                    self.stream = None;
                    // Too slow for the server once is no reason to miss anything: it tells from where we stand.
                    if !error.is(reason::SLOW_WATCHER) {
                        self.wait = Some(self.tries.after(error, &self.client.shared.budget)?);
                    }
                }
            }
        }
    }

    async fn step(&mut self) -> Result<WatchEventsResponse, Error> {
        if self.stream.is_none() {
            let time = self.tries.begin();
            let request = self.client.request(self.request.clone(), None)?;
            let mut service = EventServiceClient::new(self.client.channel());
            self.stream = Some(self.client.answered(time, service.watch_events(request)).await?.into_inner());
        }
        let Some(stream) = &mut self.stream else { return Err(Error::ended()) };
        let told = tokio::time::timeout(SILENCE, stream.message()).await.map_err(|_| Error::silent(SILENCE))?;
        told.map_err(|status| Error::from_status(&status))?.ok_or_else(Error::ended)
    }
}
