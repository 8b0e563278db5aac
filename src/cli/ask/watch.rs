//! What happens, as it happens.

use tonic::{Response, Streaming};

use super::{
    Ask, Asked, history, json,
    out::Out,
    sheet::{self, Cell, Table},
    words,
};
use crate::{
    cli::{
        Failure,
        call::{CallError, patiently},
        target::Server,
    },
    proto::v1::{
        event_service_client::EventServiceClient, watch_events_request::Start, watch_events_response::Event, *,
    },
};

/// How often a watch is begun again after its connection broke, until something comes again.
const TRIES: u32 = 8;

/// What `tplus watch` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Watch {
    /// Only these merchants; all, and changes of policy, if nothing is said.
    #[arg(value_name = "MERCHANT")]
    merchants: Vec<String>,
    /// Only entries of this kind; can be given several times.
    #[arg(long = "kind", value_name = "KIND", value_parser = words::parser::<EntryKind>(), hide_possible_values = true)]
    kinds: Vec<EntryKind>,
    /// Begin after this position, as it was shown before; 0 is before everything. After everything that is recorded if nothing is said.
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,
    /// End after so many events.
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

impl Ask for Watch {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let mut left = self.limit.unwrap_or(u64::MAX);
        let mut table =
            Table::new(&["position", "recorded", "merchant", "what", "amount", "available", "debt", "about"]);
        let mut start = self.after.clone().map_or(Start::Latest(true), Start::AfterPosition);
        loop {
            let mut stream = self.begin(server, start.clone()).await?;
            loop {
                let told = match stream.message().await {
                    Ok(Some(told)) => told,
                    // The server went away, or thinks that we are slow: nothing is missed if we go on from where we were.
                    Ok(None) => break,
                    Err(status) => {
                        let error = CallError::Status(status);
                        if error.may_be_asked_again() { break } else { return Err(server.failed(error)) }
                    }
                };
                start = Start::AfterPosition(told.position.clone());
                if told.event.is_some() {
                    out.take(
                        || Ok(vec![json::message("WatchEventsResponse", &told)?]),
                        |sheet| {
                            table.row(row(&told));
                            sheet.table(&mut table);
                        },
                    )?;
                    left -= 1;
                }
                if left == 0 || out.is_unread() {
                    return Ok(());
                }
            }
        }
    }
}

impl Watch {
    async fn begin(&self, server: &Server, start: Start) -> Result<Streaming<WatchEventsResponse>, Failure> {
        let request = WatchEventsRequest {
            start: Some(start),
            merchant_ids: self.merchants.clone(),
            kinds: self.kinds.iter().map(|kind| (*kind).into()).collect(),
        };
        let stream = patiently(TRIES, || {
            let (mut client, request) = (EventServiceClient::new(server.connection()), request.clone());
            async move { client.watch_events(request).await.map(|stream| Response::new(stream.into_inner())) }
        });
        stream.await.map_err(|error| server.failed(error))
    }
}

fn row(told: &WatchEventsResponse) -> [Cell; 8] {
    let at = Cell::time(told.recorded_at);
    let position = Cell::text(&told.position);
    match &told.event {
        Some(Event::Entry(entry)) => {
            let balances = entry.balances.clone().unwrap_or_default();
            let about = if entry.subject_id.is_empty() { &entry.request_id } else { &entry.subject_id };
            [
                position,
                at,
                Cell::text(&entry.merchant_id),
                Cell::text(&history::what(entry)),
                Cell::amount(&entry.amount),
                Cell::amount(&balances.available),
                Cell::bad_amount(&balances.debt),
                Cell::text(about),
            ]
        }
        Some(Event::Policy(policy)) => {
            let what = format!("policy {} announced", policy.version);
            let about = format!("in force {}", sheet::time(policy.effective_at));
            let none = || Cell::amount("");
            [position, at, Cell::text("-"), Cell::text(&what), none(), none(), none(), Cell::text(&about)]
        }
        None => Default::default(),
    }
}

/// What can be watched.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Follow what happens, from any position on; goes on by itself when the server was away.
    Watch(Asked<Watch>),
}

super::dispatch!(Command { Watch });
