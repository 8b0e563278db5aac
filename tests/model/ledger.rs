//! Every fact about a merchant, kept for ever, with all balances after it and with the merchant as it was then.

use std::sync::Arc;

use super::answers::{Receipt, ShownIncome, ShownLifetime, ShownStatementLine};
use super::merchant::ModelMerchant;
use super::plain::{money, signed};

/// What an entry records, numbered as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    OrderClassified = 1,
    OrderImported = 2,
    OrderReversed = 3,
    ProfitSettled = 4,
    GuaranteeModified = 5,
    ReleaseCompleted = 6,
    MerchantImported = 7,
    MarginPaid = 8,
    PaymentReturned = 9,
    Withdrawn = 10,
    WithdrawalFailed = 11,
    Credited = 12,
    Debited = 13,
    MarginDeducted = 14,
    AppealOpened = 15,
    AppealResolved = 16,
    HoldPlaced = 17,
    HoldLifted = 18,
    CategoriesSet = 19,
    ClosingStarted = 20,
    MerchantClosed = 21,
    MerchantReopened = 22,
    WarningRaised = 23,
}

/// A margin entry as it is shown, without its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub number: u64,
    pub kind: Kind,
    pub amount: String,
    pub balances: Balances,
    pub recorded_at: i64,
    pub effective_at: i64,
    pub request_id: String,
    pub subject_id: String,
    pub text: String,
    pub receipt: Option<Receipt>,
    /// Who asked for it, if he was asked who he is.
    pub caller: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balances {
    pub guarantee: String,
    pub frozen: String,
    pub gap: String,
    pub releasing: String,
    pub available: String,
    pub pending: String,
    pub debt: String,
    pub historical_profit: String,
}

/// What an entry adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    Settled,
    Imported,
    PaidIn,
    Credited,
    WithdrawalsFailed,
    Overturned,
    Withdrawn,
    Deducted,
    Reversed,
    PaymentsReturned,
    Debited,
}

/// A fact about to be written down.
#[derive(Debug, Clone)]
pub struct Fact {
    pub kind: Kind,
    pub amount: i128,
    /// Before it is held to what came before it.
    pub effective_at: i64,
    pub request_id: String,
    pub subject_id: String,
    pub text: String,
    pub receipt: Option<Receipt>,
    pub flow: Option<(Counter, i128)>,
    pub settled: Option<(SettledKey, u64, ShownIncome)>,
}

/// Cycle, day of completion, and when it settles.
pub type SettledKey = (super::api::Cycle, i64, i64);

impl Fact {
    pub fn new(kind: Kind, amount: i128, effective_at: i64) -> Self {
        Self {
            kind,
            amount,
            effective_at,
            request_id: String::new(),
            subject_id: String::new(),
            text: String::new(),
            receipt: None,
            flow: None,
            settled: None,
        }
    }

    pub fn asked(self, request_id: &str, receipt: &Receipt) -> Self {
        Self { request_id: request_id.into(), receipt: Some(receipt.clone()), ..self }
    }

    pub fn about(self, subject_id: &str) -> Self {
        Self { subject_id: subject_id.into(), ..self }
    }

    pub fn text(self, text: &str) -> Self {
        Self { text: text.into(), ..self }
    }

    pub fn flow(self, counter: Counter, amount: i128) -> Self {
        Self { flow: Some((counter, amount)), ..self }
    }
}

/// An entry, and the merchant after it. The merchant's own entries and known requests are left out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub entry: Entry,
    pub flow: Option<(Counter, i128)>,
    /// When it settles, and the line of the statement, which still names the day of completion by its number.
    pub line: Option<(i64, ShownStatementLine)>,
    pub after: ModelMerchant,
}

impl ModelMerchant {
    /// The instant that the next fact cannot count from before.
    pub fn last_effective(&self) -> i64 {
        self.entries.last().map_or(i64::MIN, |last| last.entry.effective_at)
    }

    /// The number the next entry will have.
    pub fn next_entry(&self) -> u64 {
        self.entries.len() as u64 + 1
    }

