//! Money paid out early against what stands behind it.

use std::cmp::Reverse;

use tonic::Status;

use super::{Past, blocking};
use crate::{
    domain::{MerchantId, Money},
    engine::View,
    grpc::convert,
    proto::v1,
};

/// How many merchants are looked at before others get their turn.
const STEP: usize = 1_000;

/// What is settled quickly, what stands behind it, and what of it is uncovered.
#[derive(Clone, Copy, Default)]
struct Risk {
    quick_settled: Money,
    covered_by: Money,
    uncovered: Money,
}

impl Risk {
    fn of(quick_settled: Money, view: &View) -> Self {
        let covered_by = view.merchant.frozen() + view.merchant.releasing();
        Self { quick_settled, covered_by, uncovered: quick_settled.less_at_most(covered_by) }
    }

    fn add(&mut self, other: Self) {
        self.quick_settled += other.quick_settled;
        self.covered_by += other.covered_by;
        self.uncovered += other.uncovered;
    }

    fn shown(self) -> v1::Exposure {
        convert::exposure(self.quick_settled, self.covered_by, self.uncovered)
    }
}

impl Past {
    pub(in crate::grpc) async fn exposure(
        &self,
        request: &v1::GetExposureRequest,
    ) -> Result<v1::GetExposureResponse, Status> {
        let wanted = convert::exposure_wanted(request)?;
        let (now, reader) = match &wanted.merchant {
            Some(merchant) => self.of(merchant).await?,
            None => self.of_all().await?,
        };
        let (_, policies) = self.engine.policies().await.map_err(convert::failed)?;
        let from_day = policies.day_of(now.before(wanted.window));
        let one = wanted.merchant.clone();
        let quick = blocking(move || reader.quick_settled(from_day, one.as_ref())).await?;
        let (mut total, mut worst) = (Risk::default(), Worst::new(wanted.worst));
        for step in quick.chunks(STEP) {
            let ids: Vec<_> = step.iter().map(|(id, _)| id.clone()).collect();
            let views = self.engine.views(&ids, |_, view| view.clone()).await.map_err(convert::failed)?;
            for ((id, amount), view) in step.iter().zip(views) {
                let Some(view) = view else { continue };
                let risk = Risk::of(*amount, &view);
                total.add(risk);
                worst.offer(id, risk);
            }
        }
        Ok(v1::GetExposureResponse {
            as_of: Some(convert::timestamp(now)),
            from_day: convert::written_date(from_day),
            total: Some(total.shown()),
            merchants: quick.len() as u64,
            worst: worst.shown(),
        })
    }
}

/// The merchants with the largest uncovered amount, worst first; among equals the smallest id first.
struct Worst {
    most: usize,
    merchants: Vec<(MerchantId, Risk)>,
}

impl Worst {
    const fn new(most: usize) -> Self {
        Self { most, merchants: Vec::new() }
    }

    fn offer(&mut self, id: &MerchantId, risk: Risk) {
        let order = |(id, risk): &(MerchantId, Risk)| (Reverse(risk.uncovered), id.clone());
        let new = (id.clone(), risk);
        let place = self.merchants.partition_point(|other| order(other) < order(&new));
        if place < self.most {
            self.merchants.insert(place, new);
            self.merchants.truncate(self.most);
        }
    }

    fn shown(&self) -> Vec<v1::MerchantExposure> {
        self.merchants.iter().map(|(id, risk)| convert::merchant_exposure(id, risk.shown())).collect()
    }
}
