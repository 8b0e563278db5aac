//! What time alone brings about.

use std::time::Duration;

use super::{
    Event, Fact, Lasting, Merchant, MerchantClosed, Pending, Policy, ProfitSettled, Release, ReleaseCompleted, Stage,
    Timeline, Timestamp, Warning, WarningRaised,
};

/// What comes due next, and when.
enum Due<'a> {
    Settlement(&'a Pending),
    Release(&'a Release),
    GapWarning,
    DebtWarning,
    Closing,
}

impl Merchant {
    /// The next fact that has come due by now, if any. Facts come in due order: at the same instant settlements first, the
    /// older day before the younger and T+2 before T+7; then releases in the order of their creation; then warnings; then
    /// closing. Releases wait while a hold stands.
    pub fn next_due(&self, now: Timestamp, policies: &Timeline) -> Option<Event> {
        let (at, due) = self.upcoming(policies)?;
        (at <= now).then(|| self.event(at, self.fact_of(&due, at, policies)))
    }

    /// Whether surely nothing has come due by now; a held release is not looked at closely.
    pub(super) fn is_quiet(&self, now: Timestamp, policies: &Timeline) -> bool {
        let warned_of = |it: Lasting, limit: fn(&Policy) -> Option<Duration>| {
            let deadline = it.since.filter(|_| !it.warned).and_then(|since| policies.deadline(since, limit));
            deadline.is_some_and(|at| at <= now)
        };
        let settlement = self.pending.first().map(|pending| pending.settles_at);
        let release = self.releases.first().map(|release| release.due_at);
        settlement.is_none_or(|at| at > now)
            && release.is_none_or(|at| at > now)
            && self.stage == Stage::Open
            && !warned_of(self.gap_standing, |policy| policy.warn_gap_after)
            && !warned_of(self.debt_standing, |policy| policy.warn_debt_after)
    }

    /// When the next fact comes due, if any.
    pub fn next_due_at(&self, policies: &Timeline) -> Option<Timestamp> {
        self.upcoming(policies).map(|(at, _)| at)
    }

    fn upcoming(&self, policies: &Timeline) -> Option<(Timestamp, Due<'_>)> {
        // The first of those that are due at the same instant is the one that counts: `min_by_key` keeps it.
        let settlement = self.pending.first().map(|pending| (pending.settles_at, Due::Settlement(pending)));
        let release = self.releases.first().filter(|_| self.holds.is_empty());
        let release = release.map(|release| (release.due_at, Due::Release(release)));
        let gap = self.gap_standing.since.filter(|_| !self.gap_standing.warned);
        let gap = gap.and_then(|since| policies.deadline(since, |policy| policy.warn_gap_after));
        let debt = self.debt_standing.since.filter(|_| !self.debt_standing.warned);
        let debt = debt.and_then(|since| policies.deadline(since, |policy| policy.warn_debt_after));
        let closing = self.last_effective_at.filter(|_| self.stage == Stage::Closing && self.is_settled_up());
        [
            settlement,
            release,
            gap.map(|at| (at, Due::GapWarning)),
            debt.map(|at| (at, Due::DebtWarning)),
            closing.map(|at| (at, Due::Closing)),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(at, _)| *at)
    }

    fn fact_of(&self, due: &Due<'_>, at: Timestamp, policies: &Timeline) -> Fact {
        let policy_version = policies.at(at).version;
        match due {
            Due::Settlement(pending) => self.settle(pending),
            Due::Release(release) => self.complete(release),
            Due::GapWarning => {
                let since = self.gap_standing.since.unwrap_or(at);
                let warning = Warning::Gap { since, due_at: at, amount: self.gap() };
                WarningRaised { warning, policy_version }.into()
            }
            Due::DebtWarning => {
                let since = self.debt_standing.since.unwrap_or(at);
                let warning = Warning::Debt { since, due_at: at, amount: self.debt };
                WarningRaised { warning, policy_version }.into()
            }
            Due::Closing => MerchantClosed { policy_version }.into(),
        }
    }

    fn settle(&self, pending: &Pending) -> Fact {
        let Pending { settles_at, day, cycle, orders, profit } = *pending;
        ProfitSettled { settles_at, day, cycle, orders, income: self.waterfall(profit) }.into()
    }

    fn complete(&self, release: &Release) -> Fact {
        let Release { number, amount, due_at, .. } = *release;
        ReleaseCompleted { number, due_at, income: self.waterfall(amount) }.into()
    }

    /// A fact that counts from an instant, or from the previous fact if that is later.
    pub(super) fn event(&self, at: Timestamp, fact: Fact) -> Event {
        Event { effective_at: self.last_effective_at.map_or(at, |last| last.max(at)), fact }
    }
}