    /// Writes a fact down, when the merchant is as the fact left it.
    pub fn record(&mut self, fact: Fact, now: i64) {
        let effective_at = fact.effective_at.min(now).max(self.last_effective());
        self.mark_since(effective_at);
        let mut entries = std::mem::take(&mut self.entries);
        let kept = std::mem::take(&mut self.kept);
        let number = entries.len() as u64 + 1;
        let line = fact.settled.map(|((cycle, day, settles_at), orders, income)| {
            let profit = money(fact.amount);
            let line = ShownStatementLine {
                cycle,
                completed_day: day,
                orders,
                profit,
                income,
                settled_at: effective_at,
                entry: number,
            };
            (settles_at, line)
        });
        let past: i128 = historical(&entries);
        let flow = match fact.flow {
            Some((Counter::Settled, amount)) => amount,
            Some((Counter::Reversed, amount)) => -amount,
            _ => 0,
        };
        let entry = Entry {
            number,
            kind: fact.kind,
            amount: money(fact.amount),
            balances: self.balances(self.imported_profit + past + flow),
            recorded_at: now,
            effective_at,
            request_id: fact.request_id,
            subject_id: fact.subject_id,
            text: fact.text,
            receipt: fact.receipt,
            caller: String::new(),
        };
        entries.push(Arc::new(Recorded { entry, flow: fact.flow, line, after: self.clone() }));
        self.entries = entries;
        self.kept = kept;
    }

    fn balances(&self, historical_profit: i128) -> Balances {
        Balances {
            guarantee: money(self.guarantee),
            frozen: money(self.frozen),
            gap: money(self.gap()),
            releasing: money(self.releasing()),
            available: money(self.available),
            pending: money(self.pending_profit()),
            debt: money(self.debt),
            historical_profit: money(historical_profit),
        }
    }

    /// All that ever came in and went out.
    pub fn lifetime(&self) -> Lifetime {
        Lifetime::of(self.entries.iter().map(|recorded| &**recorded))
    }

    pub fn historical_profit(&self) -> i128 {
        self.imported_profit + historical(&self.entries)
    }
}

/// Whether this is what a request did.
pub fn is_of(recorded: &Recorded, request_id: &str) -> bool {
    recorded.entry.request_id == request_id
}

/// Profit that settled less what was reversed after that.
fn historical(entries: &[Arc<Recorded>]) -> i128 {
    let lifetime = Lifetime::of(entries.iter().map(|recorded| &**recorded));
    lifetime.of_counter(Counter::Settled) - lifetime.of_counter(Counter::Reversed)
}

/// Sums by counter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lifetime(Vec<(Counter, i128)>);

impl Lifetime {
    pub fn of<'a>(entries: impl Iterator<Item = &'a Recorded>) -> Self {
        Self(entries.filter_map(|recorded| recorded.flow).collect())
    }

    pub fn of_counter(&self, counter: Counter) -> i128 {
        self.0.iter().filter(|(of, _)| *of == counter).map(|(_, amount)| amount).sum()
    }

    /// What came in less what went out.
    pub fn held(&self) -> i128 {
        let sign = |counter| match counter {
            Counter::Withdrawn
            | Counter::Deducted
            | Counter::Reversed
            | Counter::PaymentsReturned
            | Counter::Debited => -1,
            _ => 1,
        };
        self.0.iter().map(|(counter, amount)| sign(*counter) * amount).sum()
    }

    pub fn less(mut self, other: &Self) -> Self {
        self.0.extend(other.0.iter().map(|(counter, amount)| (*counter, -amount)));
        self
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn shown(&self) -> ShownLifetime {
        let sum = |counter| money(self.of_counter(counter));
        ShownLifetime {
            settled: sum(Counter::Settled),
            imported: signed(self.of_counter(Counter::Imported)),
            paid_in: sum(Counter::PaidIn),
            credited: sum(Counter::Credited),
            withdrawals_failed: sum(Counter::WithdrawalsFailed),
            overturned: sum(Counter::Overturned),
            withdrawn: sum(Counter::Withdrawn),
            deducted: sum(Counter::Deducted),
            reversed: sum(Counter::Reversed),
            payments_returned: sum(Counter::PaymentsReturned),
            debited: sum(Counter::Debited),
        }
    }
}
