//! Facts and balances in words.

use std::fmt::Write as _;

use crate::domain::{Charge, Event, Fact, GuaranteeChange, Income, Margin, Receipt, Stage, Warning};

pub(super) fn describe(event: &Event) -> String {
    let effect = match &event.fact {
        Fact::OrderClassified(order) => format!(
            "order {} {:?} settles {} ({})",
            order.order_id,
            order.cycle,
            order.settles_at,
            receipt(&order.receipt)
        ),
        Fact::OrderImported(fact) => {
            let order = &fact.order;
            let settled = if fact.settled { ", settled elsewhere" } else { "" };
            format!("imported order {} {:?} settles {}{settled}", order.order_id, order.cycle, order.settles_at)
        }
        Fact::OrderReversed(fact) => format!(
            "reversed {} of order {}: profit {}, {}, uncounted {}, reversed {} and {} by now ({})",
            fact.amount,
            fact.order_id,
            fact.profit,
            fact.charge.map_or("from pending".to_owned(), charge),
            fact.uncounted,
            fact.reversed,
            fact.profit_reversed,
            receipt(&fact.receipt)
        ),
        Fact::ProfitSettled(settled) => format!(
            "settled {} of {} {:?} orders: {}",
            settled.income.total(),
            settled.orders,
            settled.cycle,
            income(settled.income)
        ),
        Fact::GuaranteeModified(fact) => format!("guarantee {} ({})", change(&fact.change), receipt(&fact.receipt)),
        Fact::ClosingStarted(fact) => {
            format!("closing, guarantee {} ({})", change(&fact.change), receipt(&fact.receipt))
        }
        Fact::ReleaseCompleted(release) => {
            format!("released {} (number {}): {}", release.income.total(), release.number, income(release.income))
        }
        other => describe_other(other),
    };
    format!("{} {effect}", event.effective_at)
}

fn describe_other(fact: &Fact) -> String {
    match fact {
        Fact::MerchantImported(import) => format!(
            "imported historical profit {}, available {}, debt {}, guarantee {}, frozen {}, {} releases, {} pending, \
             {} orders, multiple {}",
            import.historical_profit,
            import.available,
            import.debt,
            import.guarantee,
            import.frozen,
            import.releasing.len(),
            import.pending.len(),
            import.orders.len(),
            import.receipt.multiple
        ),
        Fact::MarginPaid(fact) => format!("paid in {}: {}", fact.income.total(), income(fact.income)),
        Fact::PaymentReturned(fact) => format!("payment {} returned: {}", fact.payment_id, charge(fact.charge)),
        Fact::Withdrawn(fact) => format!("withdrew {}, available {}", fact.amount, fact.available),
        Fact::WithdrawalFailed(fact) => format!("withdrawal {} failed: {}", fact.withdrawal_id, income(fact.income)),
        Fact::BalanceAdjusted(fact) => {
            format!("{:?} {}: {}; {}", fact.direction, fact.amount(), income(fact.income), charge(fact.charge))
        }
        Fact::MarginDeducted(fact) => format!(
            "deducted {}: releasing {}, frozen {}, available {}, debt {}; refilled {}, appeal until {}",
            fact.split.total(),
            fact.split.from_releasing,
            fact.split.from_frozen,
            fact.split.from_available,
            fact.split.to_debt,
            fact.refilled,
            fact.appeal_until
        ),
        Fact::AppealOpened(fact) => format!("appeal against {}", fact.deduction_id),
        Fact::AppealResolved(fact) => format!(
            "appeal against {} {:?}: {} ({})",
            fact.deduction_id,
            fact.outcome,
            fact.income.total(),
            income(fact.income)
        ),
        Fact::HoldPlaced(fact) => format!("held by {}", fact.request_id),
        Fact::HoldLifted(fact) => format!("hold {} lifted", fact.hold_id),
        Fact::CategoriesSet(fact) => {
            format!("{} categories require {}, shortfall {}", fact.categories.len(), fact.required, fact.shortfall)
        }
        Fact::MerchantClosed(_) => "closed".to_owned(),
        Fact::MerchantReopened(_) => "reopened".to_owned(),
        Fact::WarningRaised(fact) => format!("warning, {} (policy {})", warning(&fact.warning), fact.policy_version),
        _ => unreachable!("described before"),
    }
}

fn change(change: &GuaranteeChange) -> String {
    format!(
        "{} -> {}: from releasing {}, from available {}, releasing {} until {}, frozen {}, gap {}",
        change.previous,
        change.guarantee,
        change.from_releasing,
        change.from_available,
        change.released,
        change.release_due_at,
        change.frozen,
        change.guarantee.less_at_most(change.frozen)
    )
}

fn income(income: Income) -> String {
    format!("debt {}, gap {}, available {}", income.to_debt, income.to_gap, income.to_available)
}

fn charge(charge: Charge) -> String {
    format!("from available {}, debt {}", charge.from_available, charge.to_debt)
}

fn warning(warning: &Warning) -> String {
    match warning {
        Warning::Gap { since, due_at, amount } => format!("gap of {amount} since {since}, due {due_at}"),
        Warning::Debt { since, due_at, amount } => format!("debt of {amount} since {since}, due {due_at}"),
        Warning::QuotaUse { used, quota, .. } => format!("{used} of the quota of {quota} used"),
    }
}

fn receipt(receipt: &Receipt) -> String {
    format!(
        "multiple {}, quota {}, day {} -> {}, remaining {}, resets {}",
        receipt.multiple,
        receipt.quota,
        receipt.day_total_before,
        receipt.day_total_after,
        receipt.remaining(),
        receipt.resets_at
    )
}

pub(super) fn show(margin: &Margin) -> String {
    let mut output = format!(
        "guarantee {}, frozen {}, gap {}{}, available {}, debt {}{}, historical profit {}, multiple {}\n",
        margin.guarantee,
        margin.frozen,
        margin.gap,
        margin.gap_since.map(|since| format!(" since {since}")).unwrap_or_default(),
        margin.available,
        margin.debt,
        margin.debt_since.map(|since| format!(" since {since}")).unwrap_or_default(),
        margin.historical_profit,
        margin.multiple
    );
    let quota = &margin.quota;
    writeln!(
        output,
        "quota {}, used {} (quick {}), remaining {}, resets {}",
        quota.limit, quota.used.all, quota.used.quick, quota.remaining, quota.resets_at
    )
    .unwrap();
    for release in &margin.releasing {
        writeln!(output, "releasing {} due {}", release.amount, release.due_at).unwrap();
    }
    for of_day in &margin.pending {
        let pending = &of_day.pending;
        writeln!(
            output,
            "pending {} of {} {:?} orders settles {}",
            pending.profit, pending.orders, pending.cycle, pending.settles_at
        )
        .unwrap();
    }
    show_standing(&mut output, margin);
    output
}

fn show_standing(output: &mut String, margin: &Margin) {
    if margin.stage != Stage::Open {
        writeln!(output, "{:?}", margin.stage).unwrap();
    }
    if !margin.categories.is_empty() {
        writeln!(output, "categories require {}, shortfall {}", margin.required, margin.shortfall).unwrap();
    }
    for hold in &margin.holds {
        writeln!(output, "held by {} since {}", hold.id, hold.placed_at).unwrap();
    }
    if let Some(clean) = margin.clean_record {
        writeln!(output, "lowering from {}, open appeals {}", clean.from, clean.open_appeals).unwrap();
    }
}
