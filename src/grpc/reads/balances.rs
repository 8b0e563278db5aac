//! Balances of the past, of one merchant and of all.

use tonic::Status;

use super::{Past, blocking};
use crate::{
    domain::{Margin, MerchantId, Timestamp, as_of},
    grpc::convert,
    history::Clock,
    proto::v1,
};

impl Past {
    /// The balances of a merchant at a past instant, by one of the clocks: the facts up to it, and what was due by then.
    pub(in crate::grpc) async fn margin_as_of(
        &self,
        merchant: &MerchantId,
        clock: Clock,
        at: Timestamp,
    ) -> Result<Margin, Status> {
        let (now, reader) = self.of(merchant).await?;
        if at > now {
            return Err(convert::in_the_future("as_of", at, now));
        }
        let (_, policies) = self.engine.policies().await.map_err(convert::failed)?;
        // By the recorded clock nothing is known yet that was announced later.
        let policies = match clock {
            Clock::Effective => policies,
            Clock::Recorded => policies.announced_by(at),
        };
        let of = merchant.clone();
        let state = blocking(move || reader.as_of(&of, clock, at)).await?;
        let state = state.ok_or_else(|| convert::merchant_not_found(merchant))?;
        Ok(as_of(&state, at, &policies).margin(at, &policies))
    }

    pub(in crate::grpc) async fn trial_balance(
        &self,
        request: &v1::GetTrialBalanceRequest,
    ) -> Result<v1::GetTrialBalanceResponse, Status> {
        let (day, clock) = convert::trial_balance(request)?;
        let (now, reader) = self.of_all().await?;
        let (_, policies) = self.engine.policies().await.map_err(convert::failed)?;
        let today = policies.day_of(now);
        let day = day.unwrap_or(today);
        if day > today {
            return Err(convert::in_the_future("day", policies.calendar_at(now).start_of(day), now));
        }
        let sums = blocking(move || reader.day(clock, day)).await?;
        Ok(convert::sums(convert::written_date(day), &sums))
    }
}
