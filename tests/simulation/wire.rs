//! From the messages of the API to the model's answers and refusals.

use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tplus::proto::v1;

use crate::model::{
    Basis, Counts, ModelPolicy,
    answers::{
        Classified, Imported, MerchantState, ModelAnswer, ModelMargin, Modified, Receipt, ShownCharge,
        ShownCleanRecord, ShownForecast, ShownForecastItem, ShownIncome, ShownLifetime, ShownMerchant,
        ShownNextMultiple, ShownPending, ShownQuota, ShownQuote, ShownRelease, ShownSplit,
    },
    api::{Cycle, ModelRefusal},
    plain::amount,
    policy::PolicyVersion,
};

/// A refusal as a client sees it: code, the fields it blames, and the reason.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    code: String,
    fields: Vec<String>,
    /// Nothing: any.
    reason: Option<String>,
}

impl PartialEq for Refusal {
    /// The model blames one field, or none; the server blames all that are to blame.
    fn eq(&self, other: &Self) -> bool {
        let reason = self.reason.is_none() || other.reason.is_none() || self.reason == other.reason;
        let within = |few: &[String], many: &[String]| few.iter().all(|field| many.contains(field));
        self.code == other.code
            && reason
            && (within(&self.fields, &other.fields) || within(&other.fields, &self.fields))
    }
}

impl From<ModelRefusal> for Refusal {
    fn from(refusal: ModelRefusal) -> Self {
        Self {
            code: refusal.code().into(),
            fields: refusal.field().map(str::to_owned).into_iter().collect(),
            reason: refusal.reason().map(str::to_owned),
        }
    }
}

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let reason = details.error_info().map(|info| info.reason.clone());
        assert!(reason.is_some(), "an error without a reason: {status:?}");
        let code = match status.code() {
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::NotFound => "NOT_FOUND",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::Aborted => "ABORTED",
            Code::OutOfRange => "OUT_OF_RANGE",
            other => panic!("{other:?} is no answer: {status:?}"),
        };
        let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
        // `orders[3].price` is about `orders`; what is proposed is looked into.
        let outermost = |field: String| {
            let proposed = ["deduct_margin.", "adjust_balance.", "set_policy."];
            let within = proposed.iter().find_map(|change| field.strip_prefix(change)).unwrap_or(&field);
            within.split(['.', '[']).next().unwrap_or_default().to_owned()
        };
        let fields = violations.into_iter().map(|violation| outermost(violation.field)).collect();
        Self { code: code.into(), fields, reason }
    }
}

pub(crate) fn timestamp(micros: i64) -> prost_types::Timestamp {
    let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    prost_types::Timestamp { seconds, nanos: (rest * 1_000) as i32 }
}

pub(crate) fn instant(timestamp: Option<prost_types::Timestamp>) -> i64 {
    let timestamp = timestamp.expect("an instant");
    assert_eq!(timestamp.nanos % 1_000, 0, "finer than a microsecond");
    timestamp.seconds * 1_000_000 + i64::from(timestamp.nanos) / 1_000
}

pub(crate) fn classified(answer: v1::ClassifyOrderResponse) -> ModelAnswer {
    ModelAnswer::Classified(Classified {
        cycle: cycle(answer.cycle()),
        settles_at: instant(answer.settles_at),
        completed_at: instant(answer.completed_at),
        replayed: answer.replayed,
        receipt: receipt(answer.receipt),
    })
}

pub(crate) fn modified(answer: v1::ModifyGuaranteeResponse) -> ModelAnswer {
    ModelAnswer::Modified(Modified {
        guarantee: answer.guarantee,
        previous_guarantee: answer.previous_guarantee,
        frozen: answer.frozen,
        gap: answer.gap,
        available: answer.available,
        taken_from_releasing: answer.taken_from_releasing,
        taken_from_available: answer.taken_from_available,
        release: answer.release.map(release),
        modified_at: instant(answer.modified_at),
        replayed: answer.replayed,
        receipt: receipt(answer.receipt),
    })
}

pub(crate) fn imported(answer: v1::ImportMerchantResponse) -> ModelAnswer {
    ModelAnswer::Imported(Imported {
        historical_profit: answer.historical_profit,
        available: answer.available,
        multiple: answer.multiple,
        policy_version: answer.policy_version,
        imported_at: instant(answer.imported_at),
        replayed: answer.replayed,
        guarantee: answer.guarantee,
        frozen: answer.frozen,
        releasing: answer.releasing,
        pending: answer.pending,
        debt: answer.debt,
        orders: answer.orders,
        receipt: receipt(answer.receipt),
    })
}

