//! Requests sent again, as they were or with something changed, and requests with something wrong about their shape.

use super::api::{Action, ClassifyRequest, Command, ImportRequest, ModifyRequest, PolicyRequest, Request};
use super::plain::{cents, money};
use super::policy::Counts;
use super::trace::{Alteration, Executor, Flaw, merchant_name};

impl Executor {
    pub(super) fn repeat(&self, back: usize, alteration: Alteration) -> Request {
        if self.sent.is_empty() {
            return Request::Read { merchant_id: merchant_name(0) };
        }
        let earlier = &self.sent[self.sent.len() - 1 - back % self.sent.len()];
        match earlier.clone() {
            Request::Classify(request) => Request::Classify(self.altered_order(request, alteration)),
            Request::Modify(request) if alteration == Alteration::OtherMethod => Request::Import(ImportRequest {
                merchant_id: request.merchant_id,
                request_id: request.request_id,
                ..ImportRequest::default()
            }),
            Request::Import(request) if alteration == Alteration::OtherMethod => {
                let action = Action::PayMargin { amount: "1".into(), reference: String::new() };
                Request::Command(Command::new(&request.merchant_id, &request.request_id, action))
            }
            Request::Command(request) if alteration == Alteration::OtherMethod => {
                Request::Modify(ModifyRequest::new(&request.merchant_id, &request.request_id, 100))
            }
            Request::Modify(request) => Request::Modify(self.altered_modify(request, alteration)),
            Request::Command(request) => Request::Command(self.altered_command(request, alteration)),
            Request::SetPolicy(request) => Request::SetPolicy(self.altered_policy(request, alteration)),
            Request::Import(request) => Request::Import(self.altered_import(request, alteration)),
            Request::Propose(request) => self.altered_proposal(request, alteration),
            Request::Decide(request) => self.altered_decision(request, alteration),
            other => other,
        }
    }

    fn altered_order(&self, mut request: ClassifyRequest, alteration: Alteration) -> ClassifyRequest {
        let state = self.model.peek(&request.merchant_id);
        let known = state.orders.iter().find(|order| order.id == request.order_id);
        match alteration {
            Alteration::Spelling => {
                request.price = respelled(&request.price);
                request.profit = Some(request.profit.map_or(request.price.clone(), |profit| respelled(&profit)));
            }
            Alteration::Amount => {
                request.profit.get_or_insert(request.price.clone());
                request.price = one_cent_off(&request.price);
            }
            Alteration::OtherAmount => {
                request.profit = Some(one_cent_off(request.profit.as_ref().unwrap_or(&request.price)))
            }
            Alteration::OmitProfit => request.profit = None,
            Alteration::CompletedAt => {
                let used = known.map_or(self.model.now, |order| order.completed_at);
                request.completed_at = Some(request.completed_at.unwrap_or(used) + 1);
            }
            Alteration::OmitCompletedAt => request.completed_at = None,
            Alteration::AnsweredCompletedAt => request.completed_at = known.map(|order| order.completed_at),
            _ => alter_common(
                alteration,
                self.model.now,
                &mut request.merchant_id,
                &mut request.validate_only,
                &mut request.not_after,
            ),
        }
        request
    }

    fn altered_modify(&self, mut request: ModifyRequest, alteration: Alteration) -> ModifyRequest {
        match alteration {
            Alteration::Amount | Alteration::OtherAmount => {
                request.guarantee = request.guarantee.map(|dollars| dollars.max(1) - 1 + dollars % 2)
            }
            _ => alter_common(
                alteration,
                self.model.now,
                &mut request.merchant_id,
                &mut request.validate_only,
                &mut request.not_after,
            ),
        }
        request
    }

    fn altered_import(&self, mut request: ImportRequest, alteration: Alteration) -> ImportRequest {
        match alteration {
            Alteration::Spelling => {
                request.historical_profit = Some(respelled(&request.historical_profit.unwrap_or_default()));
                request.available = Some(respelled(&request.available.unwrap_or_default()));
            }
            Alteration::Amount => {
                request.historical_profit = Some(one_cent_off(&request.historical_profit.unwrap_or_default()));
            }
            Alteration::OtherAmount => request.debt = Some(one_cent_off(&request.debt.unwrap_or_default())),
            Alteration::OmitProfit | Alteration::AnsweredCompletedAt if !request.orders.is_empty() => {
                drop(request.orders.pop())
            }
            Alteration::CompletedAt if !request.releasing.is_empty() => drop(request.releasing.pop()),
            Alteration::OmitCompletedAt if !request.pending.is_empty() => drop(request.pending.pop()),
            Alteration::Subject => request.available = Some(one_cent_off(&request.available.unwrap_or_default())),
            _ => alter_common(
                alteration,
                self.model.now,
                &mut request.merchant_id,
                &mut request.validate_only,
                &mut request.not_after,
            ),
        }
        request
    }

