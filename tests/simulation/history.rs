//! Questions that are answered from the history, and their answers. Lists are read page by page, and put together again.
#![allow(clippy::needless_update, reason = "one of the lists has no filter")]

use tonic::Status;
use tplus::{
    grpc::Services,
    proto::{
        orders::order_service_server::OrderService as _,
        v1::{
            self, dispute_service_server::DisputeService as _, guarantee_service_server::GuaranteeService as _,
            margin_service_server::MarginService as _, merchant_service_server::MerchantService as _,
            policy_service_server::PolicyService as _,
        },
    },
};

use crate::{
    model::{
        answers::{
            AppealState, MerchantState, OrderState, ReleaseState, ShownAppeal, ShownDeduction, ShownExposure,
            ShownHold, ShownOrder, ShownOrderHistory, ShownReleaseStatus, ShownStatement, ShownStatementLine,
            ShownTotals, ShownTrialBalance,
        },
        api::{About, Beneficiary},
        history::{FactClock, History, Past},
        ledger::{Balances, Entry, Kind},
        plain::date,
    },
    send::{admitted, duration},
    wire::{self, cycle, income, instant, receipt, release, timestamp},
};

/// Reads a list to its end: the pages after the first are asked for with their token alone.
macro_rules! pages {
    ($services:ident, $method:ident, $request:ident { $($field:ident: $value:expr),* $(,)? }, $size:expr, $items:ident, $of:expr) => {{
        let size = $size;
        let mut request = v1::$request { $($field: $value,)* page_size: size, ..Default::default() };
        let mut all = Vec::new();
        loop {
            let page = $services.$method(admitted(request)).await?.into_inner();
            let most = if size == 0 { 50 } else { size as usize };
            assert!(page.$items.len() <= most, "more than was asked for");
            all.extend(page.$items.into_iter().map($of));
            if page.next_page_token.is_empty() {
                break all;
            }
            request = v1::$request { page_size: size, page_token: page.next_page_token, ..Default::default() };
        }
    }};
}

/// Asks for one thing.
macro_rules! one {
    ($services:ident, $method:ident, $request:ident { $($field:ident),* }) => {
        $services.$method(admitted(v1::$request { $($field),* })).await?.into_inner()
    };
}