pub(crate) fn margin(answer: v1::GetMarginResponse) -> ModelMargin {
    let state = merchant_state(answer.state());
    let quota = answer.quota.expect("a quota");
    let since = |since: Option<prost_types::Timestamp>| since.map(|since| instant(Some(since)));
    let hold = |hold: v1::StandingHold| (hold.hold_id, instant(hold.placed_at));
    ModelMargin {
        merchant_id: answer.merchant_id,
        as_of: instant(answer.as_of),
        guarantee: answer.guarantee,
        frozen: answer.frozen,
        gap: answer.gap,
        gap_since: since(answer.gap_since),
        releasing: answer.releasing.into_iter().map(release).collect(),
        releasing_total: answer.releasing_total,
        available: answer.available,
        pending: answer.pending.into_iter().map(pending).collect(),
        pending_total: answer.pending_total,
        debt: answer.debt,
        historical_profit: answer.historical_profit,
        multiple: answer.multiple,
        next_multiple: answer.next_multiple.map(|next| ShownNextMultiple {
            multiple: next.multiple,
            above: next.above,
            missing: next.missing,
        }),
        quota: ShownQuota {
            limit: quota.limit,
            limit_by_frozen: quota.limit_by_frozen,
            limit_by_guarantee: quota.limit_by_guarantee,
            used_all: quota.used_all,
            used_quick: quota.used_quick,
            remaining: quota.remaining,
            resets_at: instant(quota.resets_at),
            policy_version: quota.policy_version,
        },
        debt_since: since(answer.debt_since),
        categories: sorted(answer.categories),
        required_guarantee: answer.required_guarantee,
        shortfall: answer.shortfall,
        holds: answer.holds.into_iter().map(hold).collect(),
        clean_record: answer.clean_record.map(|record| ShownCleanRecord {
            possible_from: since(record.possible_from),
            open_appeals: record.open_appeals,
        }),
        state,
        lifetime: lifetime(answer.lifetime),
        entries: answer.entries,
    }
}

pub(crate) fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

pub(crate) fn merchant_state(state: v1::MerchantState) -> MerchantState {
    match state {
        v1::MerchantState::Open => MerchantState::Open,
        v1::MerchantState::Closing => MerchantState::Closing,
        v1::MerchantState::Closed => MerchantState::Closed,
        v1::MerchantState::Unspecified => panic!("no state"),
    }
}

pub(crate) fn lifetime(lifetime: Option<v1::Lifetime>) -> ShownLifetime {
    let lifetime = lifetime.expect("a lifetime");
    ShownLifetime {
        settled: lifetime.settled,
        imported: lifetime.imported,
        paid_in: lifetime.paid_in,
        credited: lifetime.credited,
        withdrawals_failed: lifetime.withdrawals_failed,
        overturned: lifetime.overturned,
        withdrawn: lifetime.withdrawn,
        deducted: lifetime.deducted,
        reversed: lifetime.reversed,
        payments_returned: lifetime.payments_returned,
        debited: lifetime.debited,
    }
}

pub(crate) fn income(income: Option<v1::Income>) -> ShownIncome {
    let income = income.expect("an income");
    ShownIncome { to_debt: income.to_debt, to_gap: income.to_gap, to_available: income.to_available }
}

pub(crate) fn charge(charge: v1::Charge) -> ShownCharge {
    ShownCharge { from_available: charge.from_available, to_debt: charge.to_debt }
}

pub(crate) fn split(split: Option<v1::DeductionSplit>) -> ShownSplit {
    let split = split.expect("a split");
    ShownSplit {
        from_releasing: split.from_releasing,
        from_frozen: split.from_frozen,
        from_available: split.from_available,
        to_debt: split.to_debt,
    }
}

pub(crate) fn merchant(merchant: v1::Merchant) -> ShownMerchant {
    ShownMerchant {
        state: merchant_state(merchant.state()),
        merchant_id: merchant.merchant_id,
        guarantee: merchant.guarantee,
        categories: sorted(merchant.categories),
        required_guarantee: merchant.required_guarantee,
        shortfall: merchant.shortfall,
        holds: merchant.holds,
        open_appeals: merchant.open_appeals,
        historical_profit: merchant.historical_profit,
        multiple: merchant.multiple,
        entries: merchant.entries,
    }
}