    pub(super) fn altered_command(&self, mut request: Command, alteration: Alteration) -> Command {
        let alteration = match alteration {
            Alteration::OmitProfit | Alteration::CompletedAt => Alteration::OtherAmount,
            Alteration::OmitCompletedAt | Alteration::AnsweredCompletedAt => Alteration::Subject,
            same => same,
        };
        match alteration {
            Alteration::Spelling => request.action.amounts().into_iter().for_each(|text| *text = respelled(text)),
            Alteration::Amount => {
                request.action.amounts().into_iter().take(1).for_each(|text| *text = one_cent_off(text));
            }
            Alteration::OtherAmount => {
                request.action.texts().into_iter().take(1).for_each(|text| text.push('!'));
            }
            Alteration::Subject => {
                request.action.subjects().into_iter().take(1).for_each(|text| *text = format!("{text}0"));
            }
            _ => alter_common(
                alteration,
                self.model.now,
                &mut request.merchant_id,
                &mut request.validate_only,
                &mut request.not_after,
            ),
        }
        request
    }

    pub(super) fn altered_policy(&self, mut request: PolicyRequest, alteration: Alteration) -> PolicyRequest {
        match alteration {
            Alteration::Amount | Alteration::OtherMethod => {
                let counts = &mut request.policy.counts;
                *counts = if *counts == Counts::All { Counts::Quick } else { Counts::All };
            }
            Alteration::OtherAmount => request.reason.push('!'),
            Alteration::CompletedAt | Alteration::OmitCompletedAt => {
                request.effective_at = Some(request.effective_at.unwrap_or(self.model.now) + 1);
            }
            Alteration::Subject | Alteration::OtherMerchant => request.expected_version += 1,
            _ => {
                let mut nobody = merchant_name(0);
                let (only, after) = (&mut request.validate_only, &mut request.not_after);
                alter_common(alteration, self.model.now, &mut nobody, only, after);
            }
        }
        request
    }

    pub(super) fn malformed(&self, merchant: u8, flaw: &Flaw) -> Request {
        let name = merchant_name(merchant);
        let mut order = ClassifyRequest::new(&name, &self.fresh_order_id(), "10");
        let mut modify = ModifyRequest::new(&name, &self.fresh_request_id(), 100);
        let mut import = ImportRequest::new(&name, &self.fresh_request_id(), "0", "0");
        match flaw.clone() {
            Flaw::MerchantOfRead(text) => return Request::Read { merchant_id: text },
            Flaw::MerchantOfOrder(text) => order.merchant_id = text,
            Flaw::Order(text) => order.order_id = text,
            Flaw::Price(text) => order.price = text,
            Flaw::Profit(text) => order.profit = Some(text),
            Flaw::ProfitAbovePrice => order.profit = Some("10.01".into()),
            Flaw::MerchantOfModify(text) => modify.merchant_id = text,
            Flaw::RequestOfModify(text) => modify.request_id = text,
            Flaw::NoGuarantee => modify.guarantee = None,
            Flaw::Guarantee(dollars) => modify.guarantee = Some(dollars),
            Flaw::MerchantOfImport(text) => import.merchant_id = text,
            Flaw::RequestOfImport(text) => import.request_id = text,
            Flaw::HistoricalProfit(text) => import.historical_profit = Some(text),
            Flaw::Available(text) => import.available = Some(text),
            Flaw::Command(action, breakage) => {
                let action = action.resolve(&self.model.peek(&name));
                let mut command = Command::new(&name, &self.fresh_request_id(), action);
                breakage.apply_to(&mut command);
                return Request::Command(command);
            }
            Flaw::Policy(which) => {
                let mut policy = self.model.policy().clone();
                match which % 6 {
                    0 => policy.quick_days = policy.standard_days,
                    1 => policy.base_multiple = 0,
                    2 => policy.day_start = super::plain::DAY,
                    3 => policy.max_lateness = 7 * super::plain::DAY + 1_000_000,
                    4 => policy.warn_quota_percent = Some(101),
                    _ => policy.tiers = vec![(2, 3), (3, 3)],
                }
                return Request::SetPolicy(PolicyRequest::new(&self.fresh_request_id(), policy));
            }
        }
        match flaw {
            Flaw::MerchantOfModify(_) | Flaw::RequestOfModify(_) | Flaw::NoGuarantee | Flaw::Guarantee(_) => {
                Request::Modify(modify)
            }
            Flaw::MerchantOfImport(_) | Flaw::RequestOfImport(_) | Flaw::HistoricalProfit(_) | Flaw::Available(_) => {
                Request::Import(import)
            }
            _ => Request::Classify(order),
        }
    }
}

fn alter_common(
    alteration: Alteration,
    now: i64,
    merchant_id: &mut String,
    validate_only: &mut bool,
    not_after: &mut Option<i64>,
) {
    *validate_only = false; // a preview repeated like this becomes the first real request with its id
    match alteration {
        Alteration::OtherMerchant => *merchant_id = merchant_name(u8::from(*merchant_id == merchant_name(0))),
        Alteration::ValidateOnly => *validate_only = true,
        Alteration::NotAfterPassed => *not_after = Some(now - 1),
        _ => {}
    }
}

/// Another amount, a cent away.
fn one_cent_off(text: &str) -> String {
    let amount = cents(text).unwrap_or(0);
    money(if amount > 1 { amount - 1 } else { amount + 1 })
}

/// The same amount with all the zeros there can be.
fn respelled(text: &str) -> String {
    let amount = cents(text).unwrap_or(0);
    format!("{:012}.{:02}", amount / 100, amount % 100)
}
