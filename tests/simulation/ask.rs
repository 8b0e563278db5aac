//! Every request, asked of the services as the wire asks them.

use tonic::Status;
use tplus::{
    grpc::Services,
    proto::{
        orders::order_service_server::OrderService as _,
        v1::{
            self, clock_service_server::ClockService as _, dispute_service_server::DisputeService as _,
            guarantee_service_server::GuaranteeService as _, margin_service_server::MarginService as _,
            merchant_service_server::MerchantService as _, policy_service_server::PolicyService as _,
        },
    },
};

use crate::{
    approvals, chunk,
    model::{
        answers::{Commanded, Effect, ModelAnswer},
        api::{Action, Command, Request},
        reads::{Query, Told},
    },
    send::{self, admitted},
    wire::{self, instant, timestamp},
};

pub(crate) async fn ask(services: &Services, request: &Request) -> Result<ModelAnswer, Status> {
    Ok(match request {
        Request::Classify(order) => wire::classified(chunk::classify(services, send::classify(order)).await?),
        Request::Modify(change) => {
            wire::modified(services.modify_guarantee(admitted(send::modify(change))).await?.into_inner())
        }
        Request::Import(import) => {
            wire::imported(services.import_merchant(admitted(send::import(import))).await?.into_inner())
        }
        Request::Command(asked) => ModelAnswer::Commanded(command(services, asked).await?),
        Request::SetPolicy(policy) => {
            let answer = services.set_policy(admitted(send::set_policy(policy))).await?.into_inner();
            ModelAnswer::PolicySet { policy: wire::version(answer.policy), replayed: answer.replayed }
        }
        Request::Propose(request) => approvals::propose(services, request).await?,
        Request::Decide(request) => approvals::decide(services, request).await?,
        Request::Read { merchant_id } => {
            let request = v1::GetMarginRequest { merchant_id: merchant_id.clone(), as_of: None };
            ModelAnswer::Margin(wire::margin(services.get_margin(admitted(request)).await?.into_inner()))
        }
        Request::Ask(query) => ModelAnswer::Told(told(services, query).await?),
        Request::Advance { to } => {
            let request = v1::AdvanceClockRequest { to: Some(timestamp(*to)) };
            let answer = services.advance_clock(admitted(request)).await?.into_inner();
            ModelAnswer::Advanced { now: instant(answer.now) }
        }
        Request::Restart | Request::Checkpoint => ModelAnswer::Done,
    })
}

/// Asks for all proposals, so many at a time.
pub(crate) fn all_proposals(page_size: i32) -> Request {
    Request::Ask(Query::Proposals { merchant_id: String::new(), state: None, page_size })
}

async fn told(services: &Services, query: &Query) -> Result<Told, Status> {
    Ok(match query.clone() {
        Query::Forecast { merchant_id } => {
            let request = v1::GetCashForecastRequest { merchant_id };
            Told::Forecast(wire::forecast(services.get_cash_forecast(admitted(request)).await?.into_inner()))
        }
        Query::Quote { merchant_id, prices } => {
            let request = v1::QuoteGuaranteeRequest { merchant_id, prices };
            Told::Quote(wire::quote(services.quote_guarantee(admitted(request)).await?.into_inner()))
        }
        Query::Guarantees { merchant_ids } => {
            let request = v1::BatchGetGuaranteesRequest { merchant_ids };
            let answer = services.batch_get_guarantees(admitted(request)).await?.into_inner();
            let known = answer.guarantees.into_iter().map(|one| (one.merchant_id, one.guarantee)).collect();
            Told::Guarantees { known, unknown: answer.unknown_merchant_ids }
        }
        Query::Merchant { merchant_id } => {
            let request = v1::GetMerchantRequest { merchant_id };
            let answer = services.get_merchant(admitted(request)).await?.into_inner();
            Told::Merchant(wire::merchant(answer.merchant.expect("a merchant")))
        }
        Query::Policy { version } => {
            let answer = services.get_policy(admitted(v1::GetPolicyRequest { version })).await?.into_inner();
            Told::Policy { policy: wire::version(answer.policy), latest: answer.latest_version }
        }
        Query::Proposal { proposal_id } => Told::Proposals(vec![approvals::one(services, proposal_id).await?]),
        Query::Proposals { merchant_id, state, page_size } => {
            Told::Proposals(approvals::list(services, merchant_id, state, page_size).await?)
        }
        Query::History(history) => Told::Past(crate::history::past(services, history).await?),
    })
}

/// A message with fields of its own; those that all commands have come later.
macro_rules! more {
    ($request:ident { $($field:ident),* }) => { v1::$request { $($field,)* ..v1::$request::default() } };
}

/// Sends a message, and takes its answer apart: what was done, when, whether that was long ago, and the receipt.
macro_rules! call {
    ($services:ident, $command:ident, $method:ident, $more:ident, $at:ident, $effect:expr) => {{
        let mut request = $more;
        request.merchant_id = $command.merchant_id.clone();
        request.request_id = $command.request_id.clone();
        request.validate_only = $command.validate_only;
        request.not_after = $command.not_after.map(timestamp);
        let answer = $services.$method(admitted(request)).await?.into_inner();
        let (at, replayed, receipt) = (instant(answer.$at), answer.replayed, wire::receipt(answer.receipt.clone()));
        Commanded { effect: $effect(answer), at, replayed, receipt }
    }};
}

