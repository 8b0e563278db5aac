//! What a command comes to: the facts that are recorded together, whole or not at all.

use std::borrow::Cow;

use super::{
    ClassifyOrder, Command, Context, Dates, Day, Event, Fact, Merchant, Receipt, Rejection, Stage, Timeline, Timestamp,
    Verdict, Warning, WarningRaised,
};

/// What was due, and then a command.
#[derive(Debug)]
pub struct Decision<F> {
    /// The fact that was asked for.
    pub fact: F,
    /// The same as an event.
    pub event: Event,
    /// Everything that has to be recorded with it.
    pub changes: Changes,
}

/// Facts that are recorded together, in this order.
#[derive(Debug)]
pub struct Changes {
    /// The facts.
    pub events: Vec<Event>,
    /// The merchant as they leave it, where that had to be worked out; none: they are to be applied.
    after: Option<Merchant>,
}

impl Changes {
    /// Makes the facts part of the state they were decided on.
    pub fn apply_to(self, merchant: &mut Merchant) {
        match self.after {
            Some(after) => *merchant = after,
            None => self.events.iter().for_each(|event| merchant.apply(event)),
        }
    }
}

/// Decides on a command that is not known: what is due comes first, then the fact itself, then what it brings about at once.
///
/// # Errors
/// When the rules forbid it.
pub fn decide<C: Command>(
    command: &C,
    merchant: &Merchant,
    context: &Context<'_>,
) -> Result<Decision<C::Fact>, Rejection> {
    let mut draft = Draft::of(merchant);
    draft.catch_up(context.now, context.policies);
    if !C::OPENS && !merchant.is_open() {
        return Err(Rejection::MerchantNotFound);
    }
    let fact = command.decide(&draft.merchant, context)?;
    let at = C::effective_at(&fact, context.now);
    let event = draft.merchant.event(at, fact.clone().into());
    draft.add(event.clone(), command.follow_ups(&fact, context), context);
    Ok(Decision { fact, event, changes: draft.into_changes() })
}

/// Decides on an order that is not known as [`decide`] does, and answers it with the instant from which it counts, if it is all that has to be
/// recorded: nothing is due for the merchant, and it brings about nothing at once. None: [`decide`] tells.
///
/// `dates` are those of the order before, see [`ClassifyOrder`]; this is the hot path, and neither asks for memory nor copies the state.
///
/// # Errors
/// When the rules forbid it.
pub fn decide_alone(
    order: &ClassifyOrder,
    merchant: &Merchant,
    context: &Context<'_>,
    dates: &mut Option<Dates>,
) -> Result<Option<(Timestamp, Verdict)>, Rejection> {
    if !merchant.is_quiet(context.now, context.policies) {
        return Ok(None);
    }
    let verdict = order.classify(merchant, context, dates)?;
    if verdict.settles_at <= context.now || quota_warning(merchant, verdict.day, &verdict.receipt, context).is_some() {
        return Ok(None);
    }
    let at = verdict.effective_at(context.now);
    Ok(Some((merchant.last_effective_at.map_or(at, |last| last.max(at)), verdict)))
}

/// What has come due by now without any command; no events if nothing has.
pub fn catch_up(merchant: &Merchant, now: Timestamp, policies: &Timeline) -> Changes {
    let mut draft = Draft::of(merchant);
    draft.catch_up(now, policies);
    draft.into_changes()
}

/// The merchant as it stands now, with everything applied that has come due.
pub fn as_of<'a>(merchant: &'a Merchant, now: Timestamp, policies: &Timeline) -> Cow<'a, Merchant> {
    let mut draft = Draft::of(merchant);
    draft.catch_up(now, policies);
    draft.merchant
}

struct Draft<'a> {
    merchant: Cow<'a, Merchant>,
    events: Vec<Event>,
}

impl<'a> Draft<'a> {
    const fn of(merchant: &'a Merchant) -> Self {
        Self { merchant: Cow::Borrowed(merchant), events: Vec::new() }
    }

    fn catch_up(&mut self, now: Timestamp, policies: &Timeline) {
        while let Some(event) = self.merchant.next_due(now, policies) {
            self.push(event);
        }
    }

    fn push(&mut self, event: Event) {
        self.merchant.to_mut().apply(&event);
        self.events.push(event);
    }

    fn add(&mut self, event: Event, follow_ups: Vec<Fact>, context: &Context<'_>) {
        let warning = self.warning(&event, context);
        let at = event.effective_at;
        if warning.is_none() && self.stands_alone(&event, context.now) {
            // The hot path: the fact is applied in place later, and the state is not copied.
            return self.events.push(event);
        }
        self.push(event);
        for fact in follow_ups.into_iter().chain(warning) {
            self.push(self.merchant.event(at, fact));
        }
        self.catch_up(context.now, context.policies);
    }

    /// Whether the fact is an order that brings about nothing at once, and nothing was due before it.
    fn stands_alone(&self, event: &Event, now: Timestamp) -> bool {
        let later = matches!(&event.fact, Fact::OrderClassified(order) if order.settles_at > now);
        later && self.merchant.stage() == Stage::Open && matches!(self.merchant, Cow::Borrowed(_))
    }

    fn warning(&self, event: &Event, context: &Context<'_>) -> Option<Fact> {
        match &event.fact {
            Fact::OrderClassified(order) => quota_warning(&self.merchant, order.day, &order.receipt, context),
            Fact::GuaranteeModified(fact) => {
                quota_warning(&self.merchant, context.policies.day_of(context.now), &fact.receipt, context)
            }
            _ => None,
        }
    }

    fn into_changes(self) -> Changes {
        let after = match self.merchant {
            Cow::Borrowed(_) => None,
            Cow::Owned(after) => Some(after),
        };
        Changes { events: self.events, after }
    }
}

/// The share of the day's quota that policy warns of was crossed, for the first time that day.
fn quota_warning(merchant: &Merchant, day: Day, receipt: &Receipt, context: &Context<'_>) -> Option<Fact> {
    let in_force = context.in_force();
    let percent = in_force.policy.warn_quota_percent?;
    let (used, quota) = (receipt.day_total_after, receipt.quota);
    let crossed = !quota.is_zero() && used.times(100) >= quota.times(percent);
    (crossed && !merchant.totals(day).warned).then(|| {
        let warning = Warning::QuotaUse { day, used, quota };
        WarningRaised { warning, policy_version: in_force.version }.into()
    })
}
