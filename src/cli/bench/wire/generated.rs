//! Calls of one order by the client that is generated from the proto files: what a program that uses tplus pays.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tonic::{Status, transport::Endpoint};
use tonic_types::StatusExt as _;

use super::{
    WireError,
    callers::{Caller, drive},
    locked,
};
use crate::{
    cli::{
        bench::{load::Requests, options::Plan, pace::Pace, record::Recorder},
        target::{Connection, Way},
    },
    grpc::convert::code_name,
    proto::v1::{ClassifyOrderRequest, order_service_client::OrderServiceClient},
};

/// Windows that do not slow it down.
const WINDOW: u32 = 4 << 20;

/// A connection of the generated client.
pub(in crate::cli::bench) struct Line {
    client: OrderServiceClient<Connection>,
    requests: Requests,
    in_flight: u32,
    scheduled: bool,
}

impl Line {
    /// Connects.
    pub(super) async fn open(way: &Way, plan: &Plan, requests: Requests) -> Result<Self, WireError> {
        let tuned = |endpoint: Endpoint| {
            endpoint.initial_connection_window_size(WINDOW).initial_stream_window_size(WINDOW).tcp_nodelay(true)
        };
        let client = OrderServiceClient::new(way.connect(tuned).await?);
        Ok(Self { client, requests, in_flight: plan.in_flight, scheduled: plan.rate.is_some() })
    }

    /// Calls until the pace is over, and everything is answered.
    pub(super) async fn drive(self, pace: Pace, recorder: Arc<Mutex<Recorder>>) -> Result<(), WireError> {
        let feed = Arc::new(Mutex::new((pace, self.requests)));
        drive(Generated { client: self.client, feed, recorder }, self.in_flight, self.scheduled).await
    }
}

#[derive(Clone)]
struct Generated {
    client: OrderServiceClient<Connection>,
    feed: Arc<Mutex<(Pace, Requests)>>,
    recorder: Arc<Mutex<Recorder>>,
}

/// An order that is to be sent.
struct Due {
    request: ClassifyOrderRequest,
    /// It was sent before.
    repeat: bool,
    since: Instant,
}

impl Caller for Generated {
    type Due = Due;

    fn next(&self, now: Instant) -> Option<Due> {
        let (pace, requests) = &mut *locked(&self.feed);
        (pace.due(now, 1) > 0).then(|| {
            let (request, repeat) = requests.take();
            Due { request, repeat, since: pace.send(now) }
        })
    }

    fn wait(&self, now: Instant) -> Option<Duration> {
        locked(&self.feed).0.wait(now)
    }

    async fn call(&mut self, Due { request, repeat, since }: Due) -> Result<(), WireError> {
        let sample = locked(&self.recorder).wants_sample().then(|| (request.clone(), repeat));
        let answer = self.client.classify_order(request).await;
        let now = Instant::now();
        let mut recorder = locked(&self.recorder);
        match answer {
            Ok(answer) => recorder.order_answered(since, now, answer.get_ref(), sample),
            Err(status) => recorder.refused(since, now, &reason(&status)),
        }
        Ok(())
    }
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map_or_else(|| code_name(status.code()).to_owned(), |info| info.reason)
}