async fn command(services: &Services, command: &Command) -> Result<Commanded, Status> {
    Ok(match command.action.clone() {
        Action::ReverseOrder { order_id, amount, profit, reason } => {
            let profit = profit.unwrap_or_default();
            let effect = |answer: v1::ReverseOrderResponse| Effect::Reversed {
                profit: answer.profit,
                reversed: answer.reversed,
                profit_reversed: answer.profit_reversed,
                charge: answer.charge.map(wire::charge),
                uncounted: answer.uncounted,
            };
            let more = more! { ReverseOrderRequest { order_id, amount, profit, reason } };
            call!(services, command, reverse_order, more, reversed_at, effect)
        }
        Action::PayMargin { amount, reference } => {
            let effect = |answer: v1::PayMarginResponse| Effect::Paid { income: wire::income(answer.income) };
            let more = more! { PayMarginRequest { amount, reference } };
            call!(services, command, pay_margin, more, paid_at, effect)
        }
        Action::ReturnPayment { payment_id, reason } => {
            let effect = |answer: v1::ReturnPaymentResponse| Effect::Returned {
                amount: answer.amount,
                charge: wire::charge(answer.charge.expect("a charge")),
            };
            let more = more! { ReturnPaymentRequest { payment_id, reason } };
            call!(services, command, return_payment, more, returned_at, effect)
        }
        Action::Withdraw { amount, reference } => {
            let effect = |answer: v1::WithdrawResponse| Effect::Withdrawn { available: answer.available };
            let more = more! { WithdrawRequest { amount, reference } };
            call!(services, command, withdraw, more, withdrawn_at, effect)
        }
        Action::FailWithdrawal { withdrawal_id, reason } => {
            let effect = |answer: v1::FailWithdrawalResponse| Effect::Failed {
                amount: answer.amount,
                income: wire::income(answer.income),
            };
            let more = more! { FailWithdrawalRequest { withdrawal_id, reason } };
            call!(services, command, fail_withdrawal, more, failed_at, effect)
        }
        Action::AdjustBalance { direction, amount, reason, reference } => {
            use v1::adjust_balance_response::Effect as Adjusted;
            let direction = send::direction(direction);
            let effect = |answer: v1::AdjustBalanceResponse| match answer.effect.expect("an effect") {
                Adjusted::Income(income) => Effect::Credited(wire::income(Some(income))),
                Adjusted::Charge(charge) => Effect::Debited(wire::charge(charge)),
            };
            let more = more! { AdjustBalanceRequest { direction, amount, reason, reference } };
            call!(services, command, adjust_balance, more, adjusted_at, effect)
        }
        Action::DeductMargin(deduct) => {
            let effect = |answer: v1::DeductMarginResponse| Effect::Deducted {
                split: wire::split(answer.split),
                refilled: answer.refilled,
                appeal_until: instant(answer.appeal_until),
            };
            let more = send::deduct(command, &deduct);
            call!(services, command, deduct_margin, more, deducted_at, effect)
        }
        Action::OpenAppeal { deduction_id, statement } => {
            let more = more! { OpenAppealRequest { deduction_id, statement } };
            call!(services, command, open_appeal, more, opened_at, |_| Effect::AppealOpened)
        }
        Action::ResolveAppeal { deduction_id, outcome, amount, reason } => {
            let (outcome, amount) = (send::outcome(outcome), amount.unwrap_or_default());
            let effect = |answer: v1::ResolveAppealResponse| Effect::AppealResolved {
                overturned: answer.overturned,
                income: wire::income(answer.income),
            };
            let more = more! { ResolveAppealRequest { deduction_id, outcome, amount, reason } };
            call!(services, command, resolve_appeal, more, resolved_at, effect)
        }
        Action::PlaceHold { reason } => {
            let more = more! { PlaceHoldRequest { reason } };
            call!(services, command, place_hold, more, placed_at, |_| Effect::HoldPlaced)
        }
        Action::LiftHold { hold_id, reason } => {
            let more = more! { LiftHoldRequest { hold_id, reason } };
            call!(services, command, lift_hold, more, lifted_at, |_| Effect::HoldLifted)
        }
        Action::SetCategories { categories } => {
            let effect = |answer: v1::SetCategoriesResponse| Effect::CategoriesSet {
                required_guarantee: answer.required_guarantee,
                shortfall: answer.shortfall,
            };
            let more = more! { SetCategoriesRequest { categories } };
            call!(services, command, set_categories, more, set_at, effect)
        }
        Action::CloseMerchant { reason } => {
            let effect = |answer: v1::CloseMerchantResponse| Effect::Closing {
                previous_guarantee: answer.previous_guarantee,
                release: answer.release.map(wire::release),
            };
            let more = more! { CloseMerchantRequest { reason } };
            call!(services, command, close_merchant, more, closing_at, effect)
        }
        Action::ReopenMerchant { reason } => {
            let more = more! { ReopenMerchantRequest { reason } };
            call!(services, command, reopen_merchant, more, reopened_at, |_| Effect::Reopened)
        }
    })
}
