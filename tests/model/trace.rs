//! Random histories: what a step is, and how it becomes a concrete request.
//!
//! A step names nothing absolute: amounts may follow from the quota that is left, instants from now, ids from what was
//! sent before. [`Executor::execute`] resolves it against the model's own state, so a step list can be cut down anywhere
//! by shrinking and still makes sense. What comes out is a concrete [`Request`] and the model's answer to it.

use super::answers::ModelAnswer;
use super::api::{
    ClassifyRequest, Command, ImportRequest, ModelRefusal, ModifyRequest, PolicyRequest, Request, Verdict,
};
use super::moves::{Asking, Breakage, Brings, Move};
use super::past::PastAsking;
use super::plain::{DAY, cents, money};
use super::proposing::{Ids, Wanted, Which, Who};
use super::reads::Query;
use super::{Limits, Model, ModelPolicy};

/// A whole case: policy, where time starts, and what happens.
#[derive(Debug, Clone)]
pub struct Trace {
    pub policy: ModelPolicy,
    pub limits: Limits,
    pub start: i64,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub enum Step {
    Classify {
        merchant: u8,
        price: Price,
        profit: Profit,
        completed: Completed,
        options: Options,
    },
    Modify {
        merchant: u8,
        guarantee: Guarantee,
        options: Options,
    },
    Import {
        merchant: u8,
        historical_profit: Option<String>,
        available: Option<String>,
        brings: Brings,
        options: Options,
    },
    /// Any other command about a merchant.
    Command {
        merchant: u8,
        action: Move,
        options: Options,
    },
    SetPolicy {
        policy: Box<ModelPolicy>,
        effective: Effective,
        /// This many above the latest version; nothing: not compared.
        expected: Option<i64>,
        options: Options,
    },
    Propose {
        who: Who,
        wanted: Wanted,
        ids: Ids,
        options: Options,
    },
    Decide {
        who: Who,
        verdict: Verdict,
        which: Which,
        reason: String,
        options: Options,
    },
    Ask(Asking),
    AskPast(PastAsking),
    /// Sends an earlier request again, counted backwards over all commands sent so far.
    Repeat {
        back: usize,
        alteration: Alteration,
    },
    /// A well-formed request with one thing wrong about its shape.
    Malformed {
        merchant: u8,
        flaw: Flaw,
    },
    Advance(Jump),
    Read {
        merchant: u8,
    },
    Restart,
    Checkpoint,
}

#[derive(Debug, Clone, Default)]
pub struct Options {
    pub validate_only: bool,
    /// Microseconds from now.
    pub not_after: Option<i64>,
}

/// When a policy comes into force.
#[derive(Debug, Clone)]
pub enum Effective {
    Omitted,
    /// This many microseconds from now.
    In(i64),
    /// The start of the settlement day that many days on, and this many microseconds.
    DayStart {
        days: i64,
        offset: i64,
    },
    /// This many microseconds after the latest version came or comes into force.
    AfterLatest(i64),
}

#[derive(Debug, Clone)]
pub enum Price {
    Text(String),
    /// What is left of the quota of the day charged, and this many cents.
    QuotaLeft(i64),
    /// What would bring historical profit, once all pending has settled, to the next threshold, and this many cents.
    ToThreshold(i64),
}

#[derive(Debug, Clone)]
pub enum Profit {
    Omitted,
    Empty,
    Zero,
    /// The price as it is, written out.
    Whole,
    /// This share of the price, in percent.
    Percent(u8),
}

#[derive(Debug, Clone)]
pub enum Completed {
    Omitted,
    /// This many microseconds ago; negative is ahead.
    Ago(i64),
    /// This many thousandths of the lateness that policy allows.
    Late(i64),
    /// This many microseconds older than policy allows; 0 is the oldest allowed, negative is younger.
    OverLateness(i64),
    /// The start of the settlement day that many days ago, and this many microseconds.
    DayStart {
        days_ago: i64,
        offset: i64,
    },
}

#[derive(Debug, Clone)]
pub enum Guarantee {
    Dollars(u64),
    Current,
    /// The whole dollars of what is frozen.
    Frozen,
    LessOne,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alteration {
    Nothing,
    /// The same amounts, written with other zeros.
    Spelling,
    /// Another price of an order, another guarantee, another historical profit of an import, another amount.
    Amount,
    /// Another profit of an order, another guarantee, another available balance of an import, another reason.
    OtherAmount,
    OmitProfit,
    /// Another order, payment, withdrawal, deduction or hold.
    Subject,
    CompletedAt,
    OmitCompletedAt,
    /// The completion time that the first answer carried.
    AnsweredCompletedAt,
    /// A request_id used with the other method that has one.
    OtherMethod,
    OtherMerchant,
    ValidateOnly,
    NotAfterPassed,
}

#[derive(Debug, Clone)]
pub enum Flaw {
    MerchantOfOrder(String),
    MerchantOfModify(String),
    MerchantOfImport(String),
    MerchantOfRead(String),
    Order(String),
    RequestOfModify(String),
    RequestOfImport(String),
    Price(String),
    Profit(String),
    ProfitAbovePrice,
    NoGuarantee,
    Guarantee(u64),
    HistoricalProfit(String),
    Available(String),
    Command(Move, Breakage),
    /// A policy with something out of bounds.
    Policy(u8),
}

#[derive(Debug, Clone)]
pub enum Jump {
    By(i64),
    /// To the start of the settlement day that many days on, and this many microseconds.
    DayStart {
        days: i64,
        offset: i64,
    },
    /// To the instant something next falls due for the merchant, and this many microseconds.
    NextDue {
        merchant: u8,
        offset: i64,
    },
    /// To when the latest version of the policy comes into force, and this many microseconds.
    NextPolicy {
        offset: i64,
    },
    /// To when the next open proposal expires or the next one is forgotten, and this many microseconds.
    NextProposal {
        forgotten: bool,
        offset: i64,
    },
    /// To seven days after the last change of a guarantee, and this many microseconds.
    SevenDaysAfterChange {
        offset: i64,
    },
}

/// A concrete request and what the model answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    pub request: Request,
    pub expected: Result<ModelAnswer, ModelRefusal>,
}

/// Turns steps into requests and answers.
#[derive(Debug, Clone)]
pub struct Executor {
    pub model: Model,
    pub(super) sent: Vec<Request>,
    last_change: Option<i64>,
}

pub fn merchant_name(merchant: u8) -> String {
    format!("m-{merchant}")
}

impl Executor {
    pub fn new(policy: ModelPolicy, start: i64) -> Self {
        Self::of(&Trace { policy, limits: Limits::default(), start, steps: Vec::new() })
    }

