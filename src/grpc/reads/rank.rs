//! The largest merchants.

use std::cmp::Reverse;

use tonic::Status;

use super::Past;
use crate::{
    domain::{Day, Merchant, MerchantId, Money},
    grpc::convert,
    proto::v1::{self, MerchantMeasure},
};

impl Past {
    pub(in crate::grpc) async fn rank_merchants(
        &self,
        request: &v1::RankMerchantsRequest,
    ) -> Result<v1::RankMerchantsResponse, Status> {
        let (by, most) = convert::rank_wanted(request)?;
        let _alone = self
            .sharing
            .ranks
            .try_acquire()
            .map_err(|_| convert::busy("merchants are being ranked for another call"))?;
        let (now, policies) = self.engine.policies().await.map_err(convert::failed)?;
        let today = policies.day_of(now);
        let largest = self.engine.largest(most, move |merchant| measured(merchant, by, today)).await;
        let ids: Vec<MerchantId> = largest.map_err(convert::failed)?.into_iter().map(|(id, _)| id).collect();
        let look = self.engine.views(&ids, |id, view| {
            let today = view.policies().day_of(view.now);
            (measured(&view.merchant, by, today), convert::ranked_merchant(id, view))
        });
        let mut merchants: Vec<_> = look.await.map_err(convert::failed)?.into_iter().flatten().collect();
        // What has come due meanwhile, or at midnight, is in these.
        merchants.retain(|(amount, _)| !amount.is_zero());
        merchants.sort_by(|(one, its), (other, others)| {
            (Reverse(one), &its.merchant_id).cmp(&(Reverse(other), &others.merchant_id))
        });
        let merchants = merchants.into_iter().map(|(_, merchant)| merchant).collect();
        Ok(v1::RankMerchantsResponse { as_of: Some(convert::timestamp(now)), merchants })
    }
}

fn measured(merchant: &Merchant, by: MerchantMeasure, today: Day) -> Money {
    match by {
        MerchantMeasure::Unspecified | MerchantMeasure::DayTotal => merchant.totals(today).all,
        MerchantMeasure::Pending => merchant.pending(),
        MerchantMeasure::Guarantee => merchant.guarantee,
        MerchantMeasure::Gap => merchant.gap(),
        MerchantMeasure::Debt => merchant.debt,
    }
}
