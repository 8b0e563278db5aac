//! Commands, imports and questions of random histories, in terms of how a merchant stands, and how they become concrete.

use super::answers::AppealState;
use super::api::{
    About, Action, Beneficiary, Command, Cycle, Deduct, Direction, ImportRequest, ImportedOrder, ImportedPending,
    ImportedRelease, Outcome,
};
use super::merchant::{Appeal, Deduction, ModelMerchant, Transfer};
use super::plain::{DAY, cents, money};
use super::proposals::ProposalState;
use super::proposing::Which;
use super::reads::Query;
use super::trace::merchant_name;
use super::{Model, given};

#[derive(Debug, Clone)]
pub enum Move {
    Reverse { order: Pick, amount: Sum, profit: Option<Sum> },
    Pay(Sum),
    Return(Pick),
    Withdraw(Sum),
    Fail(Pick),
    Adjust { credit: bool, amount: Sum },
    Deduct { amount: Sum, reason: i32, about: Option<Pick>, buyer: bool },
    Appeal(Pick),
    Resolve { deduction: Pick, upheld: bool, amount: Option<Sum> },
    Hold,
    Lift(Pick),
    Categories(Vec<String>),
    Close,
    Reopen,
}

/// One of what a merchant has, counted backwards.
#[derive(Debug, Clone, Copy)]
pub enum Pick {
    Known(usize),
    /// Any request or order, of whatever kind.
    Any(usize),
}

/// An amount that means something for the merchant.
#[derive(Debug, Clone)]
pub enum Sum {
    Text(String),
    /// What is left of what it is about: of the price or the profit of an order, of a deduction; and this many cents.
    Left(i64),
    /// A third of that.
    Third,
    Available(i64),
    Debt(i64),
    Gap(i64),
    Frozen(i64),
    Releasing(i64),
    /// Frozen, releasing and available together.
    All(i64),
}

impl Pick {
    fn of<'a>(self, all: impl DoubleEndedIterator<Item = &'a String>) -> String {
        match self {
            Self::Any(number) => format!("id-{number}"),
            Self::Known(back) => {
                let all: Vec<&String> = all.rev().collect();
                if all.is_empty() { "nothing".into() } else { all[back % all.len()].clone() }
            }
        }
    }
}

/// Those that something can still be done about come last, so that they are picked most often.
fn actionable_last<'a>(all: impl Iterator<Item = (&'a String, bool)>) -> impl DoubleEndedIterator<Item = &'a String> {
    let mut all: Vec<(&String, bool)> = all.collect();
    all.sort_by_key(|(_, actionable)| *actionable);
    all.into_iter().map(|(id, _)| id)
}

impl Sum {
    fn text(&self, merchant: &ModelMerchant, left: i128) -> String {
        let (amount, more) = match self {
            Self::Text(text) => return text.clone(),
            Self::Left(more) => (left, *more),
            Self::Third => (left / 3, 0),
            Self::Available(more) => (merchant.available, *more),
            Self::Debt(more) => (merchant.debt, *more),
            Self::Gap(more) => (merchant.gap(), *more),
            Self::Frozen(more) => (merchant.frozen, *more),
            Self::Releasing(more) => (merchant.releasing(), *more),
            Self::All(more) => (merchant.frozen + merchant.releasing() + merchant.available, *more),
        };
        money((amount + i128::from(more)).clamp(1, cents("999999999999.99").unwrap()))
    }
}