    pub fn of(trace: &Trace) -> Self {
        let model = Model::with_limits(trace.policy.clone(), trace.start, trace.limits);
        Self { model, sent: Vec::new(), last_change: None }
    }

    pub fn execute(&mut self, step: &Step) -> Executed {
        let request = self.resolve(step);
        let expected = self.model.handle(&request);
        if is_command(&request) {
            self.sent.push(request.clone());
        }
        if let (Request::Modify(_), Ok(_)) = (&request, &expected) {
            self.last_change = Some(self.model.now);
        }
        Executed { request, expected }
    }

    /// All commands that were sent.
    pub fn sent(&self) -> &[Request] {
        &self.sent
    }

    /// The request that a step comes to now.
    pub fn resolve(&self, step: &Step) -> Request {
        match step {
            Step::Classify { merchant, price, profit, completed, options } => {
                let completed_at = self.completed(completed);
                let price = self.price(*merchant, price, completed_at);
                Request::Classify(ClassifyRequest {
                    merchant_id: merchant_name(*merchant),
                    order_id: self.fresh_order_id(),
                    profit: profit_text(profit, &price),
                    price,
                    completed_at,
                    validate_only: options.validate_only,
                    not_after: options.not_after.map(|offset| self.model.now + offset),
                })
            }
            Step::Modify { merchant, guarantee, options } => Request::Modify(ModifyRequest {
                merchant_id: merchant_name(*merchant),
                request_id: self.fresh_request_id(),
                guarantee: Some(self.guarantee(*merchant, guarantee)),
                validate_only: options.validate_only,
                not_after: options.not_after.map(|offset| self.model.now + offset),
            }),
            Step::Import { merchant, historical_profit, available, brings, options } => {
                let mut request = ImportRequest {
                    merchant_id: merchant_name(*merchant),
                    request_id: self.fresh_request_id(),
                    historical_profit: historical_profit.clone(),
                    available: available.clone(),
                    validate_only: options.validate_only,
                    not_after: options.not_after.map(|offset| self.model.now + offset),
                    ..ImportRequest::default()
                };
                brings.add_to(&mut request, self.model.now);
                Request::Import(request)
            }
            Step::Command { merchant, action, options } => {
                let merchant_id = merchant_name(*merchant);
                Request::Command(Command {
                    action: action.resolve(&self.model.peek(&merchant_id)),
                    merchant_id,
                    request_id: self.fresh_request_id(),
                    validate_only: options.validate_only,
                    not_after: options.not_after.map(|offset| self.model.now + offset),
                })
            }
            Step::SetPolicy { policy, effective, expected, options } => {
                let latest = self.model.policies.latest();
                let above = |by: i64| u64::try_from(latest.version as i64 + by).unwrap_or(0);
                Request::SetPolicy(PolicyRequest {
                    policy: (**policy).clone(),
                    effective_at: self.effective(effective),
                    expected_version: expected.map_or(0, above),
                    reason: String::new(),
                    request_id: self.fresh_request_id(),
                    validate_only: options.validate_only,
                    not_after: options.not_after.map(|offset| self.model.now + offset),
                })
            }
            Step::Propose { who, wanted, ids, options } => self.propose(*who, wanted, *ids, options),
            Step::Decide { who, verdict, which, reason, options } => {
                self.decision(*who, *verdict, which, reason, options)
            }
            Step::Ask(asking) => Request::Ask(asking.resolve(&self.model)),
            Step::AskPast(asking) => Request::Ask(Query::History(asking.resolve(&self.model))),
            Step::Repeat { back, alteration } => self.repeat(*back, *alteration),
            Step::Malformed { merchant, flaw } => self.malformed(*merchant, flaw),
            Step::Advance(jump) => Request::Advance { to: self.target(jump).max(self.model.now) },
            Step::Read { merchant } => Request::Read { merchant_id: merchant_name(*merchant) },
            Step::Restart => Request::Restart,
            Step::Checkpoint => Request::Checkpoint,
        }
    }

