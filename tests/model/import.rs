//! A merchant that comes with what it brings from elsewhere.

use std::collections::BTreeSet;

use super::answers::{Classified, Imported, ModelAnswer};
use super::api::{Cycle, ImportRequest, ImportedOrder, ModelRefusal, Request};
use super::ledger::{Counter, Fact, Kind};
use super::merchant::{Bulk, ModelMerchant, Order};
use super::plain::{cents, is_id, money};
use super::{Common, LARGEST_GUARANTEE, Model, check, given, malformed, positive};

/// As much as an import may list.
const MOST_RELEASES: usize = 1_000;
const MOST_ORDERS: usize = 10_000;

/// What an import says, read and found to be consistent.
struct Brought {
    historical: i128,
    available: i128,
    debt: i128,
    guarantee: i128,
    frozen: i128,
    releasing: Vec<(i128, i64)>,
    pending: Vec<(i64, Cycle, u64, i128)>,
    orders: Vec<BroughtOrder>,
}

struct BroughtOrder {
    id: String,
    price: i128,
    profit: i128,
    completed_at: i64,
    cycle: Cycle,
    settles_at: i64,
}

impl Model {
    pub fn import(&mut self, request: &ImportRequest) -> Result<ModelAnswer, ModelRefusal> {
        let brought = read(request)?;
        let common = Common::of(&request.merchant_id, &request.request_id, request.validate_only, request.not_after);
        self.once(common, Request::Import(request.clone()), true, |model, merchant| {
            check(!model.merchants.contains_key(&request.merchant_id), ModelRefusal::MerchantExists)?;
            let max = model.policy().max_guarantee;
            check(max.is_none_or(|max| request.guarantee <= max), ModelRefusal::GuaranteeAboveMaximum)?;
            let most = model.limits.releases.min(MOST_RELEASES);
            check(brought.releasing.len() <= most, ModelRefusal::TooManyImported { field: "releasing" })?;
            check(brought.orders.len() <= MOST_ORDERS, ModelRefusal::TooManyImported { field: "orders" })?;
            let ahead = model.now + model.policy().max_ahead;
            let early = brought.orders.iter().all(|order| order.completed_at <= ahead);
            check(early, ModelRefusal::Untimely { field: "orders" })?;
            // It includes the profit of the listed orders that have settled.
            let settled = brought.orders.iter().filter(|order| order.settles_at <= model.now);
            let settled: i128 = settled.map(|order| order.profit).sum();
            check(settled <= brought.historical, malformed("historical_profit"))?;
            Ok(ModelAnswer::Imported(model.bring(merchant, &brought, &request.request_id)))
        })
    }

    fn bring(&self, merchant: &mut ModelMerchant, brought: &Brought, request_id: &str) -> Imported {
        let version = self.version();
        merchant.imported_profit = brought.historical;
        merchant.available = brought.available;
        merchant.debt = brought.debt;
        merchant.guarantee = brought.guarantee;
        merchant.frozen = brought.frozen;
        for (amount, due_at) in &brought.releasing {
            merchant.new_release(*amount, self.now, *due_at);
        }
        for (settles_at, cycle, orders, profit) in &brought.pending {
            // Nobody knows when these were completed: as many settlement days before as the cycle takes now.
            let days = match cycle {
                Cycle::Quick => version.policy.quick_days,
                Cycle::Standard => version.policy.standard_days,
            };
            let day = version.policy.day_of(*settles_at) - days;
            merchant.bulks.push(Bulk {
                day,
                cycle: *cycle,
                settles_at: *settles_at,
                orders: *orders,
                profit: *profit,
                settled: false,
            });
        }
        // The import is one entry, and each listed order one behind it; the receipt is that of the import.
        let receipt = self.receipt_of_today(merchant);
        let money_in = brought.frozen + merchant.releasing() + brought.available;
        let fact = Fact::new(Kind::MerchantImported, money_in, self.now).asked(request_id, &receipt);
        merchant.record(fact.flow(Counter::Imported, money_in - brought.debt), self.now);
        for order in &brought.orders {
            self.bring_order(merchant, order, &receipt);
            let last = merchant.orders.last().unwrap();
            let amount = if last.settled { 0 } else { last.profit };
            let mut fact = Fact::new(Kind::OrderImported, amount, order.completed_at).about(&order.id);
            fact.receipt = Some(receipt.clone());
            merchant.record(fact, self.now);
        }
        Imported {
            historical_profit: money(brought.historical),
            available: money(brought.available),
            multiple: version.policy.multiple(brought.historical),
            policy_version: version.version,
            imported_at: self.now,
            replayed: false,
            guarantee: money(brought.guarantee),
            frozen: money(brought.frozen),
            releasing: money(merchant.releasing()),
            pending: money(merchant.pending_profit()),
            debt: money(brought.debt),
            orders: brought.orders.len() as u64,
            receipt,
        }
    }

