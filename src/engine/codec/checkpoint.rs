//! The state of a merchant.

use super::{
    Malformed, amount,
    fact::{decode_cycle, decode_id, encode_cycle},
    input, money,
};
use crate::{
    domain::{Day, DayTotals, Lifetime, Merchant, MerchantId, Pending, Release, Timestamp},
    journal::Lsn,
    proto::journal::{
        self as pb,
        checkpoint_merchant::{DayTotals as PbTotals, OpenRelease, PendingProfit},
    },
};

/// A merchant as it is written, with the position of the last record in its state.
pub(crate) fn encode_merchant(id: &MerchantId, merchant: &Merchant, lsn: Lsn) -> pb::CheckpointMerchant {
    pb::CheckpointMerchant {
        merchant_id: id.as_str().into(),
        lsn: lsn.get(),
        guarantee: merchant.guarantee.input_cents(),
        frozen: amount(merchant.frozen),
        gap_since: merchant.gap_since.map(Timestamp::micros),
        available: amount(merchant.available),
        debt: amount(merchant.debt),
        historical_profit: amount(merchant.historical_profit),
        releases: merchant.releases.iter().map(encode_release).collect(),
        releases_ever: merchant.releases_ever,
        pending: merchant.pending.iter().map(encode_pending).collect(),
        days: merchant.days.iter().map(encode_totals).collect(),
        last_effective_at: merchant.last_effective_at.unwrap_or_default().micros(),
        settled_lifetime: amount(merchant.lifetime.settled),
        imported_lifetime: amount(merchant.lifetime.imported),
    }
}

/// A merchant as it was written.
///
/// # Errors
/// When a field is missing or out of bounds.
pub(crate) fn decode_merchant(pb: pb::CheckpointMerchant) -> Result<(MerchantId, Merchant, Lsn), Malformed> {
    let merchant = Merchant {
        guarantee: input(pb.guarantee),
        frozen: money(pb.frozen),
        gap_since: pb.gap_since.map(Timestamp::from_micros),
        available: money(pb.available),
        debt: money(pb.debt),
        historical_profit: money(pb.historical_profit),
        releases: pb.releases.into_iter().map(decode_release).collect(),
        releases_ever: pb.releases_ever,
        pending: pb.pending.into_iter().map(decode_pending).collect::<Result<_, _>>()?,
        days: pb.days.into_iter().map(decode_totals).collect(),
        lifetime: Lifetime { settled: money(pb.settled_lifetime), imported: money(pb.imported_lifetime) },
        last_effective_at: Some(Timestamp::from_micros(pb.last_effective_at)),
    };
    Ok((decode_id(&pb.merchant_id)?, merchant, Lsn::new(pb.lsn)))
}

fn encode_release(release: &Release) -> OpenRelease {
    OpenRelease {
        number: release.number,
        amount: amount(release.amount),
        created_at: release.created_at.micros(),
        due_at: release.due_at.micros(),
    }
}

fn decode_release(release: OpenRelease) -> Release {
    Release {
        number: release.number,
        amount: money(release.amount),
        created_at: Timestamp::from_micros(release.created_at),
        due_at: Timestamp::from_micros(release.due_at),
    }
}

fn encode_pending(pending: &Pending) -> PendingProfit {
    PendingProfit {
        settles_at: pending.settles_at.micros(),
        day: pending.day.0,
        cycle: encode_cycle(pending.cycle).into(),
        orders: pending.orders,
        profit: amount(pending.profit),
    }
}

fn decode_pending(pending: PendingProfit) -> Result<Pending, Malformed> {
    Ok(Pending {
        settles_at: Timestamp::from_micros(pending.settles_at),
        day: Day(pending.day),
        cycle: decode_cycle(pending.cycle)?,
        orders: pending.orders,
        profit: money(pending.profit),
    })
}

fn encode_totals(totals: &DayTotals) -> PbTotals {
    PbTotals { day: totals.day.0, all: amount(totals.all), quick: amount(totals.quick) }
}

fn decode_totals(totals: PbTotals) -> DayTotals {
    DayTotals { day: Day(totals.day), all: money(totals.all), quick: money(totals.quick) }
}
