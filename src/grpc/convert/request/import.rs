//! Merchants that come from elsewhere.

use tonic::Status;

use super::{Field, Fields, any_id};
use crate::{
    domain::{Cycle, ImportMerchant, ImportedOrder, ImportedRelease, Money, PendingToImport, RequestId, Timestamp},
    engine,
    proto::v1::{self, ImportMerchantRequest, SettlementCycle},
};

/// A merchant to be imported.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn import_merchant(request: &ImportMerchantRequest) -> Result<engine::Request<ImportMerchant>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let request_id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let command = request_id.or_else(any_id).map(|id| what_it_brings(&mut fields, request, id));
    if let Some(command) = command.as_ref().filter(|_| fields.all_good()) {
        // Fields that are bad by themselves would look as if they did not fit the others.
        command.misfits().for_each(|(field, reason)| fields.blame(field, reason));
    }
    fields.request(merchant, command, request.validate_only, not_after)
}

fn what_it_brings(fields: &mut Fields, request: &ImportMerchantRequest, request_id: RequestId) -> ImportMerchant {
    let mut amount = |field, text| fields.optional_amount(field, text).unwrap_or_default();
    ImportMerchant {
        request_id,
        historical_profit: amount("historical_profit", &request.historical_profit),
        available: amount("available", &request.available),
        debt: amount("debt", &request.debt),
        guarantee: Money::from_dollars(request.guarantee),
        frozen: amount("frozen", &request.frozen),
        releasing: items("releasing", &request.releasing, |item, given| release(fields, item, given)),
        pending: items("pending", &request.pending, |item, given| pending(fields, item, given)),
        orders: items("orders", &request.orders, |item, given| order(fields, item, given)),
    }
}

fn items<P, T>(list: &'static str, given: &[P], mut read: impl FnMut(Field, &P) -> Option<T>) -> Vec<T> {
    given.iter().enumerate().filter_map(|(index, given)| read(Field::item(list, index), given)).collect()
}

fn release(fields: &mut Fields, item: Field, given: &v1::ImportedRelease) -> Option<ImportedRelease> {
    let amount = fields.amount(item.dot("amount"), &given.amount);
    let due_at = fields.required_instant(item.dot("due_at"), given.due_at.as_ref());
    let release = ImportedRelease { amount: amount?, due_at: due_at.unwrap_or_default() };
    fields.judged_item(item, release.check());
    Some(release)
}

fn pending(fields: &mut Fields, item: Field, given: &v1::ImportedPending) -> Option<PendingToImport> {
    let settles_at = fields.required_instant(item.dot("settles_at"), given.settles_at.as_ref());
    let cycle = fields.choice(item.dot("cycle"), given.cycle, cycle);
    let profit = fields.optional_amount(item.dot("profit"), &given.profit).unwrap_or_default();
    let (settles_at, cycle) = (settles_at.unwrap_or_default(), cycle.unwrap_or(Cycle::Standard));
    let pending = PendingToImport { settles_at, cycle, orders: given.orders, profit };
    fields.judged_item(item, pending.check());
    Some(pending)
}

fn order(fields: &mut Fields, item: Field, given: &v1::ImportedOrder) -> Option<ImportedOrder> {
    let order_id = fields.id(item.dot("order_id"), &given.order_id);
    let price = fields.amount(item.dot("price"), &given.price);
    let profit = fields.optional_amount(item.dot("profit"), &given.profit);
    let completed_at = fields.required_instant(item.dot("completed_at"), given.completed_at.as_ref());
    let cycle = fields.choice(item.dot("cycle"), given.cycle, cycle);
    let settles_at = fields.required_instant(item.dot("settles_at"), given.settles_at.as_ref());
    // Instants that are bad have been blamed; these let the amounts be judged.
    let (completed_at, settles_at) = completed_at.zip(settles_at).unwrap_or((Timestamp::MIN, Timestamp::MAX));
    let (order_id, price) = (order_id.or_else(any_id)?, price?);
    let (profit, cycle) = (profit.unwrap_or(price), cycle.unwrap_or(Cycle::Standard));
    let order = ImportedOrder { order_id, price, profit, completed_at, cycle, settles_at };
    fields.judged_item(item, order.check());
    Some(order)
}

const fn cycle(cycle: SettlementCycle) -> Option<Cycle> {
    match cycle {
        SettlementCycle::Unspecified => None,
        SettlementCycle::Quick => Some(Cycle::Quick),
        SettlementCycle::Standard => Some(Cycle::Standard),
    }
}