impl Move {
    pub fn resolve<'a>(&self, merchant: &'a ModelMerchant) -> Action {
        let left = merchant.available;
        let transfer = |(id, transfer): (&'a String, &'a Transfer)| (id, !transfer.undone);
        let deductions = |actionable: fn(&Deduction) -> bool| {
            actionable_last(merchant.deductions.iter().map(move |deduction| (&deduction.id, actionable(deduction))))
        };
        match self {
            Self::Reverse { order, amount, profit } => {
                let order_id = order.of(merchant.orders.iter().map(|order| &order.id));
                let found = merchant.orders.iter().find(|order| order.id == order_id);
                let of_price = found.map_or(100, |order| order.price - order.reversed);
                let of_profit = found.map_or(100, |order| order.profit - order.profit_reversed);
                Action::ReverseOrder {
                    order_id,
                    amount: amount.text(merchant, of_price),
                    profit: profit.as_ref().map(|profit| profit.text(merchant, of_profit)),
                    reason: "sent back".into(),
                }
            }
            Self::Pay(amount) => {
                Action::PayMargin { amount: amount.text(merchant, left), reference: "transfer 7".into() }
            }
            Self::Return(payment) => Action::ReturnPayment {
                payment_id: payment.of(actionable_last(merchant.payments.iter().map(transfer))),
                reason: String::new(),
            },
            Self::Withdraw(amount) => {
                Action::Withdraw { amount: amount.text(merchant, left), reference: "payout 9".into() }
            }
            Self::Fail(withdrawal) => Action::FailWithdrawal {
                withdrawal_id: withdrawal.of(actionable_last(merchant.withdrawals.iter().map(transfer))),
                reason: "no such account".into(),
            },
            Self::Adjust { credit, amount } => Action::AdjustBalance {
                direction: Some(if *credit { Direction::Credit } else { Direction::Debit }),
                amount: amount.text(merchant, left),
                reason: "by hand".into(),
                reference: String::new(),
            },
            Self::Deduct { amount, reason, about, buyer } => {
                let all = merchant.frozen + merchant.releasing() + merchant.available;
                let order = |pick: &Pick| About::Order(pick.of(merchant.orders.iter().map(|order| &order.id)));
                Action::DeductMargin(Deduct {
                    amount: amount.text(merchant, all),
                    reason: *reason,
                    about: Some(about.as_ref().map_or(About::Dispute("case 12".into()), order)),
                    beneficiary: Some(if *buyer { Beneficiary::Buyer } else { Beneficiary::Platform }),
                    note: "naja".into(),
                })
            }
            Self::Appeal(deduction) => Action::OpenAppeal {
                deduction_id: deduction.of(deductions(|deduction| deduction.appeal.is_none())),
                statement: "it was not so".into(),
            },
            Self::Resolve { deduction, upheld, amount } => {
                let deduction_id = deduction.of(deductions(|deduction| {
                    let open = |appeal: &Appeal| appeal.state == AppealState::Open;
                    deduction.appeal.as_ref().is_some_and(open)
                }));
                let found = merchant.deductions.iter().find(|deduction| deduction.id == deduction_id);
                let deducted = found.map_or(100, |deduction| deduction.amount);
                let amount = amount.as_ref().filter(|_| !upheld);
                Action::ResolveAppeal {
                    deduction_id,
                    outcome: Some(if *upheld { Outcome::Upheld } else { Outcome::Overturned }),
                    amount: amount.map(|amount| amount.text(merchant, deducted)),
                    reason: String::new(),
                }
            }
            Self::Hold => Action::PlaceHold { reason: "looked into".into() },
            Self::Lift(hold) => Action::LiftHold {
                hold_id: hold.of(actionable_last(merchant.holds.iter().map(|hold| (&hold.id, hold.lifted.is_none())))),
                reason: String::new(),
            },
            Self::Categories(categories) => Action::SetCategories { categories: categories.clone() },
            Self::Close => Action::CloseMerchant { reason: "goes".into() },
            Self::Reopen => Action::ReopenMerchant { reason: "stays".into() },
        }
    }
}

