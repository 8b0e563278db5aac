//! The state of a merchant, and what is known of an earlier fact.

use super::{
    Malformed, amount,
    fact::{decode_id, decode_pending, encode_pending},
    input, money, required,
};
use crate::{
    domain::{
        Day, DayTotals, Deduction, Hold, Lasting, Lifetime, Merchant, MerchantId, Release, Stage, Standing, Timestamp,
    },
    journal::Lsn,
    proto::journal::{self as pb, checkpoint_merchant as parts, standing as stands},
};

/// A merchant as it is written, with the position of the last record in its state.
pub(crate) fn encode_merchant(id: &MerchantId, merchant: &Merchant, lsn: Lsn) -> pb::CheckpointMerchant {
    pb::CheckpointMerchant {
        merchant_id: id.as_str().into(),
        lsn: lsn.get(),
        facts: merchant.facts,
        guarantee: merchant.guarantee.input_cents(),
        frozen: amount(merchant.frozen),
        gap: encode_lasting(merchant.gap_standing),
        available: amount(merchant.available),
        debt: amount(merchant.debt),
        debt_standing: encode_lasting(merchant.debt_standing),
        historical_profit: amount(merchant.historical_profit),
        releases: merchant.releases.iter().map(encode_release).collect(),
        releases_ever: merchant.releases_ever,
        pending: merchant.pending.iter().map(encode_pending).collect(),
        days: merchant.days.iter().map(encode_totals).collect(),
        holds: merchant.holds.iter().map(encode_hold).collect(),
        deductions: merchant.deductions.iter().map(encode_deduction).collect(),
        last_standing_deduction: merchant.last_standing_deduction.map(Timestamp::micros),
        categories: merchant.categories.iter().map(|category| category.as_str().into()).collect(),
        stage: encode_stage(merchant.stage).into(),
        lifetime: Some(encode_lifetime(&merchant.lifetime)),
        last_effective_at: merchant.last_effective_at.unwrap_or_default().micros(),
    }
}

/// A merchant as it was written.
///
/// # Errors
/// When a field is missing or out of bounds.
pub(crate) fn decode_merchant(pb: pb::CheckpointMerchant) -> Result<(MerchantId, Merchant, Lsn), Malformed> {
    let merchant = Merchant {
        facts: pb.facts,
        guarantee: input(pb.guarantee),
        frozen: money(pb.frozen),
        gap_standing: decode_lasting(pb.gap),
        available: money(pb.available),
        debt: money(pb.debt),
        debt_standing: decode_lasting(pb.debt_standing),
        historical_profit: money(pb.historical_profit),
        releases: pb.releases.into_iter().map(decode_release).collect(),
        releases_ever: pb.releases_ever,
        pending: pb.pending.into_iter().map(decode_pending).collect::<Result<_, _>>()?,
        days: pb.days.into_iter().map(decode_totals).collect(),
        holds: pb.holds.into_iter().map(decode_hold).collect::<Result<_, _>>()?,
        deductions: pb.deductions.into_iter().map(decode_deduction).collect::<Result<_, _>>()?,
        last_standing_deduction: pb.last_standing_deduction.map(Timestamp::from_micros),
        categories: pb.categories.iter().map(|category| decode_id(category)).collect::<Result<_, _>>()?,
        stage: decode_stage(pb.stage)?,
        lifetime: Box::new(decode_lifetime(required("lifetime", pb.lifetime)?)),
        last_effective_at: Some(Timestamp::from_micros(pb.last_effective_at)),
    };
    Ok((decode_id(&pb.merchant_id)?, merchant, Lsn::new(pb.lsn)))
}

/// What has become of an earlier fact, as it is written; none: nothing.
pub(crate) fn encode_standing(standing: Standing) -> Option<pb::Standing> {
    let standing = match standing {
        Standing::Unchanged => return None,
        Standing::Reversed { amount: price, profit } => {
            stands::Standing::Reversed(stands::Reversed { amount: amount(price), profit: amount(profit) })
        }
        Standing::Undone => stands::Standing::Undone(true),
        Standing::Appealed => stands::Standing::Appealed(true),
        Standing::Resolved { overturned } => stands::Standing::Overturned(amount(overturned).unwrap_or_default()),
    };
    Some(pb::Standing { standing: Some(standing) })
}

/// What has become of an earlier fact, as it was written.
pub(crate) fn decode_standing(standing: Option<pb::Standing>) -> Standing {
    match standing.and_then(|standing| standing.standing) {
        None => Standing::Unchanged,
        Some(stands::Standing::Reversed(reversed)) => {
            Standing::Reversed { amount: money(reversed.amount), profit: money(reversed.profit) }
        }
        Some(stands::Standing::Undone(_)) => Standing::Undone,
        Some(stands::Standing::Appealed(_)) => Standing::Appealed,
        Some(stands::Standing::Overturned(overturned)) => Standing::Resolved { overturned: money(Some(overturned)) },
    }
}

