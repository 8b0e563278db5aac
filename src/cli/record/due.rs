//! Facts that come about by themselves.

use serde_json::{Value, json};

use super::value::{amount, cycle, income, instant};
use crate::proto::journal::{
    MerchantClosed, ProfitSettled, ReleaseCompleted, WarningRaised,
    warning_raised::{Lasting, Warning},
};

pub(super) fn settled(settled: &ProfitSettled) -> Value {
    json!({
        "settles_at": instant(settled.settles_at),
        "day": settled.day,
        "cycle": cycle(settled.cycle()),
        "orders": settled.orders,
        "income": income(settled.income.as_ref()),
    })
}

pub(super) fn release(completed: &ReleaseCompleted) -> Value {
    json!({
        "release": completed.release,
        "due_at": instant(completed.due_at),
        "income": income(completed.income.as_ref()),
    })
}

pub(super) fn closed(closed: &MerchantClosed) -> Value {
    json!({ "policy_version": closed.policy_version })
}

pub(super) fn warning(raised: &WarningRaised) -> Value {
    let (mut gap, mut debt, mut quota_use) = (Value::Null, Value::Null, Value::Null);
    match &raised.warning {
        Some(Warning::Gap(it)) => gap = lasting(it),
        Some(Warning::Debt(it)) => debt = lasting(it),
        Some(Warning::QuotaUse(it)) => {
            quota_use = json!({ "day": it.day, "used": amount(it.used), "quota": amount(it.quota) });
        }
        None => {}
    }
    json!({ "gap": gap, "debt": debt, "quota_use": quota_use, "policy_version": raised.policy_version })
}

fn lasting(lasting: &Lasting) -> Value {
    json!({
        "since": instant(lasting.since),
        "due_at": instant(lasting.due_at),
        "amount": amount(lasting.amount),
    })
}