    /// Orders and requests are counted apart, so that the same ids stand for both: their namespaces are apart.
    pub(super) fn fresh_order_id(&self) -> String {
        format!("id-{}", self.sent.iter().filter(|request| matches!(request, Request::Classify(_))).count())
    }

    pub(super) fn fresh_request_id(&self) -> String {
        format!("id-{}", self.sent.iter().filter(|request| !matches!(request, Request::Classify(_))).count())
    }

    fn completed(&self, completed: &Completed) -> Option<i64> {
        let (policy, now) = (self.model.policy(), self.model.now);
        match completed {
            Completed::Omitted => None,
            Completed::Ago(by) => Some(now - by),
            Completed::Late(thousandths) => Some(now - policy.max_lateness / 1_000 * thousandths),
            Completed::OverLateness(by) => Some(now - policy.max_lateness - by),
            Completed::DayStart { days_ago, offset } => Some(policy.start_of(policy.day_of(now) - days_ago) + offset),
        }
    }

    fn price(&self, merchant: u8, price: &Price, completed_at: Option<i64>) -> String {
        let policy = self.model.policy();
        let state = self.model.peek(&merchant_name(merchant));
        let amount = match price {
            Price::Text(text) => return text.clone(),
            Price::QuotaLeft(more) => {
                let day = self.model.policies.day_of(completed_at.unwrap_or(self.model.now));
                state.quota(policy) - state.day_total(day, policy.counts) + i128::from(*more)
            }
            Price::ToThreshold(more) => {
                let reached = state.historical_profit() + state.pending_profit();
                let next = policy.tiers.iter().map(|(above, _)| *above).find(|above| *above > reached);
                next.map_or(1, |above| above - reached) + i128::from(*more)
            }
        };
        money(amount.clamp(1, cents("999999999999.99").unwrap()))
    }

