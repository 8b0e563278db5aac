//! Calls of one order by the client that is generated from the proto files: what a program that uses tplus pays.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    time::Instant,
};

use http::uri::Authority;
use tokio::{sync::Semaphore, task::JoinSet};
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

use super::{WireError, locked};
use crate::{
    cli::bench::{
        load::Requests,
        options::Plan,
        pace::{Pace, Timer},
        record::Recorder,
    },
    grpc::convert::code_name,
    proto::v1::{ClassifyOrderRequest, order_service_client::OrderServiceClient},
};

/// Windows as an ordinary client would have them.
const WINDOW: u32 = 4 << 20;

/// A connection of the generated client.
pub(in crate::cli::bench) struct Line {
    client: Client,
    requests: Requests,
    in_flight: u32,
    scheduled: bool,
}

type Client = OrderServiceClient<Channel>;

/// What the calls of a connection have in common.
struct Shared {
    feed: Mutex<(Pace, Requests)>,
    recorder: Arc<Mutex<Recorder>>,
}

/// An order that is to be sent.
struct Due {
    request: ClassifyOrderRequest,
    repeat: bool,
    since: Instant,
}

impl Line {
    /// Connects.
    pub(super) async fn open(authority: &Authority, plan: &Plan, requests: Requests) -> Result<Self, WireError> {
        let channel = Endpoint::from_shared(format!("http://{authority}"))?
            .initial_connection_window_size(WINDOW)
            .initial_stream_window_size(WINDOW)
            .tcp_nodelay(true)
            .connect()
            .await?;
        let client = OrderServiceClient::new(channel);
        Ok(Self { client, requests, in_flight: plan.in_flight, scheduled: plan.rate.is_some() })
    }

    /// Calls until the pace is over, and everything is answered.
    pub(super) async fn drive(self, pace: Pace, recorder: Arc<Mutex<Recorder>>) -> Result<(), WireError> {
        let shared = Arc::new(Shared { feed: Mutex::new((pace, self.requests)), recorder });
        let mut calls = JoinSet::new();
        if self.scheduled {
            dispatch(&self.client, &shared, self.in_flight, &mut calls).await?;
        } else {
            for _ in 0..self.in_flight {
                calls.spawn(one_after_another(self.client.clone(), Arc::clone(&shared)));
            }
        }
        while let Some(ended) = calls.join_next().await {
            ended?;
        }
        Ok(())
    }
}

impl Shared {
    fn next(&self, now: Instant) -> Option<Due> {
        let (pace, requests) = &mut *locked(&self.feed);
        (pace.due(now, 1) > 0).then(|| {
            let (request, repeat) = requests.take();
            Due { request, repeat, since: pace.send(now) }
        })
    }

    async fn call(&self, client: &mut Client, Due { request, repeat, since }: Due) {
        let checked = locked(&self.recorder).wants_sample().then(|| request.clone());
        let answer = client.classify_order(request).await;
        let now = Instant::now();
        let mut recorder = locked(&self.recorder);
        match answer {
            Ok(answer) => {
                recorder.order_answered(since, now, answer.get_ref(), checked.map(|request| (request, repeat)));
            }
            Err(status) => recorder.refused(since, now, &reason(&status)),
        }
    }
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map_or_else(|| code_name(status.code()).to_owned(), |info| info.reason)
}

async fn one_after_another(mut client: Client, shared: Arc<Shared>) {
    while let Some(due) = shared.next(Instant::now()) {
        shared.call(&mut client, due).await;
    }
}

/// Begins a call whenever one is due, whatever became of those before.
async fn dispatch(
    client: &Client,
    shared: &Arc<Shared>,
    in_flight: u32,
    calls: &mut JoinSet<()>,
) -> Result<(), WireError> {
    let mut timer = Timer::new().map_err(WireError::Timer)?;
    let seats = Arc::new(Semaphore::new(in_flight as usize));
    loop {
        let now = Instant::now();
        while let Some(due) = shared.next(now) {
            let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return Ok(()) };
            let (mut client, shared) = (client.clone(), Arc::clone(shared));
            calls.spawn(async move {
                shared.call(&mut client, due).await;
                drop(seat);
            });
        }
        while let Some(ended) = calls.try_join_next() {
            ended?;
        }
        let Some(wait) = locked(&shared.feed).0.wait(now) else { return Ok(()) };
        if locked(&shared.feed).0.is_over(now) {
            return Ok(());
        }
        poll_fn(|cx| timer.poll_after(cx, wait)).await.map_err(WireError::Timer)?;
    }
}
