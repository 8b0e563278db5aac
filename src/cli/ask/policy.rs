//! The rules: shown, announced, tried on the past.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::{
    Ask, Asked,
    args::{Most, Once, time, wired},
    out::Out,
    proposals::{Propose, propose},
    rules::toml,
    sheet::{self, Cell, Sheet, Table},
    words::done,
};
use crate::{
    cli::{Exit, Failure, target::Server},
    config::PolicyFile,
    domain::Timestamp,
    grpc::convert,
    proto::v1::{propose_change_request::Change, *},
};

/// What `tplus policy show` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Show {
    /// The version; the one in force now if nothing is said.
    #[arg(value_name = "VERSION", default_value_t = 0, hide_default_value = true)]
    version: u64,
}

impl Ask for Show {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let answer = server.ask(&GetPolicyRequest { version: self.version }).await?;
        out.answer::<GetPolicyRequest>(&answer, |sheet| {
            let version = answer.policy.clone().unwrap_or_default();
            let at = sheet::time(version.effective_at);
            sheet.plain(&format!("# Version {} of {}, in force from {at}", version.version, answer.latest_version));
            if !version.reason.is_empty() {
                sheet.plain(&format!("# {}", sheet::harmless(&version.reason)));
            }
            toml(&version.policy.unwrap_or_default()).lines().for_each(|line| sheet.plain(line));
        })
    }
}

/// What `tplus policy list` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    most: Most,
}

impl Ask for List {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let mut table = Table::new(&["version", "in force from", "announced", "request", "why"]);
        let show = |out: &mut Out, versions: &[PolicyVersion]| {
            out.page::<ListPoliciesRequest>(versions, |sheet| {
                for version in versions {
                    table.row([
                        Cell::number(version.version),
                        Cell::time(version.effective_at),
                        Cell::time(version.announced_at),
                        Cell::text(if version.request_id.is_empty() { "-" } else { &version.request_id }),
                        Cell::text(&version.reason),
                    ]);
                }
                sheet.table(&mut table);
            })
        };
        self.most.pages(server, out, ListPoliciesRequest::default(), show).await
    }
}

/// What `tplus policy set` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Set {
    /// All of the rules: a file like the one that `tplus policy show` prints, or - for standard input. What it leaves out has its published
    /// value.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// When they come into force; as soon as possible if nothing is said.
    #[arg(long, value_name = "TIME", value_parser = time)]
    effective_at: Option<Timestamp>,
    /// Refuse if the latest version is another one.
    #[arg(long, value_name = "VERSION", default_value_t = 0, hide_default_value = true)]
    expected_version: u64,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    instead: Propose,
}

impl Ask for Set {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let policy = read(&self.file)?;
        let terms = self.once.terms(out)?;
        let request = SetPolicyRequest {
            policy: Some(policy),
            effective_at: wired(self.effective_at),
            expected_version: self.expected_version,
            reason: self.reason.clone(),
            request_id: terms.request_id,
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        if self.instead.propose {
            return propose(Change::SetPolicy(request), server, out).await;
        }
        let answer = server.ask(&request).await?;
        out.answer::<SetPolicyRequest>(&answer, |sheet| {
            let version = answer.policy.clone().unwrap_or_default();
            let done = done(terms.validate_only, answer.replayed);
            let at = sheet::time(version.effective_at);
            sheet.title(&format!("policy {}", version.version), &format!("comes into force at {at} {done}"));
        })
    }
}

/// What `tplus policy try` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Try {
    /// All of the rules: a file like the one that `tplus policy show` prints, or - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only these merchants; all if nothing is said.
    #[arg(value_name = "MERCHANT")]
    merchants: Vec<String>,
}

impl Ask for Try {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = EvaluatePolicyRequest { policy: Some(read(&self.file)?), merchant_ids: self.merchants.clone() };
        let answer = server.ask(&request).await?;
        out.answer::<EvaluatePolicyRequest>(&answer, |sheet| evaluated(sheet, &answer))
    }
}

fn evaluated(sheet: &mut Sheet, answer: &EvaluatePolicyResponse) {
    let what = format!(
        "{} of {} decided again",
        sheet::counted(answer.orders, "order"),
        sheet::counted(answer.merchants, "merchant")
    );
    sheet.title(&format!("up to {}", sheet::time(answer.as_of)), &what);
    sheet.noted("T+2 as recorded", Cell::number(answer.quick_recorded), "orders");
    sheet.noted("T+2 with these rules", Cell::number(answer.quick_evaluated), "orders");
    let profit = |count: u64, amount: &str| {
        format!("{} with a profit of {}", if count == 1 { "order" } else { "orders" }, sheet::amount(amount))
    };
    sheet.noted(
        "T+2 instead of T+7",
        Cell::number(answer.became_quick),
        &profit(answer.became_quick, &answer.became_quick_profit),
    );
    sheet.noted(
        "T+7 instead of T+2",
        Cell::number(answer.became_standard),
        &profit(answer.became_standard, &answer.became_standard_profit),
    );
    sheet.noted("left out", Cell::number(answer.orders_refused), "orders that would have been too old");
    sheet.noted("left out", Cell::number(answer.refused), "other commands that would have been refused");
    if !answer.shifts.is_empty() {
        sheet.gap();
        let mut table = Table::new(&["settles", "as recorded", "with these rules"]);
        for shift in &answer.shifts {
            table.row([Cell::time(shift.settles_at), Cell::amount(&shift.recorded), Cell::amount(&shift.evaluated)]);
        }
        sheet.table(&mut table);
    }
}

/// The rules of a file.
fn read(file: &Path) -> Result<Policy, Failure> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text =
        text.map_err(|error| Failure::new(Exit::Failed, error).during(format!("cannot read {}", file.display())))?;
    let policy = PolicyFile::parse(&text)
        .map_err(|error| Failure::new(Exit::Failed, error).during(format!("policy file {}", file.display())))?;
    Ok(convert::rules(&policy))
}

/// What can be done with the rules.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Show a version of the rules, as a file that `tplus policy set` takes.
    Show(Asked<Show>),
    /// List all versions.
    List(Asked<List>),
    /// Announce other rules.
    Set(Asked<Set>),
    /// Run other rules over the recorded past, and tell what would have been different. Changes nothing.
    Try(Asked<Try>),
}

super::dispatch!(Command { Show, List, Set, Try });