    pub(super) fn effective(&self, effective: &Effective) -> Option<i64> {
        let now = self.model.now;
        let latest = self.model.policies.latest();
        match effective {
            Effective::Omitted => None,
            Effective::In(by) => Some(now + by),
            Effective::DayStart { days, offset } => {
                Some(latest.policy.start_of(latest.policy.day_of(now) + days) + offset)
            }
            Effective::AfterLatest(by) => Some(latest.effective_at + by),
        }
    }

    fn guarantee(&self, merchant: u8, guarantee: &Guarantee) -> u64 {
        let state = self.model.peek(&merchant_name(merchant));
        let dollars = |amount: i128| u64::try_from(amount / 100).unwrap();
        match guarantee {
            Guarantee::Dollars(dollars) => *dollars,
            Guarantee::Current => dollars(state.guarantee),
            Guarantee::Frozen => dollars(state.frozen),
            Guarantee::LessOne => dollars(state.guarantee).saturating_sub(1),
        }
    }

    fn target(&self, jump: &Jump) -> i64 {
        let (policy, now) = (self.model.policy(), self.model.now);
        match jump {
            Jump::By(by) => now + by,
            Jump::DayStart { days, offset } => policy.start_of(policy.day_of(now) + days) + offset,
            Jump::NextDue { merchant, offset } => {
                self.model.peek(&merchant_name(*merchant)).next_due(&self.model.policies).unwrap_or(now) + offset
            }
            Jump::NextPolicy { offset } => self.model.policies.latest().effective_at + offset,
            Jump::NextProposal { forgotten, offset } => self.proposal_ends(*forgotten) + offset,
            Jump::SevenDaysAfterChange { offset } => self.last_change.unwrap_or(now) + 7 * DAY + offset,
        }
    }
}

/// Whether it may change anything, and is to be safe to repeat.
pub fn is_command(request: &Request) -> bool {
    use Request::{Classify, Command, Decide, Import, Modify, Propose, SetPolicy};
    matches!(request, Classify(_) | Modify(_) | Import(_) | Command(_) | SetPolicy(_) | Propose(_) | Decide(_))
}

fn profit_text(profit: &Profit, price: &str) -> Option<String> {
    match profit {
        Profit::Omitted => None,
        Profit::Empty => Some(String::new()),
        Profit::Zero => Some("0".into()),
        Profit::Whole => Some(price.to_owned()),
        Profit::Percent(share) => Some(money(cents(price).unwrap() * i128::from(*share) / 100)),
    }
}

/// Raises once and lowers a dollar at a time until the limit of open releases refuses, and once more seven days later,
/// when there is room again.
pub fn release_limit_steps(limit: u64) -> Vec<Step> {
    let modify = |guarantee| Step::Modify { merchant: 0, guarantee, options: Options::default() };
    let mut steps = vec![
        Step::Import {
            merchant: 0,
            historical_profit: None,
            available: Some((limit + 10).to_string()),
            brings: Brings::default(),
            options: Options::default(),
        },
        modify(Guarantee::Dollars(limit + 10)),
    ];
    for _ in 0..=limit {
        steps.push(modify(Guarantee::LessOne));
        steps.push(Step::Advance(Jump::By(1)));
    }
    steps.push(modify(Guarantee::Current));
    steps.push(Step::Advance(Jump::NextDue { merchant: 0, offset: -1 }));
    steps.push(modify(Guarantee::LessOne));
    steps.push(Step::Advance(Jump::NextDue { merchant: 0, offset: 0 }));
    steps.push(modify(Guarantee::LessOne));
    steps.push(Step::Read { merchant: 0 });
    steps
}
