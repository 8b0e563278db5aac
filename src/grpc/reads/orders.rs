//! Orders and statements.

use tonic::Status;

use super::Past;
use crate::{
    domain::{Fact, Thing},
    grpc::convert,
    history::{Clock, Entry, Order},
    proto::v1,
};

/// How many reversals are shown with an order.
const REVERSALS: usize = 1_000;

impl Past {
    pub(in crate::grpc) async fn get_order(
        &self,
        request: &v1::GetOrderRequest,
    ) -> Result<v1::GetOrderResponse, Status> {
        let (merchant, order_id) = convert::get_order(request)?;
        let (of, id) = (merchant.clone(), order_id.clone());
        let found = self.read(&merchant, move |reader, now| {
            let Some(found) = reader.order(&of, &id)? else { return Ok(None) };
            let (reversals, count) = reader.later(&of, found.entry.number, REVERSALS)?;
            Ok(convert::order(&found, now).map(|order| (order, reversals, count)))
        });
        let (order, reversals, reversal_count) =
            found.await?.ok_or_else(|| convert::not_there(Thing::Order, &merchant, order_id.as_str()))?;
        let reversals = reversals.iter().map(convert::entry).collect();
        Ok(v1::GetOrderResponse { order: Some(order), reversals, reversal_count })
    }

    pub(in crate::grpc) async fn list_orders(
        &self,
        request: &v1::ListOrdersRequest,
    ) -> Result<v1::ListOrdersResponse, Status> {
        let convert::Orders { list, from, to } = convert::list_orders(request)?;
        let after = convert::after_order(list.page.after.as_ref());
        let (of, order, size) = (list.merchant.clone(), list.order, list.page.size);
        let found = self.read(&list.merchant, move |reader, now| {
            let found = reader.orders(&of, from, to, order, after, size)?;
            let last = found.last().and_then(order_cursor);
            Ok((found.iter().filter_map(|found| convert::order(found, now)).collect::<Vec<_>>(), last))
        });
        let (orders, last) = found.await?;
        let next_page_token = list.page.next_token(orders.len(), last);
        Ok(v1::ListOrdersResponse { orders, next_page_token })
    }

    pub(in crate::grpc) async fn statement(
        &self,
        request: &v1::GetSettlementStatementRequest,
    ) -> Result<v1::GetSettlementStatementResponse, Status> {
        let convert::Statement { list, from, to } = convert::statement(request)?;
        let (_, policies) = self.engine.policies().await.map_err(convert::failed)?;
        let after = convert::after_order(list.page.after.as_ref());
        let (of, size) = (list.merchant.clone(), list.page.size);
        let read = self.read(&list.merchant, move |reader, now| {
            let settled = reader.settled(&of, from, to)?;
            let found = reader.orders(&of, Some(from), Some(to), Order::OldestFirst, after, size)?;
            let last = found.last().and_then(order_cursor);
            let orders = found.iter().filter_map(|found| convert::order(found, now)).collect();
            let state = reader.as_of(&of, Clock::Recorded, now)?.unwrap_or_default();
            Ok((settled, orders, last, state.pending_between(from, to)))
        });
        let (settled, orders, last, pending): (Vec<Entry>, Vec<v1::Order>, _, _) = read.await?;
        let lines = settled.iter().filter_map(|entry| {
            let Fact::ProfitSettled(fact) = &entry.event.fact else { return None };
            convert::statement_line(entry, policies.start_of(fact.day))
        });
        let next_page_token = list.page.next_token(orders.len(), last);
        Ok(v1::GetSettlementStatementResponse {
            merchant_id: list.merchant.to_string(),
            date: list.page.request.date.clone(),
            lines: lines.collect(),
            orders_settled: settled.iter().map(orders_of).sum(),
            profit_settled: settled.iter().map(profit_of).sum::<crate::domain::Money>().to_string(),
            profit_pending: pending.to_string(),
            orders,
            next_page_token,
        })
    }
}

fn order_cursor(found: &crate::history::Found) -> Option<convert::Cursor> {
    let terms = found.entry.event.fact.order()?;
    Some(convert::order_cursor(terms.settles_at, found.entry.number))
}

fn orders_of(entry: &Entry) -> u64 {
    match &entry.event.fact {
        Fact::ProfitSettled(fact) => fact.orders,
        _ => 0,
    }
}

fn profit_of(entry: &Entry) -> crate::domain::Money {
    match &entry.event.fact {
        Fact::ProfitSettled(fact) => fact.income.total(),
        _ => crate::domain::Money::ZERO,
    }
}
