//! Orders, one by one and many at once.

use std::time::Duration;

use tonic::Code;

use super::{
    Client, Error,
    read::{cycle, instant, receipt, span, wire},
    retry::Tries,
};
use crate::{
    domain::{Cycle, Money, Receipt, Timestamp},
    proto::v1,
    reasons::Reason,
};

/// As many orders as a call may have.
pub(super) const MOST_ORDERS: usize = 8_192;

/// A completed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The merchant.
    pub merchant_id: String,
    /// The order, unique within the merchant.
    pub order_id: String,
    /// What the buyer paid.
    pub price: Money,
    /// What the merchant earns; none: the price.
    pub profit: Option<Money>,
    /// When it was completed; none: when the server gets to see it. Better said: a repeat then counts for the same day.
    pub completed_at: Option<Timestamp>,
}

impl Order {
    /// An order that is completed now and of which the merchant earns all.
    pub fn new(merchant_id: impl Into<String>, order_id: impl Into<String>, price: Money) -> Self {
        let (merchant_id, order_id) = (merchant_id.into(), order_id.into());
        Self { merchant_id, order_id, price, profit: None, completed_at: None }
    }

    /// What the merchant earns of it.
    #[must_use]
    pub fn profit(mut self, profit: Money) -> Self {
        self.profit = Some(profit);
        self
    }

    /// When it was completed.
    #[must_use]
    pub fn completed_at(mut self, completed_at: Timestamp) -> Self {
        self.completed_at = Some(completed_at);
        self
    }

    pub(super) fn one_of_many(&self) -> v1::CompletedOrder {
        v1::CompletedOrder {
            merchant_id: self.merchant_id.clone(),
            order_id: self.order_id.clone(),
            price: self.price.to_string(),
            profit: self.profit.map(|profit| profit.to_string()).unwrap_or_default(),
            completed_at: self.completed_at.map(wire),
        }
    }
}

/// The answer for an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    /// T+2 or T+7.
    pub cycle: Cycle,
    /// When the profit settles.
    pub settles_at: Timestamp,
    /// The completion time that was used.
    pub completed_at: Timestamp,
    /// The order was known already: this is the first answer again.
    pub replayed: bool,
    /// What the answer rested on.
    pub receipt: Receipt,
}

impl TryFrom<v1::ClassifyOrderResponse> for Classified {
    type Error = Error;

    fn try_from(answer: v1::ClassifyOrderResponse) -> Result<Self, Error> {
        Ok(Self {
            cycle: cycle(answer.cycle())?,
            settles_at: instant(answer.settles_at, "settles_at")?,
            completed_at: instant(answer.completed_at, "completed_at")?,
            replayed: answer.replayed,
            receipt: receipt(answer.receipt)?,
        })
    }
}

/// The answer for one of many orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// T+2 or T+7.
    pub cycle: Cycle,
    /// When the profit settles.
    pub settles_at: Timestamp,
    /// The order was known already: this is the first answer again.
    pub replayed: bool,
}

/// Why one of many orders has no answer. The others are not spoilt by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({reason})")]
pub struct Refusal {
    /// The status code that the order would have been answered with by itself.
    pub code: Code,
    /// Why, for programs: a name of [`crate::reasons`].
    pub reason: String,
    /// What happened, for people.
    pub message: String,
    /// The fields that are to blame.
    pub fields: Vec<String>,
    /// After which time it is worth sending the order again; none: it will be refused again while nothing else changes.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Whether this is why.
    pub fn is(&self, reason: Reason) -> bool {
        self.reason == reason.name
    }
}

pub(super) fn result(result: v1::OrderResult) -> Result<Result<Answer, Refusal>, Error> {
    if let Some(refusal) = result.refusal {
        return Ok(Err(Refusal {
            code: refusal.code.into(),
            reason: refusal.reason,
            message: refusal.message,
            fields: refusal.fields,
            retry_after: refusal.retry_after.map(span),
        }));
    }
    let settles_at = instant(result.settles_at, "results.settles_at")?;
    Ok(Ok(Answer { cycle: cycle(result.cycle())?, settles_at, replayed: result.replayed }))
}

impl Client {
    /// Asks whether a completed order settles on T+2 or T+7. The same order always gets the first answer again.
    ///
    /// # Errors
    /// When the order is refused, or there is no answer; see [`Client::call`].
    pub async fn classify(&self, order: &Order) -> Result<Classified, Error> {
        let v1::CompletedOrder { merchant_id, order_id, price, profit, completed_at } = order.one_of_many();
        let request =
            v1::ClassifyOrderRequest { merchant_id, order_id, price, profit, completed_at, ..Default::default() };
        self.call(request).await?.try_into()
    }

    /// The same for many orders, of any merchants, decided in this order: an answer or a refusal for each. Up to 8,192 share a
    /// call and a wait for the disk. Orders that the server had no room for are sent again behind the others, within the deadline.
    ///
    /// # Errors
    /// When there is no answer for a call, see [`Client::call`]. Orders that were answered before it are decided all the same; all of
    /// them can be sent again.
    pub async fn classify_many(&self, orders: &[Order]) -> Result<Vec<Result<Answer, Refusal>>, Error> {
        let mut results = Vec::with_capacity(orders.len());
        for chunk in orders.chunks(MOST_ORDERS) {
            results.extend(self.classify_chunk(chunk).await?);
        }
        Ok(results)
    }

    async fn classify_chunk(&self, orders: &[Order]) -> Result<Vec<Result<Answer, Refusal>>, Error> {
        let mut results = self.send_chunk(orders.iter()).await?;
        let mut tries = Tries::new(&self.shared.retry, self.deadline);
        loop {
            tries.begin();
            let in_vain =
                |result: &Result<Answer, Refusal>| result.as_ref().err().and_then(|refusal| refusal.retry_after);
            let Some(wait) = results.iter().filter_map(in_vain).max() else { return Ok(results) };
            // What is still refused then is told as it is.
            let Ok(wait) = tries.after(Error::no_room(wait), &self.shared.budget) else { return Ok(results) };
            tokio::time::sleep(wait).await;
            let again: Vec<usize> =
                (0..).zip(&results).filter(|(_, result)| in_vain(result).is_some()).map(|(at, _)| at).collect();
            let answers = self.send_chunk(again.iter().filter_map(|at| orders.get(*at))).await?;
            for (at, answer) in again.into_iter().zip(answers) {
                if let Some(result) = results.get_mut(at) {
                    *result = answer;
                }
            }
        }
    }

    async fn send_chunk(&self, orders: impl Iterator<Item = &Order>) -> Result<Vec<Result<Answer, Refusal>>, Error> {
        let orders: Vec<_> = orders.map(Order::one_of_many).collect();
        let asked = orders.len();
        let answer = self.call(v1::ClassifyOrdersRequest { orders, ..Default::default() }).await?;
        if answer.results.len() != asked {
            return Err(Error::malformed("results"));
        }
        answer.results.into_iter().map(result).collect()
    }
}