fn encode_lasting(lasting: Lasting) -> Option<parts::Lasting> {
    lasting.since.map(|since| parts::Lasting { since: since.micros(), warned: lasting.warned })
}

fn decode_lasting(lasting: Option<parts::Lasting>) -> Lasting {
    lasting.map_or_else(Lasting::default, |lasting| Lasting {
        since: Some(Timestamp::from_micros(lasting.since)),
        warned: lasting.warned,
    })
}

fn encode_release(release: &Release) -> parts::OpenRelease {
    parts::OpenRelease {
        number: release.number,
        amount: amount(release.amount),
        created_at: release.created_at.micros(),
        due_at: release.due_at.micros(),
    }
}

fn decode_release(release: parts::OpenRelease) -> Release {
    Release {
        number: release.number,
        amount: money(release.amount),
        created_at: Timestamp::from_micros(release.created_at),
        due_at: Timestamp::from_micros(release.due_at),
    }
}

fn encode_totals(totals: &DayTotals) -> parts::DayTotals {
    parts::DayTotals { day: totals.day.0, all: amount(totals.all), quick: amount(totals.quick), warned: totals.warned }
}

fn decode_totals(totals: parts::DayTotals) -> DayTotals {
    DayTotals { day: Day(totals.day), all: money(totals.all), quick: money(totals.quick), warned: totals.warned }
}

fn encode_hold(hold: &Hold) -> parts::Hold {
    parts::Hold { hold_id: hold.id.as_str().into(), placed_at: hold.placed_at.micros() }
}

fn decode_hold(hold: parts::Hold) -> Result<Hold, Malformed> {
    Ok(Hold { id: decode_id(&hold.hold_id)?, placed_at: Timestamp::from_micros(hold.placed_at) })
}

fn encode_deduction(deduction: &Deduction) -> parts::Deduction {
    parts::Deduction {
        deduction_id: deduction.id.as_str().into(),
        deducted_at: deduction.deducted_at.micros(),
        appeal_until: deduction.appeal_until.micros(),
        appealed: deduction.appealed,
    }
}

fn decode_deduction(deduction: parts::Deduction) -> Result<Deduction, Malformed> {
    Ok(Deduction {
        id: decode_id(&deduction.deduction_id)?,
        deducted_at: Timestamp::from_micros(deduction.deducted_at),
        appeal_until: Timestamp::from_micros(deduction.appeal_until),
        appealed: deduction.appealed,
    })
}

const fn encode_stage(stage: Stage) -> parts::Stage {
    match stage {
        Stage::Open => parts::Stage::Unspecified,
        Stage::Closing => parts::Stage::Closing,
        Stage::Closed => parts::Stage::Closed,
    }
}

fn decode_stage(stage: i32) -> Result<Stage, Malformed> {
    match parts::Stage::try_from(stage) {
        Ok(parts::Stage::Unspecified) => Ok(Stage::Open),
        Ok(parts::Stage::Closing) => Ok(Stage::Closing),
        Ok(parts::Stage::Closed) => Ok(Stage::Closed),
        Err(_) => Err(Malformed(format!("stage {stage} is unknown"))),
    }
}

fn encode_lifetime(lifetime: &Lifetime) -> parts::Lifetime {
    parts::Lifetime {
        settled: amount(lifetime.settled),
        imported: amount(lifetime.imported),
        paid_in: amount(lifetime.paid_in),
        credited: amount(lifetime.credited),
        withdrawals_failed: amount(lifetime.withdrawals_failed),
        overturned: amount(lifetime.overturned),
        withdrawn: amount(lifetime.withdrawn),
        deducted: amount(lifetime.deducted),
        reversed: amount(lifetime.reversed),
        payments_returned: amount(lifetime.payments_returned),
        debited: amount(lifetime.debited),
    }
}

fn decode_lifetime(lifetime: parts::Lifetime) -> Lifetime {
    Lifetime {
        settled: money(lifetime.settled),
        imported: money(lifetime.imported),
        paid_in: money(lifetime.paid_in),
        credited: money(lifetime.credited),
        withdrawals_failed: money(lifetime.withdrawals_failed),
        overturned: money(lifetime.overturned),
        withdrawn: money(lifetime.withdrawn),
        deducted: money(lifetime.deducted),
        reversed: money(lifetime.reversed),
        payments_returned: money(lifetime.payments_returned),
        debited: money(lifetime.debited),
    }
}
