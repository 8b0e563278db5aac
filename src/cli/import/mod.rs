//! `tplus import`: the merchants of a file, brought into a running server.
//!
//! Every line carries the same request id each time, so what was imported before is answered as known and nothing happens twice.
//! Nothing else is needed to go on after an interruption: the file is simply sent again, at the pace of repeats, which write
//! nothing. So there is no file of progress that could be wrong. Lines are sent many at a time, but those of one merchant one after
//! the other, so that the same line wins each time.

mod given;
mod input;
mod lines;
mod refusal;
mod request;
mod summary;

use std::{collections::HashSet, path::PathBuf, thread, time::Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::{
    sync::mpsc::{self, Receiver},
    task::JoinSet,
};

use self::{
    input::{Entry, Format, Input, InputError},
    refusal::{Refusal, Refusals},
    request::Merchant,
    summary::Summary,
};
use super::{
    Exit, Failure,
    call::{self, CallError, TRIES, patiently},
    print,
    target::{Connection, Target},
};
use crate::{
    domain::MerchantId,
    proto::v1::{ImportMerchantResponse, merchant_service_client::MerchantServiceClient},
    server::shutdown_signal,
};

/// How many lines are read ahead.
const READ_AHEAD: usize = 16;
/// What helps after most failures.
const AGAIN: &str = "the same command can be given again: what is imported already is known";

/// What `tplus import` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The merchants, or - for standard input. JSON lines: an object a line with the fields of ImportMerchantRequest, amounts as
    /// strings, instants in RFC 3339, cycles as QUICK or STANDARD. Or CSV: a header with merchant_id and, in any order, some of
    /// historical_profit, available, debt, guarantee, frozen and request_id (no lists). Without a request_id it is import- and
    /// the merchant_id, cut to 64 characters.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    target: Target,
    /// How the file is written; by default its name tells (.jsonl, .ndjson and .json, or .csv).
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// How many merchants are on their way at once.
    #[arg(long, value_name = "CALLS", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    concurrency: u16,
    /// Where to list refused merchants, a JSON object a line; by default FILE.refused.jsonl, which is there if one was refused.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Ask what would happen, line for line, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Does it.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let input = Input::open(&args.file, args.format).map_err(unusable)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, error).during("cannot start"))?;
    let (summary, ended) = runtime.block_on(import(args, input))?;
    if args.json {
        print(&format!("{}\n", summary.json()))?
    } else {
        print(&summary.to_string())?
    }
    ended?;
    summary.failure().map_or(Ok(()), Err)
}

fn unusable(error: InputError) -> Failure {
    let exit = if matches!(error, InputError::NoFormat(_)) { Exit::Usage } else { Exit::Failed };
    Failure::new(exit, error)
}

/// What it came to, and whether it came to the end of the file.
async fn import(args: &Args, input: Input) -> Result<(Summary, Result<(), Failure>), Failure> {
    let server = args.target.server()?;
    call::clock(&server).await?;
    let interrupted = shutdown_signal().map_err(|error| Failure::new(Exit::Failed, error))?;
    let mut run = Run {
        client: MerchantServiceClient::new(server.connection()),
        concurrency: args.concurrency.into(),
        refusals: Refusals::create(args.report.as_deref(), &args.file)?,
        progress: progress_bar(input.bytes),
        calls: JoinSet::new(),
        under_way: HashSet::new(),
        summary: Summary::of(args.dry_run),
    };
    let started = Instant::now();
    let mut entries = read_ahead(input)?;
    let ended = tokio::select! {
        ended = run.all(&mut entries) => ended,
        () = interrupted => Err(Failure::new(Exit::Failed, "interrupted").hint(AGAIN)),
    };
    run.progress.finish_and_clear();
    run.summary.took = started.elapsed();
    run.summary.report = run.refusals.finish()?;
    Ok((run.summary, ended))
}