pub(crate) fn forecast(answer: v1::GetCashForecastResponse) -> ShownForecast {
    let item = |item: v1::ForecastItem| ShownForecastItem {
        due_at: instant(item.due_at),
        settles: match item.kind() {
            v1::EntryKind::ProfitSettled => true,
            v1::EntryKind::ReleaseCompleted => false,
            other => panic!("{other:?} is not foreseen"),
        },
        amount: item.amount,
        income: income(item.income),
        available: item.available,
    };
    ShownForecast {
        merchant_id: answer.merchant_id,
        as_of: instant(answer.as_of),
        available: answer.available,
        items: answer.items.into_iter().map(item).collect(),
        held: answer.held,
    }
}

pub(crate) fn quote(answer: v1::QuoteGuaranteeResponse) -> ShownQuote {
    ShownQuote {
        guarantee: answer.guarantee,
        with_it: answer.guarantee.map(|_| [answer.raise, answer.covered, answer.quota]),
        multiple: answer.multiple,
        day_total: answer.day_total,
        orders_total: answer.orders_total,
        resets_at: instant(answer.resets_at),
        policy_version: answer.policy_version,
        obstacle: !answer.obstacle.is_empty(),
    }
}

pub(crate) fn version(version: Option<v1::PolicyVersion>) -> PolicyVersion {
    let version = version.expect("a version");
    PolicyVersion {
        version: version.version,
        policy: policy(version.policy.expect("a policy")),
        effective_at: instant(version.effective_at),
        announced_at: instant(version.announced_at),
        request_id: version.request_id,
        reason: version.reason,
    }
}

pub(crate) fn policy(policy: v1::Policy) -> ModelPolicy {
    let duration = |duration: prost_types::Duration| duration.seconds * 1_000_000 + i64::from(duration.nanos) / 1_000;
    let needed = |given: Option<prost_types::Duration>| duration(given.expect("a duration"));
    ModelPolicy {
        base_multiple: policy.base_multiple,
        counts: match policy.quota_counts() {
            v1::QuotaCounts::All => Counts::All,
            v1::QuotaCounts::Quick => Counts::Quick,
            v1::QuotaCounts::Unspecified => panic!("nothing is counted"),
        },
        basis: match policy.quota_basis() {
            v1::QuotaBasis::Guarantee => Basis::Guarantee,
            v1::QuotaBasis::Frozen => Basis::Frozen,
            v1::QuotaBasis::Unspecified => panic!("no basis"),
        },
        tiers: {
            let tier = |tier: &v1::MultipleTier| (amount(&tier.above), tier.multiple);
            let mut tiers: Vec<_> = policy.tiers.iter().map(tier).collect();
            tiers.sort_unstable();
            tiers
        },
        day_start: needed(policy.day_start),
        quick_days: policy.quick_days.into(),
        standard_days: policy.standard_days.into(),
        release_after: needed(policy.release_after),
        max_guarantee: policy.max_guarantee,
        max_lateness: needed(policy.max_lateness),
        max_ahead: needed(policy.max_ahead),
        appeal_window: needed(policy.appeal_window),
        clean_record: policy.clean_record.map(duration),
        category_minimums: policy.category_minimums.into_iter().collect(),
        warn_gap_after: policy.warn_gap_after.map(duration),
        warn_debt_after: policy.warn_debt_after.map(duration),
        warn_quota_percent: policy.warn_quota_percent,
    }
}

fn pending(pending: v1::PendingSettlement) -> ShownPending {
    ShownPending {
        settles_at: instant(pending.settles_at),
        cycle: cycle(pending.cycle()),
        completed_day: instant(pending.completed_day),
        orders: pending.orders,
        profit: pending.profit,
    }
}

pub(crate) fn release(release: v1::Release) -> ShownRelease {
    ShownRelease {
        amount: release.amount,
        created_at: instant(release.created_at),
        due_at: instant(release.due_at),
        number: release.number,
    }
}

pub(crate) fn receipt(receipt: Option<v1::Receipt>) -> Receipt {
    let receipt = receipt.expect("a receipt");
    Receipt {
        policy_version: receipt.policy_version,
        multiple: receipt.multiple,
        quota: receipt.quota,
        day_total_before: receipt.day_total_before,
        day_total_after: receipt.day_total_after,
        remaining: receipt.remaining,
        resets_at: instant(receipt.resets_at),
    }
}

pub(crate) fn cycle(cycle: v1::SettlementCycle) -> Cycle {
    match cycle {
        v1::SettlementCycle::Quick => Cycle::Quick,
        v1::SettlementCycle::Standard => Cycle::Standard,
        v1::SettlementCycle::Unspecified => panic!("no cycle"),
    }
}
