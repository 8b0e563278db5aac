//! Whether a request that is known already comes with the same content.

use super::api::{
    Action, Change, Command, Deduct, ImportRequest, ImportedOrder, ImportedPending, ImportedRelease, ModelRefusal,
    PolicyRequest, Request,
};
use super::plain::cents;
use super::{check, given};

/// Names the first field that differs, in the order of the fields of the API; `request_id` when it was another method.
pub fn check_same(known: &Request, asked: &Request) -> Result<(), ModelRefusal> {
    match (known, asked) {
        (Request::Modify(known), Request::Modify(asked)) => same([("guarantee", known.guarantee == asked.guarantee)]),
        (Request::Import(known), Request::Import(asked)) => same_import(known, asked),
        (Request::Command(known), Request::Command(asked)) => same_command(known, asked),
        _ => Err(ModelRefusal::Conflict { field: "request_id" }),
    }
}

/// Whether it is the same change that is proposed: all of it counts.
pub fn is_same_change(known: &Change, asked: &Change) -> bool {
    match (known, asked) {
        (Change::Command(known), Change::Command(asked)) => {
            let ids = |command: &Command| (command.merchant_id.clone(), command.request_id.clone());
            ids(known) == ids(asked) && same_command(known, asked).is_ok()
        }
        (Change::Policy(known), Change::Policy(asked)) => {
            // Who said nothing of the version got the latest one.
            let version = [0, known.expected_version].contains(&asked.expected_version);
            version && known.request_id == asked.request_id && same_policy(known, asked).is_ok()
        }
        _ => false,
    }
}

/// What version it expects is a condition, like its not_after, and no content.
pub fn same_policy(known: &PolicyRequest, asked: &PolicyRequest) -> Result<(), ModelRefusal> {
    same([
        ("policy", known.policy == asked.policy),
        ("effective_at", known.effective_at == asked.effective_at),
        ("reason", known.reason == asked.reason),
    ])
}

fn same<const N: usize>(fields: [(&'static str, bool); N]) -> Result<(), ModelRefusal> {
    fields.into_iter().try_for_each(|(field, same)| check(same, ModelRefusal::Conflict { field }))
}

/// Amounts compare as money; an absent one is 0.
fn money(text: &Option<String>) -> i128 {
    given(text).map_or(0, |text| cents(text).unwrap())
}

fn same_import(known: &ImportRequest, asked: &ImportRequest) -> Result<(), ModelRefusal> {
    let releases = |all: &[ImportedRelease]| -> Vec<_> {
        all.iter().map(|release| (cents(&release.amount), release.due_at)).collect()
    };
    let pending = |all: &[ImportedPending]| -> Vec<_> {
        let one =
            |bulk: &ImportedPending| (bulk.settles_at, bulk.cycle, bulk.orders, money(&Some(bulk.profit.clone())));
        all.iter().map(one).collect()
    };
    let orders = |all: &[ImportedOrder]| -> Vec<_> {
        let one = |order: &ImportedOrder| {
            let price = cents(&order.price);
            let profit = given(&order.profit).map_or(price, cents);
            (order.order_id.clone(), price, profit, order.completed_at, order.cycle, order.settles_at)
        };
        all.iter().map(one).collect()
    };
    same([
        ("historical_profit", money(&known.historical_profit) == money(&asked.historical_profit)),
        ("available", money(&known.available) == money(&asked.available)),
        ("debt", money(&known.debt) == money(&asked.debt)),
        ("guarantee", known.guarantee == asked.guarantee),
        ("frozen", money(&known.frozen) == money(&asked.frozen)),
        ("releasing", releases(&known.releasing) == releases(&asked.releasing)),
        ("pending", pending(&known.pending) == pending(&asked.pending)),
        ("orders", orders(&known.orders) == orders(&asked.orders)),
    ])
}

fn same_command(known: &Command, asked: &Command) -> Result<(), ModelRefusal> {
    let amounts = |one: &str, other: &str| cents(one) == cents(other);
    let optional = |one: &Option<String>, other: &Option<String>| given(one).map(cents) == given(other).map(cents);
    match (&known.action, &asked.action) {
        (
            Action::ReverseOrder { order_id, amount, profit, reason },
            Action::ReverseOrder { order_id: id, amount: a, profit: p, reason: r },
        ) => same([
            ("order_id", order_id == id),
            ("amount", amounts(amount, a)),
            ("profit", optional(profit, p)),
            ("reason", reason == r),
        ]),
        (Action::PayMargin { amount, reference }, Action::PayMargin { amount: a, reference: r })
        | (Action::Withdraw { amount, reference }, Action::Withdraw { amount: a, reference: r }) => {
            same([("amount", amounts(amount, a)), ("reference", reference == r)])
        }
        (Action::ReturnPayment { payment_id, reason }, Action::ReturnPayment { payment_id: id, reason: r }) => {
            same([("payment_id", payment_id == id), ("reason", reason == r)])
        }
        (Action::FailWithdrawal { withdrawal_id, reason }, Action::FailWithdrawal { withdrawal_id: id, reason: r }) => {
            same([("withdrawal_id", withdrawal_id == id), ("reason", reason == r)])
        }
        (
            Action::AdjustBalance { direction, amount, reason, reference },
            Action::AdjustBalance { direction: d, amount: a, reason: r, reference: f },
        ) => same([
            ("direction", direction == d),
            ("amount", amounts(amount, a)),
            ("reason", reason == r),
            ("reference", reference == f),
        ]),
        (Action::DeductMargin(known), Action::DeductMargin(asked)) => same_deduction(known, asked),
        (Action::OpenAppeal { deduction_id, statement }, Action::OpenAppeal { deduction_id: id, statement: s }) => {
            same([("deduction_id", deduction_id == id), ("statement", statement == s)])
        }
        (
            Action::ResolveAppeal { deduction_id, outcome, amount, reason },
            Action::ResolveAppeal { deduction_id: id, outcome: o, amount: a, reason: r },
        ) => same([
            ("deduction_id", deduction_id == id),
            ("outcome", outcome == o),
            ("amount", optional(amount, a)),
            ("reason", reason == r),
        ]),
        (Action::LiftHold { hold_id, reason }, Action::LiftHold { hold_id: id, reason: r }) => {
            same([("hold_id", hold_id == id), ("reason", reason == r)])
        }
        (Action::SetCategories { categories }, Action::SetCategories { categories: c }) => {
            same([("categories", categories == c)])
        }
        (Action::PlaceHold { reason }, Action::PlaceHold { reason: r })
        | (Action::CloseMerchant { reason }, Action::CloseMerchant { reason: r })
        | (Action::ReopenMerchant { reason }, Action::ReopenMerchant { reason: r }) => same([("reason", reason == r)]),
        _ => Err(ModelRefusal::Conflict { field: "request_id" }),
    }
}

fn same_deduction(known: &Deduct, asked: &Deduct) -> Result<(), ModelRefusal> {
    use super::api::About;
    let about = match (&known.about, &asked.about) {
        (Some(About::Order(_)), _) => "order_id",
        _ => "dispute",
    };
    same([
        ("amount", cents(&known.amount) == cents(&asked.amount)),
        ("reason", known.reason == asked.reason),
        (about, known.about == asked.about),
        ("beneficiary", known.beneficiary == asked.beneficiary),
        ("note", known.note == asked.note),
    ])
}