impl Action {
    /// The amounts in it, the main one first.
    pub fn amounts(&mut self) -> Vec<&mut String> {
        match self {
            Self::ReverseOrder { amount, profit, .. } => {
                std::iter::once(amount).chain(profit.as_mut().filter(|text| !text.is_empty())).collect()
            }
            Self::PayMargin { amount, .. } | Self::Withdraw { amount, .. } | Self::AdjustBalance { amount, .. } => {
                vec![amount]
            }
            Self::DeductMargin(request) => vec![&mut request.amount],
            Self::ResolveAppeal { amount, .. } if given(amount).is_some() => amount.as_mut().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// What is said in words.
    pub fn texts(&mut self) -> Vec<&mut String> {
        match self {
            Self::ReverseOrder { reason, .. }
            | Self::ReturnPayment { reason, .. }
            | Self::FailWithdrawal { reason, .. }
            | Self::ResolveAppeal { reason, .. }
            | Self::PlaceHold { reason }
            | Self::LiftHold { reason, .. }
            | Self::CloseMerchant { reason }
            | Self::ReopenMerchant { reason } => vec![reason],
            Self::AdjustBalance { reason, reference, .. } => vec![reason, reference],
            Self::PayMargin { reference, .. } | Self::Withdraw { reference, .. } => vec![reference],
            Self::DeductMargin(request) => vec![&mut request.note],
            Self::OpenAppeal { statement, .. } => vec![statement],
            Self::SetCategories { .. } => Vec::new(),
        }
    }

    /// The ids in it.
    pub fn subjects(&mut self) -> Vec<&mut String> {
        match self {
            Self::ReverseOrder { order_id: id, .. }
            | Self::ReturnPayment { payment_id: id, .. }
            | Self::FailWithdrawal { withdrawal_id: id, .. }
            | Self::OpenAppeal { deduction_id: id, .. }
            | Self::ResolveAppeal { deduction_id: id, .. }
            | Self::LiftHold { hold_id: id, .. } => vec![id],
            Self::DeductMargin(Deduct { about: Some(About::Order(id)), .. }) => vec![id],
            Self::SetCategories { categories } => categories.iter_mut().collect(),
            _ => Vec::new(),
        }
    }
}

/// What to spoil about a command.
#[derive(Debug, Clone)]
pub enum Breakage {
    Merchant(String),
    Request(String),
    Amount(String),
    Subject(String),
    LongText,
    /// The choice that is required, or the text.
    Missing,
}

impl Breakage {
    /// Where the command has no such thing, its request_id is spoilt.
    pub fn apply_to(&self, command: &mut Command) {
        let place = match self {
            Self::Merchant(_) => Some(&mut command.merchant_id),
            Self::Request(_) => None,
            Self::Amount(_) => command.action.amounts().into_iter().next(),
            Self::Subject(_) => command.action.subjects().into_iter().next(),
            Self::LongText => command.action.texts().into_iter().next(),
            Self::Missing => {
                match &mut command.action {
                    Action::AdjustBalance { direction, .. } => *direction = None,
                    Action::DeductMargin(request) => request.beneficiary = None,
                    Action::ResolveAppeal { outcome, amount, .. } => (*outcome, *amount) = (None, None),
                    Action::PlaceHold { reason } => reason.clear(),
                    _ => command.request_id.clear(),
                }
                return;
            }
        };
        let text = match self {
            Self::Merchant(text) | Self::Request(text) | Self::Amount(text) | Self::Subject(text) => text.clone(),
            _ => "ä".repeat(501),
        };
        match place {
            Some(place) => *place = text,
            None => command.request_id = "a b".into(),
        }
    }
}

/// What an import brings beside historical profit and an available balance.
#[derive(Debug, Clone, Default)]
pub struct Brings {
    pub guarantee: u64,
    pub frozen: Option<String>,
    pub debt: Option<String>,
    /// Amounts, and microseconds from now.
    pub releasing: Vec<(String, i64)>,
    /// Microseconds from now, whether QUICK, how many, their profit.
    pub pending: Vec<(i64, bool, u64, String)>,
    /// The number of its id, price, profit, microseconds from now to completion, and from that to settlement.
    pub orders: Vec<(u8, String, Option<String>, i64, i64)>,
}

impl Brings {
    pub fn add_to(&self, request: &mut ImportRequest, now: i64) {
        let cycle = |quick| Some(if quick { Cycle::Quick } else { Cycle::Standard });
        request.guarantee = self.guarantee;
        request.frozen = self.frozen.clone();
        request.debt = self.debt.clone();
        let release =
            |(amount, due): &(String, i64)| ImportedRelease { amount: amount.clone(), due_at: Some(now + due) };
        request.releasing = self.releasing.iter().map(release).collect();
        let bulk = |(settles, quick, orders, profit): &(i64, bool, u64, String)| ImportedPending {
            settles_at: Some(now + settles),
            cycle: cycle(*quick),
            orders: *orders,
            profit: profit.clone(),
        };
        request.pending = self.pending.iter().map(bulk).collect();
        let order = |(number, price, profit, completed, wait): &(u8, String, Option<String>, i64, i64)| ImportedOrder {
            order_id: format!("id-{number}"),
            price: price.clone(),
            profit: profit.clone(),
            completed_at: Some(now + completed),
            cycle: cycle(*wait < 3 * DAY),
            settles_at: Some(now + completed + wait),
        };
        request.orders = self.orders.iter().map(order).collect();
    }
}

/// A question, by merchants' numbers.
#[derive(Debug, Clone)]
pub enum Asking {
    Forecast(u8),
    Quote(u8, Vec<Sum>),
    Guarantees(Vec<u8>),
    Merchant(u8),
    Policy(u64),
    Proposal(Which),
    Proposals { merchant: Option<u8>, state: Option<ProposalState>, page_size: i32 },
}

impl Asking {
    pub fn resolve(&self, model: &Model) -> Query {
        match self {
            Self::Forecast(merchant) => Query::Forecast { merchant_id: merchant_name(*merchant) },
            Self::Quote(merchant, prices) => {
                let merchant_id = merchant_name(*merchant);
                let state = model.peek(&merchant_id);
                let total = state.day_total(model.today(), model.policy().counts);
                let left = state.quota(model.policy()) - total;
                let prices = prices.iter().map(|price| price.text(&state, left)).collect();
                Query::Quote { merchant_id, prices }
            }
            Self::Guarantees(merchants) => {
                Query::Guarantees { merchant_ids: merchants.iter().map(|merchant| merchant_name(*merchant)).collect() }
            }
            Self::Merchant(merchant) => Query::Merchant { merchant_id: merchant_name(*merchant) },
            Self::Policy(version) => Query::Policy { version: *version },
            Self::Proposal(which) => Query::Proposal { proposal_id: which.id(model) },
            Self::Proposals { merchant, state, page_size } => Query::Proposals {
                merchant_id: merchant.map_or(String::new(), merchant_name),
                state: *state,
                page_size: *page_size,
            },
        }
    }
}
