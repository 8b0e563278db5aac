//! A record of the journal in words, and as JSON.

mod account;
mod dispute;
mod due;
mod order;
mod policy;
mod proposal;
mod standing;
#[cfg(test)]
mod tests;
mod value;

use serde_json::{Map, Value, json};

use self::value::{instant, present};
use crate::{
    domain::Timestamp,
    proto::journal::{Approval, Fact, MerchantFacts, Record, fact::Kind, record::Body},
};

/// Named values, in the order in which they are shown.
type Fields = Map<String, Value>;

/// What carries no name that this release knows.
const UNKNOWN: &str = "unknown_to_this_release";

/// A record as one line for people: position, time, whom it concerns, and its facts one after the other.
pub(super) fn line(lsn: u64, record: &Record) -> String {
    let mut line = format!("{lsn} {}", Timestamp::from_micros(record.recorded_at));
    if !record.caller.is_empty() {
        line += &format!(" caller={}", bare_or_quoted(&record.caller));
    }
    if let Some(Approval { proposal_id, proposed_by, .. }) = &record.approval {
        line += &format!(" approved={proposal_id} proposed_by={}", bare_or_quoted(proposed_by));
    }
    match &record.body {
        Some(Body::Merchant(merchant)) => {
            line += &format!(" {}", merchant.merchant_id);
            for (place, fact) in merchant.facts.iter().enumerate() {
                let (name, fields) = fact_fields(fact);
                line += if place == 0 { " " } else { " | " };
                line += name;
                words(&mut line, "", &fields);
            }
        }
        other => {
            let (name, fields) = global_fields(other.as_ref());
            line += &format!(" - {name}");
            words(&mut line, "", &fields);
        }
    }
    line
}

/// A record as one JSON object. Amounts are strings in dollars, instants RFC 3339. What is absent is left out.
pub(super) fn json(lsn: u64, record: &Record) -> Value {
    let mut fields = Fields::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("lsn", lsn.into());
    put("recorded_at", instant(record.recorded_at).into());
    if !record.caller.is_empty() {
        put("caller", record.caller.as_str().into());
    }
    if let Some(approval) = &record.approval {
        put("approval", proposal::approval(approval));
    }
    match &record.body {
        Some(Body::Merchant(merchant)) => {
            put("merchant_id", merchant.merchant_id.as_str().into());
            put("facts", merchant.facts.iter().map(fact_json).collect());
        }
        other => {
            let (name, of_it) = global_fields(other.as_ref());
            put(name, of_it.into());
        }
    }
    fields.into()
}

/// Whether a record concerns this merchant.
pub(super) fn concerns(record: &Record, merchant_id: &str) -> bool {
    matches!(&record.body, Some(Body::Merchant(MerchantFacts { merchant_id: its, .. })) if its == merchant_id)
}

fn fact_json(fact: &Fact) -> Value {
    let (name, of_it) = fact_fields(fact);
    let mut fields = present(json!({ "fact": name }));
    fields.extend(of_it);
    fields.into()
}

/// ` name=value` for every field. What is inside a field is named `outer.inner`, in a list by its place from 1; a list of
/// mere words is joined with commas.
fn words(line: &mut String, outer: &str, fields: &Fields) {
    for (name, value) in fields {
        put_words(line, &format!("{outer}{name}"), value);
    }
}

fn put_words(line: &mut String, name: &str, value: &Value) {
    match value {
        Value::Object(inner) => words(line, &format!("{name}."), inner),
        Value::Array(values) if values.iter().any(Value::is_object) => {
            for (place, value) in (1..).zip(values) {
                put_words(line, &format!("{name}.{place}"), value);
            }
        }
        Value::Array(values) if values.is_empty() => *line += &format!(" {name}=none"),
        Value::Array(values) => {
            *line += &format!(" {name}={}", values.iter().map(word).collect::<Vec<_>>().join(","));
        }
        value => *line += &format!(" {name}={}", word(value)),
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), bare_or_quoted)
}

/// A text as it is if it can be told from what stands around it, else in quotes and with nothing that a terminal obeys.
pub(super) fn bare_or_quoted(text: &str) -> String {
    let bare = |c: char| !c.is_whitespace() && !matches!(c, '"' | '|' | '\\') && c.escape_debug().len() == 1;
    if !text.is_empty() && text.chars().all(|c| bare(c) || c == '\'') { text.to_owned() } else { format!("{text:?}") }
}

fn global_fields(body: Option<&Body>) -> (&'static str, Fields) {
    let (name, fields) = match body {
        Some(Body::PolicySet(set)) => ("policy_set", policy::set(set)),
        Some(Body::ClockLease(lease)) => ("clock_lease", json!({ "until": instant(lease.until) })),
        Some(Body::ClockAdvanced(advanced)) => ("clock_advanced", json!({ "to": instant(advanced.to) })),
        Some(Body::ProposalMade(made)) => ("proposal_made", proposal::made(made)),
        Some(Body::ProposalClosed(closed)) => ("proposal_closed", proposal::closed(closed)),
        Some(Body::Merchant(_)) | None => (UNKNOWN, json!({})),
    };
    (name, present(fields))
}

fn fact_fields(fact: &Fact) -> (&'static str, Fields) {
    let mut fields = present(json!({ "effective_at": instant(fact.effective_at) }));
    let Some(kind) = &fact.kind else { return (UNKNOWN, fields) };
    let (name, of_it) = match kind {
        Kind::OrderClassified(fact) => ("order_classified", order::classified(fact)),
        Kind::OrderImported(fact) => ("order_imported", order::imported(fact)),
        Kind::OrderReversed(fact) => ("order_reversed", order::reversed(fact)),
        Kind::ProfitSettled(fact) => ("profit_settled", due::settled(fact)),
        Kind::ReleaseCompleted(fact) => ("release_completed", due::release(fact)),
        Kind::MerchantClosed(fact) => ("merchant_closed", due::closed(fact)),
        Kind::WarningRaised(fact) => ("warning_raised", due::warning(fact)),
        Kind::MerchantImported(fact) => ("merchant_imported", account::imported(fact)),
        Kind::MarginPaid(fact) => ("margin_paid", account::paid(fact)),
        Kind::PaymentReturned(fact) => ("payment_returned", account::returned(fact)),
        Kind::Withdrawn(fact) => ("withdrawn", account::withdrawn(fact)),
        Kind::WithdrawalFailed(fact) => ("withdrawal_failed", account::withdrawal_failed(fact)),
        Kind::BalanceAdjusted(fact) => ("balance_adjusted", account::adjusted(fact)),
        Kind::MarginDeducted(fact) => ("margin_deducted", dispute::deducted(fact)),
        Kind::AppealOpened(fact) => ("appeal_opened", dispute::appealed(fact)),
        Kind::AppealResolved(fact) => ("appeal_resolved", dispute::resolved(fact)),
        Kind::GuaranteeModified(fact) => ("guarantee_modified", standing::guarantee(fact)),
        Kind::HoldPlaced(fact) => ("hold_placed", standing::held(fact)),
        Kind::HoldLifted(fact) => ("hold_lifted", standing::lifted(fact)),
        Kind::CategoriesSet(fact) => ("categories_set", standing::categories(fact)),
        Kind::ClosingStarted(fact) => ("closing_started", standing::closing(fact)),
        Kind::MerchantReopened(fact) => ("merchant_reopened", standing::reopened(fact)),
    };
    fields.extend(present(of_it));
    (name, fields)
}
