//! The stream of what happens.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, watch},
    time::timeout,
};
use tonic::{Status, codegen::tokio_stream::Stream};

use super::{Past, blocking};
use crate::{
    access::Session,
    grpc::{NotReady, convert},
    history::{HistoryError, Position, Wanted},
    proto::v1,
};

/// How many events are read at once, and how many wait for a watcher at most.
const STEP: usize = 256;
/// How often a watcher hears that nothing has happened.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long a watcher may take nothing although there is something to take.
const SLOW: Duration = Duration::from_secs(30);

/// What a watcher is told. Dropped, the watching ends.
pub struct Events {
    events: mpsc::Receiver<v1::WatchEventsResponse>,
    /// Why there are no more, which is told after them.
    end: Arc<Mutex<Option<Status>>>,
    _permit: OwnedSemaphorePermit,
}

impl Stream for Events {
    type Item = Result<v1::WatchEventsResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(context).map(|event| event.map(Ok).or_else(|| take(&self.end).map(Err)))
    }
}

/// Reads for one watcher, as fast as it takes.
struct Watch {
    past: Past,
    /// Who watches, which has to be allowed for as long as it lasts.
    session: Session,
    wanted: Wanted,
    position: Position,
    /// The end of the history when it was last looked at.
    seen: Position,
    sender: mpsc::Sender<v1::WatchEventsResponse>,
    end: Arc<Mutex<Option<Status>>>,
}

/// The watcher is gone, or was told why it ends.
struct Ended;

impl Past {
    pub(in crate::grpc) async fn watch(
        &self,
        request: &v1::WatchEventsRequest,
        session: Session,
        draining: watch::Receiver<bool>,
    ) -> Result<Events, Status> {
        let convert::Watch { after, wanted } = convert::watch(request)?;
        let permit = Arc::clone(&self.sharing.watchers).try_acquire_owned();
        let permit = permit.map_err(|_| convert::busy("there are as many watchers as the server takes"))?;
        let recorded = self.engine.recorded().await.map_err(convert::failed)?;
        let position = match after {
            Some(after) if after.is_after(recorded) => return Err(convert::position_ahead(after)),
            Some(after) => after,
            None => Position::end_of(recorded),
        };
        let (sender, events) = mpsc::channel(STEP);
        let end = Arc::default();
        let watch =
            Watch { past: self.clone(), session, wanted, position, seen: position, sender, end: Arc::clone(&end) };
        tokio::spawn(watch.run(draining));
        Ok(Events { events, end, _permit: permit })
    }
}

impl Watch {
    async fn run(mut self, mut draining: watch::Receiver<bool>) {
        let end = Arc::clone(&self.end);
        tokio::select! {
            Err(Ended) = self.follow() => {}
            // A server that is gone means stop as well.
            _ = draining.wait_for(|draining| *draining) => put(&end, convert::not_ready(NotReady::Stopping)),
        }
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, Ended> {
        self.tell_position().await?;
        loop {
            if let Err(denied) = self.session.stands() {
                return self.end(convert::denied(&denied));
            }
            let before = self.position;
            if self.step().await? == 0 && self.position == before {
                self.wait().await?;
            }
        }
    }

    /// Waits until there is something to look at, and tells now and then that there is not.
    async fn wait(&mut self) -> Result<(), Ended> {
        let next = self.past.history.caught_up(self.seen.next_record(), HEARTBEAT);
        tokio::select! {
            () = self.sender.closed() => Err(Ended),
            next = next => match next {
                Ok(()) => Ok(()),
                Err(HistoryError::Behind { .. }) => self.tell_position().await,
                Err(failed) => self.end(convert::history_failed(failed)),
            },
        }
    }

    /// Tells what is next, and answers how much that was.
    async fn step(&mut self) -> Result<usize, Ended> {
        let (reader, after, wanted) = (self.past.history.reader(), self.position, self.wanted.clone());
        self.seen = Position::end_of(reader.applied());
        let events = match blocking(move || reader.events(after, &wanted, STEP)).await {
            Ok(events) => events,
            Err(status) => return self.end(status),
        };
        let told = events.items.len();
        for event in &events.items {
            self.send(convert::told(event)).await?;
            self.position = event.position();
        }
        self.position = events.position;
        Ok(told)
    }

    async fn tell_position(&mut self) -> Result<(), Ended> {
        match self.past.engine.now().await {
            Ok(now) => self.send(convert::nothing_more(self.position, now)).await,
            Err(error) => self.end(convert::failed(error)),
        }
    }

    /// Waits for the watcher to take something, but not for ever: it is told how far it has come.
    async fn send(&self, event: v1::WatchEventsResponse) -> Result<(), Ended> {
        match timeout(SLOW, self.sender.reserve()).await {
            Ok(Ok(place)) => {
                place.send(event);
                Ok(())
            }
            Ok(Err(_)) => Err(Ended),
            Err(_) => self.end(convert::slow_watcher(self.position)),
        }
    }

    /// Ends the stream, and tells why once everything before is taken.
    fn end<T>(&self, status: Status) -> Result<T, Ended> {
        put(&self.end, status);
        Err(Ended)
    }
}

fn put(end: &Mutex<Option<Status>>, status: Status) {
    *end.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
}

fn take(end: &Mutex<Option<Status>>) -> Option<Status> {
    end.lock().unwrap_or_else(PoisonError::into_inner).take()
}
