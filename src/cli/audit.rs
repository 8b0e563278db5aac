//! `tplus audit`: who did what, and who tried to.

use std::{
    collections::HashMap,
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{Exit, Failure, journal, record, written};
use crate::{
    access::{Refused, audit_files},
    domain::Timestamp,
    journal::Lsn,
    proto::journal::{Record, proposal_made::Change, record::Body},
};

/// What `tplus audit` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The data directory, in whose journal stands what was done
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The audit log, in which stands what was refused
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Only what this caller did or tried: spiffe://…, dns:… or sub:…
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
    /// Only what is about this merchant
    #[arg(long, value_name = "ID")]
    merchant: Option<String>,
    /// Only from this time on
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Only before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Only what was refused
    #[arg(long, requires = "log")]
    refused: bool,
    /// How it is printed: text, or json for one object a line
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|_| "is no RFC 3339 time such as 2026-03-01T12:00:00Z".to_owned())
}

/// Does it: both in the order of their times, as far as each has one order.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let Tried { lines, unreadable } = args.log.as_deref().map(|log| tried(args, log)).transpose()?.unwrap_or_default();
    let mut tried = lines.into_iter().peekable();
    let mut out = BufWriter::new(io::stdout().lock());
    let mut print = |line: String| writeln!(out, "{line}");
    let mut read = Ok(());
    let mut proposals = Proposals::new();
    if !args.refused {
        read = journal::read(&args.data_dir, Lsn::FIRST, |lsn, record| {
            let merchant = merchant(record, &mut proposals);
            let at = Timestamp::from_micros(record.recorded_at);
            while let Some((_, line)) = tried.next_if(|(tried, _)| *tried <= at) {
                print(line)?;
            }
            if args.wants_record(record, merchant.as_deref(), at) {
                print(args.done(lsn.get(), record, merchant.as_deref()))
            } else {
                Ok(())
            }
        });
    }
    let rest = tried.try_for_each(|(_, line)| print(line));
    // What was read before a damage is shown before the damage is named.
    let shown = written(rest.and_then(|()| out.flush()));
    read.and(shown)?;
    match unreadable {
        None => Ok(()),
        Some((place, error)) => Err(Failure::new(Exit::Damaged, error).during(place)),
    }
}

/// What was refused.
#[derive(Default)]
struct Tried {
    /// As it is printed.
    lines: Vec<(Timestamp, String)>,
    /// The last line that is none, and what is wrong with it: the others are told nevertheless.
    unreadable: Option<(String, serde_json::Error)>,
}

fn tried(args: &Args, log: &Path) -> Result<Tried, Failure> {
    let unreadable = |error: io::Error| Failure::new(Exit::Failed, error).during(format!("reading {}", log.display()));
    if !log.exists() {
        return Err(unreadable(io::ErrorKind::NotFound.into()));
    }
    let mut tried = Tried::default();
    for file in audit_files(log) {
        let text = fs::read(&file).map_err(unreadable)?;
        let text = String::from_utf8_lossy(&text);
        for (number, line) in (1..).zip(text.lines()) {
            let refused: Refused = match serde_json::from_str(line) {
                Ok(refused) => refused,
                Err(error) => {
                    tried.unreadable = Some((format!("line {number} of {}", file.display()), error));
                    continue;
                }
            };
            let at = Timestamp::parse(&refused.at).unwrap_or(Timestamp::MIN);
            if args.wants(&refused.caller, Some(&refused.merchant), at) {
                tried.lines.push((at, args.refused(&refused)));
            }
        }
    }
    Ok(tried)
}

/// The merchants that proposals are about, by the ids of these.
type Proposals = HashMap<String, String>;

/// The merchant that a record is about, if it is about one.
fn merchant(record: &Record, proposals: &mut Proposals) -> Option<String> {
    match &record.body {
        Some(Body::Merchant(facts)) => Some(facts.merchant_id.clone()),
        Some(Body::ProposalMade(made)) => {
            let merchant = match &made.change {
                Some(Change::Deduction(asked)) => Some(&asked.merchant_id),
                Some(Change::Adjustment(asked)) => Some(&asked.merchant_id),
                Some(Change::Policy(_)) | None => None,
            };
            // An id may be used again once its proposal is long past.
            match merchant {
                Some(merchant) => drop(proposals.insert(made.proposal_id.clone(), merchant.clone())),
                None => drop(proposals.remove(&made.proposal_id)),
            }
            merchant.cloned()
        }
        Some(Body::ProposalClosed(closed)) => proposals.get(&closed.proposal_id).cloned(),
        _ => None,
    }
}

impl Args {
    fn wants(&self, caller: &str, merchant: Option<&str>, at: Timestamp) -> bool {
        self.caller.as_deref().is_none_or(|wanted| wanted == caller)
            && self.merchant.as_deref().is_none_or(|wanted| Some(wanted) == merchant)
            && self.from.is_none_or(|from| from <= at)
            && self.until.is_none_or(|until| at < until)
    }

    /// What the engine writes down for itself, that time goes on, nobody did. What one has proposed and another approved both did.
    fn wants_record(&self, record: &Record, merchant: Option<&str>, at: Timestamp) -> bool {
        let by_itself = matches!(record.body, Some(Body::ClockLease(_)) | None);
        let proposer = record.approval.as_ref().map(|approval| approval.proposed_by.as_str());
        let mut callers = [Some(record.caller.as_str()), proposer].into_iter().flatten();
        !by_itself && callers.any(|caller| self.wants(caller, merchant, at))
    }

    fn done(&self, lsn: u64, record: &Record, merchant: Option<&str>) -> String {
        if self.output == Output::Text {
            return format!("done    {}", record::line(lsn, record));
        }
        let merchant = merchant.unwrap_or_default();
        let at = Timestamp::from_micros(record.recorded_at).to_string();
        let record: Value = record::json(lsn, record);
        let caller = record.get("caller").cloned().unwrap_or_else(|| "".into());
        json!({ "done": true, "at": at, "caller": caller, "merchant": merchant, "record": record }).to_string()
    }

    fn refused(&self, refused: &Refused) -> String {
        let Refused { at, caller, peer, method, merchant, why, missing } = refused;
        if self.output == Output::Text {
            // Whatever somebody has said stands here as one word, and with nothing that a terminal obeys.
            let word = |text: &str| record::bare_or_quoted(text);
            let who = if caller.is_empty() { "nobody known".to_owned() } else { word(caller) };
            let whom = if merchant.is_empty() { String::new() } else { format!(" about {}", word(merchant)) };
            let (method, why) = (word(method), why.escape_debug());
            let missing = if *missing == 0 { String::new() } else { format!(" ({missing} before it are missing)") };
            return format!("refused {at} {who} from {peer}: {method}{whom}: {why}{missing}");
        }
        let mut line = json!({
            "done": false, "at": at, "caller": caller, "merchant": merchant, "method": method, "peer": peer, "why": why,
        });
        if let (Some(fields), true) = (line.as_object_mut(), *missing > 0) {
            fields.insert("missing".to_owned(), (*missing).into());
        }
        line.to_string()
    }
}
