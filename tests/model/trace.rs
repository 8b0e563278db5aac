//! Random histories: what a step is, and how it becomes a concrete request.
//!
//! A step names nothing absolute: amounts may follow from the quota that is left, instants from now, ids from what was
//! sent before. [`Executor::execute`] resolves it against the model's own state, so a step list can be cut down anywhere
//! by shrinking and still makes sense. What comes out is a concrete [`Request`] and the model's answer to it.

use super::api::{ClassifyRequest, ImportRequest, ModelAnswer, ModelRefusal, ModifyRequest, Request};
use super::plain::{DAY, cents, money};
use super::{Model, ModelPolicy};

/// A whole case: policy, where time starts, and what happens.
#[derive(Debug, Clone)]
pub struct Trace {
    pub policy: ModelPolicy,
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
        options: Options,
    },
    /// Sends an earlier request again, counted backwards over all orders, modifications and imports sent so far.
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
    /// Another price of an order, another guarantee, another historical profit of an import.
    Amount,
    /// Another profit of an order, another guarantee, another available balance of an import.
    OtherAmount,
    OmitProfit,
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
    sent: Vec<Request>,
    last_change: Option<i64>,
}

pub fn merchant_name(merchant: u8) -> String {
    format!("m-{merchant}")
}

impl Executor {
    pub fn new(policy: ModelPolicy, start: i64) -> Self {
        Self { model: Model::new(policy, start), sent: Vec::new(), last_change: None }
    }

    pub fn execute(&mut self, step: &Step) -> Executed {
        let request = self.resolve(step);
        let expected = self.model.handle(&request);
        if matches!(request, Request::Classify(_) | Request::Modify(_) | Request::Import(_)) {
            self.sent.push(request.clone());
        }
        if let (Request::Modify(_), Ok(_)) = (&request, &expected) {
            self.last_change = Some(self.model.now);
        }
        Executed { request, expected }
    }

    fn resolve(&self, step: &Step) -> Request {
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
            Step::Import { merchant, historical_profit, available, options } => Request::Import(ImportRequest {
                merchant_id: merchant_name(*merchant),
                request_id: self.fresh_request_id(),
                historical_profit: historical_profit.clone(),
                available: available.clone(),
                validate_only: options.validate_only,
                not_after: options.not_after.map(|offset| self.model.now + offset),
            }),
            Step::Repeat { back, alteration } => self.repeat(*back, *alteration),
            Step::Malformed { merchant, flaw } => self.malformed(*merchant, flaw),
            Step::Advance(jump) => Request::Advance { to: self.target(jump).max(self.model.now) },
            Step::Read { merchant } => Request::Read { merchant_id: merchant_name(*merchant) },
            Step::Restart => Request::Restart,
            Step::Checkpoint => Request::Checkpoint,
        }
    }

    /// Orders and requests are counted apart, so that the same ids stand for both: their namespaces are apart.
    fn fresh_order_id(&self) -> String {
        format!("id-{}", self.sent.iter().filter(|request| matches!(request, Request::Classify(_))).count())
    }

    fn fresh_request_id(&self) -> String {
        format!("id-{}", self.sent.iter().filter(|request| !matches!(request, Request::Classify(_))).count())
    }

    fn completed(&self, completed: &Completed) -> Option<i64> {
        let (policy, now) = (&self.model.policy, self.model.now);
        match completed {
            Completed::Omitted => None,
            Completed::Ago(by) => Some(now - by),
            Completed::Late(thousandths) => Some(now - policy.max_lateness / 1_000 * thousandths),
            Completed::OverLateness(by) => Some(now - policy.max_lateness - by),
            Completed::DayStart { days_ago, offset } => Some(policy.start_of(policy.day_of(now) - days_ago) + offset),
        }
    }

    fn price(&self, merchant: u8, price: &Price, completed_at: Option<i64>) -> String {
        let policy = &self.model.policy;
        let state = self.model.peek(&merchant_name(merchant));
        let amount = match price {
            Price::Text(text) => return text.clone(),
            Price::QuotaLeft(more) => {
                let day = policy.day_of(completed_at.unwrap_or(self.model.now));
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
        let (policy, now) = (&self.model.policy, self.model.now);
        match jump {
            Jump::By(by) => now + by,
            Jump::DayStart { days, offset } => policy.start_of(policy.day_of(now) + days) + offset,
            Jump::NextDue { merchant, offset } => {
                self.model.peek(&merchant_name(*merchant)).next_due().unwrap_or(now) + offset
            }
            Jump::SevenDaysAfterChange { offset } => self.last_change.unwrap_or(now) + 7 * DAY + offset,
        }
    }

    fn repeat(&self, back: usize, alteration: Alteration) -> Request {
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
                Request::Modify(ModifyRequest::new(&request.merchant_id, &request.request_id, 100))
            }
            Request::Modify(request) => Request::Modify(self.altered_modify(request, alteration)),
            Request::Import(request) => Request::Import(self.altered_import(request, alteration)),
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
            Alteration::OtherAmount => request.available = Some(one_cent_off(&request.available.unwrap_or_default())),
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

    fn malformed(&self, merchant: u8, flaw: &Flaw) -> Request {
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

fn profit_text(profit: &Profit, price: &str) -> Option<String> {
    match profit {
        Profit::Omitted => None,
        Profit::Empty => Some(String::new()),
        Profit::Zero => Some("0".into()),
        Profit::Whole => Some(price.to_owned()),
        Profit::Percent(share) => Some(money(cents(price).unwrap() * i128::from(*share) / 100)),
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

/// Raises once and lowers a dollar at a time until the limit of open releases refuses, and once more seven days later,
/// when there is room again.
pub fn release_limit_steps(limit: u64) -> Vec<Step> {
    let modify = |guarantee| Step::Modify { merchant: 0, guarantee, options: Options::default() };
    let mut steps = vec![
        Step::Import {
            merchant: 0,
            historical_profit: None,
            available: Some((limit + 10).to_string()),
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