pub(crate) async fn past(services: &Services, asked: History) -> Result<Past, Status> {
    Ok(match asked {
        History::Margin { merchant_id, at, clock } => {
            use v1::as_of::Clock;
            let clock = match clock {
                FactClock::Effective => Clock::EffectiveAt(timestamp(at)),
                FactClock::Recorded => Clock::RecordedAt(timestamp(at)),
            };
            let as_of = Some(v1::AsOf { clock: Some(clock) });
            Past::Margin(wire::margin(one!(services, get_margin, GetMarginRequest { merchant_id, as_of })))
        }
        History::Entry { merchant_id, number } => {
            let answer = one!(services, get_margin_entry, GetMarginEntryRequest { merchant_id, number });
            Past::Entries(vec![entry(answer.entry.expect("an entry"))])
        }
        History::Entries { merchant_id, kinds, from, to, paging } => Past::Entries(pages!(
            services,
            list_margin_entries,
            ListMarginEntriesRequest {
                merchant_id: merchant_id,
                kinds: kinds.into_iter().map(|kind| kind as i32).collect(),
                from: from.map(timestamp),
                to: to.map(timestamp),
                newest_first: paging.newest_first,
            },
            paging.page_size,
            entries,
            entry
        )),
        History::Order { merchant_id, order_id } => {
            let answer = one!(services, get_order, GetOrderRequest { merchant_id, order_id });
            let reversals: Vec<Entry> = answer.reversals.into_iter().map(entry).collect();
            assert_eq!(answer.reversal_count, reversals.len() as u64);
            Past::Order(ShownOrderHistory { order: order(answer.order.expect("an order")), reversals })
        }
        History::Orders { merchant_id, from, to, paging } => Past::Orders(pages!(
            services,
            list_orders,
            ListOrdersRequest {
                merchant_id: merchant_id,
                settles_from: from.map(date).unwrap_or_default(),
                settles_to: to.map(date).unwrap_or_default(),
                newest_first: paging.newest_first,
            },
            paging.page_size,
            orders,
            order
        )),
        History::Deduction { merchant_id, deduction_id } => {
            let answer = one!(services, get_deduction, GetDeductionRequest { merchant_id, deduction_id });
            Past::Deductions(vec![deduction(answer.deduction.expect("a deduction"))])
        }
        History::Deductions { merchant_id, paging } => Past::Deductions(pages!(
            services,
            list_deductions,
            ListDeductionsRequest { merchant_id: merchant_id, newest_first: paging.newest_first },
            paging.page_size,
            deductions,
            deduction
        )),
        History::Appeal { merchant_id, deduction_id } => {
            let answer = one!(services, get_appeal, GetAppealRequest { merchant_id, deduction_id });
            Past::Appeals(vec![appeal(answer.appeal.expect("an appeal"))])
        }
        History::Appeals { merchant_id, state, paging } => Past::Appeals(pages!(
            services,
            list_appeals,
            ListAppealsRequest {
                merchant_id: merchant_id,
                state: state.map_or(0, |state| match state {
                    AppealState::Open => v1::AppealState::Open.into(),
                    AppealState::Upheld => v1::AppealState::Upheld.into(),
                    AppealState::Overturned => v1::AppealState::Overturned.into(),
                }),
                newest_first: paging.newest_first,
            },
            paging.page_size,
            appeals,
            appeal
        )),
        History::Hold { merchant_id, hold_id } => {
            let answer = one!(services, get_hold, GetHoldRequest { merchant_id, hold_id });
            Past::Holds(vec![hold(answer.hold.expect("a hold"))])
        }
        History::Holds { merchant_id, standing_only, paging } => Past::Holds(pages!(
            services,
            list_holds,
            ListHoldsRequest {
                merchant_id: merchant_id,
                standing_only: standing_only,
                newest_first: paging.newest_first,
            },
            paging.page_size,
            holds,
            hold
        )),
        History::Release { merchant_id, number } => {
            let answer = one!(services, get_release, GetReleaseRequest { merchant_id, number });
            Past::Releases(vec![release_status(answer.release.expect("a release"))])
        }
        History::Releases { merchant_id, state, paging } => Past::Releases(pages!(
            services,
            list_releases,
            ListReleasesRequest {
                merchant_id: merchant_id,
                state: state.map_or(0, |state| match state {
                    ReleaseState::Open => v1::ReleaseState::Open.into(),
                    ReleaseState::Completed => v1::ReleaseState::Completed.into(),
                    ReleaseState::Taken => v1::ReleaseState::Taken.into(),
                }),
                newest_first: paging.newest_first,
            },
            paging.page_size,
            releases,
            release_status
        )),
        History::Merchants { state, paging } => Past::Merchants(pages!(
            services,
            list_merchants,
            ListMerchantsRequest {
                state: state.map_or(0, |state| match state {
                    MerchantState::Open => v1::MerchantState::Open.into(),
                    MerchantState::Closing => v1::MerchantState::Closing.into(),
                    MerchantState::Closed => v1::MerchantState::Closed.into(),
                }),
            },
            paging.page_size,
            merchants,
            wire::merchant
        )),
        History::Policies { paging } => Past::Policies(pages!(
            services,
            list_policies,
            ListPoliciesRequest {},
            paging.page_size,
            policies,
            |policy| wire::version(Some(policy))
        )),
        History::Statement { merchant_id, day, paging } => {
            statement(services, merchant_id, date(day), paging.page_size).await?
        }
        History::TrialBalance { day, clock } => {
            let (day, clock) = (day.map(date).unwrap_or_default(), fact_clock(clock));
            trial_balance(one!(services, get_trial_balance, GetTrialBalanceRequest { day, clock }))
        }
        History::Exposure { window, merchant_id } => {
            let (dispute_window, worst) = (Some(duration(window)), 1_000);
            let merchant_id = merchant_id.unwrap_or_default();
            let answer = one!(services, get_exposure, GetExposureRequest { dispute_window, worst, merchant_id });
            let one = |one: v1::MerchantExposure| (one.merchant_id, exposure(one.exposure));
            Past::Exposure {
                from_day: answer.from_day,
                total: exposure(answer.total),
                merchants: answer.merchants,
                worst: answer.worst.into_iter().map(one).collect(),
            }
        }
    })
}