    fn bring_order(&self, merchant: &mut ModelMerchant, order: &BroughtOrder, receipt: &super::Receipt) {
        let calendar = self.policies.at(order.completed_at);
        let day = calendar.day_of(order.completed_at);
        merchant.orders.push(Order {
            id: order.id.clone(),
            price: order.price,
            profit: order.profit,
            completed_at: order.completed_at,
            day,
            cycle: order.cycle,
            settles_at: order.settles_at,
            settled: order.settles_at <= self.now,
            imported: true,
            reversed: 0,
            uncounted: 0,
            profit_reversed: 0,
            answer: Classified {
                cycle: order.cycle,
                settles_at: order.settles_at,
                completed_at: order.completed_at,
                replayed: false,
                receipt: receipt.clone(),
            },
            recorded_at: self.now,
            entry: merchant.next_entry(),
        });
    }
}

fn read(request: &ImportRequest) -> Result<Brought, ModelRefusal> {
    check(is_id(&request.merchant_id), malformed("merchant_id"))?;
    let amount = |text: &Option<String>, field| cents(given(text).unwrap_or("0")).ok_or(malformed(field));
    let historical = amount(&request.historical_profit, "historical_profit")?;
    let available = amount(&request.available, "available")?;
    check(is_id(&request.request_id), malformed("request_id"))?;
    let debt = amount(&request.debt, "debt")?;
    check(request.guarantee <= LARGEST_GUARANTEE, malformed("guarantee"))?;
    let guarantee = i128::from(request.guarantee) * 100;
    let frozen = amount(&request.frozen, "frozen")?;
    let mut releasing = Vec::new();
    for release in &request.releasing {
        let amount = positive(&release.amount, "releasing")?;
        releasing.push((amount, release.due_at.ok_or(malformed("releasing"))?));
    }
    let mut pending = Vec::new();
    for bulk in &request.pending {
        let bad = malformed("pending");
        let profit = cents(given(&Some(bulk.profit.clone())).unwrap_or("0")).ok_or(bad)?;
        check(bulk.orders >= 1, bad)?;
        pending.push((bulk.settles_at.ok_or(bad)?, bulk.cycle.ok_or(bad)?, bulk.orders, profit));
    }
    let orders: Vec<BroughtOrder> = request.orders.iter().map(read_order).collect::<Result<_, _>>()?;
    let ids: BTreeSet<&String> = orders.iter().map(|order| &order.id).collect();
    check(ids.len() == orders.len(), malformed("orders"))?;
    check(frozen <= guarantee, malformed("frozen"))?;
    check(available == 0 || (frozen == guarantee && debt == 0), malformed("available"))?;
    check(releasing.is_empty() || frozen == guarantee, malformed("releasing"))?;
    Ok(Brought { historical, available, debt, guarantee, frozen, releasing, pending, orders })
}

fn read_order(order: &ImportedOrder) -> Result<BroughtOrder, ModelRefusal> {
    let bad = malformed("orders");
    check(is_id(&order.order_id), bad)?;
    let price = positive(&order.price, "orders")?;
    let profit = given(&order.profit).map_or(Some(price), cents).ok_or(bad)?;
    check(profit <= price, bad)?;
    let (completed_at, settles_at) = (order.completed_at.ok_or(bad)?, order.settles_at.ok_or(bad)?);
    check(settles_at > completed_at, bad)?;
    let cycle = order.cycle.ok_or(bad)?;
    Ok(BroughtOrder { id: order.order_id.clone(), price, profit, completed_at, cycle, settles_at })
}
