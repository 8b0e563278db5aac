//! A record of the journal in words.

use super::json::{Fields, Value};
use crate::{
    domain::{Money, Timestamp},
    proto::journal::{
        Amount, Cycle, Fact, GuaranteeChange, GuaranteeModified, Income, MerchantFacts, MerchantImported,
        OrderClassified, Policy, ProfitSettled, Receipt, Record, ReleaseCompleted, fact::Kind, policy::QuotaBasis,
        policy::QuotaCounts, record::Body,
    },
};

/// A record as one line for people: position, time, whom it concerns, and its facts one after the other.
pub(super) fn line(lsn: u64, record: &Record) -> String {
    let mut line = format!("{lsn} {}", Timestamp::from_micros(record.recorded_at));
    if !record.caller.is_empty() {
        line += &format!(" caller={}", record.caller);
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

/// A record as one JSON object. Amounts are strings in dollars, instants RFC 3339.
pub(super) fn json(lsn: u64, record: &Record) -> Value {
    let mut fields = vec![("lsn", Value::number(lsn)), ("recorded_at", instant(record.recorded_at))];
    if !record.caller.is_empty() {
        fields.push(("caller", Value::text(&record.caller)));
    }
    match &record.body {
        Some(Body::Merchant(merchant)) => {
            fields.push(("merchant_id", Value::text(&merchant.merchant_id)));
            fields.push(("facts", Value::List(merchant.facts.iter().map(fact_json).collect())));
        }
        other => {
            let (name, of_it) = global_fields(other.as_ref());
            fields.push((name, Value::Fields(of_it)));
        }
    }
    Value::Fields(fields)
}

/// Whether a record concerns this merchant.
pub(super) fn concerns(record: &Record, merchant_id: &str) -> bool {
    matches!(&record.body, Some(Body::Merchant(MerchantFacts { merchant_id: its, .. })) if its == merchant_id)
}

fn fact_json(fact: &Fact) -> Value {
    let (name, fields) = fact_fields(fact);
    Value::Fields([("fact", Value::text(name))].into_iter().chain(fields).collect())
}

/// ` name=value` for every field. What is inside a field is named `outer.inner`; list elements are joined with commas.
fn words(line: &mut String, outer: &str, fields: &Fields) {
    for (name, value) in fields {
        match value {
            Value::Fields(inner) => words(line, &format!("{outer}{name}."), inner),
            value => *line += &format!(" {outer}{name}={}", word(value)),
        }
    }
}

fn word(value: &Value) -> String {
    let joined = |words: Vec<String>, with| if words.is_empty() { "none".to_owned() } else { words.join(with) };
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(_) => value.to_string(),
        Value::List(values) => joined(values.iter().map(word).collect(), ","),
        Value::Fields(fields) => joined(fields.iter().map(|(_, value)| word(value)).collect(), ":"),
    }
}

fn global_fields(body: Option<&Body>) -> (&'static str, Fields) {
    match body {
        Some(Body::PolicySet(set)) => {
            let mut fields = vec![("version", Value::number(set.version)), ("effective_at", instant(set.effective_at))];
            fields.extend(set.policy.iter().map(|policy| ("policy", Value::Fields(policy_fields(policy)))));
            ("policy_set", fields)
        }
        Some(Body::ClockLease(lease)) => ("clock_lease", vec![("until", instant(lease.until))]),
        Some(Body::ClockAdvanced(advanced)) => ("clock_advanced", vec![("to", instant(advanced.to))]),
        Some(Body::Merchant(_)) | None => ("unknown_to_this_release", vec![]),
    }
}

fn fact_fields(fact: &Fact) -> (&'static str, Fields) {
    let (name, of_it) = match &fact.kind {
        Some(Kind::OrderClassified(fact)) => ("order_classified", order_fields(fact)),
        Some(Kind::ProfitSettled(fact)) => ("profit_settled", settled_fields(fact)),
        Some(Kind::GuaranteeModified(fact)) => ("guarantee_modified", guarantee_fields(fact)),
        Some(Kind::ReleaseCompleted(fact)) => ("release_completed", release_fields(fact)),
        Some(Kind::MerchantImported(fact)) => ("merchant_imported", imported_fields(fact)),
        Some(_) | None => ("unknown_to_this_release", vec![]),
    };
    (name, [("effective_at", instant(fact.effective_at))].into_iter().chain(of_it).collect())
}

fn order_fields(order: &OrderClassified) -> Fields {
    vec![
        ("order_id", Value::text(&order.order_id)),
        ("price", cents(order.price)),
        ("profit", cents(order.profit)),
        ("completed_at", instant(order.completed_at)),
        ("day", Value::number(order.day)),
        ("cycle", cycle(order.cycle())),
        ("settles_at", instant(order.settles_at)),
        ("receipt", receipt(order.receipt.as_ref())),
    ]
}

fn settled_fields(settled: &ProfitSettled) -> Fields {
    vec![
        ("settles_at", instant(settled.settles_at)),
        ("day", Value::number(settled.day)),
        ("cycle", cycle(settled.cycle())),
        ("orders", Value::number(settled.orders)),
        ("income", income(settled.income.as_ref())),
    ]
}

fn guarantee_fields(modified: &GuaranteeModified) -> Fields {
    let mut fields =
        vec![("request_id", Value::text(&modified.request_id)), ("receipt", receipt(modified.receipt.as_ref()))];
    fields.extend(modified.change.iter().flat_map(change_fields));
    fields
}

fn change_fields(modified: &GuaranteeChange) -> Fields {
    let mut fields = vec![
        ("previous", cents(modified.previous)),
        ("guarantee", cents(modified.guarantee)),
        ("from_releasing", amount(modified.from_releasing.as_ref())),
        ("from_available", amount(modified.from_available.as_ref())),
        ("released", amount(modified.released.as_ref())),
    ];
    if modified.released.is_some_and(|released| released != Amount::default()) {
        fields.push(("release_due_at", instant(modified.release_due_at)));
    }
    fields.push(("frozen", amount(modified.frozen.as_ref())));
    fields.push(("available", amount(modified.available.as_ref())));
    fields
}

fn release_fields(completed: &ReleaseCompleted) -> Fields {
    vec![
        ("release", Value::number(completed.release)),
        ("due_at", instant(completed.due_at)),
        ("income", income(completed.income.as_ref())),
    ]
}

fn imported_fields(imported: &MerchantImported) -> Fields {
    vec![
        ("request_id", Value::text(&imported.request_id)),
        ("historical_profit", cents(imported.historical_profit)),
        ("available", cents(imported.available)),
        ("receipt", receipt(imported.receipt.as_ref())),
    ]
}

fn policy_fields(policy: &Policy) -> Fields {
    let tier = |tier: &crate::proto::journal::policy::Tier| {
        Value::Fields(vec![("above", cents(tier.above)), ("multiple", Value::number(tier.multiple))])
    };
    let mut fields = vec![
        ("base_multiple", Value::number(policy.base_multiple)),
        ("tiers", Value::List(policy.tiers.iter().map(tier).collect())),
        (
            "quota_counts",
            Value::text(match policy.quota_counts() {
                QuotaCounts::All => "all",
                QuotaCounts::Quick => "quick",
                QuotaCounts::Unspecified => "unknown",
            }),
        ),
        (
            "quota_basis",
            Value::text(match policy.quota_basis() {
                QuotaBasis::Guarantee => "guarantee",
                QuotaBasis::Frozen => "frozen",
                QuotaBasis::Unspecified => "unknown",
            }),
        ),
        ("day_start", duration(policy.day_start)),
        ("quick_days", Value::number(policy.quick_days)),
        ("standard_days", Value::number(policy.standard_days)),
        ("release_after", duration(policy.release_after)),
        ("max_lateness", duration(policy.max_lateness)),
        ("max_ahead", duration(policy.max_ahead)),
    ];
    fields.extend(policy.max_guarantee.map(|maximum| ("max_guarantee", cents(maximum))));
    fields
}

fn receipt(receipt: Option<&Receipt>) -> Value {
    let Some(receipt) = receipt else { return Value::text("none") };
    Value::Fields(vec![
        ("policy_version", Value::number(receipt.policy_version)),
        ("multiple", Value::number(receipt.multiple)),
        ("quota", amount(receipt.quota.as_ref())),
        ("day_total_before", amount(receipt.day_total_before.as_ref())),
        ("day_total_after", amount(receipt.day_total_after.as_ref())),
        ("resets_at", instant(receipt.resets_at)),
    ])
}

fn income(income: Option<&Income>) -> Value {
    let part = |of: fn(&Income) -> Option<&Amount>| amount(income.and_then(of));
    Value::Fields(vec![
        ("to_debt", part(|income| income.to_debt.as_ref())),
        ("to_gap", part(|income| income.to_gap.as_ref())),
        ("to_available", part(|income| income.to_available.as_ref())),
    ])
}

fn cycle(cycle: Cycle) -> Value {
    Value::text(match cycle {
        Cycle::Quick => "T+2",
        Cycle::Standard => "T+7",
        Cycle::Unspecified => "unknown",
    })
}

fn instant(micros: i64) -> Value {
    Value::text(Timestamp::from_micros(micros))
}

/// `24h`, `5s`; whole microseconds, so nothing is rounded.
fn duration(micros: i64) -> Value {
    let length = humantime::format_duration(std::time::Duration::from_micros(micros.unsigned_abs()));
    Value::text(format!("{}{length}", if micros < 0 { "-" } else { "" }).replace(' ', ""))
}

fn cents(cents: u64) -> Value {
    Value::text(Money::from_cents(cents.into()))
}

fn amount(amount: Option<&Amount>) -> Value {
    let cents = amount.map_or(0, |amount| i128::from(amount.high) << 64 | i128::from(amount.low));
    Value::text(Money::from_cents(cents))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_767_268_800_000_000; // 2026-01-01T12:00:00Z

    fn some(cents: i128) -> Option<Amount> {
        Some(Amount { low: cents as u64, high: (cents >> 64) as i64 })
    }

    fn classified() -> Fact {
        let receipt = Receipt {
            policy_version: 1,
            multiple: 3,
            quota: some(30_000),
            day_total_before: some(0),
            day_total_after: some(6_000),
            resets_at: NOON,
        };
        let order = OrderClassified {
            order_id: "o-1".into(),
            price: 6_000,
            profit: 5,
            completed_at: NOON,
            day: 20_454,
            cycle: Cycle::Quick.into(),
            settles_at: NOON,
            receipt: Some(receipt),
        };
        Fact { effective_at: NOON, kind: Some(Kind::OrderClassified(order)) }
    }

    fn settled() -> Fact {
        let income = Income { to_debt: some(1), to_gap: None, to_available: some(1 << 70) };
        let settled = ProfitSettled {
            settles_at: NOON,
            day: 20_452,
            cycle: Cycle::Standard.into(),
            orders: 2,
            income: Some(income),
        };
        Fact { effective_at: NOON, kind: Some(Kind::ProfitSettled(settled)) }
    }

    fn record(body: Option<Body>) -> Record {
        Record { recorded_at: NOON + 500_000, caller: String::new(), body }
    }

    fn of_merchant(facts: Vec<Fact>) -> Record {
        record(Some(Body::Merchant(MerchantFacts { merchant_id: "m-1".into(), facts })))
    }

    #[test]
    fn a_record_is_one_line() {
        assert_eq!(
            line(12, &of_merchant(vec![settled(), classified()])),
            "12 2026-01-01T12:00:00.500Z m-1 profit_settled effective_at=2026-01-01T12:00:00Z \
             settles_at=2026-01-01T12:00:00Z day=20452 cycle=T+7 orders=2 income.to_debt=0.01 income.to_gap=0.00 \
             income.to_available=11805916207174113034.24 | order_classified effective_at=2026-01-01T12:00:00Z \
             order_id=o-1 price=60.00 profit=0.05 completed_at=2026-01-01T12:00:00Z day=20454 cycle=T+2 \
             settles_at=2026-01-01T12:00:00Z receipt.policy_version=1 receipt.multiple=3 receipt.quota=300.00 \
             receipt.day_total_before=0.00 receipt.day_total_after=60.00 receipt.resets_at=2026-01-01T12:00:00Z"
        );
    }

    #[test]
    fn a_record_is_one_json_object() {
        let text = json(12, &of_merchant(vec![settled()])).to_string();
        assert_eq!(
            text,
            r#"{"lsn":12,"recorded_at":"2026-01-01T12:00:00.500Z","merchant_id":"m-1","facts":[{"fact":"profit_settled","effective_at":"2026-01-01T12:00:00Z","settles_at":"2026-01-01T12:00:00Z","day":20452,"cycle":"T+7","orders":2,"income":{"to_debt":"0.01","to_gap":"0.00","to_available":"11805916207174113034.24"}}]}"#
        );
    }

    #[test]
    fn a_policy_shows_its_rules() {
        use crate::proto::journal::{PolicySet, policy::Tier};
        let policy = Policy {
            base_multiple: 1,
            tiers: vec![Tier { above: 3_000_000, multiple: 10 }, Tier { above: 100_000, multiple: 3 }],
            quota_counts: QuotaCounts::All.into(),
            quota_basis: QuotaBasis::Frozen.into(),
            quick_days: 2,
            standard_days: 7,
            release_after: 7 * 86_400_000_000,
            max_lateness: 86_400_000_000,
            max_ahead: 5_000_000,
            ..Policy::default()
        };
        let set = PolicySet { version: 1, effective_at: NOON, policy: Some(policy), ..PolicySet::default() };
        assert_eq!(
            line(1, &record(Some(Body::PolicySet(set)))),
            "1 2026-01-01T12:00:00.500Z - policy_set version=1 effective_at=2026-01-01T12:00:00Z \
             policy.base_multiple=1 policy.tiers=30000.00:10,1000.00:3 policy.quota_counts=all \
             policy.quota_basis=frozen policy.day_start=0s policy.quick_days=2 policy.standard_days=7 \
             policy.release_after=7days policy.max_lateness=1day policy.max_ahead=5s"
        );
    }

    #[test]
    fn negative_amounts_of_128_bits_are_read() {
        assert_eq!(amount(some(-150).as_ref()), Value::text("-1.50"));
    }

    #[test]
    fn what_a_newer_release_wrote_is_said_to_be_unknown() {
        let unknown = Fact { effective_at: NOON, kind: None };
        assert!(line(3, &of_merchant(vec![unknown])).contains(" m-1 unknown_to_this_release effective_at="));
        assert!(line(4, &record(None)).ends_with(" - unknown_to_this_release"));
    }

    #[test]
    fn who_asked_is_shown_and_whom_it_concerns_is_known() {
        let record = Record { caller: "ops".into(), ..of_merchant(vec![]) };
        assert_eq!(line(5, &record), "5 2026-01-01T12:00:00.500Z caller=ops m-1");
        assert!(concerns(&record, "m-1") && !concerns(&record, "m-2"));
    }
}
