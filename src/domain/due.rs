//! What time alone brings about.

use super::{Event, Fact, Merchant, Pending, ProfitSettled, Release, ReleaseCompleted, Timestamp};

impl Merchant {
    /// The next fact that has come due by now, if any. Facts come in due order: at the same instant settlements first, the
    /// older day before the younger and T+2 before T+7, and then releases in the order of their creation.
    pub fn next_due(&self, now: Timestamp) -> Option<Event> {
        match (self.pending.first(), self.releases.first()) {
            (Some(pending), release) if release.is_none_or(|release| pending.settles_at <= release.due_at) => {
                (pending.settles_at <= now).then(|| self.settle(pending))
            }
            (_, Some(release)) => (release.due_at <= now).then(|| self.complete(release)),
            (_, None) => None,
        }
    }

    /// When the next fact comes due, if any.
    pub fn next_due_at(&self) -> Option<Timestamp> {
        let pending = self.pending.first().map(|pending| pending.settles_at);
        let release = self.releases.first().map(|release| release.due_at);
        pending.into_iter().chain(release).min()
    }

    fn settle(&self, pending: &Pending) -> Event {
        let Pending { settles_at, day, cycle, orders, profit } = *pending;
        let income = self.waterfall(profit);
        self.event(settles_at, Fact::ProfitSettled(ProfitSettled { settles_at, day, cycle, orders, income }))
    }

    fn complete(&self, release: &Release) -> Event {
        let Release { number, amount, due_at, .. } = *release;
        let income = self.waterfall(amount);
        self.event(due_at, Fact::ReleaseCompleted(ReleaseCompleted { number, due_at, income }))
    }

    /// A fact that counts from an instant, or from the previous fact if that is later.
    pub(super) fn event(&self, at: Timestamp, fact: Fact) -> Event {
        Event { effective_at: self.last_effective_at.map_or(at, |last| last.max(at)), fact }
    }
}
