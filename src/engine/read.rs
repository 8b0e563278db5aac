//! Looking at merchants: on a copy, with everything applied that has come due. A read writes nothing.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use super::{Engine, EngineError, Submitted, policies::Policies, time::Given};
use crate::{
    domain::{Margin, Merchant, MerchantId, Money, Rejection, Timeline, Timestamp, as_of},
    journal::{AppendError, Lsn},
};

/// A merchant as of now.
#[derive(Clone, Debug)]
pub struct View {
    /// The merchant, with everything applied that has come due.
    pub merchant: Merchant,
    /// Now.
    pub now: Timestamp,
    policies: Arc<Policies>,
}

impl View {
    /// All balances.
    pub fn margin(&self) -> Margin {
        self.merchant.margin(self.now, &self.policies.timeline)
    }

    /// The policies.
    pub fn policies(&self) -> &Timeline {
        &self.policies.timeline
    }
}

impl Engine {
    /// A merchant as of now.
    ///
    /// # Errors
    /// When the merchant was never opened, too much is in flight, or the journal has failed.
    pub async fn view(&self, merchant: &MerchantId) -> Result<View, EngineError> {
        let _permit = self.permit()?;
        self.once_durable(self.look_at(merchant)).await
    }

    /// The balances of a merchant as of now.
    ///
    /// # Errors
    /// As [`Engine::view`].
    pub async fn margin(&self, merchant: &MerchantId) -> Result<Margin, EngineError> {
        let _permit = self.permit()?;
        self.once_durable(self.read_margin(merchant)).await
    }

    /// The balances of a merchant as of now, not to be told before the journal is durable up to [`Submitted::rests_on`].
    pub fn read_margin(&self, merchant: &MerchantId) -> Submitted<Margin> {
        let Submitted { result, rests_on } = self.look_at(merchant);
        Submitted { result: result.map(|view| view.margin()), rests_on }
    }

    /// Looks at many merchants, each as of its own instant; those that were never opened are left out.
    ///
    /// # Errors
    /// When too much is in flight, or the journal has failed.
    pub async fn views<T>(
        &self,
        merchants: &[MerchantId],
        look: impl Fn(&MerchantId, &View) -> T,
    ) -> Result<Vec<Option<T>>, EngineError> {
        let _permit = self.permit()?;
        let mut rests_on = Lsn::ZERO;
        let mut seen = Vec::with_capacity(merchants.len());
        for merchant in merchants {
            let submitted = self.look_at(merchant);
            rests_on = rests_on.max(submitted.rests_on);
            seen.push(match submitted.result {
                Ok(view) => Some(look(merchant, &view)),
                Err(EngineError::Rejected(Rejection::MerchantNotFound)) => None,
                Err(error) => return Err(error),
            });
        }
        self.journal.wait_durable(rests_on).await?;
        Ok(seen)
    }

    /// The merchants for whom a measure is largest, largest first and among equals by id, and how large it is; those for whom it is 0 are left
    /// out. By what is recorded: what has come due and is not is not in it. Takes one shard after the other for as long as it takes to look at
    /// its merchants.
    ///
    /// # Errors
    /// When too much is in flight, or the journal has failed.
    pub async fn largest(
        self: &Arc<Self>,
        most: usize,
        measure: impl Fn(&Merchant) -> Money + Send + 'static,
    ) -> Result<Vec<(MerchantId, Money)>, EngineError> {
        let engine = Arc::clone(self);
        let look = tokio::task::spawn_blocking(move || {
            let mut largest = BinaryHeap::with_capacity(most + 1);
            for cell in &engine.merchants {
                let amount = measure(&cell.merchant);
                let beaten = || largest.peek().is_some_and(|Reverse((least, _))| amount < *least);
                if amount.is_zero() || (largest.len() == most && beaten()) {
                    continue;
                }
                largest.push(Reverse((amount, Reverse(cell.key().clone()))));
                if largest.len() > most {
                    largest.pop();
                }
            }
            largest.into_sorted_vec()
        });
        let largest = look.await.map_err(|error| EngineError::Unavailable { reason: error.to_string() })?;
        self.recorded().await?;
        Ok(largest.into_iter().map(|Reverse((amount, Reverse(id)))| (id, amount)).collect())
    }

    fn look_at(&self, merchant: &MerchantId) -> Submitted<View> {
        let _in_flight = self.time.in_flight();
        let cell = self.merchants.get(merchant);
        let Given { now, rests_on } = match self.time.now(&self.journal) {
            Ok(given) => given,
            Err(fault) => return Submitted { result: Err(fault.into()), rests_on: Lsn::ZERO },
        };
        let policies = self.policies.at(now);
        let rests_on = rests_on.max(policies.lsn).max(cell.as_ref().map_or(Lsn::ZERO, |cell| cell.lsn));
        let Some(copy) = cell.map(|cell| cell.merchant.clone()) else {
            return Submitted { result: Err(Rejection::MerchantNotFound.into()), rests_on };
        };
        let merchant = as_of(&copy, now, &policies.timeline).into_owned();
        Submitted { result: Ok(View { merchant, now, policies }), rests_on }
    }

    /// Up to where everything is recorded that was ever answered.
    ///
    /// # Errors
    /// When too much is in flight, or the journal has failed.
    pub async fn recorded(&self) -> Result<Lsn, EngineError> {
        let _permit = self.permit()?;
        let last = self.journal.last();
        self.journal.wait_durable(last).await?;
        Ok(last)
    }

    /// Records what is due for a merchant by now, so that its history is complete up to now; while the disk is full it is complete up
    /// to what could be recorded. Answers the time, and the position up to which the history has to have come.
    ///
    /// # Errors
    /// When the merchant was never opened, too much is in flight, or the journal has failed.
    pub async fn settled(&self, merchant: &MerchantId) -> Result<(Timestamp, Lsn), EngineError> {
        let _permit = self.permit()?;
        let submitted = self.settle(merchant);
        let position = submitted.rests_on;
        self.once_durable(submitted).await.map(|now| (now, position))
    }

    /// The same for all merchants.
    ///
    /// # Errors
    /// When too much is in flight, or the journal has failed.
    pub async fn all_settled(self: &Arc<Self>) -> Result<(Timestamp, Lsn), EngineError> {
        let _permit = self.permit()?;
        let engine = Arc::clone(self);
        let run = move || {
            let given = engine.time.now(&engine.journal)?;
            loop {
                match engine.run_due() {
                    Ok(0) | Err(AppendError::NoRoom) => break,
                    Ok(_) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok((given, engine.journal.last()))
        };
        let ran: Result<(Given, Lsn), EngineError> = match tokio::task::spawn_blocking(run).await {
            Ok(ran) => ran,
            Err(error) => Err(EngineError::Unavailable { reason: error.to_string() }),
        };
        let (given, last) = ran?;
        self.journal.wait_durable(last.max(given.rests_on)).await?;
        Ok((given.now, last))
    }
}