/// Reads on a thread of its own, so that a slow file or pipe delays no answer. Never far ahead: memory holds a few lines.
fn read_ahead(input: Input) -> Result<Receiver<Result<Entry, InputError>>, Failure> {
    let (sender, entries) = mpsc::channel(READ_AHEAD);
    let read = move || {
        for entry in input {
            let last = entry.is_err();
            // Nobody wants more once the receiver is gone.
            if sender.blocking_send(entry).is_err() || last {
                break;
            }
        }
    };
    let thread = thread::Builder::new().name("input".into()).spawn(read);
    thread.map(|_| entries).map_err(|error| Failure::new(Exit::Failed, error).during("cannot start"))
}

fn progress_bar(bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (ProgressBar::new(bytes), "{bar:40} {percent} %, {msg}, {eta} left"),
        None => (ProgressBar::no_length(), "{spinner} {msg}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// An import on its way.
struct Run {
    client: MerchantServiceClient<Connection>,
    concurrency: usize,
    refusals: Refusals,
    progress: ProgressBar,
    calls: JoinSet<Answered>,
    /// The merchants of the calls.
    under_way: HashSet<MerchantId>,
    summary: Summary,
}

/// A call that has ended.
struct Answered {
    at: u64,
    merchant: MerchantId,
    answer: Result<ImportMerchantResponse, CallError>,
}

impl Run {
    async fn all(&mut self, entries: &mut Receiver<Result<Entry, InputError>>) -> Result<(), Failure> {
        loop {
            tokio::select! {
                biased;
                Some(answered) = self.calls.join_next() => self.answered(answered)?,
                entry = entries.recv() => match entry {
                    Some(entry) => self.entry(entry.map_err(|error| unusable(error).hint(AGAIN))?).await?,
                    None => break,
                },
            }
        }
        while self.an_answer().await? {}
        Ok(())
    }

    async fn entry(&mut self, entry: Entry) -> Result<(), Failure> {
        self.progress.set_position(entry.end);
        match entry.merchant {
            Ok(merchant) => {
                while self.calls.len() >= self.concurrency || self.under_way.contains(&merchant.id) {
                    self.an_answer().await?;
                }
                self.send(entry.at, merchant);
                Ok(())
            }
            Err(refusal) => self.refused(&refusal),
        }
    }

    fn send(&mut self, at: u64, Merchant { id, mut request }: Merchant) {
        request.validate_only = self.summary.dry_run;
        self.under_way.insert(id.clone());
        let client = self.client.clone();
        self.calls.spawn(async move {
            let answer = patiently(TRIES, || {
                let (mut client, request) = (client.clone(), request.clone());
                async move { client.import_merchant(request).await }
            });
            Answered { at, merchant: id, answer: answer.await }
        });
    }

    /// Waits for the next answer; false if none is to come.
    async fn an_answer(&mut self) -> Result<bool, Failure> {
        match self.calls.join_next().await {
            Some(answered) => self.answered(answered).map(|()| true),
            None => Ok(false),
        }
    }

    fn answered(&mut self, answered: Result<Answered, tokio::task::JoinError>) -> Result<(), Failure> {
        let Answered { at, merchant, answer } = answered.map_err(|error| Failure::new(Exit::Failed, error))?;
        self.under_way.remove(&merchant);
        match answer {
            Ok(answer) => {
                self.summary.count(&answer);
                self.progress.set_message(format!("{} merchants", self.summary.answers()));
                Ok(())
            }
            Err(error) => match Refusal::by_server(at, merchant.as_str(), error) {
                Ok(refusal) => self.refused(&refusal),
                Err(error) => Err(error.during(&format!("line {at}, merchant {merchant}")).hint(AGAIN)),
            },
        }
    }

    fn refused(&mut self, refusal: &Refusal) -> Result<(), Failure> {
        self.summary.refused(&refusal.reason);
        self.refusals.add(refusal)
    }
}
