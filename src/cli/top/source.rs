//! Asking a server: `/metrics` over HTTP, the largest merchants over gRPC.

use std::{
    sync::mpsc::Sender,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{Args, By, figures::Figures, sample::Sample};
use crate::{
    cli::{
        Exit, Failure,
        call::CallError,
        target::{Connection, Server},
    },
    clock::{OsTime, TimeSource as _},
    proto::v1::{RankMerchantsRequest, RankedMerchant, merchant_service_client::MerchantServiceClient},
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often merchants are ranked, at most: that is work for the server.
const RANK_EVERY: Duration = Duration::from_secs(5);
/// How many merchants are asked for.
const MERCHANTS: i32 = 50;

/// News for the screen.
#[derive(Debug)]
pub(super) enum Update {
    /// What happened since the last look; none at the first, and after a restart.
    Figures(Option<Box<Figures>>),
    /// Why there was no look.
    Silent(String),
    /// The largest merchants by this, or why they are not known.
    Merchants(By, Result<Vec<RankedMerchant>, String>),
}

/// A server, and how often to look.
#[derive(Debug)]
pub(super) struct Source {
    metrics: String,
    server: Server,
    every: Duration,
    by: watch::Receiver<By>,
}

impl Source {
    /// Nobody is connected to yet. Needs a runtime. Also answers where to say by what merchants are to be ranked.
    ///
    /// # Errors
    /// When what is said of the connection does not go together, or a file of it cannot be used.
    pub(super) fn new(args: &Args) -> Result<(Self, watch::Sender<By>), Failure> {
        let (wish, by) = watch::channel(args.by);
        let server = args.target.server()?;
        let metrics = args.metrics.trim_start_matches("http://").trim_end_matches("/metrics").to_owned();
        Ok((Self { metrics, server, every: args.every, by }, wish))
    }

    /// Tells what happens, until nobody listens.
    pub(super) async fn go_on(self, told: Sender<Update>) {
        let ranks = tokio::spawn(rank(self.server.clone(), self.by.clone(), told.clone()));
        let mut pace = interval(self.every);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = None;
        loop {
            pace.tick().await;
            let update = match self.look().await {
                Ok(now) => {
                    let figures = before.as_ref().and_then(|before| figures(before, &now));
                    before = Some(now);
                    Update::Figures(figures.map(Box::new))
                }
                Err(why) => Update::Silent(why),
            };
            if told.send(update).is_err() {
                break;
            }
        }
        ranks.abort();
    }

    /// What happens between two looks, and the largest merchants.
    ///
    /// # Errors
    /// When there is no answer from `/metrics`.
    pub(super) async fn twice(&self) -> Result<(Figures, Result<Vec<RankedMerchant>, String>), Failure> {
        let failed = |why| Failure::new(Exit::Failed, why).hint("--metrics says where a server's metrics are");
        let before = self.look().await.map_err(failed)?;
        sleep(self.every).await;
        let now = self.look().await.map_err(failed)?;
        let figures = figures(&before, &now)
            .ok_or_else(|| Failure::new(Exit::Failed, "the server was started again between two looks".to_owned()))?;
        let by = *self.by.borrow();
        Ok((figures, largest(&self.server, by).await))
    }

    async fn look(&self) -> Result<Sample, String> {
        let text = timeout(PATIENCE, get(&self.metrics)).await;
        let text = text.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())));
        let text = text.map_err(|why| format!("http://{}/metrics: {why}", self.metrics))?;
        Ok(Sample::read(&text, Instant::now()))
    }
}

fn figures(before: &Sample, now: &Sample) -> Option<Figures> {
    let figures = Figures::between(before, now)?;
    let started = now.get("process_start_time_seconds");
    let uptime = (started > 0.0).then(|| (OsTime.wall() as f64 / 1e6 - started).max(0.0));
    Some(Figures { uptime, ..figures })
}

async fn get(address: &str) -> Result<String, String> {
    let said = |error: hyper::Error| error.to_string();
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(said)?;
    let connection = tokio::spawn(connection);
    let request = Request::get("/metrics").header(HOST, address).body(Empty::<Bytes>::new());
    let response = sender.send_request(request.map_err(|error| error.to_string())?).await.map_err(said)?;
    if !response.status().is_success() {
        return Err(response.status().to_string());
    }
    let body = response.into_body().collect().await.map_err(said)?.to_bytes();
    connection.abort();
    String::from_utf8(body.into()).map_err(|error| error.to_string())
}

/// Ranks merchants every few seconds, and at once when they are to be ranked by something else.
async fn rank(server: Server, mut by: watch::Receiver<By>, told: Sender<Update>) {
    loop {
        let wanted = *by.borrow_and_update();
        if told.send(Update::Merchants(wanted, largest(&server, wanted).await)).is_err() {
            return;
        }
        if let Ok(Err(_)) = timeout(RANK_EVERY, by.changed()).await {
            return;
        }
    }
}

async fn largest(server: &Server, by: By) -> Result<Vec<RankedMerchant>, String> {
    let mut merchants: MerchantServiceClient<Connection> = MerchantServiceClient::new(server.connection());
    let ranked = merchants.rank_merchants(RankMerchantsRequest { by: by.measure().into(), most: MERCHANTS });
    match timeout(PATIENCE, ranked).await {
        Ok(Ok(ranked)) => Ok(ranked.into_inner().merchants),
        Ok(Err(status)) => Err(CallError::Status(status).to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
