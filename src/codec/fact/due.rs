//! What time alone brings about.

use super::{Malformed, decode_cycle, decode_income, encode_cycle, encode_income};
use crate::{
    codec::{amount, money, required},
    domain::{Day, Money, ProfitSettled, ReleaseCompleted, Timestamp, Warning, WarningRaised},
    proto::journal::{self as pb, warning_raised as raised},
};

pub(super) fn encode_settled(fact: &ProfitSettled) -> pb::ProfitSettled {
    pb::ProfitSettled {
        settles_at: fact.settles_at.micros(),
        day: fact.day.0,
        cycle: encode_cycle(fact.cycle).into(),
        orders: fact.orders,
        income: Some(encode_income(fact.income)),
    }
}

pub(super) fn decode_settled(fact: pb::ProfitSettled) -> Result<ProfitSettled, Malformed> {
    Ok(ProfitSettled {
        settles_at: Timestamp::from_micros(fact.settles_at),
        day: Day(fact.day),
        cycle: decode_cycle(fact.cycle)?,
        orders: fact.orders,
        income: decode_income(fact.income)?,
    })
}

pub(super) fn encode_released(fact: &ReleaseCompleted) -> pb::ReleaseCompleted {
    pb::ReleaseCompleted {
        release: fact.number,
        due_at: fact.due_at.micros(),
        income: Some(encode_income(fact.income)),
    }
}

pub(super) fn decode_released(fact: pb::ReleaseCompleted) -> Result<ReleaseCompleted, Malformed> {
    let income = decode_income(fact.income)?;
    Ok(ReleaseCompleted { number: fact.release, due_at: Timestamp::from_micros(fact.due_at), income })
}

pub(super) fn encode_warning(fact: &WarningRaised) -> pb::WarningRaised {
    let lasting = |since: Timestamp, due_at: Timestamp, it: Money| raised::Lasting {
        since: since.micros(),
        due_at: due_at.micros(),
        amount: amount(it),
    };
    let warning = match fact.warning {
        Warning::Gap { since, due_at, amount } => raised::Warning::Gap(lasting(since, due_at, amount)),
        Warning::Debt { since, due_at, amount } => raised::Warning::Debt(lasting(since, due_at, amount)),
        Warning::QuotaUse { day, used, quota } => {
            raised::Warning::QuotaUse(raised::QuotaUse { day: day.0, used: amount(used), quota: amount(quota) })
        }
    };
    pb::WarningRaised { warning: Some(warning), policy_version: fact.policy_version }
}

pub(super) fn decode_warning(fact: pb::WarningRaised) -> Result<WarningRaised, Malformed> {
    let at = Timestamp::from_micros;
    let warning = match required("warning", fact.warning)? {
        raised::Warning::Gap(gap) => {
            Warning::Gap { since: at(gap.since), due_at: at(gap.due_at), amount: money(gap.amount) }
        }
        raised::Warning::Debt(debt) => {
            Warning::Debt { since: at(debt.since), due_at: at(debt.due_at), amount: money(debt.amount) }
        }
        raised::Warning::QuotaUse(usage) => {
            Warning::QuotaUse { day: Day(usage.day), used: money(usage.used), quota: money(usage.quota) }
        }
    };
    Ok(WarningRaised { warning, policy_version: fact.policy_version })
}