/// Every page tells the same lines and sums, and some of the orders.
async fn statement(services: &Services, merchant_id: String, day: String, page_size: i32) -> Result<Past, Status> {
    let mut request =
        v1::GetSettlementStatementRequest { merchant_id, date: day.clone(), page_size, page_token: String::new() };
    let mut orders = Vec::new();
    loop {
        let page = services.get_settlement_statement(admitted(request)).await?.into_inner();
        assert_eq!(page.date, day);
        orders.extend(page.orders.into_iter().map(order));
        if page.next_page_token.is_empty() {
            break Ok(Past::Statement(ShownStatement {
                lines: page.lines.into_iter().map(line).collect(),
                orders_settled: page.orders_settled,
                profit_settled: page.profit_settled,
                profit_pending: page.profit_pending,
                orders,
            }));
        }
        let page_token = page.next_page_token;
        request = v1::GetSettlementStatementRequest { page_size, page_token, ..Default::default() };
    }
}

fn fact_clock(clock: FactClock) -> i32 {
    match clock {
        FactClock::Effective => v1::FactClock::Effective.into(),
        FactClock::Recorded => v1::FactClock::Recorded.into(),
    }
}

fn trial_balance(answer: v1::GetTrialBalanceResponse) -> Past {
    let totals = |totals: Option<v1::BalanceTotals>| {
        let totals = totals.expect("totals");
        ShownTotals {
            frozen: totals.frozen,
            releasing: totals.releasing,
            available: totals.available,
            debt: totals.debt,
            held: totals.held,
            pending: totals.pending,
        }
    };
    assert_eq!(answer.difference, "0.00");
    Past::TrialBalance(ShownTrialBalance {
        day: answer.day,
        merchants: answer.merchants,
        opening: totals(answer.opening),
        flows: wire::lifetime(answer.flows),
        closing: totals(answer.closing),
        flows_to_date: wire::lifetime(answer.flows_to_date),
    })
}

fn exposure(exposure: Option<v1::Exposure>) -> ShownExposure {
    let exposure = exposure.expect("an exposure");
    ShownExposure {
        quick_settled: exposure.quick_settled,
        covered_by: exposure.covered_by,
        uncovered: exposure.uncovered,
    }
}

fn line(line: v1::StatementLine) -> ShownStatementLine {
    ShownStatementLine {
        cycle: cycle(line.cycle()),
        completed_day: instant(line.completed_day),
        orders: line.orders,
        profit: line.profit,
        income: income(line.income),
        settled_at: instant(line.settled_at),
        entry: line.entry,
    }
}

fn entry(entry: v1::MarginEntry) -> Entry {
    let kind = kind(entry.kind);
    let balances = entry.balances.expect("balances");
    assert!(!entry.position.is_empty(), "no position");
    Entry {
        number: entry.number,
        kind,
        amount: entry.amount,
        balances: Balances {
            guarantee: balances.guarantee,
            frozen: balances.frozen,
            gap: balances.gap,
            releasing: balances.releasing,
            available: balances.available,
            pending: balances.pending,
            debt: balances.debt,
            historical_profit: balances.historical_profit,
        },
        recorded_at: instant(entry.recorded_at),
        effective_at: instant(entry.effective_at),
        request_id: entry.request_id,
        subject_id: entry.subject_id,
        text: entry.text,
        receipt: entry.receipt.map(|told| receipt(Some(told))),
        caller: entry.caller,
    }
}

fn kind(number: i32) -> Kind {
    const ALL: [Kind; 23] = [
        Kind::OrderClassified,
        Kind::OrderImported,
        Kind::OrderReversed,
        Kind::ProfitSettled,
        Kind::GuaranteeModified,
        Kind::ReleaseCompleted,
        Kind::MerchantImported,
        Kind::MarginPaid,
        Kind::PaymentReturned,
        Kind::Withdrawn,
        Kind::WithdrawalFailed,
        Kind::Credited,
        Kind::Debited,
        Kind::MarginDeducted,
        Kind::AppealOpened,
        Kind::AppealResolved,
        Kind::HoldPlaced,
        Kind::HoldLifted,
        Kind::CategoriesSet,
        Kind::ClosingStarted,
        Kind::MerchantClosed,
        Kind::MerchantReopened,
        Kind::WarningRaised,
    ];
    ALL.into_iter().find(|kind| *kind as i32 == number).expect("a kind")
}

fn order(order: v1::Order) -> ShownOrder {
    ShownOrder {
        cycle: cycle(order.cycle()),
        state: match order.state() {
            v1::OrderState::Pending => OrderState::Pending,
            v1::OrderState::Settled => OrderState::Settled,
            v1::OrderState::Reversed => OrderState::Reversed,
            v1::OrderState::Unspecified => panic!("no state"),
        },
        merchant_id: order.merchant_id,
        order_id: order.order_id,
        price: order.price,
        profit: order.profit,
        completed_at: instant(order.completed_at),
        settles_at: instant(order.settles_at),
        reversed: order.reversed,
        profit_reversed: order.profit_reversed,
        imported: order.imported,
        receipt: receipt(order.receipt),
        recorded_at: instant(order.recorded_at),
        entry: order.entry,
    }
}

fn appeal_state(state: v1::AppealState) -> Option<AppealState> {
    match state {
        v1::AppealState::Unspecified => None,
        v1::AppealState::Open => Some(AppealState::Open),
        v1::AppealState::Upheld => Some(AppealState::Upheld),
        v1::AppealState::Overturned => Some(AppealState::Overturned),
    }
}

fn deduction(deduction: v1::Deduction) -> ShownDeduction {
    use v1::deduction::Reference;
    ShownDeduction {
        beneficiary: match deduction.beneficiary() {
            v1::Beneficiary::Buyer => Beneficiary::Buyer,
            v1::Beneficiary::Platform => Beneficiary::Platform,
            v1::Beneficiary::Unspecified => panic!("nobody gets it"),
        },
        appeal: appeal_state(deduction.appeal()),
        deduction_id: deduction.deduction_id,
        amount: deduction.amount,
        overturned: deduction.overturned,
        reason: deduction.reason,
        about: match deduction.reference.expect("a reference") {
            Reference::OrderId(order) => About::Order(order),
            Reference::Dispute(dispute) => About::Dispute(dispute),
        },
        note: deduction.note,
        split: wire::split(deduction.split),
        refilled: deduction.refilled,
        deducted_at: instant(deduction.deducted_at),
        appeal_until: instant(deduction.appeal_until),
        entry: deduction.entry,
    }
}

fn appeal(appeal: v1::Appeal) -> ShownAppeal {
    ShownAppeal {
        state: appeal_state(appeal.state()).expect("a state"),
        deduction_id: appeal.deduction_id,
        statement: appeal.statement,
        opened_at: instant(appeal.opened_at),
        resolved_at: appeal.resolved_at.map(|at| instant(Some(at))),
        reason: appeal.reason,
        deducted: appeal.deducted,
        overturned: appeal.overturned,
    }
}

fn hold(hold: v1::Hold) -> ShownHold {
    ShownHold {
        hold_id: hold.hold_id,
        reason: hold.reason,
        placed_at: instant(hold.placed_at),
        lifted_at: hold.lifted_at.map(|at| instant(Some(at))),
        lift_reason: hold.lift_reason,
    }
}

fn release_status(status: v1::ReleaseStatus) -> ShownReleaseStatus {
    ShownReleaseStatus {
        state: match status.state() {
            v1::ReleaseState::Open => ReleaseState::Open,
            v1::ReleaseState::Completed => ReleaseState::Completed,
            v1::ReleaseState::Taken => ReleaseState::Taken,
            v1::ReleaseState::Unspecified => panic!("no state"),
        },
        release: release(status.release.expect("a release")),
        original_amount: status.original_amount,
        held: status.held,
        ended_at: status.ended_at.map(|at| instant(Some(at))),
        entry: status.entry,
    }
}
